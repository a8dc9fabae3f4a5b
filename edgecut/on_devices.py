"""How long a bundle's artifacts take on devices: this machine's own, and others over ssh."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from edgecut import timing
from edgecut.artifact import Artifact
from edgecut.errors import EdgecutError
from edgecut.measure.contender import Contender
from edgecut.measure.environment import machine, remarks, state
from edgecut.measure.latency import STARTS, limit_s, spec_of
from edgecut.measure.measurement import Measurement, read_report
from edgecut.measure.peak import Probe
from edgecut.opened import open_bundle
from edgecut.progress import Tell, nobody
from edgecut.remote.alone import alone
from edgecut.remote.benchmark import Report, Spec, Work, at_once, bench_on, check, pack
from edgecut.remote.inventory import Device, find_device
from edgecut.roofs import Ground, Place, Roof, RoofOrReason, why_not
from edgecut.timing import Field, Ran, Round, Timing, grounds_of, timings_of

OPENVINO = "openvino:"
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of one device: its timings, and the errors that kept it from more of them.

    ``device`` is what the user calls it, empty for the machine that this runs on.
    """

    device: str
    timings: tuple[Timing, ...] = ()
    errors: tuple[EdgecutError, ...] = ()


def bench(
    folder: Path,
    devices: Sequence[str],
    *,
    model: str | None = None,
    threads: Sequence[int] | None = None,
    duration_s: float = 5.0,
    starts: int = STARTS,
    precision: float | None = None,
    pin: Sequence[int] | None = None,
    sustain_s: float = 0.0,
    scenarios: Mapping[str, Any] | None = None,
    against: Path | None = None,
    under_roof: bool = True,
    wait_s: float = 0.0,
    tell: Tell = nobody,
) -> list[Outcome]:
    """Latency of a bundle's artifacts on each device, as ``timing.bench`` has it for this machine.

    Those that ssh reaches all measure at once, after those of this machine, which hold its lock
    meanwhile. One that fails does not stop the others.

    Args:
        folder: what ``build`` wrote.
        devices: ``openvino:NPU`` for a device of OpenVINO's in this machine, else a name in
            ``devices.toml`` or what ssh takes, as ``pi@raspberrypi.local``.
        model: as ``timing.bench`` takes it, and so are those that follow.
        threads: where it is None, what the inventory says, or else one; says nothing to a device
            that ``has_threads`` tells has none.
        duration_s: see there.
        starts: see there.
        precision: see there.
        pin: where it is None, what the inventory says.
        sustain_s: see there.
        scenarios: see there.
        against: see there.
        under_roof: see there.
        wait_s: seconds to wait for a device where another benchmark has it.
        tell: told of progress.

    Returns:
        What came of each device, in order.

    Raises:
        EdgecutError: ``bad-measurement`` where a device is named twice, what ``find_device`` and
            ``timing.Field`` raise.
    """
    _check_distinct(devices)
    if any(name.lower() == OPENVINO for name in devices):
        raise EdgecutError(
            f"'{OPENVINO}' names no device",
            code="bad-device",
            hint="name one of OpenVINO's: openvino:NPU, openvino:GPU or openvino:CPU",
        )
    effort: dict[str, Any] = {
        "duration_s": duration_s,
        "starts": starts,
        "precision": precision,
        "sustain_s": sustain_s,
        "scenarios": scenarios,
    }
    asked = [name for name in devices if not name.lower().startswith(OPENVINO)]
    remote = [_settled(find_device(name), threads, pin) for name in asked]
    _check_distinct([device.remote.destination for device in remote])
    found = {
        name: _bench_here(
            name,
            partial(
                timing.bench,
                folder,
                model=model,
                threads=threads if threads and has_threads(name) else (1,),
                pin=pin,
                against=against,
                accelerator=name[len(OPENVINO) :],
                under_roof=under_roof,
                tell=tell,
                **effort,
            ),
            wait_s,
            tell,
        )
        for name in devices
        if name not in asked
    }
    if remote:
        field = Field(open_bundle(folder, model=model), against=against)
        there = _bench_remote(field, remote, effort, under_roof, wait_s, tell)
        found.update(zip(asked, there, strict=True))
    return [found[name] for name in devices]


def has_threads(name: str) -> bool:
    """Whether a number of threads says something to that device: an NPU or GPU has its own."""
    return not name.lower().startswith(OPENVINO) or name[len(OPENVINO) :].upper() == "CPU"


def _settled(device: Device, threads: Sequence[int] | None, pin: Sequence[int] | None) -> Device:
    """The device with what is asked for, or else what the inventory says."""
    return Device(
        remote=device.remote,
        target=device.target,
        threads=tuple(threads or device.threads or (1,)),
        pin=tuple(pin or device.pin),
    )


def _bench_remote(
    field: Field,
    devices: Sequence[Device],
    effort: Mapping[str, Any],
    under_roof: bool,
    wait_s: float,
    tell: Tell,
) -> list[Outcome]:
    """All of them at once; whether they answer is asked before anything is made for them."""
    artifacts = [field.artifacts(device.target) for device in devices]
    formats = [field.formats(own) for own in artifacts]
    checks = [
        partial(check, device.remote, needed, wait_s=wait_s)
        for device, needed in zip(devices, formats, strict=True)
    ]
    found = {
        device.name: Outcome(device=device.name, errors=(error,))
        for device, error in zip(devices, at_once(checks, tell), strict=True)
        if error is not None
    }
    ready = [(d, own) for d, own in zip(devices, artifacts, strict=True) if d.name not in found]
    with ExitStack() as stack:
        rounds = _rounds(field, [artifact for _, own in ready for artifact in own], stack, tell)
        plans = [
            [(rounds[a.path], count) for a, count in product(own, device.threads)]
            for device, own in ready
        ]
        works = [
            _work(device, plan, effort, wait_s)
            for (device, _), plan in zip(ready, plans, strict=True)
        ]
        reports = at_once(works, tell)
    ran: dict[str, list[Ran]] = {}
    for (device, _), plan, told in zip(ready, plans, reports, strict=True):
        try:
            ran[device.name] = _ran(plan, told, device.name)
        except EdgecutError as error:
            found[device.name] = Outcome(device=device.name, errors=(error,))
    measured = [device for device in devices if device.name in ran]
    roofs = _roofs(measured, ran, wait_s, tell) if under_roof else {}
    for device in measured:
        found[device.name] = _outcome(device.name, ran[device.name], roofs.get(device.name, {}))
    return [found[device.name] for device in devices]


def _rounds(
    field: Field, artifacts: Sequence[Artifact], stack: ExitStack, tell: Tell
) -> dict[str, Round]:
    """A round for each artifact, by its path: what several devices run is made once."""
    distinct = {artifact.path: artifact for artifact in artifacts}
    rounds = {}
    for number, (path, artifact) in enumerate(distinct.items()):
        tell(f"prepare {path}", number, len(distinct))
        rounds[path] = stack.enter_context(field.round(artifact))
    return rounds


def _work(
    device: Device, plan: Sequence[tuple[Round, int]], effort: Mapping[str, Any], wait_s: float
) -> Work[list[Report]]:
    """What is done on a device, but for ``tell`` and ``stop``."""
    specs = [
        spec_of(turn.contenders, threads=count, pin=device.pin or None, **effort)
        for turn, count in plan
    ]
    return _measuring(device, specs, wait_s)


def _measuring(device: Device, specs: Sequence[Spec], wait_s: float) -> Work[list[Report]]:
    timeout_s = max(map(limit_s, specs))
    return partial(bench_on, pack(device.remote, specs), timeout_s=timeout_s, wait_s=wait_s)


def _ran(
    plan: Sequence[tuple[Round, int]], reports: list[Report] | EdgecutError, name: str
) -> list[Ran]:
    """What was measured in each turn on a device."""
    if isinstance(reports, EdgecutError):
        raise reports
    return [
        (turn, _understood(name, partial(_sound, report, turn.contenders, count)))
        for (turn, count), report in zip(plan, reports, strict=True)
    ]


def _sound(report: Report, contenders: Sequence[Contender], threads: int) -> Sequence[Measurement]:
    """The measurements; what is told of them later is told here once, to see that it can be."""
    with np.errstate(divide="raise", invalid="raise"):
        found = read_report(report, contenders)
        for one in found:
            if not all(sample > 0 for sample in one.samples_ms):
                raise ValueError(f"a run of '{one.name}' took no time")
            if not all(second["median_ns"] > 0 <= second["s"] for second in one.sustained):
                raise ValueError(f"a second of '{one.name}' had no run")
            if one.threads != threads:
                raise ValueError(f"'{one.name}' ran with {one.threads} threads, not {threads}")
            told = (one.to_json(), state(one.environment), machine(one.environment))
            json.dumps((told, *remarks(one.environment)), allow_nan=False)
    return found


def _roofs(
    devices: Sequence[Device], ran: Mapping[str, Sequence[Ran]], wait_s: float, tell: Tell
) -> dict[str, dict[Place, RoofOrReason]]:
    """The roofs over each device, by its name: what was kept of them, else measured there."""
    found: dict[str, dict[Place, RoofOrReason]] = {device.name: {} for device in devices}
    probing: dict[str, list[tuple[Place, Ground, list[Probe], Spec]]] = {}
    with ExitStack() as stack:
        for device in devices:
            own, missing = found[device.name], probing.setdefault(device.name, [])
            for place, ground in grounds_of(ran[device.name], device=device.name).items():
                if (known := ground.kept()) is not None:
                    own[place] = known
                    continue
                try:
                    missing.append((place, ground, *stack.enter_context(ground.probing(tell))))
                except EdgecutError as error:
                    own[place] = why_not(error)
        lacking = [device for device in devices if probing[device.name]]
        works = [
            _measuring(device, [spec for *_, spec in probing[device.name]], wait_s)
            for device in lacking
        ]
        reports = at_once(works, tell)
    for device, told in zip(lacking, reports, strict=True):
        for number, (place, ground, probes, _) in enumerate(probing[device.name]):
            try:
                found[device.name][place] = _roof(ground, probes, told, number, device.name)
            except EdgecutError as error:
                found[device.name][place] = why_not(error)
    return found


def _roof(
    ground: Ground,
    probes: Sequence[Probe],
    reports: list[Report] | EdgecutError,
    number: int,
    name: str,
) -> Roof:
    if isinstance(reports, EdgecutError):
        raise reports
    return _understood(name, partial(ground.read, reports[number], probes))


def _understood(name: str, read: Callable[[], T]) -> T:
    """What is read from a report; the device may have sent anything."""
    try:
        return read()
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise EdgecutError(
            f"{name} sent a report that is none of ours ({type(error).__name__}: {error})",
            code="bad-report",
            where=name,
            hint="nothing was measured; is the device's Python sound?",
        ) from error


def _outcome(name: str, ran: Sequence[Ran], roofs: Mapping[Place, RoofOrReason]) -> Outcome:
    try:
        timings = _understood(name, partial(timings_of, ran, roofs))
        return Outcome(device=name, timings=tuple(timings))
    except EdgecutError as error:
        return Outcome(device=name, errors=(error,))


def _bench_here(name: str, work: Callable[..., list[Timing]], wait_s: float, tell: Tell) -> Outcome:
    """One device of this machine; an artifact that fails does not stop the others."""
    timings: list[Timing] = []
    errors: list[EdgecutError] = []
    try:
        with alone(wait_s, tell):
            timings = work(failed=errors.append)
    except EdgecutError as error:
        errors.append(error)
    return Outcome(device=name, timings=tuple(timings), errors=tuple(errors))


def _check_distinct(names: Sequence[str]) -> None:
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise EdgecutError(
            f"a device takes one benchmark at a time: {', '.join(twice)} is named twice",
            code="bad-measurement",
        )
