"""The roof over a machine: measured once, kept where nothing disturbed it, never believed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edgecut import roofs
from edgecut.measure.bandwidth import Bandwidth
from edgecut.measure.peak import MeasuredPeak, Rate
from edgecut.roofs import roof_over
from edgecut.target import read_target

TARGET = read_target("generic-arm64")


class Machine:
    """Stands in for the measurements, and counts them."""

    def __init__(self) -> None:
        self.asked = 0
        self.reasons: tuple[str, ...] = ()

    def peak(self, target: Any, *, threads: int, pin: Sequence[int] | None, tell: Any) -> Any:
        self.asked += 1
        rates = [
            Rate(
                scheme=scheme,
                gmacs_per_s=rate,
                typical_gmacs_per_s=rate,
                probe="p",
                reasons=self.reasons,
            )
            for scheme, rate in (("float32", 40.0), ("int8", 160.0))
        ]
        return MeasuredPeak(
            format=target.format,
            runtime="r",
            version="1",
            device="CPU",
            threads=threads,
            rates=tuple(rates),
            environment={},
        )

    def bandwidth(self, *, threads: int) -> Bandwidth:
        return Bandwidth(
            threads=threads,
            copy_gb_per_s=9.0,
            read_gb_per_s=10.0,
            array_bytes=1,
            cache_bytes=None,
            environment={},
            reasons=("the size of the caches is not known",),
        )


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Machine:
    found = Machine()
    monkeypatch.setattr(roofs, "measure_peak", found.peak)
    monkeypatch.setattr(roofs, "measure_bandwidth", found.bandwidth)
    monkeypatch.setattr(roofs, "cache_folder", lambda: tmp_path / "cache")
    return found


def test_it_is_measured_once(machine: Machine) -> None:
    first, second = roof_over(TARGET), roof_over(TARGET)
    assert first == second and machine.asked == 1
    assert first is not None and first.bandwidth_gb_per_s == 10.0
    assert (first.rate("float16"), first.rate("int8")) == (40.0, 160.0)
    assert "caches" in first.reasons[0]


@pytest.mark.parametrize("other", [{"threads": 2}, {"pin": (0,)}])
def test_what_it_depends_on_has_a_roof_of_its_own(machine: Machine, other: dict[str, Any]) -> None:
    roof_over(TARGET)
    roof_over(TARGET, **other)
    assert machine.asked == 2


def test_another_version_has_a_roof_of_its_own(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    roof_over(TARGET)
    monkeypatch.setattr(roofs.bundle, "versions", lambda: {"ai-edge-litert": "0"})
    roof_over(TARGET)
    assert machine.asked == 2


def test_one_that_was_disturbed_is_not_kept(machine: Machine) -> None:
    machine.reasons = ("other programs run",)
    assert roof_over(TARGET) is not None
    machine.reasons = ()
    found = roof_over(TARGET)
    assert machine.asked == 2 and found is not None
    assert not any("other programs" in reason for reason in found.reasons)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"schema": "edgecut.roof/1", "rates": 3}'])
def test_what_was_spoilt_is_measured_again(machine: Machine, tmp_path: Path, text: str) -> None:
    first = roof_over(TARGET)
    (kept,) = (tmp_path / "cache").iterdir()
    kept.write_text(text)
    assert roof_over(TARGET) == first and machine.asked == 2


def test_a_cache_that_cannot_be_written_costs_time_alone(machine: Machine, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file")
    assert roof_over(TARGET) == roof_over(TARGET) and machine.asked == 2


def test_other_devices_have_none(machine: Machine) -> None:
    assert roof_over(replace(TARGET, device="NPU")) is None and machine.asked == 0
