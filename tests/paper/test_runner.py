"""The whole study, on toys: trained, evaluated without the runtimes, and reported."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.paper import evaluation, report, study, trainings
from edgecut.nested.recipe_text import to_toml
from tests.nested import toys


@pytest.fixture(scope="module")
def toy_study(tmp_path_factory: pytest.TempPathFactory) -> study.Study:
    folder = tmp_path_factory.mktemp("study")
    (folder / "recipes").mkdir()
    (folder / "recipes" / "toys.toml").write_text(toys.LABEL_SET)
    for model, network in (("nested", toys.NESTED), ("dense", toys.DENSE)):
        recipe = toys.scheduled(replace(toys.RECIPE, network=network), epochs=1)
        (folder / "recipes" / f"toys-resnet-{model}.toml").write_text(to_toml(recipe))
    (folder / "data").mkdir()
    # Enough of each category in every split.
    toys.parquet(folder / "data" / "toys.parquet", toys.rows(150))
    return study.Study(
        runs=folder / "runs", recipes=folder / "recipes", data_folder=folder / "data"
    )


def test_jobs_are_found_by_the_beginnings_of_their_names(toy_study: study.Study) -> None:
    def names(*only: str) -> list[str]:
        return [job.name.removeprefix("toys-resnet-") for job in toy_study.jobs(only)]

    specialists = [f"specialist-{i}" for i in range(study.SPECIALISTS)]
    assert names() == names("toys") == names("toys-resnet") == ["dense", "nested", *specialists]
    assert names("*-dense", "toys-resnet-specialist-1") == ["dense", "specialist-1"]
    assert names("toys-resn") == []
    assert toy_study.subjects(["everyday"]) == []


def test_the_study_goes_on_where_it_was_stopped_and_reports_what_it_found(
    toy_study: study.Study,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(study, "SPECIALISTS", 1)
    trainings.train(toy_study, toy_study.jobs(["*-dense"]))
    (subject,) = toy_study.subjects()
    evaluation.evaluate(subject, ["accuracy"])
    assert "is left out: toys-resnet-nested is not trained" in capsys.readouterr().err

    trainings.train(toy_study, toy_study.jobs())
    assert "1 of 3 networks are trained" in capsys.readouterr().err
    evaluation.evaluate(subject, ["accuracy", "attention"])
    found = report.write(toy_study, tmp_path)
    assert found == json.loads((tmp_path / "paper.json").read_text())
    _check_rows(found)
    # What is known is not found out again.
    monkeypatch.setitem(evaluation.PARTS, "accuracy", lambda *_: pytest.fail("done twice"))
    evaluation.evaluate(subject, ["accuracy"])
    page = (tmp_path / "paper.md").read_text()
    for plot in tmp_path.glob("*.png"):
        assert f"]({plot.name})" in page
    assert "The paper's figures and ours" in page


def _check_rows(found: dict[str, list[dict[str, object]]]) -> None:
    kinds = [row["kind"] for row in found["rows"]]
    assert (kinds.count("leaf"), kinds.count("parent"), kinds.count("list")) == (4, 2, 6)
    for row in found["rows"]:
        assert row["error"] <= 1e-5
        assert 0 < row["macs_excluded"] < 1
        if row["kind"] == "list":
            assert row["top1_cut"] == row["top1_full"]
        else:
            assert row["top1_full"] is None and row["auroc_full"] is not None
    assert sum(row["top1_specialist"] is not None for row in found["rows"]) == 1
    assert found["attention_checks"][0]["neutral_error"] <= 1e-5
    assert {row["signal"] for row in found["attention_best"]} == set(report.attention.SIGNALS)
