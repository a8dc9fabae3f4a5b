"""Plans: a recipe's label set, wherever it lies, and what of it is trained."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from edgecut.errors import EdgecutError
from edgecut.nested.plan import planned
from edgecut.nested.recipe import StageSpec
from tests.nested.toys import DENSE, LABEL_SET, NESTED, RECIPE, TREE, written

SPECIALIST = replace(RECIPE, network=DENSE)


def refused(code: str, path: Path, *keep: str) -> str:
    with pytest.raises(EdgecutError) as error:
        planned(path, keep)
    assert error.value.code == code
    return error.value.message


def test_a_label_set_is_relative_to_the_recipe(tmp_path: Path) -> None:
    plan = planned(written(tmp_path))
    assert plan.label_set == tmp_path / "toys.toml"
    assert plan.whole == plan.taxonomy == TREE
    assert plan.settings == RECIPE


def test_a_shipped_label_set(tmp_path: Path) -> None:
    plan = planned(written(tmp_path, replace(RECIPE, categories="everyday")))
    assert plan.label_set is None
    assert plan.whole.find("automobile") is not None
    assert plan.digest == plan.settings.digest


def test_a_text_file_of_names(tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_text("tea\ncoffee\n")
    plan = planned(written(tmp_path, replace(RECIPE, categories="names.txt")))
    assert plan.taxonomy.names == ("tea", "coffee")


def test_the_digest_is_of_what_the_label_set_holds(tmp_path: Path) -> None:
    here = planned(written(tmp_path / "here")).digest
    there = tmp_path / "there"
    shutil.copytree(tmp_path / "here", there)
    assert planned(there / "recipe-of-mine.toml").digest == here
    (there / "toys.toml").write_text("# a remark\n" + LABEL_SET)
    assert planned(there / "recipe-of-mine.toml").digest == here
    (there / "toys.toml").rename(there / "moved.toml")
    moved = written(there, replace(RECIPE, categories="moved.toml"))
    assert planned(moved).digest == here
    (there / "moved.toml").write_text(LABEL_SET.replace('"kitten"', '"kitty"'))
    assert planned(moved).digest != here


@pytest.mark.parametrize("name", ["evryday", "gone.toml", "folder"])
def test_a_label_set_that_is_not_there(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    path = written(tmp_path, replace(RECIPE, categories=name))
    said = refused("unknown-labels", path)
    assert f"{path}: 'categories' is '{name}'" in said and str(tmp_path / name) in said


def test_faults_of_the_network_name_the_file(tmp_path: Path) -> None:
    branches = {"horse": StageSpec(width=8, depth=1, stride=1)}
    path = written(tmp_path, replace(RECIPE, network=replace(NESTED, branches=branches)))
    assert refused("bad-training-recipe", path).startswith(f"{path}: [network.branches] names")
    path = written(tmp_path, replace(RECIPE, network=replace(NESTED, stages=NESTED.stages[:1])))
    assert refused("bad-training-recipe", path).startswith(f"{path}: ")


def test_strides_that_leave_nothing(tmp_path: Path) -> None:
    deep = (StageSpec(width=8, depth=1, stride=4),) * 3
    path = written(tmp_path, replace(RECIPE, network=replace(NESTED, base="convnext", stages=deep)))
    assert "its strides leave nothing of 8x8 pixels" in refused("bad-training-recipe", path)


# Specialists.


@pytest.mark.parametrize(
    ("keep", "names"),
    [
        (["person", "cat"], ("cat", "person")),
        (["human", "kitten"], ("cat", "person")),
        (["pet/*"], ("cat", "dog")),
        (["animal/*", "!dog"], ("cat", "bird")),
    ],
)
def test_a_specialist_knows_leaves_alone(
    tmp_path: Path, keep: list[str], names: tuple[str, ...]
) -> None:
    plan = planned(written(tmp_path, SPECIALIST), keep)
    assert plan.taxonomy.names == names
    assert set(plan.taxonomy.parents) == {None}
    assert plan.whole == TREE
    assert plan.taxonomy.find("kitten") == plan.taxonomy.find("cat")
    assert plan.digest != planned(written(tmp_path, SPECIALIST)).digest


def test_the_command_overrules_the_recipe(tmp_path: Path) -> None:
    path = written(tmp_path, replace(SPECIALIST, keep=("cat", "dog")))
    assert planned(path).taxonomy.names == ("cat", "dog")
    assert planned(path, ["bird", "dog"]).settings.keep == ("bird", "dog")
    assert planned(path, ["bird", "dog"]).taxonomy.names == ("dog", "bird")


@pytest.mark.parametrize(
    ("code", "keep", "told"),
    [
        ("not-a-leaf", ["pet", "bird"], "'pet' is none"),
        ("too-few-categories", ["cat"], "'cat' alone"),
        ("unknown-category", ["cat", "horse"], "'horse' is not a category"),
        ("empty-keep", ["!*"], "keeps nothing"),
    ],
)
def test_keep_lists_that_make_no_specialist(
    tmp_path: Path, code: str, keep: list[str], told: str
) -> None:
    said = refused(code, written(tmp_path, SPECIALIST), *keep)
    assert told in said and "recipe-of-mine.toml" in said


def test_a_specialist_is_dense(tmp_path: Path) -> None:
    said = refused("bad-training-recipe", written(tmp_path), "cat", "dog")
    assert "'model' is 'nested', and a specialist is a dense network" in said
