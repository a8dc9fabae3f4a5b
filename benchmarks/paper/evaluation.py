"""All that is found out about a subject, part by part, each kept on disk once it is found."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.paper import accuracy, attention, deployed
from benchmarks.paper.study import Subject
from edgecut.nested.folder import MODEL, is_finished
from edgecut.nested.images import digest_of
from edgecut.progress import Tell

Part = Callable[[Subject, Tell], dict[str, Any]]
PARTS: dict[str, Part] = {
    "accuracy": accuracy.rows,
    "int8": deployed.agreement,
    "attention": attention.study,
}
LATENCY = "latency"
"""What ``latency.py`` finds out, which needs nothing that is trained."""
TOLD_S = 60.0


def evaluate(subject: Subject, parts: Sequence[str] = ()) -> None:
    """Find out what is not known yet of a subject; all of its networks must be trained."""
    missing = [job.name for job in subject.jobs() if not is_finished(job.folder)]
    if missing:
        print(f"{subject.name} is left out: {missing[0]} is not trained", file=sys.stderr)
        return
    of = {job.name: digest_of(job.folder / MODEL) for job in subject.jobs()}
    for name in parts or PARTS:
        path = path_of(subject, name)
        if known(path, of) is None:
            keep(path, of, PARTS[name](subject, _telling(f"{subject.name}: {name}")))


def keep(path: Path, of: dict[str, str], found: dict[str, Any]) -> None:
    """Write what was found out, and of what, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps({"of": of, "found": found}, indent=1), encoding="utf-8")
    partial.replace(path)


def known(path: Path, of: dict[str, str] | None = None) -> dict[str, Any] | None:
    """What was found out; None where nothing was, or of other networks than these."""
    if not path.exists():
        return None
    data = json.loads(path.read_text(encoding="utf-8"))
    if of is not None and data["of"] != of:
        return None
    found: dict[str, Any] = data["found"]
    return found


def results(subject: Subject) -> dict[str, dict[str, Any]]:
    """Part -> what was found out of it."""
    found = {name: known(path_of(subject, name)) for name in (*PARTS, LATENCY)}
    return {name: one for name, one in found.items() if one is not None}


def path_of(subject: Subject, part: str) -> Path:
    """Where a part is kept."""
    return subject.results / f"{part}.json"


def _telling(name: str) -> Tell:
    last, stage_told = 0.0, ""

    def tell(stage: str, done: int, total: int) -> None:
        nonlocal last, stage_told
        now = time.monotonic()
        if stage != stage_told or now - last >= TOLD_S:
            last, stage_told = now, stage
            print(f"{name}: {stage} {f'{done} of {total}' if total else ''}", file=sys.stderr)

    return tell
