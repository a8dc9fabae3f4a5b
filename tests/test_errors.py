"""Errors carry what is shown, and survive a process boundary."""

from __future__ import annotations

import pickle

import pytest

from edgecut.errors import EdgecutError, EdgecutWarning, MissingPackage, QualityGateMissed

ERRORS = [
    EdgecutError("it broke", code="broken", where="node 3", hint="mend it"),
    EdgecutError("it broke", code="broken"),
    QualityGateMissed("too far off", code="verification-failed", hint="more samples"),
    MissingPackage("nncf", extra="openvino", why="int8"),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_an_error_survives_pickling(error: EdgecutError) -> None:
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is type(error) and str(copy) == error.message
    for name in ("message", "code", "where", "hint", "exit_code"):
        assert getattr(copy, name) == getattr(error, name)


def test_exit_codes() -> None:
    assert [error.exit_code for error in ERRORS] == [1, 1, 3, 1]


def test_a_missing_package_says_how_to_get_it() -> None:
    error = MissingPackage("pyarrow", extra="parquet", why="reading a.parquet")
    assert str(error) == "reading a.parquet needs the package 'pyarrow', which is not installed"
    assert (error.code, error.hint) == ("missing-package", "pip install 'edgecut[parquet]'")


def test_a_warning_is_no_error() -> None:
    assert issubclass(EdgecutWarning, UserWarning) and not issubclass(EdgecutWarning, EdgecutError)
