"""Measurements: real ones of tiny artifacts, and verdicts on made-up ones."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgecut import device
from edgecut.errors import EdgecutError
from edgecut.measure import latency
from edgecut.measure.latency import Contender, Measurement, doubts, measure, ratio, read_report
from tests import tiny_artifacts as tiny


def contender(path: Path, name: str) -> Contender:
    inputs, outputs = tiny.NCHW_PORTS
    return Contender(name=name, path=path, format="onnx", inputs=inputs, outputs=outputs)


def machine(load: float = 0.1, cores: int = 2) -> dict[str, Any]:
    return {"cores": cores, "before": {"load_average": load}, "after": {"load_average": load}}


def steady(rounds: int = 20, runs: int = 5, ms: float = 10.0) -> list[list[float]]:
    random = np.random.default_rng(3)
    bursts: list[list[float]] = (ms * random.uniform(0.98, 1.02, size=(rounds, runs))).tolist()
    return bursts


def report(**bursts_ms: list[list[float]]) -> list[Measurement]:
    artifacts = [
        {
            "name": name,
            "runtime": "r",
            "version": "v",
            "bursts_ns": [[ms * 1e6 for ms in burst] for burst in bursts],
            "import_ms": 1.0,
            "load_ms": 2.0,
            "first_ms": 3.0,
            "peak_memory_bytes": 4,
            "memory_before_load_bytes": None,
        }
        for name, bursts in bursts_ms.items()
    ]
    return read_report({"artifacts": artifacts, "environment": machine()}, threads=1)


def test_two_artifacts_are_measured_in_turn(tmp_path: Path) -> None:
    path = tiny.write_onnx(tmp_path)
    contenders = [contender(path, "full"), contender(path, "cut")]
    full, cut = measure(contenders, duration_s=0.2, warm_up_s=0.01)
    assert (full.name, cut.name) == ("full", "cut")
    assert len(full.bursts_ms) == len(cut.bursts_ms) >= device.MINIMUM_ROUNDS
    for one in (full, cut):
        assert one.runtime == "onnxruntime" and one.threads == 1
        assert 0 < one.median_ms <= one.p90_ms <= one.p99_ms < 1000
        assert one.load_ms > 0 and one.first_ms > 0 and one.import_ms > 0
        assert len(one.samples_ms) == sum(map(len, one.bursts_ms)) > latency.MIN_SAMPLES
        if sys.platform == "linux":
            assert one.peak_memory_bytes and one.memory_before_load_bytes
            assert one.peak_memory_bytes > one.memory_before_load_bytes
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
    assert doubts(steady(), machine(), 1) == ()
    assert report(one=steady())[0].verdict == "VALID"


@pytest.mark.parametrize(
    ("bursts", "environment", "threads", "told"),
    [
        (steady(5, 5), machine(), 1, "only 25 samples"),
        (steady(), machine(load=2.5), 1, "load average was 2.5 on 2 cores"),
        (steady(), machine(), 4, "4 threads on 2 cores"),
        (steady() + steady(ms=25.0), machine(), 1, "spread too far"),
        (steady(40) + steady(40, ms=12.0), machine(), 1, "drifted by 20%"),
    ],
)
def test_a_doubtful_run_is_invalid(
    bursts: list[list[float]], environment: dict[str, Any], threads: int, told: str
) -> None:
    assert any(told in reason for reason in doubts(bursts, environment, threads))


def test_no_load_average_is_no_doubt() -> None:
    environment = machine()
    environment["before"]["load_average"] = None
    assert doubts(steady(), environment, 1) == ()


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
    monkeypatch.setattr(latency, "device_command", lambda *_: [sys.executable, "-c", program])
    with pytest.raises(EdgecutError, match="did not end within 2 s"):
        measure([contender(tiny.write_onnx(tmp_path), "a")], timeout_s=2)
    status = Path(f"/proc/{marker.read_text()}/stat")
    # Gone, or dead and waiting for init to reap it.
    assert not status.exists() or status.read_text().split()[2] == "Z"


def test_garbage_from_the_bench_is_a_plain_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(latency, "device_command", lambda *_: [sys.executable, "-c", "print('?')"])
    with pytest.raises(EdgecutError) as caught:
        measure([contender(tiny.write_onnx(tmp_path), "a")])
    assert caught.value.code == "runtime-failed"


class FakeClockChild:
    """Stands for a child: tells its speed, and records the order of bursts."""

    def __init__(self, name: str, warm_ns: int, order: list[str]) -> None:
        self.name, self.order = name, order
        self.facts = {"warm_ns": warm_ns}

    def burst(self, runs: int) -> list[int]:
        self.order.append(self.name)
        return [self.facts["warm_ns"]] * runs


def test_bursts_alternate_and_last_equally_long() -> None:
    order: list[str] = []
    children: Any = [FakeClockChild("a", 1_000_000, order), FakeClockChild("b", 4_000_000, order)]
    spec = {"burst_s": 0.1, "duration_s": 1.0, "pause_s": 0}
    a, b = device.interleave(children, spec)
    assert order == ["a", "b"] * 10
    assert {len(burst) for burst in a} == {100} and {len(burst) for burst in b} == {25}


def test_very_fast_artifacts_do_not_flood_the_report() -> None:
    children: Any = [FakeClockChild("a", 1, [])]
    (bursts,) = device.interleave(children, {"burst_s": 0.1, "duration_s": 0.5, "pause_s": 0})
    assert {len(burst) for burst in bursts} == {device.MAXIMUM_RUNS}


def test_slow_artifacts_do_not_run_for_ever() -> None:
    order: list[str] = []
    children: Any = [FakeClockChild("a", 2_000_000_000, order)]
    (bursts,) = device.interleave(children, {"burst_s": 0.1, "duration_s": 5, "pause_s": 0})
    assert len(bursts) == device.MINIMUM_ROUNDS
