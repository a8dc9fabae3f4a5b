"""What can be read of a ``.pt2`` file without running code that it holds.

``torch.export.load`` unpickles what the archive tells it to. Nor is the graph mere data to it:
sizes that are expressions are evaluated as Python, an operator may be any function that torch can
reach, guards are compiled, and names end up in generated source. What is let through has weights as
plain bytes, ATen's operators, sizes that are numbers or one symbol, and names of letters, digits,
``_``, ``-`` and ``.``; torch then sees a copy that holds just that.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from edgecut import finite_json
from edgecut.errors import EdgecutError

ROOT = "model"
_PLAIN = (r"archive_format", r"archive_version", r"byteorder", r"\.data/(version|serialization_id)")
_BYTES = (r"data/weights/weight_\d+", r"data/constants/tensor_\d+")
_PAYLOADS = (r"data/weights/model_weights_config\.json", r"data/constants/\w+_config\.json")
_SAMPLES, _GRAPH = r"data/sample_inputs/model\.pt", r"models/model\.json"
_IDLE = r"extra/.*"
"""Texts that the writer added for somebody else."""
_NAME = re.compile(r"[\w.-]*", re.ASCII)
_OTHER_TEXTS = {
    # 'reflect', or what an einsum does: 'bid,bjd->bij'.
    "as_string": re.compile(r"[\w., >-]*", re.ASCII),
    # Of sizes, those that are left open by themselves; no expression of several.
    "expr_str": re.compile(r"Symbol\('[su]\d+'(, (positive|integer)=(True|False))*\)", re.ASCII),
}
# All but that which opens files.
_OPERATOR = re.compile(
    r"torch\.ops\.aten\.(?!from_file\.|__)\w+\.(?!__)\w+|_operator\.getitem", re.ASCII
)
_KINDS = {
    *("as_none", "as_tensor", "as_tensors", "as_optional_tensor", "as_optional_tensors"),
    *("as_int", "as_ints", "as_float", "as_floats", "as_bool", "as_bools", "as_string"),
    *("as_strings", "as_sym_int", "as_sym_ints", "as_scalar_type", "as_memory_format"),
    *("as_layout", "as_device", "as_nested_tensors", "as_int_lists", "as_float_lists"),
    *("as_expr", "as_name"),
}
_CONTAINERS = {None, "builtins.tuple", "builtins.list", "builtins.dict", "collections.OrderedDict"}


class _Doubtful(Exception):
    """Something that may run code; the message names it."""


def harmless(torch: Any, path: Path) -> io.BytesIO:
    """A copy of the file, for ``torch.export.load``, of all that is known to run no code.

    Raises:
        EdgecutError: ``untrusted-pickle``, which names what needs ``--trust``; ``not-pt2``.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            entries = {name: archive.read(info) for name, info in _entries(archive)}
        return _packed({name: _checked(torch, name, data) for name, data in entries.items()})
    except _Doubtful as error:
        raise EdgecutError(
            f"{path} is not read: {error}, and reading that can run code",
            code="untrusted-pickle",
            hint="--trust, if you know where it comes from",
        ) from error
    except (OSError, ValueError, RuntimeError, NotImplementedError, zipfile.BadZipFile) as error:
        raise EdgecutError(
            f"{path} is no .pt2 file, or it is damaged: {error}",
            code="not-pt2",
            hint="torch.export.save(program, 'model.pt2') writes one",
        ) from error


def _entries(archive: zipfile.ZipFile) -> Iterator[tuple[str, zipfile.ZipInfo]]:
    """The entries that count, by their names below the archive's one folder."""
    known = (*_PLAIN, *_BYTES, *_PAYLOADS, _SAMPLES, _GRAPH)
    seen = set()
    for info in archive.infolist():
        root, _, name = info.filename.partition("/")
        if info.compress_type != zipfile.ZIP_STORED or (root, name) in seen:
            raise ValueError(f"'{info.filename}' is there twice, or compressed")
        seen.add((root, name))
        if _is_one(name, _IDLE):
            continue
        if not _is_one(name, *known):
            raise _Doubtful(f"it holds '{name}'")
        yield name, info
    if len({root for root, _ in seen}) != 1:
        raise ValueError("it holds more than one folder, or none")


def _is_one(name: str, *patterns: str) -> bool:
    return any(re.fullmatch(pattern, name, re.ASCII) for pattern in patterns)


def _packed(entries: dict[str, bytes]) -> io.BytesIO:
    copy = io.BytesIO()
    with zipfile.ZipFile(copy, "w") as archive:
        for name, data in entries.items():
            archive.writestr(f"{ROOT}/{name}", data)
    copy.seek(0)
    return copy


def _checked(torch: Any, name: str, data: bytes) -> bytes:
    """An entry as torch may see it."""
    if _is_one(name, *_PAYLOADS):
        _check_payloads(finite_json.loads(data.decode("utf-8")), name)
    elif _is_one(name, _SAMPLES):
        _check_samples(torch, name, data)
    elif _is_one(name, _GRAPH):
        return json.dumps(_graph(finite_json.loads(data.decode("utf-8")))).encode()
    return data


def _check_payloads(config: Any, name: str) -> None:
    _check_plain(config, name)
    try:
        for weight, payload in config["config"].items():
            if payload["use_pickle"] or not re.match("(weight|tensor)_", payload["path_name"]):
                raise _Doubtful(f"'{weight}' in '{name}' is a pickle")
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"'{name}' describes no weights") from error


def _check_samples(torch: Any, name: str, data: bytes) -> None:
    """With what is read here, torch does not fall back to reading any pickle."""
    try:
        torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except Exception as error:  # anything at all may come out of a pickle
        raise _Doubtful(f"'{name}' holds more than tensors") from error


def _graph(program: Any) -> Any:
    """The program without notes and guards, once it is seen that all else in it is harmless."""
    try:
        module = program["graph_module"]
        # Where its parts come from, what was true when it was traced: nothing that is computed.
        program |= {"guards_code": [], "torch_version": ""}
        module["metadata"] = {}
        for node in module["graph"]["nodes"]:
            node["metadata"] = {}
            if not _OPERATOR.fullmatch(node["target"]):
                raise _Doubtful(f"its graph calls '{node['target']}'")
        plain = json.loads(json.dumps(program))
        for call in plain["graph_module"]["module_call_graph"]:
            for key in ("in_spec", "out_spec") if call.get("signature") else ():
                _, spec = json.loads(call["signature"].pop(key))
                _check_containers(spec)
    except (KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError("its graph is of no form that edgecut knows") from error
    _check_plain(plain, "its graph")
    return program


def _check_containers(spec: Any) -> None:
    """How arguments are nested: in containers of Python's own, under plain names."""
    if spec["type"] not in _CONTAINERS:
        raise _Doubtful(f"its arguments lie in a '{spec['type']}'")
    context = spec["context"]
    _check_plain(json.loads(context) if isinstance(context, str) else context, "its arguments")
    for child in spec["children_spec"]:
        _check_containers(child)


def _check_plain(item: Any, where: str) -> None:
    """All that is said in it is a number or a name, and every value is of a harmless kind."""
    waiting = [("", item)]
    while waiting:
        key, one = waiting.pop()
        if key.startswith("as_") and key not in _KINDS:
            raise _Doubtful(f"{where} holds a value '{key}'")
        if isinstance(one, dict):
            waiting += [("", name) for name in one]
            waiting += one.items()
        elif isinstance(one, list):
            waiting += [("", each) for each in one]
        elif isinstance(one, str) and not _OTHER_TEXTS.get(key, _NAME).fullmatch(one):
            raise _Doubtful(f"{where} holds the text {one[:60]!r}")
