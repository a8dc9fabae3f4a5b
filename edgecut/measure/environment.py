"""What the machine's state says about a measurement: why not to believe it, and what to know."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

STATE = ("before", "during", "after")
"""What of an environment is of one run alone; the rest describes the machine."""
MAX_OTHERS = 0.2
"""The share of all cores' time that other programs may take."""
MAX_OTHER_CORES = 0.5
"""And how much of a core: one program next door is as loud on a large machine."""
MAX_STOLEN = 0.02
"""The share of all cores' time that a hypervisor may give to others."""
MIN_CLOCK = 0.9
"""How far the clock may fall, from the first third of a run to its last."""

# What each bit of `vcgencmd get_throttled` says; 16 higher stands what was so since the start.
_FIRMWARE = {
    0: "the supply's voltage is too low",
    1: "the clock is capped",
    2: "the processor is throttled",
    3: "the temperature's soft limit is reached",
}
_SUPPLY = {0: _FIRMWARE[0]}
_SINCE_START = 16
# What is counted while it happens; the first has nothing to do with heat.
_COUNTED = (
    ("quota_throttled", "the control group's quota held the processes back"),
    ("heat_throttled", "heat slowed the processor down"),
)

Facts = Mapping[str, Any]


def machine(environment: Facts) -> dict[str, Any]:
    """What stays the same from run to run."""
    return {name: fact for name, fact in environment.items() if name not in STATE}


def state(environment: Facts) -> dict[str, Any]:
    """What is of one run alone."""
    return {name: environment[name] for name in STATE}


def disturbances(environment: Facts, *, heat: bool = True) -> Iterator[str]:
    """Why what was measured there should not be believed.

    Args:
        environment: the machine's facts, and its state before, during and after.
        heat: whether what heat does spoils it; not where that is what is measured.
    """
    if environment.get("emulator"):
        yield f"the processor is emulated by {environment['emulator']}: its times mean nothing"
    before, after = environment["before"], environment["after"]
    yield from _others(before, after)
    yield from _held_back(before, after, _COUNTED if heat else _COUNTED[:1])
    yield from _firmware(before, after, _FIRMWARE if heat else _SUPPLY)
    clocks = [seen["frequency_mhz"] for seen in environment.get("during", ())]
    if heat and (fallen := _fallen(clocks)) is not None:
        yield f"the clock fell from {fallen[0]:.0f} to {fallen[1]:.0f} MHz during the run"


def remarks(environment: Facts) -> Iterator[str]:
    """What a reader should know, though it spoils nothing by itself."""
    if environment.get("virtual_machine"):
        yield f"a virtual machine ({environment['virtual_machine']})"
    if environment.get("container"):
        yield f"a container ({environment['container']})"
    if environment.get("power") == "battery":
        yield "on battery"
    governor = environment.get("governor")
    if governor and governor != "performance":
        yield f"the clock's governor is {governor}"
    if environment["before"].get("frequency_mhz") is None:
        yield "the clock does not show"
    if environment["before"].get("temperature_c") is None:
        yield "no temperature shows"


def _others(before: Facts, after: Facts) -> Iterator[str]:
    """Other programs, and other machines on the same processor."""
    if before.get("busy_s") is None or after.get("busy_s") is None:
        load, cores = before.get("load_average"), before.get("cores_of_machine")
        if load is not None and cores and load > cores:
            yield f"the load average was {load:.1f} on {cores} cores before the run"
        return
    cores = before["cores_of_machine"]
    seconds = max(after["monotonic_s"] - before["monotonic_s"], 1e-9)
    own = after["own_s"] - before["own_s"]
    others = (after["busy_s"] - before["busy_s"] - own) / seconds
    if others > min(MAX_OTHERS * cores, MAX_OTHER_CORES):
        yield f"other programs kept {others:.1f} of {cores} cores busy during the run"
    stolen = (after["steal_s"] - before["steal_s"]) / seconds / cores
    if stolen > MAX_STOLEN:
        yield f"the hypervisor gave {stolen:.0%} of the cores' time to others"


def _held_back(before: Facts, after: Facts, counted: Sequence[tuple[str, str]]) -> Iterator[str]:
    for name, what in counted:
        times = (after.get(name) or 0) - (before.get(name) or 0)
        if times > 0:
            yield f"{what}, {times} time{'s' * (times > 1)} during the run"


def _firmware(before: Facts, after: Facts, bits: Mapping[int, str]) -> Iterator[str]:
    """A Raspberry Pi's own word: now, or newly since the run began."""
    first, last = before.get("firmware_throttled") or 0, after.get("firmware_throttled") or 0
    for bit, what in bits.items():
        newly = last & ~first & 1 << bit + _SINCE_START
        if (first | last) & 1 << bit or newly:
            yield f"{what} (vcgencmd get_throttled: {last:#x})"


def _fallen(clocks: list[float | None]) -> tuple[float, float] | None:
    known = [clock for clock in clocks if clock is not None]
    third = len(known) // 3
    if not third:
        return None
    first, last = float(np.median(known[:third])), float(np.median(known[-third:]))
    return (first, last) if last < MIN_CLOCK * first else None
