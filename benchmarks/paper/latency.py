"""Latency of full and cut networks on LiteRT and OpenVINO, and what it is of the MACs saved.

How long a network takes does not depend on what its weights were trained to: they are fresh, and
int8 is calibrated on pictures that are made up. So nothing is trained for it, and no data is read.

All files of a measurement run interleaved on one thread, the full network in each; *realisation*
is the latency that a cut saves over the MACs that it saves, both as ratios of full to cut.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.machine import taken_on
from benchmarks.paper import fresh, networks
from benchmarks.paper.cases import Case, chosen
from benchmarks.paper.deployed import FULL, KINDS, built
from benchmarks.paper.evaluation import LATENCY, keep, known, path_of
from benchmarks.paper.study import NESTED, Subject
from edgecut.cost import cost
from edgecut.cutout import cut
from edgecut.measure.contender import Contender
from edgecut.measure.latency import measure
from edgecut.measure.measurement import Measurement
from edgecut.measure.ratio import ratio
from edgecut.network import Network
from edgecut.produce import Tensors
from edgecut.synthetic.pictures import picture

TIMED = {"parent": 4, "leaf": 4, "list": 4}
TOGETHER = 6
SECONDS, WARM_UP = 1.5, 0.2
CALIBRATION = 32


def time_all(subject: Subject) -> None:
    """Time each runtime and scheme of which there are no valid rows yet; each is kept at once."""
    path, of = path_of(subject, LATENCY), identity(subject)
    rows = (known(path, of) or {"rows": []})["rows"]
    missing = [kind for kind in KINDS if not _is_valid([row for row in rows if _kind(row) == kind])]
    if not missing:
        return
    began = time.monotonic()
    nested = fresh.network(subject, NESTED)
    small = {case: cut(nested, case.keep)[0] for case in timed_cases(subject)}
    _say(f"{subject.name}: networks made in {time.monotonic() - began:.0f} s")
    for kind in missing:
        others = [row for row in rows if _kind(row) != kind]
        rows = [*others, *_timed(subject, nested, small, *kind)]
        keep(path, of, {"rows": rows, "taken_on": taken_on()})


def identity(subject: Subject) -> dict[str, str]:
    """What rows on disk must be of."""
    timed = f"{TIMED}, {SECONDS} s, {taken_on()}"
    return {"recipe": subject.plan.digest, "timed": timed}


def timed_cases(subject: Subject) -> list[Case]:
    """Some of each kind."""
    return [case for kind, count in TIMED.items() for case in chosen(subject.cases, kind, count)]


def _timed(
    subject: Subject, nested: Network, small: Mapping[Case, Network], runtime: str, scheme: str
) -> list[dict[str, Any]]:
    """A row for each case, of one runtime and scheme."""
    samples, began = _samples(subject), time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        full = built(FULL, nested, runtime, scheme, samples, folder)
        cuts = [built(c.name, n, runtime, scheme, samples, folder) for c, n in small.items()]
        ready = time.monotonic()
        rows = [
            {
                "base": subject.base,
                "data": subject.data,
                "kind": case.kind,
                "case": case.name,
                "runtime": runtime,
                "scheme": scheme,
                "weights": "fresh",
                "calibrated_on": "made-up pictures" if scheme == "int8" else None,
                **compared(whole, one, cost(nested).macs / cost(small[case]).macs),
            }
            for case, whole, one in _measured(full, dict(zip(small, cuts, strict=True)))
        ]
    took = ready - began, time.monotonic() - ready
    valid = sum(row["verdict"] == "VALID" for row in rows)
    _say(
        f"{subject.name}: {runtime} {scheme}: built in {took[0]:.0f} s, timed in {took[1]:.0f} s, "
        f"{valid} of {len(rows)} valid"
    )
    return rows


def _measured(
    full: Contender, cuts: Mapping[Case, Contender]
) -> list[tuple[Case, Measurement, Measurement]]:
    """Each case, and how long the full network and its own took in turn."""
    found, cases = [], list(cuts)
    for first in range(0, len(cases), TOGETHER):
        some = cases[first : first + TOGETHER]
        running = [full, *(cuts[case] for case in some)]
        whole, *each = measure(running, threads=1, duration_s=SECONDS, warm_up_s=WARM_UP)
        found += [(case, whole, one) for case, one in zip(some, each, strict=True)]
    return found


def compared(full: Measurement, one: Measurement, macs: float) -> dict[str, Any]:
    """How many times faster a cut is, of the ``macs`` times that it should be.

    ``fastest`` figures are of the fastest inferences: on a busy machine, they say more.
    """
    found = ratio(full, one)
    fastest = min(full.samples_ms) / min(one.samples_ms)
    return {
        "full_ms": full.median_ms,
        "cut_ms": one.median_ms,
        "speedup": found.ratio,
        "speedup_low": found.low,
        "speedup_high": found.high,
        "speedup_macs": macs,
        "realisation": found.ratio / macs,
        "realisation_fastest": fastest / macs,
        "verdict": found.verdict,
        "reasons": list(found.reasons),
    }


def _samples(subject: Subject) -> Tensors:
    size = subject.plan.settings.size
    pictures = np.stack([picture(number, size, size) for number in range(CALIBRATION)])
    return Tensors([tensor[None] for tensor in networks.tensors(pictures)])


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _kind(row: Mapping[str, Any]) -> tuple[str, str]:
    return row["runtime"], row["scheme"]


def _is_valid(rows: Sequence[Mapping[str, Any]]) -> bool:
    return bool(rows) and all(row["verdict"] == "VALID" for row in rows)
