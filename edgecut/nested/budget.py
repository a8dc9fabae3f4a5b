"""Networks of a given cost: what one costs, and which widths cost what is wanted."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from edgecut.errors import EdgecutError
from edgecut.nested.recipe import NetworkSpec
from edgecut.nested.topology import network
from edgecut.taxonomy import Taxonomy


def parameters_of(module: nn.Module) -> int:
    """Trained parameters, as trained: batch normalisation not yet folded."""
    return sum(p.numel() for p in module.parameters())


def macs_of(module: nn.Module, size: int) -> int:
    """Multiply-accumulates of convolutions and linear layers on one image of size x size."""
    counted = [0]

    def count(layer: Any, inputs: Any, output: torch.Tensor) -> None:
        per_position = layer.weight.numel()
        counted[0] += per_position * output.shape[2:].numel()

    layers = [m for m in module.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    hooks = [layer.register_forward_hook(count) for layer in layers]
    training = module.training
    place = next(module.parameters()).device
    try:
        with torch.inference_mode():
            module.eval()(torch.zeros(1, 3, size, size, device=place))
    finally:
        module.train(training)
        for hook in hooks:
            hook.remove()
    return counted[0]


def fitted(taxonomy: Taxonomy, spec: NetworkSpec, size: int, macs: int) -> NetworkSpec:
    """The spec with the widths of its stages scaled so that it costs at most ``macs``, barely.

    One factor scales them all, to multiples of 8; the stem stays as it is.

    Raises:
        EdgecutError: ``budget-too-small`` where even the narrowest network costs more.
    """
    low, high = 1 / 64, 64.0
    if cost_of(taxonomy, spec.scaled(low), size) > macs:
        raise EdgecutError(
            f"no width of these stages costs {macs} MACs or less: the stem alone takes its share",
            code="budget-too-small",
            hint="make the stem narrower, or the budget larger",
        )
    # Widths come in steps, so the cost is a staircase: sixteen halvings find the last step.
    for _ in range(16):
        middle = (low * high) ** 0.5
        if cost_of(taxonomy, spec.scaled(middle), size) <= macs:
            low = middle
        else:
            high = middle
    return spec.scaled(low)


def cost_of(taxonomy: Taxonomy, spec: NetworkSpec, size: int) -> int:
    """What a network would cost, in MACs on an image of size x size; it is not built.

    Raises:
        EdgecutError: ``bad-training-recipe`` where it cannot be, for such images or such a tree.
    """
    try:
        # On the meta device nothing is computed but shapes.
        with torch.device("meta"):
            return macs_of(network(taxonomy, spec), size)
    except RuntimeError as error:
        raise EdgecutError(
            f"[network]: its strides leave nothing of {size}x{size} pixels",
            code="bad-training-recipe",
            hint="make a stride smaller, leave a stage out, or raise 'size'",
        ) from error
