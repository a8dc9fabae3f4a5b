"""One build of each tiny model, which the tests read."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.command import edgecut
from tests.e2e.models import DETECTIONS, RECIPE, Case, classifier, detector, write_case

TARGETS = ("--target", "raspberry-pi-4", "--target", "intel-cpu")


@pytest.fixture(scope="session")
def detecting(tmp_path_factory: pytest.TempPathFactory) -> Case:
    """The tiny detector and what it needs."""
    folder = tmp_path_factory.mktemp("detector")
    return write_case(folder, "tiny", detector(), RECIPE + DETECTIONS)


@pytest.fixture(scope="session")
def classifying(tmp_path_factory: pytest.TempPathFactory) -> Case:
    """The tiny classifier and what it needs."""
    return write_case(tmp_path_factory.mktemp("classifier"), "tiny", classifier(), RECIPE)


@pytest.fixture(scope="session")
def built(detecting: Case) -> Path:
    """The folder of a detector's build; tests must not change it."""
    return _build(detecting)


@pytest.fixture(scope="session")
def built_classifier(classifying: Case) -> Path:
    """The folder of a classifier's build; tests must not change it."""
    return _build(classifying)


def _build(case: Case) -> Path:
    out = case.folder / "dist"
    outcome = edgecut("build", *case.options, "--keep", "cat,dog", *TARGETS, "--out", out)
    assert outcome.code == 0, outcome
    return out
