"""Training recipes: strictly read, and written back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edgecut.errors import EdgecutError
from edgecut.nested.recipe import StageSpec, TrainRecipe, read
from edgecut.nested.recipe_text import to_toml
from tests.nested.toys import DENSE, NESTED, RECIPE, scheduled

BRANCHED = replace(
    RECIPE,
    network=replace(
        NESTED,
        branches={
            "road vehicle": StageSpec(width=40, depth=2, stride=1),
            'a "quoted\\" näme': StageSpec(width=8, depth=1, stride=2),
        },
    ),
)
TEXT = to_toml(RECIPE)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "mine.toml"


def refused(path: Path, text: str) -> str:
    path.write_text(text)
    with pytest.raises(EdgecutError) as error:
        read(path)
    assert error.value.code == "bad-training-recipe"
    assert str(path) in error.value.message
    return error.value.message


@pytest.mark.parametrize(
    "recipe",
    [
        RECIPE,
        BRANCHED,
        replace(RECIPE, network=DENSE, keep=("cat", "pet/*", "!dog"), name="näme \x7f"),
        scheduled(learning_rate=1e-5, teacher_weight=0.25, precision="bfloat16"),
    ],
    ids=["plain", "branched", "dense", "others"],
)
def test_written_and_read(path: Path, recipe: TrainRecipe) -> None:
    path.write_text(to_toml(recipe), encoding="utf-8")
    assert read(path) == recipe
    assert read(path).digest == recipe.digest


def test_the_digest_tells_every_setting() -> None:
    others: list[TrainRecipe] = [
        replace(RECIPE, seed=4),
        replace(RECIPE, keep=("cat",)),
        replace(RECIPE, network=DENSE),
        scheduled(ema=0.91),
        replace(RECIPE, augmentation=replace(RECIPE.augmentation, jpeg=0.4)),
        BRANCHED,
    ]
    digests = [recipe.digest for recipe in (RECIPE, *others)]
    assert len(set(digests)) == len(digests)
    assert replace(RECIPE, seed=RECIPE.seed).digest == RECIPE.digest


def test_the_teacher_and_the_keep_list_may_be_left_out(path: Path) -> None:
    lines = [line for line in TEXT.splitlines() if not line.startswith(("teacher_", "temper"))]
    path.write_text("\n".join(lines))
    found = read(path)
    assert (found.schedule.teacher_weight, found.schedule.temperature) == (0.0, 4.0)
    assert found.keep == ()


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ('kind = "training"', 'kind = "recipe"', "'kind' is 'recipe'"),
        ("size = 8", "size = 4", "'size' is 4, outside 8..1024"),
        ("size = 8", "", "'size' is missing"),
        ("seed = 3", "seed = -1", "'seed' is -1"),
        ("seed = 3", "seed = true", "'seed' must be a whole number"),
        ("seed = 3", "seed = 3\nsede = 4", "keys that do not belong here: sede"),
        ("seed = 3", "seed = 3\nkeep = []", "'keep' is empty"),
        ('model = "nested"', 'model = "wide"', "[network]: 'model' is 'wide'"),
        ('base = "resnet"', 'base = "vgg"', "[network]: 'base' is 'vgg'"),
        ("stem_widths = [8]", "stem_widths = [8, 8]", "differ in length"),
        ("stem_widths = [8]", "stem_widths = [9000]", "'stem_widths' holds more than 8192"),
        ("stem_strides = [2]", "stem_strides = [5]", "'stem_strides' holds more than 4"),
        ("stride = 1", "stride = 0", "[[stages]]: 'stride' is 0"),
        ("depth = 1", "depth = 1\ndept = 1", "[[stages]]: keys that do not belong here: dept"),
        ("epochs = 2", "epochs = 0", "[schedule]: 'epochs' is 0"),
        ("batch = 8", "batch = 1", "'batch' is 1"),
        ("warmup_epochs = 0.5", "warmup_epochs = 3", "'warmup_epochs' is 3.0, outside 0..2"),
        ("ema = 0.9", "ema = 1", "'ema' is 1.0"),
        ("ema = 0.9", "ema = nan", "'ema' is nan"),
        ("temperature = 2.0", "temperature = 0", "'temperature' is 0.0"),
        ('precision = "float32"', 'precision = "int8"', "'precision' is 'int8'"),
        ("shift = 1", "shift = 8", "[augmentation]: 'shift' is 8, outside 0..7"),
        ("cutout = 2", "cutout = 9", "'cutout' is 9, outside 0..8"),
        ("flip = 1", "flip = 2", "'flip' is 2, outside 0..1"),
        ("jpeg = 0.5", 'jpeg = "often"', "'jpeg' must be a number"),
        ("[augmentation]", "[augmentation", "cannot read the training recipe"),
        ("[augmentation]", "[more]\na = 1\n[augmentation]", "do not belong here: more"),
    ],
)
def test_what_is_refused(path: Path, before: str, after: str, told: str) -> None:
    assert before in TEXT
    assert told in refused(path, TEXT.replace(before, after, 1))


def test_without_stages(path: Path) -> None:
    head, _, rest = TEXT.partition("[[network.stages]]")
    assert "at least one" in refused(path, head + "[schedule]" + rest.partition("[schedule]")[2])


def test_a_dense_network_has_no_branches(path: Path) -> None:
    text = to_toml(BRANCHED).replace('model = "nested"', 'model = "dense"')
    assert "[network]: a dense network has no 'branches'" in refused(path, text)


def test_a_file_that_is_not_there(path: Path) -> None:
    with pytest.raises(EdgecutError, match="cannot read the training recipe") as error:
        read(path)
    assert error.value.code == "bad-training-recipe"


@pytest.mark.parametrize("data", [b"\xff\xfe", b"a = " + b"[" * 5000])
def test_a_file_that_is_no_toml(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    with pytest.raises(EdgecutError, match="cannot read the training recipe"):
        read(path)


@pytest.mark.parametrize(
    ("factor", "widths"), [(0.01, (8, 8)), (1.0, (40, 8)), (1.4, (56, 8)), (1e4, (8192, 8192))]
)
def test_scaled_to_multiples_of_eight(factor: float, widths: Any) -> None:
    stages = (StageSpec(width=40, depth=2, stride=2),)
    spec = replace(NESTED, stages=stages, branches={"a": StageSpec(width=8, depth=1, stride=1)})
    found = spec.scaled(factor)
    assert (found.stages[0].width, found.branches["a"].width) == widths
    assert (found.stages[0].depth, found.stages[0].stride) == (2, 2)
    assert found.stem_widths == spec.stem_widths


def test_the_recipes_of_this_repository_are_read() -> None:
    root = Path(__file__).resolve().parents[2]
    found = [
        path
        for path in sorted((root / "benchmarks").rglob("*.toml"))
        if path.read_text(encoding="utf-8").count('kind = "training"')
    ]
    assert found
    for path in found:
        assert read(path).size
