"""The zoo's judges on a few heads, and whether they would notice."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import helper

from benchmarks.zoo import judging, tables
from benchmarks.zoo.leftovers import leftovers
from edgecut.network import Network
from tests.graphs import conv_weights, network_of

pytest.importorskip("onnxscript", reason="needs the package onnxscript, which is not here")

FAMILIES = ("yolo_v8", "ssd", "crnn")


def heads() -> list[object]:
    from benchmarks.zoo.subjects import subjects

    return [subject for subject in subjects() if subject.name in FAMILIES]


def test_a_head_is_settled_and_always_the_same() -> None:
    torch = pytest.importorskip("torch", reason="needs the package torch, which is not here")
    from benchmarks.zoo import heads as built

    first, second = built.ssd(), built.ssd()
    assert not first.training
    norms = [m for m in first.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    assert norms and all(m.running_mean.abs().max() > 0 for m in norms)
    states = zip(first.state_dict().values(), second.state_dict().values(), strict=True)
    assert all(torch.equal(a, b) for a, b in states)


@pytest.fixture(scope="module")
def results() -> dict[str, object]:
    judged = [judging.judged(subject, 2) for subject in heads()]  # type: ignore[arg-type]
    return {
        "models": [model for model, _ in judged],
        "rows": [row for _, rows in judged for row in rows],
    }


def test_every_head_is_cut_exactly_and_leaves_nothing_over(results: dict[str, object]) -> None:
    models, rows = results["models"], results["rows"]
    assert [model["model"] for model in models] == list(FAMILIES)  # type: ignore[attr-defined]
    assert all(row["exact"] for row in rows)  # type: ignore[attr-defined]
    assert not any(model["missed"] for model in models)  # type: ignore[attr-defined]
    reasons = {row["model"]: row["refusals"] for row in rows}  # type: ignore[attr-defined]
    assert not reasons["yolo_v8"] and "Softmax over axis 2" in reasons["ssd"][0]


def test_the_table_has_a_line_for_each_model(results: dict[str, object]) -> None:
    lines = tables.lines(results)
    assert [line[0] for line in lines] == list(FAMILIES)
    assert all(len(line) == len(tables.COLUMNS) for line in lines)
    assert "3 models, 6 cuts. Every cut exact: 3 models." in tables.summary(results)


def half_read() -> Network:
    """A convolution of which only half is read: the other half is left over."""
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["a"], name="stem"),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("Conv", ["b", "v"], ["y"], name="head"),
    ]
    head = conv_weights(4, 6, 1, 1)
    head[:, 3:] = 0
    weights = {"w": conv_weights(6, 3, 1, 1), "v": head}
    return network_of(nodes, inputs={"x": (1, 3, 4, 4)}, outputs=["y"], weights=weights)


def test_what_is_left_over_is_found() -> None:
    found = leftovers(half_read())
    assert found.missed == ["stem[3]", "stem[4]", "stem[5]"] and not found.idle


def switched_off(bias: float) -> Network:
    """A convolution and a rectified switch for each of its channels; one switch has that bias."""
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["a"], name="stem"),
        helper.make_node("Conv", ["x", "v", "bias"], ["b"], name="switch"),
        helper.make_node("Relu", ["b"], ["c"]),
        helper.make_node("Mul", ["a", "c"], ["y"]),
    ]
    weights = {"w": conv_weights(3, 3, 1, 1), "v": conv_weights(3, 3, 1, 1, seed=1)}
    weights["bias"] = np.array([0, bias, 0], np.float32)
    return network_of(nodes, inputs={"x": (1, 3, 4, 4)}, outputs=["y"], weights=weights)


@pytest.mark.parametrize(("bias", "idle"), [(-1e9, ["stem[1]"]), (-30.0, [])])
def test_a_channel_that_is_off_on_these_inputs_alone_is_idle(bias: float, idle: list[str]) -> None:
    found = leftovers(switched_off(bias))
    assert not found.missed and found.idle == idle


def test_a_cut_that_gives_other_numbers_is_not_exact(monkeypatch: pytest.MonkeyPatch) -> None:
    subject = heads()[0]
    outputs = judging._outputs
    calls = iter(range(100))

    def off(*arguments: object, optimised: bool) -> dict[str, np.ndarray]:
        scale = 1.0 if next(calls) < 2 else 1.0001  # the first two are the full network's
        found = outputs(*arguments, optimised=optimised)  # type: ignore[arg-type]
        return {name: value * np.float32(scale) for name, value in found.items()}

    monkeypatch.setattr(judging, "_outputs", off)
    model, rows = judging.judged(subject, 1)  # type: ignore[arg-type]
    assert model["exact"] == 0 and not rows[0]["exact"]


def test_nan_is_not_exact() -> None:
    expected = {name: np.zeros(2, np.float32) for name in "ab"}
    for wrong in "ab":
        got = {**expected, wrong: np.array([0, np.nan], np.float32)}
        assert np.isnan(judging._error(expected, got)).all()
