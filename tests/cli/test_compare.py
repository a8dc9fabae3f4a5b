"""``edgecut compare`` as a user sees it."""

from __future__ import annotations

from pathlib import Path

from tests.command import edgecut
from tests.measure.test_comparison import record, row


def test_slower_exits_with_three(tmp_path: Path) -> None:
    old = record(tmp_path / "old.json", row("a"), row("b"))
    new = record(tmp_path / "new.json", row("a", 12.0), row("b"))
    outcome = edgecut("compare", old, new)
    assert outcome.code == 3
    assert "SLOWER" in outcome.stdout and "as fast" in outcome.stdout
    assert "error[slower]: slower by more than 5.0%: a (cut)" in outcome.stderr
    assert edgecut("compare", old, new, "--tolerance", "30").code == 0
    data = edgecut("compare", old, new, "--json").json
    assert [change["verdict"] for change in data["changes"]] == ["slower", "as fast"]


def test_faster_is_fine(tmp_path: Path) -> None:
    old, new = record(tmp_path / "old", row(ms=12.0)), record(tmp_path / "new", row())
    outcome = edgecut("compare", old, new)
    assert outcome.code == 0 and "faster" in outcome.stdout


def test_what_cannot_be_told_is_not_passed(tmp_path: Path) -> None:
    old = record(tmp_path / "old", row("a"), row("b"), row("c"))
    new = record(tmp_path / "new", row("a"), row("b", 30.0, reasons=["heat"]))
    outcome = edgecut("compare", old, new)
    assert outcome.code == 1
    assert "b (cut): not judged: new: heat" in outcome.stdout
    assert "error[not-all-judged]" in outcome.stderr
    assert "not judged: b (cut); only in the old record: c (cut)" in outcome.stderr


def test_no_tolerance(tmp_path: Path) -> None:
    old = record(tmp_path / "old", row())
    assert edgecut("compare", old, old, "--tolerance", "nan").code == 2
