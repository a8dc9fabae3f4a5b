"""Random weights that behave as trained ones: nothing constant, normalisations in their range."""

from __future__ import annotations

from typing import Any

BATCHES = 4
BATCH = 8


def settled(module: Any, shape: tuple[int, ...]) -> Any:
    """The module, ready to be exported: constants made random, batch statistics measured.

    What begins as zeros or ones (biases, scales of layers) would be cut as what it is, and small
    random filters let the image fade before it reaches a score (He et al. 2015 tell their size).

    Args:
        module: an ``nn.Module`` of one image.
        shape: the image's shape; its first axis is the batch.
    """
    import torch

    torch.manual_seed(1)
    norms = torch.nn.modules.batchnorm._BatchNorm
    with torch.no_grad():
        for parameter in module.parameters():
            if parameter.numel() and bool((parameter == parameter.flatten()[0]).all()):
                parameter.add_(torch.randn_like(parameter) * 0.1)
        for layer in (m for m in module.modules() if isinstance(m, torch.nn.Conv2d)):
            torch.nn.init.kaiming_normal_(layer.weight)
        module.eval()
        for norm in (m for m in module.modules() if isinstance(m, norms)):
            norm.momentum = None  # the plain mean over the batches
            norm.reset_running_stats()
            norm.train()
        if any(isinstance(m, norms) for m in module.modules()):
            for _ in range(BATCHES):
                module(torch.randn(BATCH, *shape[1:]))
    return module.eval()
