"""Training what is missing, one network after another, as ``edgecut train`` does."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence

from benchmarks.paper import data
from benchmarks.paper.study import Job, Study
from edgecut.progress import Tell

TOLD_S = 60.0


def train(study: Study, jobs: Sequence[Job]) -> None:
    """Carry out the jobs that are not done; one that was stopped goes on from its checkpoint."""
    from edgecut.nested.folder import is_finished
    from edgecut.nested.run import train as train_one

    open_jobs = [job for job in jobs if not is_finished(job.folder)]
    print(f"{len(jobs) - len(open_jobs)} of {len(jobs)} networks are trained", file=sys.stderr)
    for job in open_jobs:
        began = time.monotonic()
        train_one(
            job.recipe,
            data.prepare(study, job.data),
            job.folder,
            keep=job.keep,
            teacher=job.teacher,
            tell=_telling(job.name),
        )
        print(f"{job.name}: done in {(time.monotonic() - began) / 60:.0f} min", file=sys.stderr)


def standing(jobs: Sequence[Job]) -> str:
    """A line for each job: done, begun or open."""
    from edgecut.nested.folder import LOG, METRICS, is_finished, read_json

    lines = []
    for job in jobs:
        if is_finished(job.folder):
            splits = read_json(job.folder / METRICS)["splits"]
            told = ", ".join(f"{name} top-1 {one['top1']}" for name, one in splits.items())
        elif (job.folder / LOG).exists():
            told = f"epoch {read_json(job.folder / LOG)[-1]['epoch']:.0f}"
        else:
            told = "open"
        lines.append(f"{job.name:44s} {told}")
    return "\n".join(lines)


def _telling(name: str) -> Tell:
    """A line on stderr once a minute, with the time left of the stage."""
    began: dict[str, tuple[float, int]] = {}
    last = time.monotonic()

    def tell(stage: str, done: int, total: int) -> None:
        nonlocal last
        now = time.monotonic()
        at, first = began.setdefault(stage, (now, done))
        if now - last < TOLD_S or not total:
            return
        last = now
        left = (now - at) / max(done - first, 1) * (total - done)
        print(f"{name}: {stage} {done} of {total}, {left / 60:.0f} min left", file=sys.stderr)

    return tell
