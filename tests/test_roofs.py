"""The roofs over a machine: measured once and kept, doubtful ones for an hour, never believed."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edgecut import roofs
from edgecut.errors import EdgecutError
from edgecut.measure.bandwidth import Bandwidth
from edgecut.measure.measurement import Measurement
from edgecut.measure.peak import MeasuredPeak, Probe, Rate
from edgecut.roofs import DOUBTED_FOR_S, Ground, Roof, grounds, over, roofs_here
from edgecut.target import Target, read_target

TARGET = read_target("generic-arm64")
OTHERS = ("other programs run",)


class Machine:
    """Stands in for the measurements, and counts them."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, ...]] = []
        self.reasons: tuple[str, ...] = ()
        self.gb_per_s = 10.0
        self.error: EdgecutError | None = None

    def write(
        self, target: Target, folder: Path, *, schemes: Sequence[str], tell: Any
    ) -> list[Any]:
        self.asked.append(tuple(schemes))
        return []

    def ask(self, command: str, spec: Any, **_: Any) -> dict[str, Any]:
        assert command == "bench"
        if self.error is not None:
            raise self.error
        return {}

    def read(self, report: Any, probes: Sequence[Probe]) -> tuple[MeasuredPeak, Bandwidth]:
        rates = [
            Rate(
                scheme=scheme,
                gmacs_per_s=rate,
                probe="p",
                reasons=self.reasons,
            )
            for scheme, rate in (("float32", 40.0), ("int8", 160.0))
        ]
        peak = MeasuredPeak(
            format="tflite",
            runtime="r",
            version="1",
            device="CPU",
            threads=1,
            rates=tuple(rates),
            environment={"after": {"time": "2026-01-01T00:00:00+00:00"}},
        )
        bandwidth = Bandwidth(
            threads=1,
            copy_gb_per_s=9.0,
            read_gb_per_s=self.gb_per_s,
            array_bytes=1,
            cache_bytes=None,
            reasons=("the size of the caches is not known",),
        )
        return peak, bandwidth


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Machine:
    found = Machine()
    monkeypatch.setattr(roofs, "write_probes", found.write)
    monkeypatch.setattr(roofs, "probe_spec", lambda probes, **_: {"artifacts": []})
    monkeypatch.setattr(roofs, "limit_s", lambda spec: 1.0)
    monkeypatch.setattr(roofs, "ask", found.ask)
    monkeypatch.setattr(roofs, "read_probes", found.read)
    monkeypatch.setattr(roofs, "cache_folder", lambda: tmp_path / "cache")
    return found


def measured(*, threads: int = 1, **environment: Any) -> Measurement:
    return Measurement(
        name="cut",
        runtime="r",
        version="1",
        threads=threads,
        bursts_ms=((1.0,),),
        import_ms=1.0,
        load_ms=1.0,
        compile_ms=1.0,
        cached_compile_ms=None,
        first_ms=1.0,
        peak_memory_bytes=None,
        memory_before_load_bytes=None,
        environment={"cpu": "one", "architecture": "x86_64", "pinned": None, **environment},
        reasons=(),
    )


def ground(*, scheme: str = "float32", device: str = "", **how: Any) -> Ground:
    (found,) = grounds([(TARGET, scheme, measured(**how))], device=device).values()
    return found


def roof(found: Ground | None = None) -> Roof:
    wanted = found or ground()
    one = roofs_here({(): wanted})[()]
    assert isinstance(one, Roof), one
    return one


def test_it_is_measured_once(machine: Machine) -> None:
    assert roof() == roof() and len(machine.asked) == 1
    assert roof().bandwidth_gb_per_s == 10.0
    assert (roof().rate("float16"), roof().rate("int8")) == (40.0, 160.0)
    assert "caches" in roof().reasons[0] and not roof().doubtful


@pytest.mark.parametrize(
    "other", [{"threads": 2}, {"pinned": [0]}, {"cpu": "another"}, {"device": "pi"}]
)
def test_what_it_depends_on_has_a_roof_of_its_own(machine: Machine, other: dict[str, Any]) -> None:
    roof()
    roof(ground(**other))
    assert len(machine.asked) == 2


def test_another_version_has_a_roof_of_its_own(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    roof()
    monkeypatch.setattr(roofs.bundle, "versions", lambda: {"ai-edge-litert": "0"})
    roof()
    assert len(machine.asked) == 2


def test_another_harness_has_a_roof_of_its_own(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    roof()
    (tmp_path / "device.py").write_text("changed")
    monkeypatch.setattr("edgecut.device.__file__", str(tmp_path / "device.py"))
    roof()
    assert len(machine.asked) == 2


def test_one_ground_for_all_schemes_of_a_format(machine: Machine) -> None:
    seen = [(TARGET, scheme, measured()) for scheme in ("float16", "int8", "float32")]
    seen += [(replace(TARGET, name="other"), "int8", measured())]
    found = grounds(seen)
    (only,) = found.values()
    assert only.schemes == ("float32", "int8")
    there = roofs_here(found)
    assert isinstance(over(there, TARGET, 1), Roof)
    assert over(there, TARGET, 2) == over({}, TARGET, 1) == roofs.LEFT_OUT


def test_one_that_was_disturbed_is_kept_for_an_hour(machine: Machine) -> None:
    machine.reasons = OTHERS
    assert roof().doubtful and roof().doubtful and len(machine.asked) == 1
    kept = ground().path
    past = kept.stat().st_mtime - DOUBTED_FOR_S - 1
    os.utime(kept, (past, past))
    machine.reasons = ()
    assert not roof().doubtful and len(machine.asked) == 2
    assert not any("other programs" in reason for reason in roof().reasons)


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"schema": "edgecut.roof/1", "rates": 3}', "infinite"]
)
def test_what_was_spoilt_is_measured_again(machine: Machine, text: str) -> None:
    first = roof()
    kept = ground().path
    broken = json.dumps({**json.loads(kept.read_text()), "bandwidth_gb_per_s": float("inf")})
    kept.write_text(broken if text == "infinite" else text)
    assert roof() == first and len(machine.asked) == 2


def test_a_cache_that_cannot_be_written_costs_time_alone(machine: Machine, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file")
    assert roof() == roof() and len(machine.asked) == 2


def test_a_roof_that_cannot_be_measured_says_why(machine: Machine) -> None:
    machine.error = EdgecutError("no runtime", code="runtime-failed")
    told = roofs_here({(): ground()})[()]
    assert told == "the peak could not be measured: no runtime"
    machine.error, machine.gb_per_s = None, float("inf")
    told = roofs_here({(): ground()})[()]
    assert isinstance(told, str) and "inf GB/s cannot be" in told
