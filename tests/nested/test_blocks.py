"""Blocks of features: their shapes, and what they are made of."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from edgecut.nested import blocks, recipe

FOLDABLE = {
    *("Conv2d", "BatchNorm2d", "Identity", "Sequential"),
    *("ResNetBlock", "MobileNetBlock", "ConvNeXtBlock"),
}


def test_the_recipe_knows_the_bases() -> None:
    assert tuple(blocks.BASES) == recipe.BASES


@pytest.mark.parametrize("base", recipe.BASES)
@pytest.mark.parametrize(
    ("channels", "width", "stride", "side"),
    [(8, 8, 1, 8), (8, 8, 2, 4), (8, 16, 1, 8), (8, 16, 2, 4), (16, 8, 4, 2)],
)
def test_shapes(base: str, channels: int, width: int, stride: int, side: int) -> None:
    block = blocks.BASES[base](channels, width, stride)
    assert block(torch.randn(2, channels, 8, 8)).shape == (2, width, side, side)


@pytest.mark.parametrize("base", recipe.BASES)
def test_only_the_first_block_of_a_stage_takes_the_stride(base: str) -> None:
    stage = blocks.stage(base, 8, 16, 3, 2)
    assert len(stage) == 3
    assert stage(torch.randn(2, 8, 8, 8)).shape == (2, 16, 4, 4)


@pytest.mark.parametrize("base", recipe.BASES)
def test_made_of_what_folds_into_convolutions(base: str) -> None:
    stage = blocks.stage(base, 8, 16, 2, 2)
    assert {type(module).__name__ for module in stage.modules()} <= FOLDABLE
    normalised = [m for m in stage.modules() if isinstance(m, nn.BatchNorm2d)]
    assert normalised


@pytest.mark.parametrize("base", recipe.BASES)
def test_a_block_that_changes_nothing_in_shape_has_a_shortcut(base: str) -> None:
    """Where its convolutions give nothing, its input passes."""
    block = blocks.BASES[base](8, 8, 1).eval()
    for parameter in block.parameters():
        nn.init.zeros_(parameter)
    x = torch.rand(1, 8, 4, 4)
    assert torch.equal(block(x), x)
