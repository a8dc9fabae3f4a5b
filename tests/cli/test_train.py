"""``edgecut train``: what it prints, how it stops, what it makes of typing errors."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from edgecut.cli import train as command
from tests.command import edgecut, refused

METRICS: dict[str, Any] = {
    "name": "toys",
    "parameters": 12_345,
    "macs": 6_789_000,
    "splits": {
        "test": {
            "images": 10,
            "top1": 0.75,
            "by_category": {
                "animal": {"images": 8, "recall": 0.875, "auroc": None},
                "cat": {"images": 2, "recall": 0.5, "auroc": 0.9876},
            },
        }
    },
}
GIVEN = ("train", "mine.toml", "--data", "toys.parquet", "--out", "runs/toys")


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the command passes on; what it gets back is under ``gives``."""
    from edgecut.nested import run
    from edgecut.nested.images import Skipped

    known: dict[str, Any] = {"skipped": ()}

    def train(recipe: Path, data: Path, out: Path, **more: Any) -> run.Trained:
        known.update(recipe=recipe, data=data, out=out, **more)
        if "raises" in known:
            raise known["raises"]
        skipped = tuple(Skipped(place=f"row {i}", reason="is broken") for i in known["skipped"])
        return run.Trained(folder=out, metrics=METRICS, skipped=skipped)

    monkeypatch.setattr(run, "train", train)
    return known


def test_what_it_prints(trained: dict[str, Any]) -> None:
    said = edgecut(*GIVEN)
    assert (said.code, said.stderr) == (0, "")
    assert said.stdout == (
        "toys (12.3 k parameters, 6.79 M MACs), split test\n"
        "category  images  recall   AUROC\n"
        "animal         8  87.5 %\n"
        "cat            2  50.0 %  98.8 %\n"
        "top-1         10  75.0 %\n"
        "\n"
        "wrote runs/toys/\n"
    )
    assert (trained["recipe"], trained["data"]) == (Path("mine.toml"), Path("toys.parquet"))
    assert (trained["keep"], trained["teacher"]) == ([], None)


def test_options_are_passed_on(trained: dict[str, Any]) -> None:
    assert edgecut(*GIVEN, "--keep", "cat, pet/*", "--teacher", "runs/dense").code == 0
    assert (trained["keep"], trained["teacher"]) == (["cat", "pet/*"], Path("runs/dense"))


def test_json_and_nothing_else(trained: dict[str, Any]) -> None:
    trained["skipped"] = range(3)
    assert edgecut(*GIVEN, "--json").json == METRICS


def test_skipped_images_are_named(trained: dict[str, Any]) -> None:
    trained["skipped"] = range(command.SHOWN + 2)
    lines = edgecut(*GIVEN).stdout.splitlines()
    assert lines.count("skipped: row 0 is broken") == 1
    assert sum(line.startswith("skipped: ") for line in lines) == command.SHOWN
    assert lines[-2] == "note: 12 images could not be used and were skipped"


def test_stopped(trained: dict[str, Any]) -> None:
    trained["raises"] = KeyboardInterrupt()
    said = edgecut(*GIVEN)
    assert (said.code, said.stdout) == (130, "")
    assert said.stderr == "stopped; the same command goes on from the last checkpoint\n"


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (GIVEN[:4], "Missing option '--out'"),
        (("train", "mine.toml", *GIVEN[4:]), "Missing option '--data'"),
        (("train", *GIVEN[2:]), "Missing argument 'RECIPE'"),
        ((*GIVEN, "--keep", ""), "it is empty"),
        ((*GIVEN, "--keep", " , "), "it names no category"),
        ((*GIVEN, "--teacher", " "), "it is empty"),
        ((*GIVEN, "--epochs", "3"), "No such option"),
    ],
)
def test_wrong_command_lines(trained: dict[str, Any], given: tuple[str, ...], told: str) -> None:
    said = edgecut(*given)
    assert (said.code, said.stdout) == (2, "")
    assert told in said.stderr
    assert "recipe" not in trained


def test_wrong_recipes(tmp_path: Path) -> None:
    data = ("--data", tmp_path / "a.parquet", "--out", tmp_path / "run")
    gone = tmp_path / "gone.toml"
    assert "gone.toml" in refused("bad-training-recipe", "train", gone, *data)
    assert str(tmp_path) in refused("bad-training-recipe", "train", tmp_path, *data)
    other = tmp_path / "other.toml"
    other.write_text('kind = "categories"\n')
    said = refused("bad-training-recipe", "train", other, *data)
    assert "other.toml: 'kind' is 'categories'; it takes training" in said
    assert not (tmp_path / "run").exists()


def test_without_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [n for n in sys.modules if n.startswith("edgecut.nested")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delattr("edgecut.nested", raising=False)
    monkeypatch.setitem(sys.modules, "torch", None)
    said = refused("missing-package", *GIVEN)
    assert said.startswith("training needs the package 'torch', which is not installed")
    assert "pip install 'edgecut[train]'" in said
