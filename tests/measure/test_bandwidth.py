"""Memory bandwidth: what the device's report says, and when not to believe it."""

from __future__ import annotations

from typing import Any

import pytest

from edgecut import device
from edgecut.measure.bandwidth import read_bandwidth


def report(**changes: Any) -> dict[str, Any]:
    plain = {
        "threads": 2,
        "cache_bytes": 8 * 2**20,
        "array_bytes": 64_000_000,
        "copy_ns": [16_000_000, 12_800_000, 90_000_000],
        "read_ns": [7_000_000, 6_400_000],
    }
    return {**plain, **changes}


def test_the_best_pass_counts_and_a_copy_moves_twice_its_bytes() -> None:
    found = read_bandwidth(report())
    assert (found.copy_gb_per_s, found.read_gb_per_s) == (10.0, 10.0)
    assert found.threads == 2 and found.reasons == ()
    assert read_bandwidth(report(read_ns=[3_200_000])).gb_per_s == 20.0
    assert read_bandwidth(report(copy_ns=[6_400_000])).gb_per_s == 20.0


@pytest.mark.parametrize(
    ("changes", "said"),
    [({"cache_bytes": 2**24}, "less than 4 times"), ({"cache_bytes": None}, "not known")],
)
def test_arrays_that_may_lie_in_a_cache_are_told(changes: dict[str, Any], said: str) -> None:
    found = read_bandwidth(report(**changes))
    assert len(found.reasons) == 1 and said in found.reasons[0]


def test_arrays_are_four_times_the_caches_as_far_as_memory_goes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    free = {"kB": 100 * 2**20}
    group = {"memory.max": "max", "memory.current": "0"}

    def text(path: str) -> str:
        return group.get(path.rpartition("/")[2], f"MemAvailable: {free['kB']} kB")

    monkeypatch.setattr(device, "_text", text)
    assert device.array_bytes(32 * 2**20) == 128 * 2**20
    assert device.array_bytes(2**20) == device.array_bytes(None) == device.LEAST_ARRAY_BYTES
    free["kB"] = 100 * 2**10
    assert device.array_bytes(32 * 2**20) == 20 * 2**20
    group |= {"memory.max": str(80 * 2**20), "memory.current": str(30 * 2**20)}
    assert device.array_bytes(32 * 2**20) == 10 * 2**20, "a control group may have less"
    monkeypatch.setattr(device, "_text", lambda path: "")
    assert device.array_bytes(32 * 2**20) == 128 * 2**20


def test_caches_that_cpus_share_count_once(monkeypatch: pytest.MonkeyPatch) -> None:
    files = {}
    for cpu in range(4):
        place = f"/sys/devices/system/cpu/cpu{cpu}/cache/index"
        shared = "0-1" if cpu < 2 else "2-3"
        files |= {f"{place}0/level": "1", f"{place}0/size": "32K", f"{place}0/type": "Data"}
        files |= {f"{place}0/shared_cpu_list": str(cpu)}
        files |= {f"{place}1/level": "2", f"{place}1/size": "512K", f"{place}1/type": "Unified"}
        files |= {f"{place}1/shared_cpu_list": shared}
    monkeypatch.setattr(device, "_text", lambda path: files.get(path, ""))
    places = sorted({path.rsplit("/", 1)[0] for path in files})
    monkeypatch.setattr(device.glob, "glob", lambda pattern: places)
    assert device.cache_bytes() == 2 * 512 * 1024
    monkeypatch.setattr(device.glob, "glob", lambda pattern: [])
    assert device.cache_bytes() is None
