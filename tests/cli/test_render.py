"""Tables, numbers and progress."""

from __future__ import annotations

import io
import re
import time

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


def test_plain_progress_tells_the_time_left(capsys: pytest.CaptureFixture[str]) -> None:
    """Where a stage takes long and its total is known, by the pace since this start."""
    now = [0.0]
    tell = render._plain(lambda: now[0])
    for seconds, stage, done, total in [
        (0, "train", 500, 1000),  # gone on with in the middle
        (30, "train", 510, 1000),  # too soon to tell
        (60, "train", 520, 1000),
        (90, "train", 600, 1000),
        (120, "train", 620, 1000),
        (121, "judge", 0, 0),
        (999, "judge", 0, 0),
    ]:
        now[0] = seconds
        tell(stage, done, total)
    assert capsys.readouterr().err == (
        "  train\n  train 520/1000, 0:24:00 left\n  train 620/1000, 0:06:20 left\n  judge\n"
    )


def test_progress_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """The time that is left follows the pace of this stage, and is not told without a total."""

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    clock = [100.0]
    monkeypatch.setattr("rich.console.monotonic", lambda: clock[0])
    with render.progress() as tell:
        for stage, seconds, steps in (("read images", 1, 50), ("train", 10, 4)):
            for done in range(steps):
                tell(stage, done, 20 * steps)
                clock[0] += seconds
        wait_for(terminal, "3/80")
        trained = len(terminal.getvalue())
        tell("judge", 0, 0)
        wait_for(terminal, "judge")
    shown = re.sub(r"\x1b\[[0-9;]*m", "", terminal.getvalue()[:trained])
    # Three of eighty steps, ten seconds each.
    assert "3/80 0:00:40 0:12:50 left" in shown
    last = terminal.getvalue()[trained:]
    assert "judge" in last and "left" not in last.partition("judge")[2]


def wait_for(terminal: io.StringIO, text: str) -> None:
    """The line is drawn anew ten times a second."""
    end = time.monotonic() + 20
    while text not in re.sub(r"\x1b\[[0-9;]*m", "", terminal.getvalue()):
        assert time.monotonic() < end, terminal.getvalue()[-200:]
        time.sleep(0.05)
