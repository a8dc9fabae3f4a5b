"""Profiles: real ones of tiny artifacts, and what is made of made-up ones."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edgecut import device
from edgecut.errors import EdgecutError
from edgecut.measure.contender import Contender
from edgecut.measure.profile import Operator, Profile, profile, read_report
from tests import tiny_artifacts as tiny
from tests.measure.test_latency import machine


def contender(path: Path, format: str, *ports: Any, **rest: Any) -> Contender:
    inputs, outputs = ports
    named = {"name": path.name, "path": path, "format": format, **rest}
    return Contender(inputs=inputs, outputs=outputs, **named)


def operator(type: str = "Convolution (NHWC, F32) IGEMM", *ms: float, **rest: Any) -> Operator:
    given = {"index": 0, "name": "", "kernel": None, "delegate": "XNNPACK", **rest}
    return Operator(type=type, samples_ms=ms, **given)


def made_up(*operators: Operator, whole_ms: float = 10.0, profiled_ms: float = 10.0) -> Profile:
    return Profile(
        artifact="a.tflite",
        format="tflite",
        runtime="r",
        version="v",
        threads=1,
        resolution_ms=0.001,
        bursts_ms=((whole_ms,) * 15,) * 2,
        profiled_ms=((profiled_ms,),) * len(operators[0].samples_ms),
        operators=operators,
        environment={},
        categories=("car", "person"),
    )


def test_the_operators_are_summed_sorted_and_shared_out() -> None:
    fast = operator("Add (ND)", 1.0, 1.0, 9.0)
    slow = operator("Convolution (NHWC, F32) IGEMM", 6.0, 7.0, 6.0)
    moving = operator("Transpose (ND, X32) Transpose", 2.0, 2.0, 2.0)
    found = made_up(fast, slow, moving)
    assert found.operators_ms == 9.0 and found.latency_ms == 10.0
    assert found.explained == pytest.approx(0.9)
    assert found.worst(2) == (slow, moving) and found.worst() == (slow, moving, fast)
    assert found.share([slow]) == pytest.approx(6 / 9)
    assert [kind for kind, _ in found.by_type()] == [slow.type, moving.type, fast.type]
    assert found.layout_conversions == (moving,)
    assert found.unexplained_ms == 1.0 and found.runs == 3


def test_only_what_no_delegate_took_is_not_delegated() -> None:
    inside, outside = operator("Add (ND)", 1.0), operator("GATHER", 1.0, delegate=None)
    found = made_up(inside, outside)
    assert found.not_delegated == (outside,)
    assert replace(found, format="openvino").not_delegated == ()


@pytest.mark.parametrize("kind", ["Reorder", "Transpose (ND, X32) Transpose", "TRANSPOSE"])
def test_conversions_of_layout_are_known_by_their_type(kind: str) -> None:
    assert operator(kind, 1.0).moves_layout
    assert not operator("Deconvolution (NHWC, F32)", 1.0).moves_layout


def test_unmapped_is_what_has_no_node_and_not_what_was_added() -> None:
    lost, added = operator("A", 1.0), operator("B", 1.0, nodes=(), added=True)
    assert made_up(lost, added).unmapped == (lost,)


def test_categories_are_groups_and_unknown_is_one_of_them() -> None:
    shared = operator("A", 5.0, categories=("car", "person"))
    car = operator("B", 3.0, categories=("car",))
    found = made_up(shared, car, operator("C", 1.0))
    assert [names for names, _ in found.by_category()] == [("car", "person"), ("car",), None]


def test_a_sum_near_the_latency_is_believed() -> None:
    assert made_up(operator("A", 9.0)).reasons == ()
    assert made_up(operator("A", 10.5)).verdict == "VALID"


def test_runs_that_spread_far_are_not_believed() -> None:
    steady = made_up(operator("A", 9.0))
    assert replace(steady, bursts_ms=((9.0, 10.0, 10.0, 11.0),) * 8).reasons == ()
    (reason,) = replace(steady, bursts_ms=((7.0, 10.0, 10.0, 20.0),) * 8).reasons
    assert "spread too far" in reason
    (reason,) = replace(steady, bursts_ms=((10.0,) * 5,)).reasons
    assert "only 5 samples" in reason


def test_a_sum_far_below_the_latency_is_not_believed() -> None:
    (reason,) = made_up(operator("A", 7.0)).reasons
    assert "70% of the latency: the rest lies outside" in reason
    fast = made_up(operator("A", 0.007), whole_ms=0.0079, profiled_ms=0.02)
    assert fast.verdict == "VALID"
    (reason,) = replace(fast, bursts_ms=((0.0098,) * 30,), resolution_ms=0.003).reasons
    assert "microseconds, up to 0.003 ms" in reason
    assert made_up(operator("A", 7.0)).verdict == "INVALID"


def test_a_sum_far_above_the_latency_is_not_believed() -> None:
    assert made_up(operator("A", 12.0), profiled_ms=10.0).reasons


def test_a_busy_machine_is_told_from_lost_microseconds() -> None:
    """Most operators are not interrupted, and every run is: the medians fall apart."""
    (reason,) = made_up(operator("A", 5.0), whole_ms=10.0, profiled_ms=5.1).reasons
    assert "busy" in reason and "50% of the latency" in reason and "98%" in reason


def test_what_else_speaks_against_it_comes_first() -> None:
    doubtful = replace(made_up(operator("A", 9.0)), doubts=("the file was changed",))
    assert doubtful.reasons == ("the file was changed",) and doubtful.verdict == "INVALID"


def test_means_of_several_runs_are_held_against_those_runs() -> None:
    means = replace(made_up(operator("A", 4.0, 8.0)), profiled_ms=((3.0, 5.0), (9.0, 7.0)))
    assert means.explained_under_profiler == 1.0 and means.runs == 4


def test_a_rate_needs_macs_and_a_time() -> None:
    assert operator("A", 2.0, macs=4_000_000).gmacs_per_s == 2.0
    for silent in (operator("A", 2.0), operator("A", 2.0, macs=0), operator("A", 0.0, macs=5)):
        assert silent.gmacs_per_s is None


def test_groups_name_operators_by_their_place() -> None:
    told = made_up(operator("A", 1.0), operator("B", 3.0), operator("A", 1.0)).to_json()
    assert [(g["type"], g["operators"]) for g in told["by_type"]] == [("B", [1]), ("A", [0, 2])]
    assert [g["median_ms"] for g in told["by_type"]] == [3.0, 2.0]
    assert (told["not_delegated_share"], told["unmapped_share"]) == (0.0, 1.0)
    assert [o["share"] for o in told["operators"]] == pytest.approx([0.2, 0.6, 0.2])


@pytest.mark.parametrize("format", ["tflite", "openvino"])
def test_a_real_profile_names_what_ran(tmp_path: Path, format: str) -> None:
    pytest.importorskip("ai_edge_litert" if format == "tflite" else "openvino")
    write = {"tflite": tiny.write_tflite, "openvino": tiny.write_openvino}[format]
    ports = tiny.nhwc_ports() if format == "tflite" else tiny.NCHW_PORTS
    found, graph = profile(contender(write(tmp_path), format, *ports), runs=10)
    assert found.runs == sum(map(len, found.bursts_ms)) == 10
    assert found.latency_ms > 0 and found.runtime and found.version
    for one in found.operators:
        assert len(one.samples_ms) == len(found.profiled_ms)
        assert all(ms >= 0 for ms in one.samples_ms)
    kinds = {one.type for one in found.operators}
    if format == "tflite":
        assert kinds == {"Clamp (NC)", "Sigmoid (NC)"} and graph == []
        assert {one.delegate for one in found.operators} == {"XNNPACK"}
    else:
        assert "x" in {name for node in graph for name in node["stands_for"]}
        assert all(one.name in {node["name"] for node in graph} for one in found.operators)


def test_an_int8_input_is_fed(tmp_path: Path) -> None:
    pytest.importorskip("ai_edge_litert")
    path = tiny.write_int8_tflite(tmp_path, scale=0.5, zero_point=-3)
    shape = {"shape": tiny.NHWC_SHAPE, "permutation": tiny.TO_NHWC}
    x = tiny.port("x", "x_int8", dtype="int8", scale=0.5, zero_point=-3, **shape)
    y = tiny.port("y", "y_nhwc", **shape)
    found, _ = profile(contender(path, "tflite", (x,), (y,)), runs=5)
    assert [one.type for one in found.operators] == ["Convert (NC)"]


class Turns:
    """A profiler that tells of these runs one after the other, and then of the last for ever."""

    graph: list[Any] = []  # noqa: RUF012

    def __init__(self, *runs: dict[str, float | None]) -> None:
        self.runs = list(runs)

    def block(self, runs: int) -> Any:
        found = [self.runs.pop(0) if len(self.runs) > 1 else self.runs[0] for _ in range(runs)]
        return [([{"type": kind} for kind in run], [*run.values()], [1]) for run in found]

    def invoke(self) -> None:
        """As a runtime has it."""


def in_turn(*runs: dict[str, float | None]) -> dict[str, Any]:
    return device.profile_in_turn(Turns({}), Turns(*runs), 10, device.Watch())


def test_every_operator_has_its_samples() -> None:
    told = in_turn({"A": 1.0, "B": 2.0}, {"A": 3.0, "B": 4.0})
    assert [o["samples_ns"][:3] for o in told["operators"]] == [[1.0, 3.0, 3.0], [2.0, 4.0, 4.0]]
    assert [len(burst) for burst in told["bursts_ns"]] == [2] * device.PROFILE_BLOCKS
    assert told["profiled_ns"] == [[1]] * 10


def test_what_shows_now_and_then_takes_nothing_when_it_does_not() -> None:
    told = in_turn({"A": None, "B": None}, {"A": None, "B": 4.0})
    assert [(o["type"], o["samples_ns"][:2]) for o in told["operators"]] == [("B", [0.0, 4.0])]


def test_runs_of_other_operators_are_refused() -> None:
    for runs in ([{"A": 1.0, "B": 1.0}, {"A": 1.0}], [{"A": 1.0, "B": 1.0}, {"B": 1.0, "A": 1.0}]):
        with pytest.raises(RuntimeError, match="other operators"):
            in_turn(*runs)


def test_a_profiler_that_tells_nothing_is_refused() -> None:
    for silent in ({}, {"A": None}):
        with pytest.raises(RuntimeError, match="no operator"):
            in_turn(silent)


def test_a_run_without_its_frame_is_refused() -> None:
    pytest.importorskip("ai_edge_litert")
    profiler = object.__new__(device._LiteRtProfiler)
    profiler._profiler, told = None, {"count": 0}
    profiler._call = lambda name, *arguments: told.update(count=told["count"] + 1)  # type: ignore[method-assign]
    with pytest.raises(RuntimeError, match="lost events"):
        profiler._events()
    assert told["count"] == 2


@pytest.mark.parametrize(
    ("runtime", "version", "reason"),
    [
        ("tflite-runtime", "2.14.0", "tflite-runtime has no profiler that Python reaches"),
        ("ai-edge-litert", "2.1.2", "2.1.2 is not known, 2.3.x is"),
        ("ai-edge-litert", "2.30.0", "2.30.0 is not known"),
    ],
)
def test_a_library_that_was_not_tried_is_not_touched(
    runtime: str, version: str, reason: str
) -> None:
    profiler = object.__new__(device._LiteRtProfiler)
    with pytest.raises(NotImplementedError, match=reason):
        profiler._open(runtime, version)


def test_a_library_without_a_function_is_refused() -> None:
    profiler = object.__new__(device._LiteRtProfiler)
    profiler._library = object()
    with pytest.raises(NotImplementedError, match="has no LiteRtStartProfiler"):
        profiler._call("LiteRtStartProfiler")


def test_openvino_is_profiled_on_its_cpu_only() -> None:
    with pytest.raises(NotImplementedError, match="not on NPU"):
        device._OpenVinoProfiler({"device": "NPU"})


def test_a_device_without_a_profiler_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("openvino")
    path = tiny.write_openvino(tmp_path)
    with pytest.raises(EdgecutError) as caught:
        profile(contender(path, "openvino", *tiny.NCHW_PORTS, device="GPU"))
    assert caught.value.code == "no-profiler"
    assert "tiny.xml cannot be profiled: OpenVINO is profiled on its CPU" in caught.value.message


def refused(code: str, path: Path, format: str = "openvino", **rest: Any) -> EdgecutError:
    with pytest.raises(EdgecutError) as caught:
        profile(contender(path, format, *tiny.NCHW_PORTS), **rest)
    assert caught.value.code == code, caught.value
    return caught.value


def test_what_cannot_be_profiled_is_told(tmp_path: Path) -> None:
    path = tiny.write_onnx(tmp_path)
    assert "tflite, openvino" in str(refused("no-profiler", path, "onnx").hint)
    refused("bad-measurement", path, runs=0)
    refused("bad-measurement", path, threads=0)
    pytest.importorskip("openvino")
    refused("artifact-not-found", tmp_path / "missing.xml")


def test_a_broken_artifact_is_told(tmp_path: Path) -> None:
    pytest.importorskip("openvino")
    path = tmp_path / "broken.xml"
    path.write_text("no xml")
    assert "broken.xml" in refused("runtime-failed", path).message


def test_what_hangs_is_ended(tmp_path: Path) -> None:
    pytest.importorskip("openvino")
    error = refused("runtime-failed", tiny.write_openvino(tmp_path), timeout_s=0.01)
    assert "did not end within 0.01 s" in error.message


def report(**rest: Any) -> dict[str, Any]:
    told = {"index": 3, "name": "n", "type": "t", "kernel": "k", "delegate": None}
    return {
        "runtime": "r",
        "version": "v",
        "threads": 2,
        "sha256": "5",
        "sha256_after": "5",
        "resolution_ns": 1000,
        "bursts_ns": [[2e6], [4e6]],
        "profiled_ns": [[3e6], [3e6]],
        "operators": [{**told, "samples_ns": [1e6, 2e6]}],
        "environment": machine(),
        **rest,
    }


NAMED = Contender(name="a.xml", path=Path("a.xml"), format="openvino", inputs=None, outputs=None)


def test_a_report_is_read() -> None:
    found = read_report(report(), NAMED)
    assert (found.latency_ms, found.profiled_latency_ms, found.resolution_ms) == (3.0, 3.0, 0.001)
    assert (found.artifact, found.format, found.threads) == ("a.xml", "openvino", 2)
    (one,) = found.operators
    assert (one.index, one.kernel, one.samples_ms) == (3, "k", (1.0, 2.0))
    assert one.nodes is None and one.categories is None
    assert found.doubts == ()


def test_more_threads_than_cores_are_doubted() -> None:
    assert read_report(report(threads=64), NAMED).doubts == ("64 threads on 2 cores",)


def test_another_file_and_a_spoilt_machine_are_doubted() -> None:
    (doubt,) = read_report(report(sha256_after="6"), NAMED).doubts
    assert "changed during the run" in doubt
    (doubt,) = read_report(report(), replace(NAMED, digest="7")).doubts
    assert "not the one that was built" in doubt
    emulated = {**machine(), "emulator": "qemu-arm"}
    (doubt,) = read_report(report(environment=emulated), NAMED).doubts
    assert "emulated" in doubt
