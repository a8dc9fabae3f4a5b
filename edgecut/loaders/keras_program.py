"""A Keras model as ONNX, in a process of its own: Keras runs on one backend, chosen at import.

The network takes channels first, as all of edgecut does; a model that takes channels last gets
its image transposed, and ``transposes`` removes what that needs not.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from edgecut.errors import EdgecutError
from edgecut.loaders.torch_export import attempt, import_torch, to_onnx

MODEL, NUMBERS, ANSWER = "model.onnx", "numbers.npz", "answer.json"
BYTE = 255.0


def serve() -> None:
    """Do the job in the first argument, and leave the outcome in its folder."""
    job = json.loads(sys.argv[1])
    folder = Path(job["folder"])
    answer: dict[str, str | None] = {}
    try:
        _limit_memory(job["memory_bytes"])
        proto, numbers = exported(job["model"], job["input_shape"], trust=job["trust"])
        (folder / MODEL).write_bytes(proto.SerializeToString())
        np.savez(folder / NUMBERS, **numbers)  # type: ignore[arg-type]
    except EdgecutError as error:
        answer = {"message": error.message, "code": error.code, "hint": error.hint}
    (folder / ANSWER).write_text(json.dumps(answer), encoding="utf-8")


def exported(
    path: str, input_shape: Sequence[int] | None, *, trust: bool
) -> tuple[Any, dict[str, np.ndarray]]:
    """The model in a ``.keras`` file as ONNX, and what Keras makes of two random inputs.

    Args:
        path: the file, which ``keras_file.check`` let through.
        input_shape: (1, C, H, W), where the file leaves a size open.
        trust: let Keras run code that the file holds.

    Raises:
        EdgecutError: ``export-failed``, ``bad-input-shape``, ``dynamic-shape``.
    """
    torch = import_torch()
    import keras

    # Its errors then say what is wrong first, and not where.
    keras.config.disable_traceback_filtering()

    def read() -> Any:
        return keras.saving.load_model(path, compile=False, safe_mode=not trust)

    model = attempt("read", path, read)
    _as_float32(keras, model)
    module = _module(torch, keras, model)
    shapes = [_shape(value, module.last, input_shape, path) for value in _inputs(model, path)]
    numbers: dict[str, np.ndarray] = {}
    for draw, arrays in enumerate(_draws(shapes, [str(value.dtype) for value in model.inputs])):
        with torch.no_grad():
            tensors = [torch.from_numpy(array) for array in arrays]
            outputs = attempt("run", path, partial(module, *tensors))
        numbers |= {f"in.{draw}.{i}": array for i, array in enumerate(arrays)}
        numbers |= {f"out.{draw}.{i}": tensor.numpy() for i, tensor in enumerate(outputs)}
    _as_single_operations(torch, keras, model)
    program = attempt("export", path, lambda: torch.export.export(module, tuple(tensors)))
    inputs, outputs = _names(model, len(outputs))
    return to_onnx(torch, program, path, inputs=inputs, outputs=outputs), numbers


def _limit_memory(most: int) -> None:
    """A configuration of a few bytes can ask for layers without end."""
    try:
        import resource
    except ImportError:  # not on Windows
        return
    # Of memory that is written to: addresses alone, which threads reserve, cost nothing.
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    if hard != resource.RLIM_INFINITY:
        most = min(most, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (most, hard))


def _inputs(model: Any, path: str) -> list[Any]:
    inputs = getattr(model, "inputs", None)
    if not inputs:
        raise EdgecutError(
            f"{path} does not say what input it takes",
            code="dynamic-shape",
            hint="begin the model with keras.Input(shape=...), and save it again",
        )
    return list(inputs)


def _layers(model: Any) -> Iterator[Any]:
    """All layers of a model, and of the models among them."""
    for layer in getattr(model, "layers", ()):
        yield layer
        yield from _layers(layer)


def _module(torch: Any, keras: Any, model: Any) -> Any:
    """The model as a module that takes images channels first, and gives its outputs in a row."""
    formats = {getattr(layer, "data_format", None) for layer in _layers(model)}
    last = formats - {None} != {"channels_first"}

    class Flat(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.model, self.last = model, last

        def forward(self, *tensors: Any) -> tuple[Any, ...]:
            given = [t.permute(0, 2, 3, 1) if last and t.ndim == 4 else t for t in tensors]
            if hasattr(self.model, "input"):  # a Sequential has one, and does not say so
                nested = keras.tree.pack_sequence_as(self.model.input, given)
            else:
                nested = given[0]
            found = self.model(nested, training=False)
            return tuple(torch.utils._pytree.tree_leaves(found))

    return Flat().eval()


def _shape(value: Any, last: bool, given: Sequence[int] | None, path: str) -> tuple[int, ...]:
    """The static shape of an input as the network takes it; a batch that is left open is one."""
    known = list(value.shape)
    if known[0] is None:
        known[0] = 1
    if len(known) == 4 and last:
        known = [known[0], known[3], known[1], known[2]]
    if given is not None and len(known) == 4:
        fits = len(given) == 4 and all(a in (None, b) for a, b in zip(known, given, strict=True))
        if not fits:
            raise EdgecutError(
                f"{path}: {list(given)} does not fit input '{value.name}' of shape "
                f"{[size or '?' for size in known]}, in the order 1, channels, height, width",
                code="bad-input-shape",
            )
        known = list(given)
    if None in known:
        example = "x".join(str(size or 224) for size in known)
        raise EdgecutError(
            f"{path}: axis {known.index(None)} of input '{value.name}' is dynamic",
            code="dynamic-shape",
            hint=f"give its size, for example --input-shape {example}",
        )
    return tuple(known)


def _draws(shapes: list[tuple[int, ...]], kinds: list[str]) -> list[list[np.ndarray]]:
    """Two random inputs: as a normalised image is, and as pixels are."""
    random = np.random.default_rng(0)

    def draw(shape: tuple[int, ...], kind: str, *, pixels: bool) -> np.ndarray:
        if "float" not in kind:
            most = int(BYTE) if pixels and kind == "uint8" else 1
            return random.integers(0, most + 1, shape).astype(kind)
        values = random.uniform(0, BYTE, shape) if pixels else random.standard_normal(shape)
        return values.astype(kind)

    return [
        [draw(shape, kind, pixels=pixels) for shape, kind in zip(shapes, kinds, strict=True)]
        for pixels in (False, True)
    ]


def _as_float32(keras: Any, model: Any) -> None:
    """Half precision is for training on a GPU: such layers hold float32 weights all the same."""
    for layer in (model, *_layers(model)):
        if layer.dtype_policy.name in ("mixed_float16", "mixed_bfloat16"):
            layer.dtype_policy = keras.DTypePolicy("float32")


def _as_single_operations(torch: Any, keras: Any, model: Any) -> None:
    """Let layers be one operation where Keras on PyTorch writes out what that does.

    A BatchNormalization then tells what it saw in training, and an UpSampling2D copies nothing.
    """

    def normalised(layer: Any, inputs: Any, training: Any = None, mask: Any = None) -> Any:
        values = [
            None if value is None else value.value
            for value in (
                layer.moving_mean,
                layer.moving_variance,
                layer.gamma if layer.scale else None,
                layer.beta if layer.center else None,
            )
        ]
        moved = torch.movedim(inputs, layer.axis, 1)
        normal = torch.nn.functional.batch_norm(moved, *values, eps=layer.epsilon)
        return torch.movedim(normal, 1, layer.axis)

    def enlarged(layer: Any, inputs: Any) -> Any:
        last = layer.data_format == "channels_last"
        image = torch.movedim(inputs, -1, 1) if last else inputs
        large = torch.nn.functional.interpolate(
            image, scale_factor=tuple(map(float, layer.size)), mode="nearest"
        )
        return torch.movedim(large, 1, -1) if last else large

    for layer in _layers(model):
        if type(layer) is keras.layers.BatchNormalization and layer.compute_dtype == "float32":
            layer.call = partial(normalised, layer)
        if type(layer) is keras.layers.UpSampling2D and layer.interpolation == "nearest":
            layer.call = partial(enlarged, layer)


def _names(model: Any, count: int) -> tuple[list[str] | None, list[str] | None]:
    """What Keras calls the inputs and outputs; None where that does not tell them apart."""
    inputs = [value.name for value in model.inputs]
    outputs = list(getattr(model, "output_names", [model.layers[-1].name]))
    apart = len(outputs) == count and len({*inputs, *outputs}) == len(inputs) + count
    return (inputs, outputs) if apart else (None, None)
