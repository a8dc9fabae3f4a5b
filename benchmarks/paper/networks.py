"""The trained networks as they are deployed: tidied, cut, costed, and run on ONNX Runtime."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from edgecut.nested.images import ImageSet
from edgecut.network import Network
from edgecut.passes.tidy import tidy
from edgecut.source import Source, load

BATCH = 512


def opened(folder: Path) -> Network:
    """The network of a run folder, with its normalisation folded and under neutral gains."""
    return tidy(load(Source(model=str(folder))))


def scores(network: Network, images: np.ndarray) -> np.ndarray:
    """Scores (N, slots) of images (N, S, S, 3) uint8 on ONNX Runtime, one thread, one by one."""
    session = _session(network)
    name = network.image.name
    rows = [
        session.run(None, {name: tensor[None]})[0][0]
        for start in range(0, len(images), BATCH)
        for tensor in tensors(images[start : start + BATCH])
    ]
    return np.stack(rows)


def tensors(images: np.ndarray) -> np.ndarray:
    """Images (N, S, S, 3) uint8 as the networks take them, (N, 3, S, S)."""
    import torch

    from edgecut.nested.training import to_input

    return np.ascontiguousarray(to_input(images, torch.device("cpu")).numpy())


def spread(images: ImageSet, count: int) -> ImageSet:
    """As many images, evenly spread; all where there are no more."""
    taken = min(count, len(images))
    return images.only(np.arange(taken) * len(images) // taken)


def _session(network: Network) -> Any:
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return ort.InferenceSession(network.to_bytes(), options, providers=["CPUExecutionProvider"])
