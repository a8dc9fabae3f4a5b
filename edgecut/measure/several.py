"""Benchmarks on several devices at once."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgecut.errors import EdgecutError
from edgecut.measure.remote import Remote, bench_on
from edgecut.progress import Tell, nobody


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What ``bench_on`` is to do on one device."""

    remote: Remote
    spec: Mapping[str, Any]
    files: Mapping[str, Path]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of a job: the record, or the error that ended it."""

    remote: Remote
    record: dict[str, Any] | None = None
    error: EdgecutError | None = None


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

    Raises:
        EdgecutError: ``bad-measurement`` where two jobs are for one device.
    """
    destinations = [job.remote.destination for job in jobs]
    if twice := sorted({d for d in destinations if destinations.count(d) > 1}):
        raise EdgecutError(
            f"a device takes one benchmark at a time: {', '.join(twice)} is named twice",
            code="bad-measurement",
        )
    stop, telling = threading.Event(), threading.Lock()

    def tell_alone(stage: str, done: int, total: int) -> None:
        with telling:
            tell(stage, done, total)

    def outcome(job: Job) -> Outcome:
        limits = {"timeout_s": timeout_s, "wait_s": wait_s}
        try:
            record = bench_on(job.remote, job.spec, job.files, **limits, tell=tell_alone, stop=stop)
        except EdgecutError as error:
            return Outcome(remote=job.remote, error=error)
        return Outcome(remote=job.remote, record=record)

    with ThreadPoolExecutor(max_workers=max(1, len(jobs))) as pool:
        try:
            return list(pool.map(outcome, jobs))
        finally:
            stop.set()
