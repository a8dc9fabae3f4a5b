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
    assert [change["slower"] for change in data["changes"]] == [True, False]


def test_faster_is_fine(tmp_path: Path) -> None:
    old, new = record(tmp_path / "old", row(ms=12.0)), record(tmp_path / "new", row())
    outcome = edgecut("compare", old, new)
    assert outcome.code == 0 and "faster" in outcome.stdout


def test_nothing_to_judge_by(tmp_path: Path) -> None:
    bad = record(tmp_path / "bad", row(reasons=["heat"]))
    outcome = edgecut("compare", bad, bad)
    assert outcome.code == 1
    assert "not judged: a.tflite (cut): old: heat" in outcome.stdout
    assert "error[invalid-measurement]" in outcome.stderr
