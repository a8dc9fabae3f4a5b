"""One network for one target in one scheme: lowered, emitted, quantised."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from edgecut.artifact import Emitted
from edgecut.emitters import openvino as openvino_emitter
from edgecut.emitters import tflite as tflite_emitter
from edgecut.errors import EdgecutError
from edgecut.network import Network
from edgecut.passes.lower import lower
from edgecut.quantise import litert, per_tensor
from edgecut.quantise import openvino as nncf
from edgecut.samples import Samples
from edgecut.target import Target

if TYPE_CHECKING:
    from edgecut.attention import Attention
    from edgecut.network import Sample

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Tensors:
    """The tensors of samples alone; sized, and read anew in each iteration."""

    samples: Samples | Sequence[np.ndarray]

    @property
    def are_synthetic(self) -> bool:
        """Whether they show nothing that the network is there to find."""
        return isinstance(self.samples, Samples) and self.samples.synthetic

    def __len__(self) -> int:
        """How many there are."""
        return len(self.samples)

    def __iter__(self) -> Iterator[np.ndarray]:
        """Image tensors, shape (1, C, H, W)."""
        for sample in self.samples:
            yield sample if isinstance(sample, np.ndarray) else sample.tensor


@dataclass(frozen=True, slots=True)
class _Gained:
    """Tensors with gains beside them, for a network that takes some; read anew each time."""

    tensors: Tensors
    image: str
    attention: Attention

    @property
    def are_synthetic(self) -> bool:
        return self.tensors.are_synthetic

    def __len__(self) -> int:
        return len(self.tensors)

    def __iter__(self) -> Iterator[Sample]:
        for place, tensor in enumerate(self.tensors):
            yield {self.image: tensor, self.attention.input: self.attention.varied(place)}


def produce(
    network: Network,
    target: Target,
    scheme: str,
    samples: Tensors | None,
    progress: Progress | None = None,
) -> Emitted:
    """The artifact's bytes.

    Args:
        network: a tidy network.
        target: what it is for; it must take the scheme.
        scheme: ``float32``, ``float16`` or ``int8``.
        samples: to calibrate int8 with; the float schemes do not need them.
        progress: told (done, total) of the calibration.

    Raises:
        EdgecutError: ``scheme-not-allowed``, ``no-samples``, ``unsupported-operation``, and what
            the quantisers raise.
    """
    target.require(scheme)
    if scheme == "int8" and samples is None:
        raise EdgecutError(
            "int8 needs samples to calibrate with",
            code="no-samples",
            hint="give --samples and --recipe, or leave int8 out with --scheme float32",
        )
    lowered = lower(network, target.format)
    feeds: Tensors | _Gained | None = samples
    if samples is not None and network.attention is not None:
        feeds = _Gained(samples, network.image.name, network.attention)
    if target.format == "tflite":
        return _tflite(lowered, target, scheme, feeds, progress)
    return _openvino(lowered, target, scheme, feeds, progress)


def _tflite(
    network: Network,
    target: Target,
    scheme: str,
    samples: Tensors | _Gained | None,
    progress: Progress | None,
) -> Emitted:
    if scheme != "int8" or samples is None:
        plain = tflite_emitter.emit(network, layout=target.layout)
        if scheme == "float32":
            return plain
        return litert.quantise(plain, (), scheme, target.int8)
    prepared = per_tensor.prepare(network, samples)
    plain = tflite_emitter.emit(prepared.network, layout=target.layout)
    ranges = litert.calibrate(plain, samples, progress=progress)
    tail = [name for name in prepared.float_tail if name in ranges]
    if network.attention is not None:
        tail += litert.around_gains(plain, network.attention.input)
    elif samples.are_synthetic:
        tail += [name for name in litert.around_scores(plain) if name not in tail]
    return litert.quantise(
        plain, (), scheme, target.int8, float_tail=tail, ranges=prepared.clipped(ranges)
    )


def _openvino(
    network: Network,
    target: Target,
    scheme: str,
    samples: Tensors | _Gained | None,
    progress: Progress | None,
) -> Emitted:
    if target.operations:
        openvino_emitter.require_supported(network, target.operations)
    if scheme == "int8" and samples is not None:
        emitted = nncf.quantise(network, samples, progress=progress)
    else:
        emitted = openvino_emitter.emit(network, scheme=scheme)
    if target.device == "CPU":
        return emitted
    note = (
        f"checked on OpenVINO's CPU device and a list of operations: no {target.device} took part"
    )
    return replace(emitted, notes=(*emitted.notes, note))
