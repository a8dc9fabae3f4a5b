"""What is timed and kept; the measuring itself is replaced."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks.paper import evaluation, fresh, latency
from benchmarks.paper.deployed import KINDS
from benchmarks.paper.study import Study, Subject


@pytest.fixture
def subject(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Subject:
    monkeypatch.setattr(fresh, "network", lambda subject, model: None)
    monkeypatch.setattr(latency, "cut", lambda network, keep: (None, None))
    return Study(runs=tmp_path).subjects(["everyday-resnet"])[0]


def timing(monkeypatch: pytest.MonkeyPatch, verdicts: Iterator[str]) -> list[tuple[str, str]]:
    """The kinds that are timed from now on."""
    timed: list[tuple[str, str]] = []

    def one(*given: Any) -> list[dict[str, str]]:
        runtime, scheme = given[-2:]
        timed.append((runtime, scheme))
        return [{"runtime": runtime, "scheme": scheme, "verdict": next(verdicts)}]

    monkeypatch.setattr(latency, "_timed", one)
    return timed


def kept(subject: Subject) -> list[tuple[str, str, str]]:
    found = evaluation.results(subject)["latency"]["rows"]
    return [(row["runtime"], row["scheme"], row["verdict"]) for row in found]


def test_what_was_stopped_goes_on(subject: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    timed = timing(monkeypatch, iter(["VALID", "VALID"]))
    with pytest.raises(StopIteration):
        latency.time_all(subject)
    assert kept(subject) == [(*kind, "VALID") for kind in KINDS[:2]]
    timed = timing(monkeypatch, iter(["VALID", "VALID"]))
    latency.time_all(subject)
    assert timed == list(KINDS[2:])
    assert kept(subject) == [(*kind, "VALID") for kind in KINDS]


def test_what_is_not_valid_is_measured_again(
    subject: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    timing(monkeypatch, iter(["VALID", "INVALID", "VALID", "VALID"]))
    latency.time_all(subject)
    timed = timing(monkeypatch, iter(["VALID"]))
    latency.time_all(subject)
    assert timed == [KINDS[1]]
    assert sorted(kept(subject)) == sorted((*kind, "VALID") for kind in KINDS)


def test_some_of_each_kind_are_timed_and_nothing_is_trained(subject: Subject) -> None:
    kinds = [case.kind for case in latency.timed_cases(subject)]
    assert {kind: kinds.count(kind) for kind in kinds} == latency.TIMED
    samples = latency._samples(subject)
    assert len(samples) == latency.CALIBRATION
    assert next(iter(samples)).shape == (1, 3, 32, 32)
    assert not list(subject.study.runs.iterdir())
