"""Measurements: real ones of tiny artifacts, and verdicts on made-up ones."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from edgecut import device
from edgecut.errors import EdgecutError
from edgecut.measure import asking
from edgecut.measure.contender import Contender
from edgecut.measure.judging import MIN_SAMPLES, doubts
from edgecut.measure.latency import measure
from edgecut.measure.measurement import Measurement, read_report
from edgecut.measure.ratio import ratio
from tests import tiny_artifacts as tiny


def contender(path: Path, name: str) -> Contender:
    inputs, outputs = tiny.NCHW_PORTS
    return Contender(name=name, path=path, format="onnx", inputs=inputs, outputs=outputs)


def moment(s: float = 0.0, **counters: Any) -> dict[str, Any]:
    """The state of a quiet machine of two cores after so many seconds."""
    quiet = {"monotonic_s": s, "load_average": 0.1, "frequency_mhz": None, "temperature_c": None}
    quiet |= {"busy_s": 100 + s, "steal_s": 0.0, "cores_of_machine": 2, "own_s": s}
    quiet |= {"quota_throttled": 0, "heat_throttled": 0, "firmware_throttled": None}
    return quiet | counters


def machine(**after: Any) -> dict[str, Any]:
    return {"cores": 2, "before": moment(), "during": [], "after": moment(10.0, **after)}


STARTED = {
    "runtime": "r",
    "version": "1",
    "threads": 1,
    "delegate": None,
    "sha256": "a",
    "import_ms": 1.0,
    "load_ms": 2.0,
    "compile_ms": 3.0,
    "first_ms": 4.0,
    "peak_memory_bytes": 5,
    "memory_before_load_bytes": None,
}
BESIDE = {
    "cached_compile_ms": None,
    "sha256_after": "a",
    "single_stream": None,
    "offline": None,
    "energy": None,
}


def burst(ms: list[float], **other: Any) -> dict[str, Any]:
    """A burst in which the process always ran."""
    ns = [one * 1e6 for one in ms]
    how = dict.fromkeys(("wall_ns", "on_cores_ns", "busiest_ns"), sum(ns))
    return {"ns": ns, **how, "waited_ns": 0, "peak_memory_bytes": 5, **other}


def told(name: str, *starts: list[list[float]], **other: Any) -> dict[str, Any]:
    """An artifact in a device's report; ``starts`` are the bursts of each."""
    about = {key: other.pop(key) for key in STARTED if key in other}
    return {
        "name": name,
        **BESIDE,
        "starts": [{**STARTED, **about, "bursts": [*map(burst, own)]} for own in starts],
        **other,
    }


def steady(rounds: int = 20, runs: int = 5, ms: float = 10.0) -> list[list[float]]:
    random = np.random.default_rng(3)
    bursts: list[list[float]] = (ms * random.uniform(0.98, 1.02, size=(rounds, runs))).tolist()
    return bursts


def report(**bursts_ms: list[list[float]]) -> list[Measurement]:
    artifacts = [told(name, bursts) for name, bursts in bursts_ms.items()]
    contenders = [contender(Path("x"), name) for name in bursts_ms]
    return read_report({"artifacts": artifacts, "environment": machine()}, contenders)


def judged(artifact: dict[str, Any], **about: Any) -> tuple[str, ...]:
    """The reasons not to believe one artifact's measurement."""
    taking_part = replace(contender(Path("x"), artifact["name"]), **about)
    found = read_report({"artifacts": [artifact], "environment": machine()}, [taking_part])
    return found[0].reasons


def test_two_artifacts_are_measured_in_turn(tmp_path: Path) -> None:
    path = tiny.write_onnx(tmp_path)
    contenders = [contender(path, "full"), contender(path, "cut")]
    full, cut = measure(contenders, duration_s=0.2, warm_up_s=0.01)
    assert (full.name, cut.name) == ("full", "cut")
    assert len(full.bursts_ms) == len(cut.bursts_ms) >= device.MINIMUM_ROUNDS
    for one in (full, cut):
        assert one.runtime == "onnxruntime" and one.threads == 1
        assert 0 < one.median_ms <= one.p90_ms < 1000
        assert one.p99_ms is None or one.p90_ms <= one.p99_ms
        assert len(one.rounds) == 3 and sum(one.rounds) == len(one.bursts_ms)
        assert min(one.load_ms, one.compile_ms, one.first_ms, one.import_ms) > 0
        assert one.cached_compile_ms is None  # ONNX Runtime keeps nothing
        assert len(one.samples_ms) == sum(map(len, one.bursts_ms)) >= MIN_SAMPLES
        if sys.platform == "linux":
            assert one.peak_memory_bytes and one.memory_before_load_bytes
            assert one.memory_bytes and one.memory_bytes > 0
    assert full.environment["cores"] and full.environment["cpu"]
    assert ratio(full, cut).low <= ratio(full, cut).ratio <= ratio(full, cut).high
    json.dumps(full.to_json(), allow_nan=False)


def test_a_slower_artifact_is_found_slower() -> None:
    noise = np.random.default_rng(0).uniform(1, 1.3, size=(40, 1))  # hits both of a round
    slow, fast = report(
        slow=(np.array(steady(40, ms=20)) * noise).tolist(),
        fast=(np.array(steady(40, ms=10)) * noise).tolist(),
    )
    found = ratio(slow, fast)
    assert found.low <= found.ratio <= found.high
    assert found.ratio == pytest.approx(2, rel=0.02)
    assert found.high - found.low < 0.05, "what disturbs both must cancel"
    assert found.pairs == 40 and found.verdict == "VALID"
    assert ratio(slow, fast) == found
    assert ratio(fast, slow).ratio == pytest.approx(0.5, rel=0.02)


def test_the_interval_covers_the_truth_as_often_as_it_says() -> None:
    random = np.random.default_rng(5)
    covered = 0
    for _ in range(100):
        one, other = report(
            one=random.uniform(9, 11, size=(30, 5)).tolist(),
            other=random.uniform(9, 11, size=(30, 5)).tolist(),
        )
        found = ratio(one, other)
        covered += found.low <= 1 <= found.high
    assert 88 <= covered <= 99  # 95 % of 100, give or take three standard deviations


def test_measurements_of_two_runs_do_not_compare() -> None:
    (one,), (other,) = report(one=steady(20)), report(other=steady(21))
    with pytest.raises(EdgecutError) as caught:
        ratio(one, other)
    assert caught.value.code == "not-interleaved"


def test_an_invalid_measurement_makes_an_invalid_ratio() -> None:
    good, bad = report(good=steady(20, 1), bad=steady(20, 1))
    assert good.verdict == bad.verdict == "INVALID"  # 20 samples only
    assert ratio(good, bad).verdict == "INVALID"
    assert "bad: only 20 samples" in ratio(good, bad).reasons[1]


def test_a_quiet_run_is_valid() -> None:
    assert not [*doubts(steady())]
    assert report(one=steady())[0].verdict == "VALID"


@pytest.mark.parametrize(
    ("bursts", "reason"),
    [
        (steady(5, 5), "only 25 samples"),
        (steady() + steady(ms=25.0), "spread too far"),
        (steady(40) + steady(40, ms=12.0), r"drifted by \+20%"),
        (steady(40, ms=12.0) + steady(40), "drifted by -17%"),
    ],
)
def test_doubtful_samples_are_invalid(bursts: list[list[float]], reason: str) -> None:
    assert any(re.search(reason, doubt) for doubt in doubts(bursts))


def test_a_jump_that_may_be_chance_is_no_drift() -> None:
    assert not [*doubts([*steady(2, 15), *steady(1, 15, ms=12.0)])]


@pytest.mark.parametrize(
    ("found", "about", "reason"),
    [
        ({"sha256": "b", "sha256_after": "b"}, {"digest": "a"}, "not the one that was built"),
        ({"sha256_after": "b"}, {}, "changed during the run"),
        ({}, {"verified_on": {"r": "2"}}, "on r 1, and verified on 2"),
        ({}, {"verified_on": {"other": "1"}}, "on r, where it was not verified"),
        ({"threads": 4}, {}, "4 threads on 2 cores"),
    ],
)
def test_what_is_not_as_it_was_built_is_invalid(
    found: dict[str, Any], about: dict[str, Any], reason: str
) -> None:
    reasons = judged(told("a", steady(), **found), **about)
    assert len(reasons) == 1 and reason in reasons[0]


def test_what_is_as_it_was_built_is_valid() -> None:
    assert judged(told("a", steady()), digest="a", verified_on={"r": "1"}) == ()


@pytest.mark.parametrize(
    ("waited", "on_cores", "reason"),
    [(0.5, 0.5, "waited for a core for 50%"), (0.0, 0.6, "stopped for 40%")],
)
def test_a_process_that_could_not_run_is_invalid(
    waited: float, on_cores: float, reason: str
) -> None:
    artifact = told("a", steady())
    for one in artifact["starts"][0]["bursts"]:
        one["waited_ns"] = waited * one["wall_ns"]
        one["busiest_ns"] = (waited + on_cores) * one["wall_ns"]
    (found,) = judged(artifact)
    assert reason in found
    # Another processor may do the work.
    assert any("stopped" in why for why in judged(artifact, device="NPU")) is False


@pytest.mark.parametrize(("threads", "stopped"), [(1, 0.1), (2, 0.2)])
def test_several_threads_do_not_hide_that_nothing_ran(threads: int, stopped: float) -> None:
    artifact = told("a", steady(), threads=threads, runtime="openvino")
    for one in artifact["starts"][0]["bursts"]:
        one["on_cores_ns"] = threads * (1 - stopped) * one["wall_ns"]
        one["busiest_ns"] = (1 - stopped) * one["wall_ns"]
    assert any("it was stopped for" in why for why in judged(artifact))
    for one in artifact["starts"][0]["bursts"]:
        one["busiest_ns"] = 0.97 * one["wall_ns"]
    assert judged(artifact) == ()


def test_what_is_measured_at_each_start_tells_by_its_median() -> None:
    artifact = told("a", steady(7), steady(8), steady(6))
    loads = (9.0, 2.0, 3.0)
    for start, load_ms in zip(artifact["starts"], loads, strict=True):
        start["load_ms"] = load_ms
    artifact["starts"][1] |= {"peak_memory_bytes": 90, "memory_before_load_bytes": 30}
    (found,) = read_report(
        {"artifacts": [artifact], "environment": machine()}, [contender(Path("x"), "a")]
    )
    assert found.load_ms == 3.0 and found.memory_bytes == 60 and found.rounds == (7, 8, 6)
    assert [start["load_ms"] for start in found.to_json()["starts"]] == [*loads]


def test_a_file_that_another_start_had_otherwise_was_changed() -> None:
    artifact = told("a", steady(), steady())
    artifact["starts"][1]["sha256"] = "b"
    assert judged(artifact) == ("the file was changed during the run",)


def test_what_runs_afterwards_is_judged_by_itself() -> None:
    alone = {"runs": 2000, "seconds": 3.0, "p50_ns": 1e6, "p90_ns": 1e6, "p99_ns": 2e6}
    window = {"before": moment(20.0), "after": moment(30.0)}
    disturbed = {"before": moment(20.0), "after": moment(30.0, busy_s=150.0)}
    offline = {"runs": 10, "seconds": 1.0, "streams": 2}
    artifact = told(
        "a",
        steady(),
        single_stream={**alone, **window},
        offline={**offline, **disturbed},
        energy={"fault": "the meter fell off", **window},
    )
    curve = [{"s": 0.0, "median_ns": 1e6, "runs": 9, "frequency_mhz": 1.0, "temperature_c": 1.0}]
    report = {"artifacts": [artifact], "environment": machine()}
    report["sustained"] = {"curve": curve, **disturbed}
    (found,) = read_report(report, [contender(Path("x"), "a")])
    told_json = found.to_json()
    assert found.verdict == told_json["single_stream"]["verdict"] == "VALID"
    assert told_json["offline"]["verdict"] == told_json["sustained_verdict"] == "INVALID"
    assert "other programs kept 2.0 of 2 cores busy" in told_json["offline"]["reasons"][0]
    assert (found.energy, found.energy_fault) == (None, "the meter fell off")
    assert [why.split(":")[0] for why in found.all_reasons] == ["sustained", "offline"]


def test_a_report_of_something_else_is_refused() -> None:
    with pytest.raises(EdgecutError) as caught:
        read_report(
            {"artifacts": [told("a", steady())], "environment": machine()},
            [contender(Path("x"), "b")],
        )
    assert caught.value.code == "bad-report"


linux = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")


def test_a_swapped_file_is_noticed(tmp_path: Path) -> None:
    path = tiny.write_onnx(tmp_path)
    built = replace(contender(path, "a"), digest="0" * 64)
    (before,) = measure([built], duration_s=0.1)
    assert "the file is not the one that was built and verified" in before.reasons
    done = threading.Event()
    swapper = threading.Thread(target=_swap, args=(path, done))
    swapper.start()
    try:
        (during,) = measure([contender(path, "a")], duration_s=1.0)
    finally:
        done.set()
        swapper.join()
    assert "the file was changed during the run" in during.reasons


def _swap(path: Path, done: threading.Event) -> None:
    """Put one valid file after the other in its place."""
    model, version = onnx.load(path), 0
    while not done.wait(0.1):
        version += 1
        model.model_version = version
        onnx.save(model, path.with_suffix(".new"))
        os.replace(path.with_suffix(".new"), path)


def test_another_version_of_the_runtime_is_noticed(tmp_path: Path) -> None:
    taking_part = replace(
        contender(tiny.write_onnx(tmp_path), "a"), verified_on={"onnxruntime": "0.1"}
    )
    (found,) = measure([taking_part], duration_s=0.1)
    assert any("and verified on 0.1" in reason for reason in found.reasons)


@linux
def test_a_busy_machine_is_noticed(tmp_path: Path) -> None:
    program = "while True: pass"
    cores = len(os.sched_getaffinity(0))
    hogs = [subprocess.Popen([sys.executable, "-c", program]) for _ in range(2 * cores)]
    try:
        (found,) = measure([contender(tiny.write_onnx(tmp_path), "a")], duration_s=1.0)
    finally:
        for hog in hogs:
            hog.kill()
            hog.wait()
    assert found.verdict == "INVALID"
    assert any("cores busy during the run" in reason for reason in found.reasons)


@linux
@pytest.mark.parametrize("threads", [1, 2])
def test_a_throttled_process_is_noticed(tmp_path: Path, threads: int) -> None:
    done = threading.Event()
    limiter = threading.Thread(target=_limit, args=(os.getpid(), done))
    limiter.start()
    try:
        (found,) = measure(
            [contender(tiny.write_onnx(tmp_path), "a")], threads=threads, duration_s=1.0
        )
    finally:
        done.set()
        limiter.join()
    assert any("something throttles it" in reason for reason in found.reasons)


def _limit(parent: int, done: threading.Event) -> None:
    """As cpulimit does it: stop a bench's processes for half of their time."""
    while not done.wait(0.01):
        for path in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                words = (path / "cmdline").read_bytes().split(b"\0")
                ours = (path / "stat").read_text().rpartition(")")[2].split()[1] == str(parent)
                if b"bench" in words and ours:
                    os.killpg(int(path.name), signal.SIGSTOP)
                    time.sleep(0.01)
                    os.killpg(int(path.name), signal.SIGCONT)


@linux
def test_pinned_to_a_core(tmp_path: Path) -> None:
    core = min(os.sched_getaffinity(0))
    path = tiny.write_onnx(tmp_path)
    (found,) = measure([contender(path, "a")], duration_s=0.1, pin=[core])
    assert found.environment["pinned"] == [core]
    with pytest.raises(EdgecutError, match="cannot pin to the cores 4711"):
        measure([contender(path, "a")], duration_s=0.1, pin=[4711])


def test_scenarios(tmp_path: Path) -> None:
    path = tiny.write_onnx(tmp_path)
    meter = [sys.executable, "-c", "import time; print(time.time() * 3)"]  # three watts
    wanted = {"single_stream_s": 0.01, "offline_s": 0.2, "energy_s": 0.5, "meter": meter}
    (one,) = measure([contender(path, "a")], duration_s=0.1, scenarios=wanted)
    found = one.to_json()
    assert found["single_stream"]["runs"] >= 1024
    assert 0 < found["single_stream"]["p50_ms"] <= found["single_stream"]["p99_ms"]
    offline = found["offline"]
    assert offline["streams"] >= 1 and offline["seconds"] >= 0.2
    assert offline["runs_per_s"] == pytest.approx(offline["runs"] / offline["seconds"])
    energy = found["energy"]
    assert energy["joules"] >= 3 * 0.5 and energy["meter"] == sys.executable
    assert energy["mj_per_run"] == pytest.approx(1e3 * energy["joules"] / energy["runs"])
    assert energy["mj_per_run_above_idle"] < energy["mj_per_run"]


def test_what_was_not_asked_for_is_not_measured(tmp_path: Path) -> None:
    path = tiny.write_onnx(tmp_path)
    (one,) = measure([contender(path, "a")], duration_s=0.1)
    assert set(one.scenarios.values()) == {None}


def test_a_meter_that_fails_is_told(tmp_path: Path) -> None:
    path = tiny.write_onnx(tmp_path)
    wanted = {"energy_s": 0.1, "meter": [sys.executable, "-c", "print('none')"]}
    started = time.monotonic()
    with pytest.raises(EdgecutError, match="could not convert") as error:
        measure([contender(path, "a")], duration_s=300.0, scenarios=wanted)
    assert error.value.code == "runtime-failed"
    assert time.monotonic() - started < 120, "known before anything is measured"


def test_a_sustained_run_has_a_curve(tmp_path: Path) -> None:
    path = tiny.write_onnx(tmp_path)
    one, last = measure([contender(path, "a"), contender(path, "b")], duration_s=0.1, sustain_s=1.5)
    assert one.sustained == () and one.to_json()["sustained_verdict"] is None
    assert last.to_json()["sustained_verdict"] in ("VALID", "INVALID")
    assert [round(second["s"]) for second in last.sustained] == [0, 1]
    assert all(second["runs"] > 0 and second["median_ns"] > 0 for second in last.sustained)


def test_an_artifact_without_ports_runs_as_its_file_says(tmp_path: Path) -> None:
    unknown = replace(contender(tiny.write_onnx(tmp_path), "a"), inputs=None, outputs=None)
    (found,) = measure([unknown], duration_s=0.1)
    assert found.median_ms > 0


def test_a_known_precision_ends_a_measurement(tmp_path: Path) -> None:
    path = tiny.write_onnx(tmp_path)
    started = time.monotonic()
    (found,) = measure([contender(path, "a")], duration_s=300.0, precision=0.5, starts=2)
    assert time.monotonic() - started < 120
    assert len(found.rounds) == 2 and len(found.samples_ms) >= MIN_SAMPLES


def test_samples_keep_their_order() -> None:
    (one,) = report(one=[[1.0, 3.0], [2.0]])
    assert one.samples_ms == (1.0, 3.0, 2.0)
    assert one.median_ms == 2.0
    assert one.p90_ms == pytest.approx(2.8)


@pytest.mark.parametrize(
    ("names", "options"),
    [([], {}), (["a", "a"], {}), (["a"], {"threads": 0}), (["a"], {"duration_s": 0.0})],
)
def test_a_measurement_that_makes_no_sense(
    tmp_path: Path, names: list[str], options: dict[str, Any]
) -> None:
    path = tiny.write_onnx(tmp_path)
    with pytest.raises(EdgecutError) as caught:
        measure([contender(path, name) for name in names], **options)
    assert caught.value.code == "bad-measurement"


def test_an_unloadable_artifact_is_a_plain_error(tmp_path: Path) -> None:
    path = tmp_path / "broken.onnx"
    path.write_bytes(b"no model")
    with pytest.raises(EdgecutError) as caught:
        measure([contender(path, "broken")], duration_s=0.1)
    assert caught.value.code == "runtime-failed"
    assert "'broken'" in caught.value.message and "Traceback" not in caught.value.message


def test_a_bench_that_hangs_is_ended_with_its_children(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    marker = tmp_path / "child"
    program = (
        "import subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        f"open({str(marker)!r}, 'w').write(str(child.pid))\n"
        "time.sleep(60)\n"
    )
    monkeypatch.setattr(asking, "device_command", lambda *_: [sys.executable, "-c", program])
    with pytest.raises(EdgecutError, match="did not end within 2 s"):
        measure([contender(tiny.write_onnx(tmp_path), "a")], timeout_s=2)
    status = Path(f"/proc/{marker.read_text()}/stat")
    # Gone, or dead and waiting for init to reap it.
    assert not status.exists() or status.read_text().split()[2] == "Z"


def test_what_an_ended_bench_leaves_goes_with_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    marker = tmp_path / "left"
    program = (
        "import tempfile, time\n"
        f"open({str(marker)!r}, 'w').write(tempfile.mkdtemp())\n"
        "time.sleep(60)\n"
    )
    monkeypatch.setattr(asking, "device_command", lambda *_: [sys.executable, "-c", program])
    with pytest.raises(EdgecutError, match="did not end within 2 s"):
        measure([contender(tiny.write_onnx(tmp_path), "a")], timeout_s=2)
    assert not Path(marker.read_text()).exists()


@pytest.mark.parametrize("printed", ["?", "NaN", '{"artifacts": Infinity}', "[]"])
def test_garbage_from_the_bench_is_a_plain_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, printed: str
) -> None:
    program = f"print({printed!r})"
    monkeypatch.setattr(asking, "device_command", lambda *_: [sys.executable, "-c", program])
    with pytest.raises(EdgecutError) as caught:
        measure([contender(tiny.write_onnx(tmp_path), "a")])
    assert caught.value.code == "runtime-failed"


class FakeClockChild:
    """Stands for a child: tells its speed, and records the order of bursts."""

    def __init__(self, name: str, warm_ns: int, order: list[str]) -> None:
        self.name, self.order = name, order
        self.facts = {"warm_ns": warm_ns}

    def burst(self, runs: int, look: bool) -> dict[str, Any]:
        self.order.append(self.name)
        return {"ns": [self.facts["warm_ns"]] * runs, "clocks": {"look": look} if look else None}


def test_bursts_alternate_and_last_equally_long() -> None:
    order: list[str] = []
    children: Any = [FakeClockChild("a", 1_000_000, order), FakeClockChild("b", 4_000_000, order)]
    spec = {"burst_s": 0.1, "duration_s": 1.0, "pause_s": 0}
    a, b = device.interleave(children, spec, device.Watch())
    assert order == ["a", "b"] * 10
    assert {len(burst["ns"]) for burst in a} == {100}
    assert {len(burst["ns"]) for burst in b} == {25}


def test_very_fast_artifacts_do_not_flood_the_report() -> None:
    children: Any = [FakeClockChild("a", 1, [])]
    (bursts,) = device.interleave(
        children, {"burst_s": 0.1, "duration_s": 0.5, "pause_s": 0}, device.Watch()
    )
    assert {len(burst["ns"]) for burst in bursts} == {device.MAXIMUM_RUNS}


def test_slow_artifacts_do_not_run_for_ever() -> None:
    order: list[str] = []
    children: Any = [FakeClockChild("a", 2_000_000_000, order)]
    (bursts,) = device.interleave(
        children, {"burst_s": 0.1, "duration_s": 5, "pause_s": 0}, device.Watch()
    )
    assert len(bursts) == device.MINIMUM_ROUNDS


def test_a_precise_enough_answer_ends_the_rounds() -> None:
    order: list[str] = []
    children: Any = [FakeClockChild("a", 1_000_000, order), FakeClockChild("b", 4_000_000, order)]
    spec = {"burst_s": 0.1, "duration_s": 100.0, "pause_s": 0, "precision": 0.01}
    bursts, _ = device.interleave(children, spec, device.Watch())
    assert len(bursts) == 6, "the fewest of which the order says anything with 95 %"


def test_what_looks_precise_still_needs_its_samples() -> None:
    slow: Any = [FakeClockChild("a", 50_000_000, [])]  # two runs in a burst
    spec = {"burst_s": 0.1, "duration_s": 100.0, "pause_s": 0, "precision": 0.01}
    (bursts,) = device.interleave(slow, spec, device.Watch())
    assert sum(len(one["ns"]) for one in bursts) == device.MINIMUM_SAMPLES
    (share,) = device.interleave(slow, {**spec, "starts": 2}, device.Watch())
    assert sum(len(one["ns"]) for one in share) == device.MINIMUM_SAMPLES / 2 + 1


def test_the_clock_is_read_in_the_process_that_works() -> None:
    children: Any = [FakeClockChild("a", 1_000_000, []), FakeClockChild("b", 1_000_000, [])]
    watch = device.Watch()
    spec = {"burst_s": 0.1, "duration_s": 0.5, "pause_s": 0}
    device.interleave(children, spec, watch)
    assert [seen["look"] for seen in watch.seen] == [True], "at most once a second"


def test_the_half_width_of_a_median() -> None:
    # Hahn and Meeker, Statistical Intervals, table A.15: for n = 20 the 6th and 15th at 95 %
    assert device.half_width(np.arange(20.0)) == (14 - 5) / 2
    assert device.half_width(np.arange(5.0)) == float("inf")
