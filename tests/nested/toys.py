"""Toys to train on: a tree of four categories, small images of one colour each, small networks."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from edgecut.nested.recipe import Augmentation, NetworkSpec, Schedule, StageSpec, TrainRecipe
from edgecut.nested.recipe_text import to_toml
from edgecut.taxonomy import Taxonomy

SIZE = 8
TREE = Taxonomy(
    names=("animal", "pet", "cat", "dog", "bird", "person"),
    parents=(None, 0, 1, 1, 0, None),
    aliases={"human": "person", "kitten": "cat"},
)
LABEL_SET = """kind = "categories"
name = "toys"
names = ["person", "cat", "dog", "bird"]
[tree]
animal = ["pet", "bird"]
pet = ["cat", "dog"]
[aliases]
person = ["human"]
cat = ["kitten"]
"""
LABELS = ("person", "cat", "dog", "bird")
STAGE = StageSpec(width=8, depth=1, stride=1)
NESTED = NetworkSpec(
    model="nested",
    base="resnet",
    stem_widths=(8,),
    stem_strides=(2,),
    stages=(STAGE, STAGE, STAGE),
)
DENSE = replace(NESTED, model="dense")
SCHEDULE = Schedule(
    epochs=2,
    batch=8,
    learning_rate=0.1,
    momentum=0.9,
    weight_decay=5e-4,
    warmup_epochs=0.5,
    ema=0.9,
    label_smoothing=0.1,
    level_weight=0.3,
    presence_weight=0.1,
    teacher_weight=0.0,
    temperature=2.0,
    precision="float32",
)
STILL = Augmentation(flip=False, shift=0, scale=1, cutout=0, rescale=0, jpeg=0, colour=0)
LIVELY = Augmentation(flip=True, shift=1, scale=0.7, cutout=2, rescale=0.5, jpeg=0.5, colour=0.3)
RECIPE = TrainRecipe(
    name="toys",
    categories="toys.toml",
    size=SIZE,
    seed=3,
    network=NESTED,
    schedule=SCHEDULE,
    augmentation=LIVELY,
)


def picture(label: str, seed: int, *, size: int = SIZE) -> np.ndarray:
    """Noise (size, size, 3) uint8 in the label's colour; without one, grey."""
    pixels = np.random.default_rng([seed, 7]).integers(0, 90, (size, size, 3))
    channels: dict[str, list[int]] = {"person": [0], "cat": [1], "dog": [2], "bird": [0, 1]}
    pixels[:, :, channels.get(label, [])] += 120
    return pixels.astype(np.uint8)


def encoded(pixels: np.ndarray, kind: str = "PNG", **more: Any) -> bytes:
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind, **more)
    return file.getvalue()


def rows(count: int = 50, *, labels: Sequence[str] = (*LABELS, "")) -> list[dict[str, Any]]:
    """A little over half to train on, the rest to judge by."""
    splits = ("train", "train", "train", "val", "test")
    return [
        {
            "image": encoded(picture(labels[i % len(labels)], i)),
            "label": labels[i % len(labels)],
            "split": splits[i // len(labels) % len(splits)],
        }
        for i in range(count)
    ]


def parquet(path: Path, table: Sequence[dict[str, Any]], **columns: Any) -> Path:
    """Write rows as they are; ``columns`` are types of some."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    written = pa.Table.from_pylist(list(table))
    for name, kind in columns.items():
        place = written.column_names.index(name)
        written = written.set_column(place, name, written[name].cast(kind))
    pq.write_table(written, path)
    return path


def written(folder: Path, recipe: TrainRecipe = RECIPE) -> Path:
    """A recipe's file, with its label set beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "toys.toml").write_text(LABEL_SET)
    path = folder / "recipe-of-mine.toml"
    path.write_text(to_toml(recipe))
    return path


def scheduled(recipe: TrainRecipe = RECIPE, **changes: Any) -> TrainRecipe:
    """The recipe with another schedule."""
    return replace(recipe, schedule=replace(recipe.schedule, **changes))
