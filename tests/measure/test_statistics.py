"""Statistics against what is known of them, and against samples whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest

from edgecut.measure import statistics


def bursts(rounds: int, runs: int, *, between: float, seed: int = 0) -> list[list[float]]:
    """Samples around 10 ms; bursts differ by ``between`` ms, samples of one burst by 0.1 ms."""
    random = np.random.default_rng(seed)
    centres = 10 + between * random.standard_normal((rounds, 1))
    made: list[list[float]] = (centres + 0.1 * random.standard_normal((rounds, runs))).tolist()
    return made


def test_samples_that_are_independent_all_count() -> None:
    assert statistics.effective_count(bursts(200, 10, between=0.0)) > 1600


def test_samples_of_one_burst_that_are_alike_count_once() -> None:
    found = statistics.effective_count(bursts(200, 10, between=2.0))
    assert 200 <= found < 240
    assert statistics.effective_count([[1.0, 1.0], [2.0, 2.0], [3.0, 3.0]]) == 3


def test_samples_without_any_spread_all_count() -> None:
    assert statistics.effective_count([[1.0, 1.0], [1.0, 1.0]]) == 4
    assert statistics.effective_count([[1.0, 2.0, 3.0]]) == 3


def test_the_interval_of_correlated_bursts_covers_the_truth() -> None:
    """Were single samples drawn instead of bursts, it would cover it half as often."""
    covered = 0
    for seed in range(100):
        found = statistics.summary(bursts(40, 10, between=1.0, seed=seed))
        covered += found.low_ms <= 10 <= found.high_ms
    assert 88 <= covered <= 99


def test_a_summary() -> None:
    found = statistics.summary([[1.0, 2.0, 3.0], [4.0, 100.0], [2.5]])
    assert (found.count, found.median_ms, found.outliers) == (6, 2.5, 1)
    assert found.p90_ms == pytest.approx(52.0) and found.p99_ms is None
    assert statistics.summary([[1.0, 1.0, 1.0]]).outliers == 0


def test_the_99th_percentile_takes_a_hundred_samples() -> None:
    hundred = np.arange(100.0)
    assert statistics.p99(hundred) == pytest.approx(98.01)
    assert statistics.p99(hundred[:-1]) is None


def test_the_interval_is_that_of_the_median_which_is_shown() -> None:
    random = np.random.default_rng(2)
    for _ in range(50):
        rounds = random.integers(1, 9, size=random.integers(1, 4)).tolist()
        sizes = random.integers(1, 6, size=sum(rounds))
        found = statistics.summary([random.lognormal(size=n).tolist() for n in sizes], rounds)
        assert found.low_ms <= found.median_ms <= found.high_ms


def test_starts_that_differ_widen_the_interval() -> None:
    medians = np.concatenate([np.full(10, 9.0), np.full(10, 10.0), np.full(10, 11.0)])
    assert statistics.interval(medians, (10, 10, 10)) == (9.0, 11.0)
    one_start = statistics.interval(medians + np.random.default_rng(0).normal(0, 0.01, 30))
    assert one_start[1] - one_start[0] < 2.1
    alike = bursts(30, 5, between=0.1)
    whole = statistics.interval(statistics.burst_medians(alike))
    parted = statistics.interval(statistics.burst_medians(alike), (10, 10, 10))
    assert parted[1] - parted[0] < 2 * (whole[1] - whole[0])


def test_what_only_rises_or_falls_is_a_trend() -> None:
    assert statistics.trend_p(np.arange(10.0)) < 0.001
    assert statistics.trend_p(np.arange(10.0)[::-1]) < 0.001
    assert statistics.trend_p(np.array([3.0, 1.0, 2.0, 2.5, 1.5, 2.2])) > 0.5


def test_chance_looks_like_a_trend_as_often_as_it_says() -> None:
    random = np.random.default_rng(1)
    p = [statistics.trend_p(random.standard_normal(30)) for _ in range(400)]
    assert 0.02 < np.mean(np.array(p) < 0.05) < 0.09


@pytest.mark.parametrize("values", [[1.0, 2.0], [1.0] * 10])
def test_too_little_shows_no_trend(values: list[float]) -> None:
    assert statistics.trend_p(np.array(values)) == 1.0


def test_drift_says_which_way() -> None:
    moved, chance = statistics.drift([[10.0 + i] for i in range(30)])
    assert moved == pytest.approx(34.5 / 14.5 - 1) and chance < 1e-6
    assert statistics.drift([[40.0 - i] for i in range(30)])[0] < 0
