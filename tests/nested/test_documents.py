"""What the documents say of training: every key is described, and the examples work."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from edgecut.nested import run
from edgecut.nested.budget import cost_of
from edgecut.nested.plan import planned
from edgecut.nested.recipe import Augmentation, NetworkSpec, Schedule, StageSpec, TrainRecipe

DOCS = Path(__file__).resolve().parents[2] / "docs"
REFERENCE = (DOCS / "reference" / "training.md").read_text(encoding="utf-8")
GUIDE = (DOCS / "how-to" / "train.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", GUIDE, re.M | re.S)


@pytest.fixture
def fruit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The guide's files, where its user works."""
    label_set, recipe = blocks("toml")
    (tmp_path / "fruit.toml").write_text(label_set)
    (tmp_path / "fruit-recipe.toml").write_text(recipe)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "fruit-recipe.toml"


def test_every_key_is_described() -> None:
    named = set(re.findall(r"`\[{0,2}(?:network\.)?(\w+)\]{0,2}`", REFERENCE))
    kinds = (TrainRecipe, NetworkSpec, StageSpec, Schedule, Augmentation)
    keys = {field.name for kind in kinds for field in fields(kind)}
    assert not keys - named


def test_every_key_of_the_metrics_is_described(whole: run.Trained) -> None:
    def keys(value: Any) -> set[str]:
        return set(value) if isinstance(value, dict) else set()

    metrics = whole.metrics
    judged = metrics["splits"]["test"]
    found = keys(metrics) | keys(judged) | keys(judged["by_category"]["cat"])
    assert not (found | keys(metrics["skipped"][0])) - set(re.findall(r"`(\w+)`", REFERENCE))


def test_every_file_of_the_run_folder_is_described(whole: run.Trained) -> None:
    assert not {p.name for p in whole.folder.iterdir()} - set(re.findall(r"`([\w.]+)`", REFERENCE))


def test_the_guides_recipe_can_be_trained(fruit: Path) -> None:
    plan = planned(fruit)
    assert plan.taxonomy.names[:2] == ("pome", "apple")
    assert plan.taxonomy.find("tangerine") is not None


def test_the_guides_python_fits_a_budget(fruit: Path) -> None:
    (code,) = blocks("python")
    exec(compile(code, "train.md", "exec"), {})
    plan = planned(fruit.with_name("fruit-20m.toml"))
    cost = cost_of(plan.taxonomy, plan.settings.network, plan.settings.size)
    assert 15_000_000 < cost <= 20_000_000
    assert plan.settings.schedule == planned(fruit).settings.schedule
