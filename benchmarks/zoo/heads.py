"""The head families of detectors and recognisers, each on the same small backbone.

Written after the papers; what counts is how scores come about, not how well. Each name of
``HEADS`` is a factory, ``benchmarks.zoo.heads:ssd``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from benchmarks.zoo.settled import settled

CATEGORIES = 12
IMAGE = (1, 3, 64, 64)
WIDTHS = (16, 24, 32)  # of the three scales, strides 8, 16 and 32
ANCHORS = 3
PARENTS = 3  # the other categories are their leaves
BINS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """A factory of the whole network, and where each output with categories has them."""

    build: Callable[[], Any]
    slots: str
    image: tuple[int, ...] = IMAGE
    family: str = "detector"


def __getattr__(name: str) -> Callable[[], Any]:
    """A factory for each name of the table."""
    if name not in HEADS:
        raise AttributeError(name)

    def factory() -> Any:
        import torch

        torch.manual_seed(0)
        return settled(HEADS[name].build(), HEADS[name].image)

    return factory


def _conv(inside: int, outside: int, size: int = 3, stride: int = 1) -> Any:
    from torch import nn

    return nn.Sequential(
        nn.Conv2d(inside, outside, size, stride, size // 2, bias=False),
        nn.BatchNorm2d(outside),
        nn.SiLU(),
    )


def _network(heads: Any, finish: Callable[[Any, Any], Any]) -> Any:
    """A backbone of three scales, a head for each of them, and what joins their outputs."""
    from torch import nn

    class Network(nn.Module):  # type: ignore[misc, name-defined, unused-ignore]
        def __init__(self) -> None:
            super().__init__()
            self.stem = nn.Sequential(_conv(3, 8, 3, 2), _conv(8, 12, 3, 2), _conv(12, 16, 3, 2))
            self.down = nn.ModuleList(_conv(a, b, 3, 2) for a, b in pairwise(WIDTHS))
            self.heads = nn.ModuleList(heads)

        def forward(self, image: Any) -> Any:
            scales = [self.stem(image)]
            for down in self.down:
                scales.append(down(scales[-1]))
            return finish(self.heads, scales)

    return Network()


def _yolo_v5() -> Any:
    """Anchors times (box, objectness, categories) in one convolution, decoded in the graph."""
    import torch
    from torch import nn

    def decode(heads: Any, scales: Any) -> Any:
        found = []
        for head, x in zip(heads, scales, strict=True):
            raw = head(x)
            n, _, h, w = raw.shape
            raw = raw.view(n, ANCHORS, 5 + CATEGORIES, h, w).permute(0, 1, 3, 4, 2).sigmoid()
            xy, wh, rest = raw.split((2, 2, 1 + CATEGORIES), -1)
            found.append(torch.cat((xy * 2 - 0.5, (wh * 2) ** 2, rest), -1).flatten(1, 3))
        return torch.cat(found, 1)

    return _network([nn.Conv2d(c, ANCHORS * (5 + CATEGORIES), 1) for c in WIDTHS], decode)


def _yolo_v8() -> Any:
    """A branch for boxes, as a distribution over bins, beside one for categories."""
    import torch
    from torch import nn

    class Scale(nn.Module):  # type: ignore[misc, name-defined, unused-ignore]
        def __init__(self, c: int) -> None:
            super().__init__()
            self.box = nn.Sequential(_conv(c, 16), nn.Conv2d(16, 4 * BINS, 1))
            self.cls = nn.Sequential(_conv(c, 24), nn.Conv2d(24, CATEGORIES, 1))

        def forward(self, x: Any) -> Any:
            return torch.cat((self.box(x), self.cls(x)), 1).flatten(2)

    def decode(heads: Any, scales: Any) -> Any:
        joined = torch.cat([head(x) for head, x in zip(heads, scales, strict=True)], 2)
        box, cls = joined.split((4 * BINS, CATEGORIES), 1)
        n, _, places = box.shape
        bins = box.view(n, 4, BINS, places).transpose(1, 2).softmax(1)
        distance = (bins * torch.arange(float(BINS)).view(1, BINS, 1, 1)).sum(1)
        return torch.cat((distance, cls.sigmoid()), 1)

    return _network([Scale(c) for c in WIDTHS], decode)


def _ssd() -> Any:
    """Categories and background through a softmax for each anchor, beside the boxes."""
    import torch
    from torch import nn

    class Scale(nn.Module):  # type: ignore[misc, name-defined, unused-ignore]
        def __init__(self, c: int) -> None:
            super().__init__()
            self.box = nn.Conv2d(c, ANCHORS * 4, 3, padding=1)
            self.cls = nn.Conv2d(c, ANCHORS * (1 + CATEGORIES), 3, padding=1)

        def forward(self, x: Any) -> Any:
            n = x.shape[0]
            box = self.box(x).permute(0, 2, 3, 1).reshape(n, -1, 4)
            return self.cls(x).permute(0, 2, 3, 1).reshape(n, -1, 1 + CATEGORIES), box

    def decode(heads: Any, scales: Any) -> Any:
        found = [head(x) for head, x in zip(heads, scales, strict=True)]
        scores, boxes = (torch.cat(side, 1) for side in zip(*found, strict=True))
        return scores.softmax(-1), boxes

    return _network([Scale(c) for c in WIDTHS], decode)


def _retinanet() -> Any:
    """One head shared by all scales, a sigmoid for each anchor and category."""
    import torch
    from torch import nn

    class Shared(nn.Module):  # type: ignore[misc, name-defined, unused-ignore]
        def __init__(self) -> None:
            super().__init__()
            self.even = nn.ModuleList(nn.Conv2d(c, 16, 1) for c in WIDTHS)
            self.cls = nn.Sequential(
                _conv(16, 16), nn.Conv2d(16, ANCHORS * CATEGORIES, 3, padding=1)
            )
            self.box = nn.Sequential(_conv(16, 16), nn.Conv2d(16, ANCHORS * 4, 3, padding=1))

        def forward(self, scales: Any) -> Any:
            n = scales[0].shape[0]
            even = [layer(x) for layer, x in zip(self.even, scales, strict=True)]
            sides = ((self.cls, CATEGORIES), (self.box, 4))
            scores, boxes = (
                torch.cat([h(x).permute(0, 2, 3, 1).reshape(n, -1, k) for x in even], 1)
                for h, k in sides
            )
            return scores.sigmoid(), boxes

    return _network([Shared()], lambda heads, scales: heads[0](scales))


def _centernet() -> Any:
    """A heat map for each category, of which a pooling keeps the peaks; size and offset beside."""
    from torch import nn
    from torch.nn import functional

    def head(outside: int) -> Any:
        return nn.Sequential(
            nn.Conv2d(WIDTHS[0], 24, 3, padding=1), nn.ReLU(), nn.Conv2d(24, outside, 1)
        )

    def decode(heads: Any, scales: Any) -> Any:
        heat, size, offset = (layer(scales[0]) for layer in heads)
        heat = heat.sigmoid()
        peaks = functional.max_pool2d(heat, 3, 1, 1)
        return heat * (peaks == heat).float(), size, offset

    return _network([head(CATEGORIES), head(2), head(2)], decode)


def _nanodet() -> Any:
    """Categories and box bins in one convolution, depthwise layers before it, all scales joined."""
    import torch
    from torch import nn

    def head(c: int) -> Any:
        depthwise = nn.Conv2d(c, c, 5, padding=2, groups=c)
        return nn.Sequential(depthwise, _conv(c, 24, 1), nn.Conv2d(24, CATEGORIES + 4 * BINS, 1))

    def decode(heads: Any, scales: Any) -> Any:
        found = [layer(x).flatten(2) for layer, x in zip(heads, scales, strict=True)]
        joined = torch.cat(found, 2).transpose(1, 2)
        scores, boxes = joined.split((CATEGORIES, 4 * BINS), 2)
        return torch.cat((scores.sigmoid(), boxes), 2)

    return _network([head(c) for c in WIDTHS], decode)


def _yolact() -> Any:
    """Scores, boxes and coefficients of mask prototypes, which are no category's."""
    import torch
    from torch import nn

    def decode(heads: Any, scales: Any) -> Any:
        cls, box, mask, prototypes = heads
        n, x = scales[0].shape[0], scales[0]
        flat = [
            layer(x).permute(0, 2, 3, 1).reshape(n, -1, width)
            for layer, width in ((cls, 1 + CATEGORIES), (box, 4), (mask, 6))
        ]
        masks = torch.einsum("nak,nkhw->nahw", flat[2].tanh(), prototypes(x).relu())
        return flat[0], flat[1], masks

    widths = (ANCHORS * (1 + CATEGORIES), ANCHORS * 4, ANCHORS * 6, 6)
    return _network([nn.Conv2d(WIDTHS[0], width, 3, padding=1) for width in widths], decode)


def _crnn() -> Any:
    """Columns of features through a recurrent layer; a blank and a category for each step."""
    from torch import nn

    class Network(nn.Module):  # type: ignore[misc, name-defined, unused-ignore]
        def __init__(self) -> None:
            super().__init__()
            self.features = nn.Sequential(
                _conv(1, 8, 3, 2), _conv(8, 16, 3, 2), nn.AvgPool2d((8, 1))
            )
            self.steps = nn.LSTM(16, 12, bidirectional=True)
            self.scores = nn.Linear(24, 1 + CATEGORIES)

        def forward(self, image: Any) -> Any:
            columns = self.features(image).squeeze(2).permute(2, 0, 1)
            return self.scores(self.steps(columns)[0])

    return Network()


def _unet() -> Any:
    """A score for each category and pixel, from two resolutions joined."""
    import torch
    from torch import nn
    from torch.nn import functional

    def decode(heads: Any, scales: Any) -> Any:
        low = functional.interpolate(scales[1], scale_factor=2.0, mode="nearest")
        return heads[1](heads[0](torch.cat((low, scales[0]), 1)))

    up = nn.ConvTranspose2d(16, 1 + CATEGORIES, 8, 8)
    return _network([_conv(WIDTHS[0] + WIDTHS[1], 16), up], decode)


def _pspnet() -> Any:
    """A main and an auxiliary segmentation, each with every category."""
    from torch import nn

    def decode(heads: Any, scales: Any) -> Any:
        main, auxiliary = heads
        return main(scales[1]), auxiliary(scales[0])

    sides = [
        nn.Sequential(_conv(c, 16), nn.Conv2d(16, 1 + CATEGORIES, 1))
        for c in (WIDTHS[1], WIDTHS[0])
    ]
    return _network(sides, decode)


def _yolo9000() -> Any:
    """Parents and their leaves: a softmax over siblings, multiplied along the path."""
    import torch
    from torch import nn

    def decode(heads: Any, scales: Any) -> Any:
        raw = heads[0](scales[0].mean((2, 3)))
        parents, leaves = raw.split((PARENTS, CATEGORIES - PARENTS), 1)
        parents = parents.sigmoid()
        siblings = leaves.view(len(raw), PARENTS, -1).softmax(2)
        return torch.cat((parents, (siblings * parents.unsqueeze(2)).flatten(1)), 1)

    return _network([nn.Linear(WIDTHS[0], CATEGORIES)], decode)


HEADS: dict[str, Head] = {
    "yolo_v5": Head(build=_yolo_v5, slots=f"2:5+{CATEGORIES}"),
    "yolo_v8": Head(build=_yolo_v8, slots=f"1:4+{CATEGORIES}"),
    "ssd": Head(build=_ssd, slots=f"2:1+{CATEGORIES}"),
    "retinanet": Head(build=_retinanet, slots=f"2:{CATEGORIES}"),
    "centernet": Head(build=_centernet, slots=f"1:{CATEGORIES}"),
    "nanodet": Head(build=_nanodet, slots=f"2:{CATEGORIES}c+{4 * BINS}"),
    "yolact": Head(build=_yolact, slots=f"2:1+{CATEGORIES}"),
    "crnn": Head(build=_crnn, slots=f"2:1+{CATEGORIES}", image=(1, 1, 32, 96), family="recogniser"),
    "unet": Head(build=_unet, slots=f"1:1+{CATEGORIES}", family="segmenter"),
    "pspnet": Head(build=_pspnet, slots=f"1:1+{CATEGORIES} 1:1+{CATEGORIES}", family="segmenter"),
    "yolo9000": Head(build=_yolo9000, slots=f"1:{CATEGORIES}", family="classifier"),
}
