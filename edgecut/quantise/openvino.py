"""OpenVINO IR in int8, by NNCF's post-training quantisation of the network."""

from __future__ import annotations

import contextlib
import io
import logging
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgecut.artifact import Emitted, Port
from edgecut.errors import EdgecutError, MissingPackage

if TYPE_CHECKING:
    from edgecut.network import Network, TensorSpec

Array = NDArray[Any]
Progress = Callable[[int, int], None]

_MARK = "network:"


def quantise(
    network: Network, samples: Iterable[Array], *, progress: Progress | None = None
) -> Emitted:
    """The network as int8 OpenVINO IR, float32 in and out; the same input gives the same bytes.

    Weights are per channel, and so are the inputs of most depthwise convolutions; other activations
    are per tensor. Biases are corrected for the mean error that quantised weights bring.

    Args:
        network: one image input, static shapes.
        samples: network inputs (1, C, H, W); all are used, and held in memory together.
        progress: told (samples done, samples in all) after each sample.

    Raises:
        EdgecutError: ``no-image-input``, ``no-samples``, ``bad-sample`` or
            ``quantisation-failed``.
        MissingPackage: where openvino or nncf is not installed.
    """
    held = [_checked(sample, network.image) for sample in samples]
    if not held:
        raise EdgecutError(
            "there is no sample to calibrate with",
            code="no-samples",
            hint="int8 needs samples of what the network will see; a hundred are plenty",
        )
    model = _quantised(network, held, progress)
    _settle_names(model)
    return Emitted(
        format="openvino",
        scheme="int8",
        files=_files(model),
        inputs=tuple(map(_port, network.inputs)),
        outputs=tuple(map(_port, network.outputs)),
    )


def _checked(sample: Array, image: TensorSpec) -> Array:
    if sample.shape != image.shape or not np.isfinite(sample).all():
        raise EdgecutError(
            f"a sample has shape {sample.shape}, or values that are not finite; "
            f"'{image.name}' takes {image.shape}",
            code="bad-sample",
            where=image.name,
        )
    return np.ascontiguousarray(sample, dtype=image.dtype)


def _quantised(network: Network, held: Sequence[Array], progress: Progress | None) -> Any:
    """The quantised ``ov.Model``."""
    openvino, nncf, transformations = _packages()

    def read(place: int) -> Array:
        if progress is not None:
            progress(place + 1, len(held))
        return held[place]

    try:
        model = _read(openvino.Core(), network)
        # NNCF sees only what is there: unfused, a SiLU gets three scales where it needs one, and
        # an unfolded depthwise weight none.
        transformations.apply_moc_transformations(model, cf=True)
        with contextlib.redirect_stdout(io.StringIO()):  # NNCF's progress bars
            return nncf.quantize(
                model,
                nncf.Dataset(range(len(held)), read),
                # Activations are not symmetric around zero, those of SiLU least of all.
                preset=nncf.QuantizationPreset.MIXED,
                subset_size=len(held),
            )
    except Exception as error:  # NNCF's errors have no base of their own
        raise EdgecutError(
            f"NNCF does not quantise {network.name}: {str(error).strip()}",
            code="quantisation-failed",
            hint="build float32 or float16",
        ) from error


def _read(core: Any, network: Network) -> Any:
    """The network as OpenVINO reads it, its own node names marked.

    Other names OpenVINO makes up, with a counter that never starts again in a process, and they
    may be the same as one of the network's.
    """
    proto = network.to_proto()
    for node in proto.graph.node:
        node.name = f"{_MARK}{node.name or node.output[0]}"
    return core.read_model(proto.SerializeToString(deterministic=True))


def _settle_names(model: Any) -> None:
    """Name each node as the network does, or else by its output's name, or by type and place."""
    for place, node in enumerate(model.get_ordered_ops()):
        name = node.get_friendly_name()
        tensors = sorted(name for output in node.outputs() for name in output.get_names())
        made_up = tensors[0] if tensors else f"{node.get_type_name()}.{place}"
        node.set_friendly_name(name.removeprefix(_MARK) if name.startswith(_MARK) else made_up)


def _files(model: Any) -> dict[str, bytes]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.xml"
        _packages()[0].save_model(model, path, compress_to_fp16=False)
        return {suffix: path.with_suffix(suffix).read_bytes() for suffix in (".xml", ".bin")}


def _port(spec: TensorSpec) -> Port:
    return Port(
        network_name=spec.name,
        artifact_name=spec.name,
        shape=spec.shape,
        dtype=spec.dtype,
        permutation=tuple(range(len(spec.shape))),
    )


def _packages() -> tuple[Any, Any, Any]:
    """OpenVINO, NNCF and OpenVINO's own transformations, without their telemetry and log.

    Importing either looks up a telemetry host and writes to the home folder, unless the package
    for that is missing; so it is.
    """
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    try:
        import nncf
        import openvino
        from openvino import _offline_transformations
    except ImportError as error:
        raise MissingPackage("nncf", extra="openvino", why="int8 for OpenVINO") from error
    nncf.set_log_level(logging.ERROR)
    return openvino, nncf, _offline_transformations
