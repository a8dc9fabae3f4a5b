"""Silence is complete, and ends."""

from __future__ import annotations

import os
import sys
import warnings

import pytest

from edgecut.quiet import quiet


def test_nothing_comes_out(capfd: pytest.CaptureFixture[str]) -> None:
    with quiet():
        print("python")
        print("python", file=sys.stderr)
        os.write(1, b"C++")
        os.write(2, b"C++")
        warnings.warn("python", UserWarning, stacklevel=1)
    assert capfd.readouterr() == ("", "")


def test_afterwards_everything_does(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ZeroDivisionError), quiet():
        raise ZeroDivisionError
    os.write(1, b"out")
    os.write(2, b"err")
    assert capfd.readouterr() == ("out", "err")
    with pytest.warns(UserWarning, match="heard"):
        warnings.warn("heard", UserWarning, stacklevel=1)
