"""A run: from a recipe and data to a folder; stopped and gone on with; refused where wrong."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from edgecut import source
from edgecut.errors import EdgecutError, MissingPackage
from edgecut.nested import checkpoint, images, run, training
from edgecut.nested.folder import load_network
from edgecut.nested.plan import planned
from edgecut.nested.recipe import read
from edgecut.nested.run import Trained
from tests.nested import toys
from tests.nested.toys import DENSE, RECIPE, SCHEDULE, SIZE, TREE, scheduled, written

FILES = {
    *("recipe.toml", "categories.toml", "log.json", "curves.png", "metrics.json"),
    *("weights.safetensors", "model.onnx", "times.json"),
}
SPECIALIST = replace(RECIPE, network=DENSE)


class Stopped(Exception):
    """Raised in place of what would take long."""


@pytest.fixture
def stopped(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No training goes beyond its beginning."""

    def stop(*_: object, **__: object) -> None:
        raise Stopped

    with monkeypatch.context() as patch:
        patch.setattr(training, "train", stop)
        yield


def refused(code: str, *arguments: Any, **more: Any) -> str:
    with pytest.raises(EdgecutError) as error:
        run.train(*arguments, **more)
    assert error.value.code == code, error.value.message
    return f"{error.value.message} | {error.value.hint}"


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


# What a run leaves.


def test_the_folder(whole: Trained) -> None:
    assert names(whole.folder) == FILES
    log = json.loads((whole.folder / "log.json").read_text())
    assert [set(entry) for entry in log] == [{"epoch", "loss", "val_top1"}] * SCHEDULE.epochs
    times = json.loads((whole.folder / "times.json").read_text())
    assert [entry["epoch"] for entry in times] == [entry["epoch"] for entry in log]
    assert all(entry["seconds"] >= 0 for entry in times)
    with Image.open(whole.folder / "curves.png") as picture:
        assert picture.format == "PNG"


def test_the_metrics(whole: Trained) -> None:
    metrics = json.loads((whole.folder / "metrics.json").read_text())
    assert metrics == whole.metrics
    assert (metrics["name"], metrics["keep"]) == ("toys", [])
    assert metrics["images"] == {"test": 10, "train": 29, "val": 10}
    assert set(metrics["splits"]) == {"test", "val"}
    assert set(metrics["splits"]["test"]["by_category"]) == set(TREE.names)
    assert metrics["curve"] == json.loads((whole.folder / "log.json").read_text())
    assert metrics["splits"]["val"]["top1"] == round(metrics["curve"][-1]["val_top1"], 5)


def test_what_was_skipped_is_reported(whole: Trained) -> None:
    (skipped,) = whole.skipped
    assert skipped.place == "row 7"
    assert whole.metrics["skipped_images"] == 1
    assert whole.metrics["skipped"] == [{"place": "row 7", "reason": skipped.reason}]


def test_the_recipe_in_it_is_the_whole_recipe(whole: Trained) -> None:
    """With its label set beside it, so that the folder can go anywhere."""
    recipe = read(whole.folder / "recipe.toml")
    assert recipe == replace(RECIPE, categories="categories.toml")
    plan = planned(whole.folder / "recipe.toml")
    assert plan.taxonomy == TREE
    facts = checkpoint.load_facts(whole.folder / "weights.safetensors")
    assert facts["recipe"] == plan.digest


def test_the_network_is_read_back(whole: Trained, data: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(whole.folder, elsewhere)
    net = load_network(elsewhere)
    assert net.taxonomy == TREE and not net.training
    test = images.read(data, TREE, SIZE).splits["test"]
    scores = training.scores_of(net, test.images)
    found = training.top1(scores, test.labels, TREE)
    assert round(found, 5) == whole.metrics["splits"]["test"]["top1"]


def test_edgecut_takes_the_folder_for_a_model(whole: Trained) -> None:
    network = source.load(str(whole.folder))
    assert network.categories is not None and network.categories.names == TREE.names


def test_a_text_of_names_is_kept_too(tmp_path: Path, data: Path, stopped: None) -> None:
    (tmp_path / "names").write_text("person\ncat\ndog\nbird\n")
    recipe = written(tmp_path, replace(RECIPE, categories="names"))
    with pytest.raises(Stopped):
        run.train(recipe, data, tmp_path / "run")
    assert read(tmp_path / "run" / "recipe.toml").categories == "categories.txt"
    assert planned(tmp_path / "run" / "recipe.toml").digest == planned(recipe).digest


# Stopped and gone on with.


KILLED = """
import os, signal, sys
from pathlib import Path
from edgecut.nested import run, training
training.CHECKPOINT_SECONDS = 0.0

def tell(stage, done, total):
    if stage == "train" and done == 5:
        os.kill(os.getpid(), signal.SIGKILL)

run.train(*map(Path, sys.argv[1:]), tell=tell)
"""


def test_killed_and_gone_on_with(whole: Trained, data: Path, tmp_path: Path) -> None:
    """To the very same files; and nothing but the stages is told on the way."""
    recipe, out = written(tmp_path), tmp_path / "run"
    here = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    child = subprocess.run(
        [sys.executable, "-c", KILLED, recipe, data, out], env=here, capture_output=True, text=True
    )
    assert (child.returncode, child.stdout, child.stderr) == (-9, "", "")
    assert {"recipe.toml", "categories.toml", "checkpoint.safetensors"} < names(out)
    assert "model.onnx" not in names(out)
    command = ["-m", "edgecut", "train", recipe, "--data", data, "--out", out, "--json"]
    child = subprocess.run([sys.executable, *command], env=here, capture_output=True, text=True)
    stages = ["read data", "read images", "train", "find features at rest", "judge", "export"]
    assert (child.returncode, child.stderr.split("\n")) == (0, [f"  {s}" for s in stages] + [""])
    assert json.loads(child.stdout) == whole.metrics
    assert names(out) == FILES
    for name in FILES - {"times.json"}:
        assert (out / name).read_bytes() == (whole.folder / name).read_bytes(), name


def test_an_epoch_that_comes_again_is_timed_once(tmp_path: Path) -> None:
    path = tmp_path / "times.json"
    for epoch, seconds in ((1.0, 5.0), (2.0, 6.0), (2.0, 3.04)):
        run._keep_time(path, epoch, seconds)
    assert json.loads(path.read_text()) == [
        {"epoch": 1.0, "seconds": 5.0},
        {"epoch": 2.0, "seconds": 3.0},
    ]


def test_a_finished_run_is_not_trained_again(
    whole: Trained, data: Path, tmp_path: Path, stopped: None
) -> None:
    out = tmp_path / "run"
    shutil.copytree(whole.folder, out)
    (out / training.CHECKPOINT).write_bytes(b"left by a kill in the last moment")
    with pytest.raises(EdgecutError):  # whatever that is, it is not passed over
        run.train(written(tmp_path), data, out)
    (out / training.CHECKPOINT).unlink()
    before = {path.name: path.stat().st_mtime_ns for path in out.iterdir()}
    again = run.train(written(tmp_path), data, out)
    assert again.metrics == whole.metrics and again.skipped == whole.skipped
    assert {path.name: path.stat().st_mtime_ns for path in out.iterdir()} == before
    # By the recipe that lies in it, too.
    assert run.train(out / "recipe.toml", data, out).metrics == whole.metrics


def test_a_checkpoint_left_by_a_kill_in_the_last_moment_goes(
    whole: Trained, data: Path, tmp_path: Path, stopped: None
) -> None:
    out = tmp_path / "run"
    shutil.copytree(whole.folder, out)
    shutil.copy(out / "weights.safetensors", out / training.CHECKPOINT)
    run.train(written(tmp_path), data, out)
    assert names(out) == FILES


def test_stopped_before_the_first_checkpoint(tmp_path: Path, data: Path, stopped: None) -> None:
    recipe, out = written(tmp_path), tmp_path / "deep" / "run"
    for given in (recipe, recipe, out / "recipe.toml"):
        with pytest.raises(Stopped):
            run.train(given, data, out)
    assert names(out) == {"recipe.toml", "categories.toml"}
    (out / "recipe.toml.partial").touch()  # as a kill leaves it
    (out / "recipe.toml").unlink()
    with pytest.raises(Stopped):
        run.train(recipe, data, out)


def test_where_nothing_was_trained_yet_another_recipe_may_come(
    tmp_path: Path, data: Path, stopped: None
) -> None:
    """But one that the user wrote there stays."""
    recipe, out = written(tmp_path), tmp_path / "run"
    with pytest.raises(Stopped):
        run.train(recipe, data, out)
    other = written(tmp_path, replace(RECIPE, seed=4))
    with pytest.raises(Stopped):
        run.train(other, data, out)
    assert read(out / "recipe.toml").seed == 4
    mine = "# my own\n" + (out / "recipe.toml").read_text()
    (out / "recipe.toml").write_text(mine)
    refused("other-recipe", written(tmp_path), data, out)
    with pytest.raises(Stopped):
        run.train(out / "recipe.toml", data, out)
    assert (out / "recipe.toml").read_text() == mine


@pytest.mark.parametrize("missing", ["model.onnx", "weights.safetensors"])
def test_what_is_missing_is_made_anew(
    whole: Trained, data: Path, tmp_path: Path, stopped: None, missing: str
) -> None:
    out = tmp_path / "run"
    shutil.copytree(whole.folder, out)
    (out / missing).unlink()
    with pytest.raises(Stopped):
        run.train(written(tmp_path), data, out)


# Other trainings, and what is none.


def other_recipe(folder: Path) -> Path:
    return written(folder / "other", replace(RECIPE, seed=4))


def other_categories(folder: Path) -> Path:
    path = written(folder / "other")
    (path.parent / "toys.toml").write_text(toys.LABEL_SET.replace('"kitten"', '"kitty"'))
    return path


@pytest.mark.parametrize("other", [other_recipe, other_categories])
@pytest.mark.parametrize("state", ["finished", "begun", "just begun"])
def test_another_recipe_is_refused_and_changes_nothing(
    whole: Trained,
    data: Path,
    tmp_path: Path,
    stopped: None,
    state: str,
    other: Callable[[Path], Path],
) -> None:
    out = tmp_path / "run"
    shutil.copytree(whole.folder, out)
    if state != "finished":
        for name in ("metrics.json", "model.onnx"):
            (out / name).unlink()
        end = (out / "weights.safetensors").rename
        end(out / training.CHECKPOINT if state == "begun" else tmp_path / "gone")
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    said = refused("other-recipe", other(tmp_path), data, out)
    assert f"{out} holds a training with other settings or categories" in said
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before


def test_other_data_are_refused(whole: Trained, tmp_path: Path) -> None:
    rows = toys.rows(51)
    other = toys.parquet(tmp_path / "toys.parquet", rows)
    said = refused("other-recipe", written(tmp_path), other, whole.folder)
    assert "on other data, or with another teacher" in said


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path, data: Path) -> None:
    out = tmp_path / "thesis"
    out.mkdir()
    (out / "chapter-1.tex").touch()
    assert "holds 'chapter-1.tex', and no training" in refused(
        "not-a-run", written(tmp_path), data, out
    )
    assert names(out) == {"chapter-1.tex"}
    (out / "recipe.toml").write_text("soup = 1")
    assert "recipe.toml" in refused("bad-training-recipe", written(tmp_path), data, out)
    assert (out / "recipe.toml").read_text() == "soup = 1"


def test_a_file_where_the_folder_should_be(tmp_path: Path, data: Path) -> None:
    (tmp_path / "run").touch()
    said = refused("unwritable", written(tmp_path), data, tmp_path / "run")
    assert f"cannot make the folder {tmp_path / 'run'}" in said


def test_a_damaged_checkpoint(tmp_path: Path, data: Path) -> None:
    out = tmp_path / "run"
    out.mkdir()
    (out / training.CHECKPOINT).write_bytes(b"nothing of the kind")
    said = refused("bad-checkpoint", written(tmp_path), data, out)
    assert "remove it to begin anew" in said


def test_damaged_metrics(whole: Trained, data: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    shutil.copytree(whole.folder, out)
    (out / "metrics.json").write_text("{")
    assert "metrics.json" in refused("bad-json", written(tmp_path), data, out)


@pytest.mark.parametrize("full", ["recipe.toml", "log.json", "curves.png", "model.onnx"])
def test_a_full_disk_at_any_file(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch, full: str
) -> None:
    """Once there is room, the same command ends the work."""
    write, out = checkpoint.write, tmp_path / "run"

    def some(path: Path, what: bytes) -> None:
        if path.name == full:
            raise EdgecutError(f"cannot save {path}", code="cannot-save")
        write(path, what)

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "write", some)
        patch.setattr(run, "to_onnx", lambda *_, **__: b"model")
        assert full in refused("cannot-save", written(tmp_path), data, out)
    assert full not in names(out) and "metrics.json" not in names(out)
    monkeypatch.setattr(run, "to_onnx", lambda *_, **__: b"model")
    assert run.train(written(tmp_path), data, out).metrics["images"]
    assert names(out) == FILES


# Data.


def test_without_a_training_split(tmp_path: Path) -> None:
    table = [{**row, "split": "test"} for row in toys.rows(8)]
    path = toys.parquet(tmp_path / "a.parquet", table)
    said = refused("bad-data", written(tmp_path), path, tmp_path / "run")
    assert "has no split 'train', only test" in said


def test_data_that_are_not_there(tmp_path: Path) -> None:
    said = refused("bad-data", written(tmp_path), tmp_path / "none.parquet", tmp_path / "run")
    assert "none.parquet" in said
    assert not (tmp_path / "run").exists()


def test_where_all_is_for_training_it_is_judged_by_that(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "to_onnx", lambda *_, **__: b"model")
    table = [{**row, "split": "train"} for row in toys.rows(16)]
    recipe = written(tmp_path, scheduled(epochs=1))
    path = toys.parquet(tmp_path / "a.parquet", table)
    metrics = run.train(recipe, path, tmp_path / "run").metrics
    assert set(metrics["splits"]) == {"train"}


# Specialists.


def test_a_specialist(tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It sees images of its own leaves alone, and knows no others."""
    seen: list[Any] = []
    train = training.train

    def watched(recipe: Any, taxonomy: Any, *sets: Any, **more: Any) -> Any:
        seen.extend([taxonomy, *sets[:2]])
        return train(recipe, taxonomy, *sets, **more)

    monkeypatch.setattr(training, "train", watched)
    recipe = written(tmp_path, replace(scheduled(epochs=1), network=DENSE))
    made = run.train(recipe, data, tmp_path / "run", keep=["human", "pet/*"])
    taxonomy, train_set, val_set = seen
    assert taxonomy.names == ("cat", "dog", "person")
    everything = images.read(data, TREE, SIZE).splits["train"]
    wanted = np.isin(everything.labels, [TREE.names.index(name) for name in taxonomy.names])
    assert np.array_equal(train_set.images, everything.images[wanted])
    told = [TREE.names[label] for label in everything.labels[wanted]]
    assert [taxonomy.names[label] for label in train_set.labels] == told
    assert set(val_set.labels.tolist()) == {0, 1, 2}
    assert made.metrics["keep"] == ["human", "pet/*"]
    assert set(made.metrics["splits"]["test"]["by_category"]) == set(taxonomy.names)
    assert read(made.folder / "recipe.toml").keep == ("human", "pet/*")
    assert load_network(made.folder).taxonomy == taxonomy
    network = source.load(str(made.folder))
    assert network.categories is not None
    assert network.categories.indices(["kitten"], where="it") == (0,)
    assert "other settings" in refused("other-recipe", recipe, data, made.folder)
    assert run.train(made.folder / "recipe.toml", data, made.folder).metrics == made.metrics


# Teachers.


TAUGHT = scheduled(teacher_weight=1.0)


def test_a_teacher_is_part_of_the_training(
    whole: Trained, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Any] = []

    def watched(*_: object, **more: Any) -> None:
        seen.append((more["teacher"], more["identity"]))
        raise Stopped

    monkeypatch.setattr(training, "train", watched)
    recipe = written(tmp_path, TAUGHT)
    with pytest.raises(Stopped):
        run.train(recipe, data, tmp_path / "run", teacher=whole.folder)
    ((teacher, identity),) = seen
    expected = load_network(whole.folder).state_dict()
    assert all(torch.equal(t, expected[n]) for n, t in teacher.state_dict().items())
    assert not teacher.training and not any(p.requires_grad for p in teacher.parameters())
    other = tmp_path / "other"
    shutil.copytree(whole.folder, other)
    weights = checkpoint.load(other / "weights.safetensors")
    tensors = {n: t + 1 for n, t in weights.tensors.items()}
    changed = checkpoint.Checkpoint(tensors=tensors, facts=weights.facts)
    checkpoint.save(other / "weights.safetensors", changed)
    with pytest.raises(Stopped):
        run.train(recipe, data, tmp_path / "run2", teacher=other)
    assert seen[1][1].recipe == identity.recipe and seen[1][1].data != identity.data


def teachers(whole: Path, folder: Path) -> dict[str, Path]:
    small, sorted_ = folder / "small", folder / "sorted"
    for path in (small, sorted_):
        shutil.copytree(whole, path)
    text = (small / "recipe.toml").read_text()
    (small / "recipe.toml").write_text(text.replace("size = 8", "size = 16"))
    saved = checkpoint.load(sorted_ / "weights.safetensors")
    tree = dict(saved.facts["taxonomy"], names=["animal", "pet", "dog", "cat", "bird", "person"])
    facts = {**saved.facts, "taxonomy": tree}
    path = sorted_ / "weights.safetensors"
    checkpoint.save(path, checkpoint.Checkpoint(tensors=saved.tensors, facts=facts))
    return {"small": small, "sorted": sorted_, "none": folder / "none"}


@pytest.mark.parametrize(
    ("which", "code", "told"),
    [
        ("small", "other-size", "takes images of size 16, and the recipe's are of size 8"),
        ("sorted", "other-categories", "tells other categories apart"),
        ("none", "not-a-run", "holds no finished training"),
    ],
)
def test_teachers_that_cannot_teach(
    whole: Trained, data: Path, tmp_path: Path, which: str, code: str, told: str
) -> None:
    teacher = teachers(whole.folder, tmp_path)[which]
    said = refused(code, written(tmp_path, TAUGHT), data, tmp_path / "run", teacher=teacher)
    assert told in said
    assert not (tmp_path / "run").exists()


def test_recipe_and_command_agree_on_the_teacher(
    whole: Trained, data: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    said = refused("missing-teacher", written(tmp_path, TAUGHT), data, out)
    assert "'teacher_weight' is 1, and no teacher is given" in said
    said = refused("bad-training-recipe", written(tmp_path), data, out, teacher=whole.folder)
    assert "nothing would be learnt from the teacher" in said


# Networks and packages.


def test_weights_that_do_not_fit_their_recipe(whole: Trained, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(whole.folder, folder)
    text = (folder / "recipe.toml").read_text()
    (folder / "recipe.toml").write_text(text.replace("width = 8", "width = 16"))
    with pytest.raises(EdgecutError, match="not a checkpoint of edgecut, or not of") as error:
        load_network(folder)
    assert error.value.code == "bad-checkpoint"


@pytest.mark.parametrize("package", ["safetensors", "onnxscript", "matplotlib"])
def test_a_missing_package_is_missed_at_the_beginning(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(run, "find_spec", lambda name: None if name == package else find(name))
    with pytest.raises(MissingPackage, match=f"needs the package '{package}'") as error:
        run.train(written(tmp_path), data, tmp_path / "run")
    assert error.value.hint == "pip install 'edgecut[train]'"
    assert not (tmp_path / "run").exists()
