"""What a machine's state says of a measurement: each fault by itself, none where all is well."""

from __future__ import annotations

from typing import Any

import pytest

from edgecut.measure.environment import disturbances, remarks
from tests.measure.test_latency import machine, moment


def test_a_quiet_machine_disturbs_nothing() -> None:
    assert not [*disturbances(machine())]


@pytest.mark.parametrize(
    ("after", "reason"),
    [
        ({"busy_s": 115.0}, "other programs kept 0.5 of 2 cores busy"),
        ({"steal_s": 1.0}, "the hypervisor gave 5% of the cores' time"),
        ({"quota_throttled": 1}, "quota held the processes back, 1 time during"),
        ({"heat_throttled": 3}, "heat slowed the processor down, 3 times during"),
        ({"firmware_throttled": 0x1}, r"voltage is too low (vcgencmd get_throttled: 0x1)"),
        ({"firmware_throttled": 0x40000}, "the processor is throttled"),
    ],
)
def test_what_disturbs(after: dict[str, Any], reason: str) -> None:
    found = [*disturbances(machine(**after))]
    assert len(found) == 1 and reason in found[0]


def test_what_happened_before_the_run_is_past() -> None:
    earlier = machine(firmware_throttled=0x50000, quota_throttled=7)
    earlier["before"] = moment(firmware_throttled=0x50000, quota_throttled=7)
    assert not [*disturbances(earlier)]


def test_some_company_is_allowed() -> None:
    assert not [*disturbances(machine(busy_s=113.0, steal_s=0.3))]


def test_a_large_machine_is_not_allowed_more_company() -> None:
    large = machine(cores_of_machine=64, busy_s=116.0)
    large["before"] = moment(cores_of_machine=64)
    (found,) = disturbances(large)
    assert found == "other programs kept 0.6 of 64 cores busy during the run"


def test_heat_is_what_a_sustained_run_is_for() -> None:
    hot = machine(heat_throttled=3, firmware_throttled=0x40008)
    hot["during"] = [{"frequency_mhz": mhz} for mhz in (2400.0, 2400.0, 2400.0, 1500.0)]
    assert len([*disturbances(hot)]) == 4
    assert not [*disturbances(hot, heat=False)]
    weak = machine(heat_throttled=3, firmware_throttled=0x1, quota_throttled=2)
    assert len([*disturbances(weak, heat=False)]) == 2


def test_an_emulated_processor() -> None:
    (found,) = disturbances({**machine(), "emulator": "qemu-aarch64"})
    assert "emulated by qemu-aarch64" in found


def test_a_clock_that_falls() -> None:
    clocks = [{"frequency_mhz": mhz} for mhz in (2400.0, 2400.0, 2400.0, 1500.0, 1500.0, 1500.0)]
    (found,) = disturbances({**machine(), "during": clocks})
    assert found == "the clock fell from 2400 to 1500 MHz during the run"
    assert not [*disturbances({**machine(), "during": clocks[::-1]})], "it may rise"
    assert not [*disturbances({**machine(), "during": [{"frequency_mhz": None}] * 9})]


def test_without_counters_the_load_average_tells() -> None:
    blind = {"busy_s": None, "cores_of_machine": 2}
    state = {"before": moment(**blind, load_average=2.5), "after": moment(**blind)}
    (found,) = disturbances({**machine(), **state})
    assert found == "the load average was 2.5 on 2 cores before the run"
    quiet = {"before": moment(**blind, load_average=None), "after": moment(**blind)}
    assert not [*disturbances({**machine(), **quiet})]


def test_remarks() -> None:
    about = {"virtual_machine": "Maker", "container": "docker", "power": "battery"}
    found = [*remarks({**machine(), **about, "governor": "ondemand"})]
    assert found == [
        "a virtual machine (Maker)",
        "a container (docker)",
        "on battery",
        "the clock's governor is ondemand",
        "the clock does not show",
        "no temperature shows",
    ]
    well = {"before": moment(frequency_mhz=1500.0, temperature_c=40.0), "governor": "performance"}
    assert not [*remarks({**machine(), **well})]
