"""The three bases: what a block of features is, in each.

Every block maps (N, C, H, W) to (N, width, H / stride, W / stride) and is made of plain
convolutions, batch normalisation and activations, which fold to convolutions when exported.

A block may stand for several equal ones side by side: its channels fall into ``parts``, and no part
sees another. Its input falls into as many (``reads``), or is one that all of them share.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn


def conv(
    channels: int, width: int, kernel: int, *, stride: int = 1, groups: int = 1
) -> nn.Sequential:
    """A convolution that keeps the size (but for its stride), and its normalisation."""
    return nn.Sequential(
        nn.Conv2d(channels, width, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(width),
    )


class ResNetBlock(nn.Module):
    """Two 3x3 convolutions beside a shortcut (He et al. 2016, "basic block")."""

    def __init__(
        self, channels: int, width: int, stride: int, *, reads: int = 1, parts: int = 1
    ) -> None:
        super().__init__()
        self.first = conv(channels, width, 3, stride=stride, groups=reads)
        self.second = conv(width, width, 3, groups=parts)
        fits = channels == width and stride == 1 and reads == parts
        self.shortcut = (
            nn.Identity() if fits else conv(channels, width, 1, stride=stride, groups=reads)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Features (N, width, H / stride, W / stride)."""
        inner = self.second(torch.relu(self.first(x)))
        return torch.relu(inner + self.shortcut(x))


class MobileNetBlock(nn.Module):
    """An inverted residual: expand, depthwise 3x3, project (Sandler et al. 2018)."""

    expansion = 4

    def __init__(
        self, channels: int, width: int, stride: int, *, reads: int = 1, parts: int = 1
    ) -> None:
        super().__init__()
        inner = channels // reads * parts * self.expansion
        self.expand = conv(channels, inner, 1, groups=reads)
        self.depthwise = conv(inner, inner, 3, stride=stride, groups=inner)
        self.project = conv(inner, width, 1, groups=parts)
        self.residual = channels == width and stride == 1 and reads == parts

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Features (N, width, H / stride, W / stride), without activation."""
        inner = nn.functional.relu6(self.expand(x))
        inner = self.project(nn.functional.relu6(self.depthwise(inner)))
        return x + inner if self.residual else inner


class ConvNeXtBlock(nn.Module):
    """A depthwise 7x7 and a pointwise perceptron (Liu et al. 2022), batch-normalised.

    LayerNorm and GELU give way to batch normalisation and hard-swish, which fold into
    convolutions and have int8 kernels on every runtime.
    """

    expansion = 4

    def __init__(
        self, channels: int, width: int, stride: int, *, reads: int = 1, parts: int = 1
    ) -> None:
        super().__init__()
        fits = channels == width and stride == 1 and reads == parts
        self.downsample = (
            nn.Identity()
            if fits
            else nn.Sequential(
                nn.Conv2d(channels, width, stride, stride, groups=reads, bias=False),
                nn.BatchNorm2d(width),
            )
        )
        self.depthwise = conv(width, width, 7, groups=width)
        self.expand = nn.Conv2d(width, width * self.expansion, 1, groups=parts)
        self.project = conv(width * self.expansion, width, 1, groups=parts)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Features (N, width, H / stride, W / stride), without activation."""
        x = self.downsample(x)
        inner = nn.functional.hardswish(self.expand(self.depthwise(x)))
        return x + self.project(inner)


BASES: dict[str, Callable[..., nn.Module]] = {
    "resnet": ResNetBlock,
    "mobilenet": MobileNetBlock,
    "convnext": ConvNeXtBlock,
}


def stage(
    base: str, channels: int, width: int, depth: int, stride: int, *, parts: int = 1
) -> nn.Sequential:
    """``depth`` blocks of a base; the first one takes the stride.

    With ``parts``, as many such stages side by side, each ``width`` wide, which share their input.
    """
    block, width = BASES[base], width * parts
    first = block(channels, width, stride, reads=1, parts=parts)
    return nn.Sequential(
        first, *(block(width, width, 1, reads=parts, parts=parts) for _ in range(depth - 1))
    )
