"""``edgecut bench --device``: the real command, a real OpenSSH server, a real bundle."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from edgecut import on_devices, probe, runtimes
from edgecut.remote import session, supervisor
from edgecut.remote.benchmark import Job, bench_on
from tests.command import edgecut, refused
from tests.e2e.models import Case
from tests.remote import ssh_device
from tests.remote.ssh_device import Device, wait_until
from tests.test_probe import TINY

QUICK = ("--starts", "1", "--seconds", "0.1")

INVENTORY = """
[devices.pi]
destination = "device"
python = "{python}"
target = "raspberry-pi-4"
threads = [1, 2]

[devices.twin]
destination = "twin"
target = "raspberry-pi-4"

[devices.wrong-target]
destination = "elsewhere"
target = "intel-npu"

[devices.gone]
destination = "gone"
"""


@pytest.fixture
def device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Device]:
    """A device, which the inventory of the current folder calls pi."""
    with ssh_device.running(tmp_path) as device:
        device.configure("gone", "Port 1")
        monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=":")
        monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
        monkeypatch.setattr(session, "LOCK", str(device.lock))
        monkeypatch.setattr(probe, "CHAINS", TINY)
        monkeypatch.chdir(tmp_path)
        (tmp_path / "devices.toml").write_text(INVENTORY.format(python=sys.executable))
        yield device


@pytest.fixture(scope="module")
def built_small(detecting: Case) -> Path:
    """A build of one artifact for each runtime."""
    out = detecting.folder / "small"
    targets = ("--target", "raspberry-pi-4", "--target", "intel-cpu", "--scheme", "float32")
    outcome = edgecut("build", *detecting.options, "--keep", "dog", *targets, "--out", out)
    assert outcome.code == 0, outcome
    return out


@pytest.fixture
def bundle(built_small: Path, tmp_path: Path) -> Path:
    """A bundle that may be written to."""
    return Path(shutil.copytree(built_small.parent, tmp_path / "case")) / built_small.name


def test_bench_on_a_device(device: Device, bundle: Path) -> None:
    outcome = edgecut("bench", bundle, "--device", "pi", *QUICK, "--json")
    assert outcome.code == 0, outcome
    assert outcome.json["schema"] == "edgecut.bench/1" and outcome.json["device"] == "pi"
    assert outcome.json["environment"]["architecture"] == os.uname().machine
    rows = outcome.json["rows"]
    assert {row["threads"] for row in rows} == {1, 2}  # as the inventory says
    assert {Path(row["artifact"]).suffix for row in rows} == {".tflite"}  # of its target
    # It ran there: what was measured is what was built, by its digest.
    assert not any("not the one" in reason for row in rows for reason in row["reasons"])
    kept = json.loads((bundle / "records" / "bench.pi.json").read_text())
    assert kept["device"] == "pi" and kept["rows"] == rows
    # Its peaks were measured there too, once for each number of threads, and are remembered.
    assert all(row["share_of_peak"] > 0 for row in rows)
    peaks = {row["threads"]: row["roofline"]["peak_gmacs_per_s"] for row in rows}
    assert len(list((bundle.parents[1] / "cache" / "edgecut").iterdir())) == 2
    again = edgecut("bench", bundle, "--device", "pi", *QUICK, "--json").json["rows"]
    assert {row["threads"]: row["roofline"]["peak_gmacs_per_s"] for row in again} == peaks
    assert device.is_clean()


def test_several_devices_of_which_one_is_gone(device: Device, bundle: Path) -> None:
    options = (*QUICK, "--threads", "1", "--device", "pi", "--device", "gone")
    outcome = edgecut("bench", bundle, *options)
    assert outcome.code == 1
    assert "Median latency on pi, full and cut in turn, threads: 1" in outcome.stdout
    assert "error[device-unreachable]: gone cannot be reached" in outcome.stderr
    told = edgecut("bench", bundle, *options, "--json").json
    assert [record["device"] for record in told] == ["pi"]
    assert device.is_clean()


Spoil = Callable[[dict[str, Any]], object]
TWINS = (*QUICK, "--threads", "1", "--device", "pi", "--device", "twin", "--no-peak")


@pytest.fixture
def twin(device: Device, bundle: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Spoil], None]:
    """Has another device send what pi sends, but for what is spoilt of it."""
    told: list[dict[str, Any]] = []

    def record(job: Job, **how: Any) -> list[dict[str, Any]]:
        told.extend(bench_on(job, **how))
        return told

    monkeypatch.setattr(on_devices, "bench_on", record)
    arguments = (*QUICK, "--threads", "1", "--device", "pi", "--no-peak")
    assert edgecut("bench", bundle, *arguments).code == 0

    def spoil(change: Spoil) -> None:
        def answer(job: Job, **how: Any) -> list[dict[str, Any]]:
            found = deepcopy(told)
            if job.remote.name == "twin":
                for report in found:
                    change(report)
            return found

        monkeypatch.setattr(on_devices, "check", lambda *_, **__: None)
        monkeypatch.setattr(on_devices, "bench_on", answer)

    return spoil


def _of(report: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = report["artifacts"][-1]
    return found


def _bursts(report: dict[str, Any]) -> list[dict[str, Any]]:
    return [burst for start in _of(report)["starts"] for burst in start["bursts"]]


SPOILT: tuple[Spoil, ...] = (
    lambda report: [burst.update(ns=[0] * len(burst["ns"])) for burst in _bursts(report)],
    lambda report: _bursts(report)[0]["ns"].__setitem__(0, -5),
    lambda report: [start["bursts"].clear() for start in _of(report)["starts"]],
    lambda report: _of(report)["starts"].clear(),
    lambda report: report["environment"].pop("during"),
    lambda report: report["environment"].pop("before"),
    lambda report: [start.update(threads=3) for start in _of(report)["starts"]],
    lambda report: [start.update(threads="one") for start in _of(report)["starts"]],
    lambda report: _of(report).update(single_stream={"runs": 3}),
    lambda report: _of(report).update(offline={"runs": 3, "seconds": 0}),
    lambda report: report.update(
        sustained={**report["environment"], "curve": [{"s": 0}]},
    ),
    lambda report: report.update(artifacts=3),
)


def test_a_bad_report_is_the_fault_of_one_device_alone(
    twin: Callable[[Spoil], None], bundle: Path
) -> None:
    for spoil in SPOILT:
        twin(spoil)
        outcome = edgecut("bench", bundle, *TWINS, "--json")
        assert outcome.code == 1 and "error[bad-report]: " in outcome.stderr, outcome.stderr
        assert [record["device"] for record in outcome.json] == ["pi"]


def test_energy_that_one_device_alone_tells(twin: Callable[[Spoil], None], bundle: Path) -> None:
    def metered(report: dict[str, Any]) -> None:
        moments = {name: report["environment"][name] for name in ("before", "after")}
        figures = {"joules": 1.0, "runs": 9, "seconds": 1.0, "metered_s": 1.0, "idle_w": 0.1}
        for artifact in report["artifacts"]:
            artifact["energy"] = {"meter": "m", **figures, **moments}

    twin(metered)
    said = edgecut("bench", bundle, *TWINS, "--energy", "1s").stderr
    assert "note: energy was not measured on pi: " in said
    assert "measured on twin" not in said


def test_one_benchmark_at_a_time_on_this_machine_too(bundle: Path, lock: Path) -> None:
    held = supervisor.take_lock(str(lock))
    assert held is not None
    options = (*QUICK, "--no-peak")
    try:
        for command in (("bench", *options), ("bench", *options, "--device", "openvino:CPU")):
            said = refused("device-busy", command[0], bundle, *command[1:])
            assert "this machine since 2" in said and f"process {os.getpid()}" in said
        refused("device-busy", "bench", bundle, *options, "--wait", "0.1s")
        refused("device-busy", "profile", bundle)
    finally:
        supervisor.drop_lock(held, str(lock))
    assert edgecut("bench", bundle, *options).code == 0 and not lock.exists()


def test_what_is_refused(
    device: Device, bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = refused("bad-measurement", "bench", bundle, "--device", "pi", "--device", "pi")
    assert "pi is named twice" in said
    said = refused("nothing-to-measure", "bench", bundle, "--device", "wrong-target")
    assert "build with --target intel-npu" in said
    refused("bad-device", "bench", bundle, "--device=-oProxyCommand=x")
    refused("bad-device", "bench", bundle, "--device", "openvino:")
    held = supervisor.take_lock(str(device.lock))
    assert held is not None
    said = refused("device-busy", "bench", bundle, "--device", "pi")
    os.close(held)
    assert f"process {os.getpid()}" in said and "--wait 10m" in said
    (tmp_path / "devices.toml").write_text("[devices.pi]\ndestinatoin = 'x'")
    assert "'destination' is missing" in refused("bad-device", "bench", bundle, "--device", "pi")
    with_images = edgecut("bench", bundle, "--device", "pi", "--camera-loop", tmp_path)
    assert with_images.code == 2 and "--camera-loop runs on this machine" in with_images.stderr
    (tmp_path / "devices.toml").unlink()
    monkeypatch.setenv("PATH", str(tmp_path))
    refused("ssh-not-found", "bench", bundle, "--device", "pi@raspberrypi.local")


def test_an_interrupted_command_leaves_nothing_behind(device: Device, bundle: Path) -> None:
    code = "import sys; from edgecut.remote import session; session.LOCK = sys.argv.pop(1); "
    code += "from edgecut.cli.main import main; main()"
    arguments = ["bench", str(bundle), "--device", "pi", "--seconds", "600"]
    child = subprocess.Popen(
        [sys.executable, "-c", code, str(device.lock), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert wait_until(lambda: device.measures() or child.poll() is not None, within_s=90)
    os.killpg(child.pid, signal.SIGINT)  # as a terminal does
    stdout, stderr = child.communicate(timeout=30)
    assert child.returncode == 130 and stdout == "" and "Traceback" not in stderr
    assert "stopped" in stderr
    assert device.is_clean() and not (bundle / "records").exists()


def test_a_device_of_openvino(bundle: Path) -> None:
    pytest.importorskip("openvino", reason="needs edgecut[openvino]")
    options = (*QUICK, "--device", "openvino:cpu", "--json")
    outcome = edgecut("bench", bundle, *options)
    assert outcome.code == 0, outcome
    assert outcome.json["device"] == "openvino:cpu"
    assert {Path(row["artifact"]).suffix for row in outcome.json["rows"]} == {".xml"}
    said = refused("no-such-accelerator", "bench", bundle, "--device", "openvino:TPU")
    assert "no device 'TPU' on this machine, only: CPU (" in said
    tflite = next(bundle.glob("*.tflite"))
    said = refused("nothing-to-measure", "bench", bundle, *options, "--against", tflite)
    assert "is no OpenVINO file" in said


def test_an_accelerator_is_another_environment(
    bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """AUTO stands in for an NPU: it is a device that OpenVINO has everywhere, and is not CPU."""
    pytest.importorskip("openvino", reason="needs edgecut[openvino]")
    refused("no-such-accelerator", "bench", bundle, "--device", "openvino:AUTO")
    monkeypatch.setattr(runtimes, "_accelerators", lambda: {"CPU": "", "AUTO": ""})
    options = (*QUICK, "--device", "openvino:AUTO", "--threads", "1,2")
    outcome = edgecut("bench", bundle, *options, "--json")
    assert outcome.code == 0, outcome
    assert {row["threads"] for row in outcome.json["rows"]} == {1}  # once: it has its own
    assert "note: --threads says nothing to openvino:AUTO" in outcome.stderr
    assert outcome.json["environment"]["accelerator"] == "AUTO"
