"""What a ``.keras`` file may hold, looked at before Keras sees it.

Such a file is a zip of a configuration in JSON, by which Keras makes layers, and of weights in
HDF5. A configuration can name any class, and some bring code or read files. Those known to be
harmless are let through, by the module they come from.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from edgecut import finite_json
from edgecut.errors import EdgecutError

SUFFIXES = (".keras", ".h5", ".hdf5")
SAVED_MODEL = "saved_model.pb"
CONFIG, METADATA = "config.json", "metadata.json"
WEIGHTS = ("model.weights.h5", "model.weights.npz")
LARGEST_TEXT = 64 * 2**20
LARGEST_EXPANSION = 16
"""How many times its size in the zip an entry may take; Keras itself compresses nothing."""

_HDF5 = b"\x89HDF\r\n\x1a\n"
_MODULES = {
    *("builtins", "keras", "keras.activations", "keras.constraints", "keras.dtype_policies"),
    *("keras.initializers", "keras.layers", "keras.losses", "keras.metrics", "keras.ops"),
    *("keras.optimizers", "keras.regularizers"),
}
_OWN = "keras.src."
"""Of its inner modules, Keras makes nothing but what can be saved: layers and operations."""
_VALUES = {
    *("__keras_tensor__", "__tensor__", "__numpy__", "__bytes__", "__ellipsis__", "__slice__"),
}
_CODE = {"Lambda", "__lambda__", "TorchModuleWrapper"}
"""What holds Python's own code or a pickle."""
_FOREIGN = {
    *("TFSMLayer", "JaxLayer", "FlaxLayer", "StringLookup", "IntegerLookup", "IndexLookup"),
    *("TextVectorization", "FeatureSpace"),
}
"""What reads other files, or runs on another framework."""


def check(path: Path, *, trust: bool) -> None:
    """Refuse a file that is no ``.keras`` archive, or holds what must not be read.

    Args:
        path: the file.
        trust: let layers through that bring code of their own.

    Raises:
        EdgecutError: ``missing-model``, ``not-keras``, ``too-large``, ``custom-object``,
            ``untrusted-code``.
    """
    config = _config(path)
    for item in _objects(config):
        _check_object(item, path, trust=trust)


def refuse_saved_model(folder: Path) -> None:
    """Refuse a folder that holds TensorFlow's SavedModel, and say how it becomes something else.

    Raises:
        EdgecutError: ``saved-model``.
    """
    if (folder / SAVED_MODEL).is_file():
        raise EdgecutError(
            f"{folder} is a SavedModel of TensorFlow, which edgecut does not read",
            code="saved-model",
            hint=f"model.save('model.keras') of the Keras model; or {_conversion(folder)}",
        )


def _conversion(folder: Path | str) -> str:
    return (
        f"python -m tf2onnx.convert --saved-model {folder} --output model.onnx --opset 18 "
        "--inputs-as-nchw INPUT, with the INPUT that its first lines tell"
    )


def _config(path: Path) -> Any:
    try:
        with zipfile.ZipFile(path) as archive:
            _check_entries(archive, path)
            return finite_json.loads(archive.read(CONFIG).decode("utf-8"))
    except FileNotFoundError:
        raise EdgecutError(f"{path} does not exist", code="missing-model") from None
    except (
        *(OSError, ValueError, KeyError, EOFError, RuntimeError),
        *(NotImplementedError, zipfile.BadZipFile, zlib.error),
    ) as error:
        if _is_hdf5(path):
            raise EdgecutError(
                f"{path} is an HDF5 file, as Keras wrote them before its version 3",
                code="not-keras",
                hint="in the Keras that wrote it: "
                f"keras.models.load_model('{path.name}').save('{path.stem}.keras')",
            ) from error
        raise EdgecutError(
            f"{path} is no .keras file, or it is truncated: {error}",
            code="not-keras",
            hint="model.save('model.keras') of Keras 3 writes one; compare the sizes",
        ) from error


def _is_hdf5(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(len(_HDF5)) == _HDF5
    except OSError:
        return False


def _check_entries(archive: zipfile.ZipFile, path: Path) -> None:
    entries = archive.infolist()
    names = [entry.filename for entry in entries]
    strange = [name for name in names if name not in (CONFIG, METADATA, *WEIGHTS)]
    if strange:
        raise EdgecutError(
            f"{path} holds '{strange[0]}', which the model of a picture has no use for",
            code="not-keras",
            hint="a layer that needs files of its own, such as a vocabulary, is not read",
        )
    if CONFIG not in names or not set(WEIGHTS) & set(names) or len(set(names)) != len(names):
        raise ValueError(f"it holds {', '.join(names) or 'nothing'}")
    for entry in entries:
        limit = LARGEST_TEXT
        if entry.filename in WEIGHTS:
            limit = max(limit, LARGEST_EXPANSION * entry.compress_size)
        if entry.file_size > limit:
            raise EdgecutError(
                f"'{entry.filename}' in {path} says it takes {entry.file_size} bytes, of "
                f"{entry.compress_size} in the file",
                code="too-large",
            )


def _objects(config: Any) -> Iterator[dict[str, Any]]:
    """Everything in it of which Keras makes an object; what it was compiled with is not read."""
    waiting = [{**config, "compile_config": None} if isinstance(config, dict) else config]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            if "class_name" in item:
                yield item
            waiting.extend(item.values())
        elif isinstance(item, list):
            waiting.extend(item)


def _check_object(item: dict[str, Any], path: Path, *, trust: bool) -> None:
    kind, module = str(item["class_name"]), str(item.get("module"))
    origin = item.get("module") or item.get("registered_name")
    config = item.get("config")
    named = config.get("name") if isinstance(config, dict) else None
    what = f"'{named}' ({kind})" if named else f"'{config if kind == 'function' else kind}'"
    if kind in _CODE:
        if not trust:
            raise EdgecutError(
                f"{path} is not read: its layer {what} holds code, which reading would run",
                code="untrusted-code",
                hint="--trust, if you know where it comes from",
            )
    elif kind in _FOREIGN:
        raise EdgecutError(
            f"{path}: the layer {what} needs other files or another framework",
            code="custom-object",
            hint="save the model without it",
        )
    elif not (kind in _VALUES or module in _MODULES or module.startswith(_OWN)):
        raise EdgecutError(
            f"{path}: {what} is none of Keras's own: it comes from {origin}",
            code="custom-object",
            hint=f"where its code is, model.export('folder'); then {_conversion('folder')}",
        )
