"""Whether samples may be believed: their number and spread, and whether their process could run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from edgecut.device import MINIMUM_SAMPLES
from edgecut.measure import statistics

MIN_SAMPLES = MINIMUM_SAMPLES
MAX_SPREAD = 0.5
MAX_DRIFT = 0.15
MAX_CHANCE = 0.01
"""A trend that chance alone gives more often than that is none."""
MAX_WAITED = 0.02
"""The share of its time that a process may be ready to run and have no core."""
MAX_STOPPED = 0.05
"""The share of its time that a process may neither run nor wait for a core."""
MAX_HANDED_OVER = 0.15
"""The same with several threads: for moments, the busiest one waits for another."""


def doubts(bursts_ms: statistics.Bursts) -> Iterator[str]:
    """What speaks against the samples themselves."""
    samples = np.concatenate([np.asarray(burst, dtype=np.float64) for burst in bursts_ms])
    if len(samples) < MIN_SAMPLES:
        yield f"only {len(samples)} samples, {MIN_SAMPLES} are needed: measure longer"
    low, middle, high = np.percentile(samples, [10, 50, 90])
    if (spread := (high - low) / middle) > MAX_SPREAD:
        yield f"the samples spread too far: (p90 - p10) / median = {spread:.0%}"
    moved, chance = statistics.drift(bursts_ms)
    if abs(moved) > MAX_DRIFT and chance < MAX_CHANCE:
        yield f"the latency drifted by {moved:+.0%} from the first third to the last"


def interruptions(
    bursts: Sequence[Mapping[str, Any]], *, threads: int, cores: int | None, on_cpu: bool = True
) -> Iterator[str]:
    """Whether a process could run when it wanted to.

    Args:
        bursts: each with what ``fared`` in ``device.py`` tells of it.
        threads: that the runtime was given.
        cores: that it may use; None where that is not known.
        on_cpu: whether the processor does the work, and not another device.
    """
    yield from crowding(threads, cores)
    wall = sum(burst["wall_ns"] for burst in bursts)
    waited = sum(burst["waited_ns"] or 0 for burst in bursts) / threads
    if waited > MAX_WAITED * wall:
        # More threads than were asked for may have waited.
        share = min(waited / wall, 1.0)
        yield f"it waited for a core for {share:.0%} of its time: other programs run"
    stopped = wall - sum(burst["busiest_ns"] for burst in bursts)
    if on_cpu and stopped > (MAX_STOPPED if threads == 1 else MAX_HANDED_OVER) * wall:
        yield f"it was stopped for {stopped / wall:.0%} of its time: something throttles it"


def crowding(threads: int, cores: int | None) -> Iterator[str]:
    """Whether there are more threads than cores for them."""
    if cores and threads > cores:
        yield f"{threads} threads on {cores} cores"
