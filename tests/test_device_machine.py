"""What device.py says of a machine, from files as other machines have them."""

from __future__ import annotations

import fnmatch
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edgecut import device

Files = Callable[[dict[str, str]], None]
CORE = "/sys/devices/system/cpu/cpu{}/"


@pytest.fixture
def files(monkeypatch: pytest.MonkeyPatch) -> Files:
    """Make these the only files that device.py sees."""

    def put(contents: dict[str, str]) -> None:
        monkeypatch.setattr(device, "_text", lambda path: contents.get(path, ""))
        folders = {str(parent) for path in contents for parent in Path(path).parents}
        paths = [*contents, *folders]
        monkeypatch.setattr(device.glob, "glob", lambda p: fnmatch.filter(paths, p))
        monkeypatch.setattr(device.os.path, "exists", lambda path: path in contents)

    monkeypatch.delenv("container", raising=False)
    return put


def test_nothing_is_known_of_a_machine_without_such_files(files: Files) -> None:
    files({})
    assert device.clocks() == {"frequency_mhz": None, "temperature_c": None}
    assert device.busy_seconds()["busy_s"] is None
    assert device.process_seconds(1) == 0.0 and device.threads_ns() == {}
    for unknown in (
        *(device.power_source, device.emulator, device.virtual_machine),
        *(device.container, device.quota_cores, device.quota_throttled, device.heat_throttled),
    ):
        assert unknown() is None


def test_the_fastest_core_and_the_hottest_zone_count(files: Files) -> None:
    files(
        {
            CORE.format(0) + "cpufreq/scaling_cur_freq": "600000",
            CORE.format(1) + "cpufreq/scaling_cur_freq": "1800000",
            "/sys/class/thermal/thermal_zone0/temp": "48312",
            "/sys/class/thermal/thermal_zone1/temp": "61000",
        }
    )
    assert device.clocks() == {"frequency_mhz": 1800.0, "temperature_c": 61.0}


def test_a_clock_that_only_the_processor_list_tells(files: Files) -> None:
    files({"/proc/cpuinfo": "cpu MHz\t\t: 2596.144\nflags : a\ncpu MHz : 2100.0"})
    assert device.clocks()["frequency_mhz"] == 2596.144


def test_odd_values_end_nothing(files: Files) -> None:
    files(
        {
            CORE.format(0) + "cpufreq/scaling_cur_freq": "<unknown>",
            CORE.format(1) + "cpufreq/scaling_cur_freq": "1800000",
            CORE.format(0) + "thermal_throttle/core_throttle_count": "many",
            "/sys/class/thermal/thermal_zone0/temp": "nan",
            "/proc/stat": "cpu  100 20 ? 4000 50 6 7 80",
            "/proc/7/stat": "7 (a) S 1 7 7 0 -1 4194304 1 0 0 0 ? 50 0 0 20",
        }
    )
    assert device.clocks() == {"frequency_mhz": 1800.0, "temperature_c": None}
    assert device.busy_seconds()["busy_s"] is device.heat_throttled() is None
    assert device.process_seconds(7) == 50 / os.sysconf("SC_CLK_TCK")


def test_a_server_for_arm_is_named_by_its_cores(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device.platform, "machine", lambda: "aarch64")
    core = "CPU implementer\t: 0x41\nCPU architecture: 8\nCPU part\t: {}\n"
    files({"/proc/cpuinfo": core.format("0xd0c") + core.format("0xd0c")})
    assert device.cpu_model() == "aarch64 (implementer 0x41, part 0xd0c)"
    files({"/proc/cpuinfo": core.format("0xd0c") + "model name\t: Neoverse-N1"})
    assert device.cpu_model() == "Neoverse-N1"


def test_all_cores_to_pin_to_must_be_there() -> None:
    if not hasattr(os, "sched_getaffinity"):
        pytest.skip("needs Linux")
    there = sorted(os.sched_getaffinity(0))
    with pytest.raises(ValueError, match=f"cores {there[0]}, 4711: there are {there[0]}"):
        device.pin([there[0], 4711])
    assert sorted(os.sched_getaffinity(0)) == there


def test_busy_and_stolen_seconds(files: Files) -> None:
    files({"/proc/stat": "cpu  100 20 30 4000 50 6 7 80 9 10\ncpu0 1\ncpu1 2\nintr 5"})
    hertz = os.sysconf("SC_CLK_TCK")
    assert device.busy_seconds() == {
        "busy_s": 163 / hertz,
        "steal_s": 80 / hertz,
        "cores_of_machine": 2,
    }


def test_seconds_of_a_process_with_an_odd_name(files: Files) -> None:
    files({"/proc/7/stat": "7 (a) b (c) S 1 7 7 0 -1 4194304 1 0 0 0 250 50 0 0 20"})
    assert device.process_seconds(7) == 300 / os.sysconf("SC_CLK_TCK")


@pytest.mark.parametrize(
    ("contents", "found"),
    [
        (
            {"/sys/class/power_supply/AC/type": "Mains", "/sys/class/power_supply/AC/online": "1"},
            "mains",
        ),
        (
            {
                "/sys/class/power_supply/AC/type": "Mains",
                "/sys/class/power_supply/AC/online": "0",
                "/sys/class/power_supply/BAT0/type": "Battery",
                "/sys/class/power_supply/BAT0/status": "Discharging",
            },
            "battery",
        ),
    ],
)
def test_power(files: Files, contents: dict[str, str], found: str) -> None:
    files(contents)
    assert device.power_source() == found


@pytest.mark.parametrize(
    ("contents", "found"),
    [
        # As qemu-user 7.2 shows itself to a program for aarch64.
        ({"/proc/self/status": "Name:\tqemu-aarch64-st\nUmask:\t0022"}, "qemu-aarch64-st"),
        ({"/proc/cpuinfo": "model name\t: QEMU TCG CPU version 2.5+"}, "qemu-system"),
        ({"/proc/self/status": "Name:\tpython3", "/proc/cpuinfo": "model name: Intel"}, None),
    ],
)
def test_emulation(files: Files, contents: dict[str, str], found: str | None) -> None:
    files(contents)
    assert device.emulator() == found


def test_emulation_that_bears_the_name_of_its_program(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As binfmt_misc starts it; QEMU answers for /proc/self/exe alone.
    files({"/proc/self/status": "Name:\tpython3"})
    links = {"/proc/self/exe": "/usr/bin/python3", "/proc/thread-self/exe": "/bin/qemu-arm-static"}
    monkeypatch.setattr(device.os, "readlink", links.__getitem__)
    assert device.emulator() == "qemu-arm-static"


@pytest.mark.parametrize(
    ("contents", "found"),
    [
        (
            {"/proc/cpuinfo": "flags\t: fpu hypervisor", "/sys/class/dmi/id/sys_vendor": "QEMU"},
            "QEMU",
        ),
        ({"/proc/cpuinfo": "flags : hypervisor"}, "unknown"),
        ({"/sys/hypervisor/type": "xen"}, "xen"),
        ({"/proc/cpuinfo": "flags : fpu", "/sys/class/dmi/id/sys_vendor": "Dell Inc."}, None),
    ],
)
def test_virtual_machines(files: Files, contents: dict[str, str], found: str | None) -> None:
    files(contents)
    assert device.virtual_machine() == found


@pytest.mark.parametrize(
    ("contents", "found"),
    [
        ({"/.dockerenv": ""}, "docker"),
        ({"/run/.containerenv": ""}, "podman"),
        ({"/proc/1/cgroup": "0::/kubepods/besteffort/pod1"}, "kubepods"),
        ({"/proc/1/cgroup": "0::/init.scope"}, None),
    ],
)
def test_containers(files: Files, contents: dict[str, str], found: str | None) -> None:
    files(contents)
    assert device.container() == found


@pytest.mark.parametrize(
    ("contents", "cores"),
    [
        ({"/proc/self/cgroup": "0::/a", "/sys/fs/cgroup/a/cpu.max": "150000 100000"}, 1.5),
        ({"/proc/self/cgroup": "0::/", "/sys/fs/cgroup/cpu.max": "max 100000"}, None),
        (
            {
                "/sys/fs/cgroup/cpu/cpu.cfs_quota_us": "50000",
                "/sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000",
            },
            0.5,
        ),
        (
            {
                "/sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1",
                "/sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000",
            },
            None,
        ),
    ],
)
def test_quotas(files: Files, contents: dict[str, str], cores: float | None) -> None:
    files(contents)
    assert device.quota_cores() == cores


def test_counts_of_throttling(files: Files) -> None:
    files(
        {
            "/sys/fs/cgroup/cpu.stat": "usage_usec 5\nnr_periods 9\nnr_throttled 4\n",
            CORE.format(0) + "thermal_throttle/core_throttle_count": "2",
            CORE.format(1) + "thermal_throttle/package_throttle_count": "3",
        }
    )
    assert device.quota_throttled() == 4
    assert device.heat_throttled() == 5


@pytest.mark.parametrize(
    ("program", "found"), [("echo throttled=0x50005", 0x50005), ("exit 1", None), ("echo ?", None)]
)
def test_a_raspberry_pi_firmware(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, program: str, found: int | None
) -> None:
    command = tmp_path / "vcgencmd"
    command.write_text(f"#!/bin/sh\n{program}\n")
    command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    assert device.firmware_throttled() == found


def test_this_machine_counts_what_a_busy_process_takes() -> None:
    if not Path("/proc/self/stat").exists():
        pytest.skip("needs /proc")
    before = device.process_seconds(os.getpid()), device.busy_seconds()["busy_s"]
    sum(i * i for i in range(3_000_000))
    after = device.process_seconds(os.getpid()), device.busy_seconds()["busy_s"]
    assert after[0] > before[0] and after[1] > before[1]
    assert all(min(ns) >= 0 for ns in device.threads_ns().values())


def test_how_a_process_fared() -> None:
    done, how = device.fared(lambda: sum(i * i for i in range(1_000_000)))
    assert done > 0 and how["on_cores_ns"] > 0 and how["busiest_ns"] > 0
    _, idle = device.fared(lambda: time.sleep(0.2))
    assert idle["wall_ns"] >= 0.2e9 and idle["busiest_ns"] < 0.5 * idle["wall_ns"]


def test_a_digest_is_that_of_all_files_in_order(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"one")
    (tmp_path / "b").write_bytes(b"two")
    told = subprocess.run(
        ["sha256sum"], input=b"onetwo", capture_output=True, check=True
    ).stdout.split()[0]
    assert device.digest([str(tmp_path / "a"), str(tmp_path / "b")]) == told.decode()


RAPL = "/sys/class/powercap/intel-rapl:{}/"


def test_packages_are_counted_and_their_parts_are_not(files: Files) -> None:
    counters = {RAPL.format(place) + "energy_uj": "5000000" for place in ("0", "1", "2", "0:0")}
    names = {"0": "package-0", "1": "package-1", "2": "psys", "0:0": "core"}
    counters |= {RAPL.format(place) + "name": name for place, name in names.items()}
    files(counters)
    meter = device.find_meter(None)
    assert meter is not None and meter.name == "RAPL"

    def work() -> str:
        files({place: "7500000" for place in counters if place.endswith("energy_uj")})
        return "done"

    joules, seconds, result = meter.during(work)
    assert (joules, result) == (pytest.approx(5.0), "done") and seconds > 0


def packages(*counts: int, range_uj: str = "9000000") -> dict[str, str]:
    """RAPL's files of so many packages."""
    files = {}
    for place, count in enumerate(counts):
        folder = RAPL.format(place)
        files |= {folder + "name": f"package-{place}", folder + "energy_uj": str(count)}
        files[folder + "max_energy_range_uj"] = range_uj
    return files


def test_counters_that_began_again(files: Files) -> None:
    files(packages(8_000_000, 1_000_000))
    meter = device.find_meter(None)
    assert meter is not None
    joules, _, _ = meter.during(lambda: files(packages(1_000_000, 4_000_000)))
    assert joules == pytest.approx(2.0 + 3.0), "each by itself"


def test_counters_that_begin_again_several_times(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device, "COUNTER_S", 0.001)
    files(packages(0))
    meter = device.find_meter(None)
    assert meter is not None

    def work() -> None:
        for count in (6_000_000, 3_000_000, 0, 6_000_000, 3_000_000):
            time.sleep(0.1)
            files(packages(count))

    assert meter.during(work)[0] == pytest.approx(30.0)


def test_a_counter_that_does_not_tell_where_it_begins_again(files: Files) -> None:
    files(packages(8_000_000, range_uj=""))
    meter = device.find_meter(None)
    assert meter is not None
    with pytest.raises(device.MeterFault, match="began anew"):
        meter.during(lambda: files(packages(1_000_000, range_uj="")))


def test_counters_that_may_not_be_read_are_none(files: Files) -> None:
    files({RAPL.format("0") + "energy_uj": "", "/sys/class/hwmon/hwmon0/name": "ina219"})
    assert device.find_meter(None) is None


def test_power_is_summed_up_while_it_works(files: Files) -> None:
    sensor = "/sys/class/hwmon/hwmon{}/"
    files(
        {
            sensor.format(1) + "name": "ina219",
            sensor.format(1) + "power1_input": "3000000",
            sensor.format(2) + "name": "nvme",
            sensor.format(2) + "power1_input": "9000000",
        }
    )
    meter = device.find_meter(None)
    assert meter is not None and meter.name == "ina219"
    joules, seconds, _ = meter.during(lambda: time.sleep(0.3))
    assert 0.9 * 3.0 * seconds <= joules <= 3.0 * seconds * 2  # a loaded machine sleeps longer


def test_a_command_is_a_meter(tmp_path: Path) -> None:
    counter = tmp_path / "joules"
    counter.write_text("10.5 J")
    meter = device.find_meter([sys.executable, "-c", f"print(open({str(counter)!r}).read())"])
    assert meter is not None
    assert meter.during(lambda: counter.write_text("12.75 J"))[0] == pytest.approx(2.25)


@pytest.mark.parametrize(
    "program", ["raise SystemExit(1)", "print('none')", "print()", "print('nan')", "print('inf')"]
)
def test_a_command_that_is_no_meter_is_an_error(program: str) -> None:
    with pytest.raises(device.MeterFault, match=sys.executable):
        device.find_meter([sys.executable, "-c", program])
    with pytest.raises(device.MeterFault, match="no-such-meter"):
        device.find_meter(["no-such-meter"])


def test_a_meter_that_falls_costs_the_energy_alone(tmp_path: Path) -> None:
    counter = tmp_path / "joules"
    counter.write_text("10")
    meter = device.find_meter([sys.executable, "-c", f"print(open({str(counter)!r}).read())"])
    assert meter is not None

    class Child:
        def stream(self, seconds: float, least: int) -> dict[str, float]:
            counter.write_text("4")
            return {"runs": 1, "seconds": 0.1}

    child: Any = Child()
    assert device.energy(child, meter, 0.01) == {
        "fault": f"the meter '{sys.executable}' printed 4 after 10 joules"
    }
