"""Benchmarks on other machines: one ssh connection each, and nothing is left behind there."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgecut import device as device_script
from edgecut.errors import EdgecutError
from edgecut.progress import Tell, nobody
from edgecut.remote.channel import Channel, Gone
from edgecut.remote.session import FORMATS, Session
from edgecut.remote.ssh import Remote, gone_error
from edgecut.remote.untrusted import read_json

ATTEMPTS = 3
BACK_OFF_S = 1.0
_OURS = re.compile(r"device\.py|spec-\d+\.json|stdout|stderr")

Report = dict[str, Any]
Spec = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What is to be measured on one device.

    ``specs`` are specs of ``device.py bench``, whose paths are names in ``files``; those say where
    the files lie here.
    """

    remote: Remote
    specs: tuple[Spec, ...]
    files: Mapping[str, Path]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of a job: a report for each spec, or the error that ended it."""

    remote: Remote
    reports: tuple[Report, ...] = ()
    error: EdgecutError | None = None


def pack(remote: Remote, specs: Sequence[Spec]) -> Job:
    """The job of measuring these specs, whose paths are files here, on a device.

    A file that several specs name is copied once. What belongs together, as an OpenVINO ``.xml``
    and its ``.bin``, goes by one stem.
    """
    stems: dict[str, str] = {}
    files: dict[str, Path] = {}

    def there(path: str) -> str:
        place = Path(path)
        stem = stems.setdefault(str(place.with_suffix("")), f"artifact-{len(stems)}")
        files[stem + place.suffix] = place
        return stem + place.suffix

    def entry(told: Mapping[str, Any]) -> dict[str, Any]:
        return {**told, "path": there(told["path"]), "files": list(map(there, told["files"]))}

    packed = tuple({**spec, "artifacts": list(map(entry, spec["artifacts"]))} for spec in specs)
    return Job(remote=remote, specs=packed, files=files)


def bench_on(
    job: Job,
    *,
    timeout_s: float,
    wait_s: float = 0.0,
    tell: Tell = nobody,
    stop: threading.Event | None = None,
) -> list[Report]:
    """Run ``device.py bench`` on a device for each spec, and bring the reports back.

    The device is locked until the last one is done. Nothing is left there afterwards, neither
    files nor processes, whether this returns, raises, is interrupted, or the connection is lost.

    Args:
        job: what to measure where.
        timeout_s: seconds that each measurement may take, without connecting and copying.
        wait_s: seconds to wait for the device where another benchmark has it.
        tell: told of progress.
        stop: when set by another thread, all is ended.

    Returns:
        The reports. Each is well-formed JSON with finite numbers and printable texts; whether it
        says what it should is for the reader to check.

    Raises:
        EdgecutError: for what is here ``bad-measurement``, ``unknown-format``,
            ``artifact-not-found``, ``ssh-not-found`` or ``bad-ssh-configuration``; for the way
            there ``device-unreachable``, ``unknown-host-key``, ``host-key-changed``,
            ``login-refused``, ``device-lost`` or ``transfer-failed``; for what is there
            ``missing-on-device``, ``device-busy``, ``device-full``, ``device-failed``,
            ``device-late``, ``runtime-failed`` or ``bad-report``; and ``stopped``.
    """
    contents, formats, name = _contents(job), _formats(job.specs), job.remote.name
    stop = stop or threading.Event()
    for attempt in range(1, ATTEMPTS + 1):
        # A device that lost the connection keeps its lock until it has noticed.
        patience_s = wait_s + (2 * Channel.SILENCE_S if attempt > 1 else 0)
        with Channel(job.remote.ssh(), job.remote.python, stop) as channel:
            session = Session(name, channel, tell)
            try:
                session.open(formats, sum(map(len, contents.values())), patience_s)
                session.copy(contents)
                printed = session.run([_spec_name(i) for i in range(len(job.specs))], timeout_s)
                return [read_json(report, where=name) for report in printed]
            except Gone as gone:
                error = gone_error(name, session.stage, gone.why, *channel.ending(gone))
                first_contact = attempt == 1 and session.stage == "connecting"
                lost = gone.why in ("ended", "silent", "late")
                if not lost or first_contact or session.stage == "measuring":
                    raise error from gone
        stop.wait(BACK_OFF_S * 2 ** (attempt - 1))
    raise error


def bench_on_each(
    jobs: Sequence[Job], *, timeout_s: float, wait_s: float = 0.0, tell: Tell = nobody
) -> list[Outcome]:
    """Do all jobs at once; one that fails does not stop the others.

    An interrupt ends them all, and every device is cleaned up before it goes on its way.

    Args:
        jobs: for different devices.
        timeout_s: as ``bench_on`` takes it, for each.
        wait_s: as ``bench_on`` takes it, for each.
        tell: told of progress, by one thread at a time.

    Returns:
        One outcome for each job, in order.
    """
    stop, telling = threading.Event(), threading.Lock()

    def tell_alone(stage: str, done: int, total: int) -> None:
        with telling:
            tell(stage, done, total)

    def outcome(job: Job) -> Outcome:
        try:
            reports = bench_on(job, timeout_s=timeout_s, wait_s=wait_s, tell=tell_alone, stop=stop)
        except EdgecutError as error:
            return Outcome(remote=job.remote, error=error)
        return Outcome(remote=job.remote, reports=tuple(reports))

    with ThreadPoolExecutor(max_workers=max(1, len(jobs))) as pool:
        try:
            return list(pool.map(outcome, jobs))
        finally:
            stop.set()


def _contents(job: Job) -> dict[str, bytes]:
    """Everything that is copied, by name."""
    named = {name for spec in job.specs for entry in spec["artifacts"] for name in entry["files"]}
    named |= {entry["path"] for spec in job.specs for entry in spec["artifacts"]}
    odd = {n for n in job.files if not re.fullmatch(r"\w[\w.-]*", n, re.ASCII) or _OURS.match(n)}
    if not job.specs or odd or named - set(job.files):
        raise EdgecutError(
            f"cannot copy {sorted(job.files)} for specs that name {sorted(named)}",
            code="bad-measurement",
            hint="`pack` gives every file a name on the device",
        )
    for path in job.files.values():
        if not path.is_file():
            raise EdgecutError(f"{path} is not a file", code="artifact-not-found")
    return {
        "device.py": Path(device_script.__file__).read_bytes(),
        **{_spec_name(i): json.dumps(spec).encode() for i, spec in enumerate(job.specs)},
        **{name: path.read_bytes() for name, path in job.files.items()},
    }


def _spec_name(number: int) -> str:
    return f"spec-{number}.json"


def _formats(specs: Sequence[Spec]) -> list[str]:
    formats = {str(entry["format"]) for spec in specs for entry in spec["artifacts"]}
    if unknown := formats - set(FORMATS):
        raise EdgecutError(
            f"no runtime runs the format '{min(unknown)}'",
            code="unknown-format",
            hint=f"known formats: {', '.join(FORMATS)}",
        )
    return sorted(formats)
