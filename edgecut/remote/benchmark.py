"""Benchmarks on other machines: one ssh connection each, and nothing is left behind there."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

from edgecut import device as device_script
from edgecut.errors import EdgecutError
from edgecut.progress import Tell, nobody
from edgecut.remote.channel import Channel, Gone
from edgecut.remote.session import FORMATS, Session
from edgecut.remote.ssh import Remote, gone_error
from edgecut.remote.untrusted import most_bytes, read_json

ATTEMPTS = 3
BACK_OFF_S = 1.0
_OURS = re.compile(r"device\.py|spec-\d+\.json|stdout|stderr")

Report = dict[str, Any]
Spec = Mapping[str, Any]
T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Work(Protocol[T_co]):
    """What is done on one device."""

    def __call__(self, *, tell: Tell, stop: threading.Event) -> T_co:
        """Do it; ``stop`` ends it when it is set."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What is to be measured on one device.

    ``specs`` are specs of ``device.py bench``, whose paths are names in ``files``; those say where
    the files lie here.
    """

    remote: Remote
    specs: tuple[Spec, ...]
    files: Mapping[str, Path]


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


def check(
    remote: Remote,
    formats: Iterable[str],
    *,
    wait_s: float = 0.0,
    tell: Tell = nobody,
    stop: threading.Event | None = None,
) -> None:
    """See that a device can be reached, and has what these formats take to run.

    Args:
        remote: the device.
        formats: ``tflite``, ``openvino`` or ``onnx``.
        wait_s: where it is not 0, the device may be busy for now.
        tell: told of progress.
        stop: when set by another thread, all is ended.

    Raises:
        EdgecutError: as ``bench_on``, as far as it comes to that.
    """
    with Channel(remote.ssh(), remote.python, stop or threading.Event()) as channel:
        session = Session(remote.name, channel, tell)
        try:
            session.open(_known(formats), 0, 0.0)
        except Gone as gone:
            raise gone_error(remote.name, session.stage, gone.why, *channel.ending(gone)) from gone
        except EdgecutError as error:
            if error.code != "device-busy" or not wait_s:
                raise


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
    contents, formats, name = _contents(job), _known(_formats(job)), job.remote.name
    specs = {_spec_name(i): most_bytes(spec) for i, spec in enumerate(job.specs)}
    stop = stop or threading.Event()
    for attempt in range(1, ATTEMPTS + 1):
        if attempt > 1:
            stop.wait(BACK_OFF_S * 2 ** (attempt - 2))
        # A device that lost the connection keeps its lock until it has noticed.
        patience_s = wait_s + (2 * Channel.SILENCE_S if attempt > 1 else 0)
        with Channel(job.remote.ssh(), job.remote.python, stop) as channel:
            session = Session(name, channel, tell)
            try:
                session.open(formats, sum(map(len, contents.values())), patience_s)
                session.copy(contents)
                printed = session.run(specs, timeout_s)
                return [read_json(report, where=name) for report in printed]
            except Gone as gone:
                error = gone_error(name, session.stage, gone.why, *channel.ending(gone))
                first_contact = attempt == 1 and session.stage == "connecting"
                lost = gone.why in ("ended", "silent", "late")
                if not lost or first_contact or session.stage == "measuring":
                    raise error from gone
    raise error


def at_once(works: Sequence[Work[T]], tell: Tell = nobody) -> list[T | EdgecutError]:
    """Do all of it at once, one work on each device; one that fails does not stop the others.

    An interrupt ends them all, and every device is cleaned up before it goes on its way.

    Args:
        works: each is ``check`` or ``bench_on`` with all but ``tell`` and ``stop`` given.
        tell: told of progress, by one thread at a time.

    Returns:
        What each gave, or the error that ended it, in order.
    """
    stop, telling = threading.Event(), threading.Lock()

    def tell_alone(stage: str, done: int, total: int) -> None:
        with telling:
            tell(stage, done, total)

    def do(work: Work[T]) -> T | EdgecutError:
        try:
            return work(tell=tell_alone, stop=stop)
        except EdgecutError as error:
            return error

    with ThreadPoolExecutor(max_workers=max(1, len(works))) as pool:
        try:
            return list(pool.map(do, works))
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


def _formats(job: Job) -> set[str]:
    return {str(entry["format"]) for spec in job.specs for entry in spec["artifacts"]}


def _known(formats: Iterable[str]) -> list[str]:
    if unknown := set(formats) - set(FORMATS):
        raise EdgecutError(
            f"no runtime runs the format '{min(unknown)}'",
            code="unknown-format",
            hint=f"known formats: {', '.join(FORMATS)}",
        )
    return sorted(set(formats))
