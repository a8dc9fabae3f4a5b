"""Resizing images: TFLite's flags are chosen by comparing where samples are taken."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edgecut.emitters.layout import NHWC
from edgecut.emitters.tflite_graph import Array
from edgecut.emitters.tflite_lowering import Lowering, Unsupported, first, operand, shape_of
from edgecut.emitters.tflite_ops import padding

if TYPE_CHECKING:
    import onnx_ir as ir

_TOLERANCE = 1e-5
_MODES = {"nearest": "NEAREST_NEIGHBOR", "linear": "BILINEAR", "bilinear": "BILINEAR"}
_OPTIONS = {
    "NEAREST_NEIGHBOR": "ResizeNearestNeighborOptions",
    "BILINEAR": "ResizeBilinearOptions",
}
# (align_corners, half_pixel_centers), in order of preference.
_FLAGS = ((False, False), (False, True), (True, False))


def resize(ctx: Lowering, node: ir.Node) -> None:
    """RESIZE_NEAREST_NEIGHBOR or RESIZE_BILINEAR with flags that sample the same places."""
    source, result = first(node), node.outputs[0]
    before, after = shape_of(source), shape_of(result)
    mode = node.attributes.get_string("mode", "nearest")
    if mode not in _MODES or len(before) != 4 or before[:2] != after[:2]:
        raise Unsupported(f"mode '{mode}' of {before} to {after} has no TFLite kernel")
    _refuse_extras(node)
    kind = _MODES[mode]
    scales = _scales(ctx, node, before, after)
    wanted = [_onnx_samples(ctx, node, kind, before[a], after[a], scales[a]) for a in (2, 3)]
    flags = _matching_flags(kind, before, after, wanted)
    tensor = padding.image(ctx, source)
    output = ctx.output(result, NHWC)
    ctx.graph.operator(
        f"RESIZE_{kind}",
        [tensor, ctx.parameter("size", after[2:])],
        [output],
        version=3 if any(flags) else 1,
        options=_OPTIONS[kind],
        alignCorners=flags[0],
        halfPixelCenters=flags[1],
    )


def _refuse_extras(node: ir.Node) -> None:
    if node.attributes.get_int("antialias", 0):
        raise Unsupported("TFLite resizes without antialiasing")
    if node.attributes.get_string("keep_aspect_ratio_policy", "stretch") != "stretch":
        raise Unsupported("only the aspect ratio policy 'stretch' is emitted")


def _matching_flags(
    kind: str, before: tuple[int, ...], after: tuple[int, ...], wanted: list[Array]
) -> tuple[bool, bool]:
    for flags in _FLAGS:
        given = [_tflite_samples(kind, before[a], after[a], *flags) for a in (2, 3)]
        if all(
            float(np.abs(a - b).max()) <= _TOLERANCE for a, b in zip(wanted, given, strict=True)
        ):
            return flags
    raise Unsupported("no setting of TFLite's kernel samples the same places")


def _scales(
    ctx: Lowering, node: ir.Node, before: tuple[int, ...], after: tuple[int, ...]
) -> list[float]:
    """Scales as given, or as the sizes make them."""
    if "scales" in node.attributes:
        return [float(s) for s in node.attributes.get_floats("scales")]
    value = operand(node, 1 if node.op_type == "Upsample" or ctx.opset < 11 else 2)
    if value is not None:
        given = ctx.array(value, "scales").ravel().tolist()
        if len(given) == len(before):
            return [float(s) for s in given]
        if given:
            raise Unsupported("it resizes some axes only, by its attribute 'axes'")
    return [b / a for a, b in zip(before, after, strict=True)]


def _onnx_samples(
    ctx: Lowering, node: ir.Node, kind: str, length: int, count: int, scale: float
) -> Array:
    """What ONNX takes from an axis: one row of weights over the axis for each element made."""
    plain = node.op_type == "Upsample" or ctx.opset < 11
    default = "asymmetric" if plain else "half_pixel"
    mode = node.attributes.get_string("coordinate_transformation_mode", default)
    x = np.arange(count, dtype=np.float32)
    ratio = np.float32(scale)
    if mode == "asymmetric":
        places = x / ratio
    elif mode == "half_pixel" or (mode == "pytorch_half_pixel" and count > 1):
        places = (x + np.float32(0.5)) / ratio - np.float32(0.5)
    elif mode == "align_corners" and count > 1:
        places = x * np.float32(length - 1) / np.float32(count - 1)
    elif mode in ("align_corners", "pytorch_half_pixel"):
        places = x * 0
    else:
        raise Unsupported(f"coordinates '{mode}' have no TFLite kernel")
    if kind == "BILINEAR":
        return _blended(places, length)
    rounding = node.attributes.get_string("nearest_mode", "round_prefer_floor")
    return _picked(_rounded(places, "floor" if plain else rounding), length)


def _tflite_samples(
    kind: str, length: int, count: int, align_corners: bool, half_pixel: bool
) -> Array:
    """What TFLite's kernels take; source: tflite/kernels/internal/reference/resize_*.h."""
    aligned = align_corners and count > 1
    ratio = np.float32((length - 1) / (count - 1) if aligned else length / count)
    x = np.arange(count, dtype=np.float32)
    if kind == "BILINEAR":
        half = np.float32(0.5 if half_pixel else 0)
        return _blended((x + half) * ratio - half, length)
    places = (x + np.float32(0.5 if half_pixel else 0)) * ratio
    away = np.floor(places + np.float32(0.5))
    return _picked(away if align_corners else np.floor(places), length)


def _rounded(places: Array, mode: str) -> Array:
    half = np.float32(0.5)
    if mode == "round_prefer_floor":
        return np.ceil(places - half)
    if mode == "round_prefer_ceil":
        return np.floor(places + half)
    return np.ceil(places) if mode == "ceil" else np.floor(places)


def _picked(places: Array, length: int) -> Array:
    eye: Array = np.eye(length, dtype=np.float32)
    return np.asarray(eye[np.clip(places, 0, length - 1).astype(int)])


def _blended(places: Array, length: int) -> Array:
    places = np.clip(places, 0, length - 1)
    low = np.floor(places).astype(int)
    high = np.minimum(low + 1, length - 1)
    share = (places - low)[:, None]
    eye = np.eye(length, dtype=np.float32)
    return np.asarray(eye[low] * (1 - share) + eye[high] * share)


RULES = {"Resize": resize, "Upsample": resize}
