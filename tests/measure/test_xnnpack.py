"""XNNPACK's operators matched with a file's: what is certain, what is not, and what LiteRT does."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from edgecut.measure.xnnpack import BECOMES, TABLE_LOOKUP, FileOperator, kind_of, matched, parts

CONV, SIGMOID, MULTIPLY = "Convolution", "Sigmoid", "Multiply"
FAMILIES = (
    *("activation", "convolution", "elementwise", "joining", "linear", "padding", "pooling"),
    *("reducing", "reshaping", "resizing"),
)


def operator(told: str, *, activated: bool = False) -> FileOperator:
    """``GIVEN = OPERATION READ READ`` as an operator."""
    given, _, rest = told.partition(" = ")
    operation, *reads = rest.split()
    return FileOperator(
        operation=operation, reads=tuple(reads), gives=(given,), activated=activated
    )


def file(*told: str) -> list[FileOperator]:
    return [operator(line) for line in told]


def test_the_kind_is_the_name_without_type_and_kernel() -> None:
    assert kind_of("Convolution (NHWC, F32) IGEMM") == "Convolution"
    assert kind_of(TABLE_LOOKUP) == TABLE_LOOKUP


def test_what_can_stand_for_one_only_does() -> None:
    operators = file("p = PAD x", "c = CONV_2D p", "s = LOGISTIC c", "m = MUL c s")
    assert matched([CONV, SIGMOID, MULTIPLY], operators) == [(1,), (2,), (3,)]
    assert matched(["Constant Pad", CONV, SIGMOID, MULTIPLY], operators) == [(0,), (1,), (2,), (3,)]


def test_an_activation_that_is_not_fused_belongs_to_its_operator() -> None:
    added = operator("y = ADD a b", activated=True)
    assert matched(["Add", "Clamp"], [added]) == [(0,), (0,)]
    assert matched(["Add"], [added]) == [(0,)]
    assert matched(["Add", "Clamp"], [operator("y = ADD a b")]) == [(), ()]


def test_what_can_stand_for_several_is_not_decided() -> None:
    twice = file("a = RESHAPE x", "b = RESHAPE a", "c = CONV_2D b")
    assert matched(["Static Reshape", CONV], twice) == [(0, 1), (2,)]


def test_an_operator_that_the_file_does_not_explain_spoils_the_match() -> None:
    operators = file("c = CONV_2D x", "s = LOGISTIC c")
    for kinds in ([CONV], [CONV, SIGMOID, SIGMOID], [SIGMOID, CONV], [CONV, MULTIPLY], []):
        assert not any(matched(kinds, operators)), kinds


def test_an_operation_that_is_not_in_the_table_spoils_the_match() -> None:
    assert "FFT" not in BECOMES
    assert not any(matched([CONV, "FFT"], file("c = CONV_2D x", "f = FFT c")))


def test_a_gate_may_become_one_lookup_and_nothing_else_may() -> None:
    gate = file("c = CONV_2D x", "s = LOGISTIC c", "m = MUL c s")
    assert matched([CONV, TABLE_LOOKUP], gate) == [(0,), (2,)]
    other = file("c = CONV_2D x", "s = LOGISTIC c", "m = MUL x s")
    assert not any(matched([CONV, TABLE_LOOKUP], other))
    # A sigmoid that stands alone takes no part in the gate beside it.
    both = file("s = LOGISTIC c", "t = LOGISTIC d", "m = MUL c s", "y = CONCATENATION m t")
    assert matched([SIGMOID, TABLE_LOOKUP, "Copy"], both) == [(1,), (2,), (3,)]


def test_parts_take_what_is_ready() -> None:
    operators = file(
        "a = CONV_2D x",
        "r = RESIZE_NEAREST_NEIGHBOR a",
        "b = ADD r r",
        "c = CONV_2D x",  # ready from the start, though it stands behind
        "y = ADD b c",
    )
    assert parts(operators, frozenset({1})) == [[0, 3], [1], [2, 4]]
    assert parts(operators, frozenset()) == [[0, 1, 2, 3, 4]]
    assert parts(operators, frozenset({0, 1, 2, 3, 4})) == [[0, 1, 2, 3, 4]]


def test_a_loop_has_no_parts() -> None:
    assert parts(file("a = ADD b b", "b = ADD a a"), frozenset()) == []


# Runs in a process of its own: LiteRT's library is loaded for each file once more.
PROFILE_ALL = """
import json, sys
from edgecut import device

for line in sys.stdin:
    entry = json.loads(line)
    profiler = device._LiteRtProfiler(entry)
    arrays = zip(entry["inputs"], device.noise(entry["inputs"]))
    profiler.take({p["artifact_name"]: device.to_artifact(array, p) for p, array in arrays})
    ((operators, _, _),) = profiler.block(1)
    print(json.dumps(operators), flush=True)
"""


def emitted(folder: Path, family: str) -> list[tuple[str, dict[str, Any]]]:
    """(name, entry for the device) of every tiny graph of a family of operations."""
    from edgecut.emitters import tflite
    from tests.emitters.cases import Case, build, network_of

    module = import_module(f"tests.emitters.tflite_ops.test_{family}")
    cases = [
        param.values[0]
        for name, value in vars(module).items()
        if isinstance(value, list) and name.isupper()
        for param in value
        if hasattr(param, "values") and isinstance(param.values[0], Case)
    ]
    entries = []
    for number, given in enumerate(cases):
        file = tflite.emit(network_of(build(given)), layout="NHWC")
        path = folder / f"{number}.tflite"
        path.write_bytes(file.files[".tflite"])
        ports = {"inputs": file.inputs, "outputs": file.outputs}
        entry = {side: [port.to_json() for port in told] for side, told in ports.items()}
        entries.append((given.name, {"path": str(path), "format": "tflite", **entry}))
    return entries


@pytest.mark.parametrize("family", FAMILIES)
def test_the_table_holds_on_this_runtime(tmp_path: Path, family: str) -> None:
    pytest.importorskip("ai_edge_litert")
    from edgecut.measure.attribution import file_operators, litert_places
    from edgecut.measure.profile import Operator

    cases = emitted(tmp_path, family)
    child = subprocess.run(
        [sys.executable, "-c", PROFILE_ALL],
        input="".join(json.dumps(entry) + "\n" for _, entry in cases),
        capture_output=True,
        text=True,
    )
    assert child.returncode == 0, child.stderr[-2000:]
    assert len(cases) == len(child.stdout.splitlines()) > 5
    for (name, entry), line in zip(cases, child.stdout.splitlines(), strict=True):
        operators = [Operator(**{**told, "samples_ms": (0.0,)}) for told in json.loads(line)]
        places, notes = litert_places(operators, file_operators(Path(entry["path"])))
        assert notes == (), (name, notes)
        assert all(places), (name, line, places)
