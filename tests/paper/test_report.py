"""What was found out is written beside what is known already, and no more is claimed than that."""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks.models import RESULTS
from benchmarks.paper import evaluation, latency, report, tables
from benchmarks.paper.study import Study


def test_rows_stay_where_there_is_nothing_to_take_their_place() -> None:
    def row(data: str, base: str, value: int) -> dict[str, object]:
        return {"data": data, "base": base, "value": value}

    before = [row("a", "x", 1), row("a", "x", 2), row("b", "x", 3)]
    assert report.merged(before, []) == before
    found = [row("a", "y", 4), row("b", "x", 5)]
    assert report.merged(before, found) == [*before[:2], *found]


def test_a_report_without_runs_keeps_what_is_committed(tmp_path: Path) -> None:
    committed = (RESULTS / "paper.json").read_text("utf-8")
    (tmp_path / "paper.json").write_text(committed, "utf-8")
    (tmp_path / "everyday.json").write_bytes((RESULTS / "everyday.json").read_bytes())
    study = Study(runs=tmp_path / "none", shared=tmp_path)
    assert report.write(study, tmp_path) == json.loads(committed)
    assert (tmp_path / "paper.json").read_text("utf-8") == committed
    assert (tmp_path / "paper.md").read_text("utf-8") == (RESULTS / "paper.md").read_text("utf-8")


def test_latency_that_is_found_takes_the_place_of_its_subjects_alone(tmp_path: Path) -> None:
    (tmp_path / "paper.json").write_bytes((RESULTS / "paper.json").read_bytes())
    study = Study(runs=tmp_path / "runs", shared=tmp_path)
    subject = study.subjects()[0]
    before = json.loads((tmp_path / "paper.json").read_text("utf-8"))
    mine = [row for row in before["latency"] if report._subject(row) == _subject(subject)]
    path = evaluation.path_of(subject, evaluation.LATENCY)
    evaluation.keep(
        path, latency.identity(subject), {"rows": mine[:1], "taken_on": {"machine": {}}}
    )
    after = report.gathered(study, tmp_path)
    assert after["latency_on"][0]["machine"] == {}
    assert len(after["latency"]) == len(before["latency"]) - len(mine) + 1
    assert len(after["rows"]) == len(before["rows"])


def test_the_head_says_who_had_a_teacher() -> None:
    results = json.loads((RESULTS / "paper.json").read_text("utf-8"))
    assert tables.CAVEAT in tables.page(results, {}) and tables.CAVEAT in tables.headline(results)


def _subject(subject: object) -> tuple[str, str]:
    return subject.data, subject.base  # type: ignore[attr-defined]
