"""Tables, numbers and progress."""

from __future__ import annotations

import pytest

from edgecut.cli import render


def test_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    render.print_table("Title", ("name", ">size", ""), [("a[b]", "1.0", "x"), ("longer", "10", "")])
    assert capsys.readouterr().out == (
        "Title\n"
        "name    size\n"
        "a[b]     1.0  x\n"
        "longer    10\n"
    )  # fmt: skip


def test_a_long_title_is_wrapped(capsys: pytest.CaptureFixture[str]) -> None:
    render.print_table("kept: " + ", ".join(["category"] * 30), ("a",), [("b",)])
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 100


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0"), (7, "7"), (999, "999"), (1000, "1 k"), (904_467, "904 k"), (12_345_678, "12.3 M"),
     (522_553_408, "523 M"), (1.5e9, "1.5 G")],
)  # fmt: skip
def test_counts(number: float, text: str) -> None:
    assert render.count(number) == text


@pytest.mark.parametrize(
    ("count", "text"), [(11, "0.0 kB"), (999_900, "999.9 kB"), (1_000_000, "1.00 MB")]
)
def test_sizes(count: int, text: str) -> None:
    assert render.size(count) == text


@pytest.mark.parametrize(
    ("part", "whole", "text"),
    [(726, 1000, "-27.4 %"), (1000, 1000, "none"), (9999, 10000, "none"), (11, 10, "+10.0 %"),
     (0, 10, "-100.0 %"), (0, 0, "none")],
)  # fmt: skip
def test_changes(part: float, whole: float, text: str) -> None:
    assert render.share(part, whole) == text


def test_progress_where_stderr_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with render.progress() as tell:
        tell("load", 0, 0)
        tell("calibrate", 1, 2)
        tell("calibrate", 2, 2)
    shown = capsys.readouterr()
    assert (shown.out, shown.err) == ("", "  load\n  calibrate\n")
