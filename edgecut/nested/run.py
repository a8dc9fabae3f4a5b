"""``edgecut train``, from a recipe and data to a run folder."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch

from edgecut.errors import EdgecutError, MissingPackage
from edgecut.nested import checkpoint, curves, images, judging, rest, training
from edgecut.nested.budget import macs_of, parameters_of
from edgecut.nested.checkpoint import Identity
from edgecut.nested.export import to_onnx
from edgecut.nested.folder import (
    CATEGORIES,
    CURVES,
    LOG,
    METRICS,
    MODEL,
    RECIPE,
    TIMES,
    WEIGHTS,
    claim,
    is_finished,
    load_network,
    read_json,
    save_weights,
    write_json,
)
from edgecut.nested.images import TRAIN, VAL, Data, ImageSet, Skipped
from edgecut.nested.loss import NONE
from edgecut.nested.plan import Plan, planned
from edgecut.nested.recipe import TrainRecipe, read
from edgecut.nested.recipe_text import to_toml
from edgecut.nested.topology import DenseNet, NestedNet
from edgecut.nested.training import CHECKPOINT
from edgecut.progress import Tell, nobody
from edgecut.recipe import Recipe

CURVES_SECONDS = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """What a training gave: its folder, its judgement, and the images that it had to skip."""

    folder: Path
    metrics: dict[str, Any]
    skipped: tuple[Skipped, ...]


def train(
    recipe: Path,
    data: Path,
    out: Path,
    *,
    keep: Sequence[str] = (),
    teacher: Path | None = None,
    tell: Tell = nobody,
) -> Trained:
    """Train a network, or go on with its training, and write all about it into a folder.

    Args:
        recipe: a TOML file, as ``docs/reference/training.md`` describes it.
        data: a parquet file or a folder of images.
        out: the run folder: recipe.toml, log.json, curves.png, times.json, metrics.json,
            weights.safetensors, model.onnx, and while it lasts checkpoint.safetensors.
        keep: train a specialist: only these leaves, on images of nothing else.
        teacher: the run folder of a network of the same categories to learn from, too.
        tell: told of progress.

    Raises:
        EdgecutError: what reading, training and saving raise.
        MissingPackage: a package of the extra ``train`` is not installed.
    """
    _check_packages()
    plan = planned(recipe, keep)
    taught_by = _teacher(teacher, plan)
    tell("read data", 0, 0)
    identity = Identity(recipe=plan.digest, data=_digest_of(data, teacher))
    own = out / RECIPE
    anew = not own.exists() or _is_unused(out)
    claim(out, identity, begun_with=None if anew else planned(own).digest)
    if is_finished(out):
        return _finished(out)
    if anew:
        _keep_recipe(out, plan)
    found = images.read(data, plan.whole, plan.settings.size, tell=tell)
    splits = {n: _relabelled(s, plan) for n, s in found.splits.items()}
    if TRAIN not in splits:
        raise EdgecutError(
            f"{data} has no split '{TRAIN}', only {', '.join(sorted(splits))}", code="bad-data"
        )
    trained = training.train(
        plan.settings,
        plan.taxonomy,
        splits[TRAIN],
        splits.get(VAL),
        out,
        identity=identity,
        teacher=taught_by,
        note=_noting(out, plan.settings.name),
        tell=tell,
    )
    log = checkpoint.load_facts(out / CHECKPOINT)["log"]
    write_json(out / LOG, log)
    checkpoint.write(out / CURVES, curves.drawn(log, plan.settings.name))
    _rest(trained, splits[TRAIN], tell)
    metrics = {**_judged(trained, plan.settings, splits, found, tell), "curve": log}
    save_weights(out, trained, identity)
    tell("export", 0, 0)
    size, name = plan.settings.size, plan.settings.name
    checkpoint.write(out / MODEL, to_onnx(trained, pixels_of(plan.settings), size, source=name))
    # What is there last tells that all is there.
    write_json(out / METRICS, metrics)
    return _finished(out)


def _check_packages() -> None:
    """All that is needed in the end is better missed at the beginning."""
    for package in ("safetensors", "onnxscript", "matplotlib"):
        if find_spec(package) is None:
            raise MissingPackage(package, extra="train", why="training")


def _teacher(folder: Path | None, plan: Plan) -> torch.nn.Module | None:
    """The teacher, once the recipe and the command agree on whether there is one."""
    weight = plan.settings.schedule.teacher_weight
    if folder is None:
        if weight:
            raise EdgecutError(
                f"the recipe's 'teacher_weight' is {weight:g}, and no teacher is given",
                code="missing-teacher",
                hint="give --teacher, or take 'teacher_weight' out of [schedule]",
            )
        return None
    found = load_network(folder)
    if not weight:
        raise EdgecutError(
            f"nothing would be learnt from the teacher {folder}: the recipe's 'teacher_weight' is "
            "0, or missing",
            code="bad-training-recipe",
            hint="give it in [schedule], for example teacher_weight = 1",
        )
    sizes = read(folder / RECIPE).size, plan.settings.size
    if sizes[0] != sizes[1]:
        raise EdgecutError(
            f"the teacher {folder} takes images of size {sizes[0]}, and the recipe's are of "
            f"size {sizes[1]}",
            code="other-size",
        )
    if found.taxonomy.names != plan.taxonomy.names:
        raise EdgecutError(
            f"the teacher {folder} tells other categories apart, or in another order",
            code="other-categories",
            hint="train it with the same label set, and the same --keep",
        )
    return found.requires_grad_(False)


def _digest_of(data: Path, teacher: Path | None) -> str:
    digest = images.digest_of(data)
    return digest if teacher is None else f"{digest} {images.digest_of(teacher / WEIGHTS)}"


def _is_unused(out: Path) -> bool:
    """Whether there is but a recipe of our own writing: another one may take its place."""
    others = [p for p in out.iterdir() if p.name != RECIPE and p.stem != CATEGORIES]
    text = (out / RECIPE).read_text(encoding="utf-8", errors="replace")
    return not others and text == to_toml(read(out / RECIPE))


def _keep_recipe(out: Path, plan: Plan) -> None:
    """Write the recipe as it is carried out, and the user's label set beside it."""
    settings = plan.settings
    if plan.label_set is not None:
        name = CATEGORIES + (plan.label_set.suffix or ".txt")
        checkpoint.write(out / name, plan.label_set.read_bytes())
        settings = replace(settings, categories=name)
    checkpoint.write(out / RECIPE, to_toml(settings).encode())


def _relabelled(found: ImageSet, plan: Plan) -> ImageSet:
    """The images of a specialist's categories, with its labels."""
    if plan.taxonomy is plan.whole:
        return found
    places = np.full(len(plan.whole.names) + 1, NONE)
    for place, name in enumerate(plan.taxonomy.names):
        places[plan.whole.names.index(name)] = place
    labels = places[found.labels]
    return replace(found, labels=labels).only(labels != NONE)


def _noting(out: Path, name: str) -> Callable[[training.Log], None]:
    """Writes the log of every epoch and how long it took, and draws it now and then."""
    drawn, began = -math.inf, time.monotonic()

    def note(log: training.Log) -> None:
        nonlocal drawn, began
        write_json(out / LOG, log)
        now = time.monotonic()
        _keep_time(out / TIMES, log[-1]["epoch"], now - began)
        began = now
        if time.monotonic() - drawn >= CURVES_SECONDS:
            checkpoint.write(out / CURVES, curves.drawn(log, name))
            drawn = time.monotonic()

    return note


def _keep_time(path: Path, epoch: float, seconds: float) -> None:
    """In a file of its own: all others are the same bytes whenever they are made."""
    times = read_json(path) if path.exists() else []
    # After a kill an epoch may come again.
    before = [one for one in times if one["epoch"] < epoch]
    write_json(path, [*before, {"epoch": epoch, "seconds": round(seconds, 1)}])


def _rest(trained: NestedNet | DenseNet, images: ImageSet, tell: Tell) -> None:
    """What attention is to start from; no gain ever reaches a dense network."""
    if isinstance(trained, NestedNet):
        tell("find features at rest", 0, 0)
        rest.settle(trained.to(training.device()), images)
        trained.to("cpu")


def _judged(
    trained: NestedNet | DenseNet,
    settings: TrainRecipe,
    splits: dict[str, ImageSet],
    found: Data,
    tell: Tell,
) -> dict[str, Any]:
    """Plain values: cost, and accuracy on every split that was not learnt from, if there is one."""
    tell("judge", 0, 0)
    chosen = [name for name in splits if name != TRAIN and len(splits[name])] or [TRAIN]
    trained = trained.to(training.device())
    scores = {name: training.scores_of(trained, splits[name].images) for name in chosen}
    trained = trained.to("cpu")
    return {
        "name": settings.name,
        "keep": list(settings.keep),
        "parameters": parameters_of(trained),
        "macs": macs_of(trained, settings.size),
        "images": {name: len(split) for name, split in splits.items()},
        "skipped_images": len(found.skipped),
        "skipped": [asdict(one) for one in found.skipped],
        "splits": {
            name: judging.judged(scores[name], splits[name], trained.taxonomy) for name in chosen
        },
    }


def pixels_of(settings: TrainRecipe) -> Recipe:
    """How an image becomes the network's input, for all who use it."""
    return Recipe(
        name=settings.name,
        resize="stretch",
        interpolation="bicubic",
        colour="RGB",
        scale=1 / 255,
        mean=(training.MEAN,) * 3,
        std=(training.STD,) * 3,
    )


def _finished(out: Path) -> Trained:
    """What a training that is done gave: it is not done again."""
    (out / CHECKPOINT).unlink(missing_ok=True)
    metrics = read_json(out / METRICS)
    skipped = tuple(Skipped(**one) for one in metrics.get("skipped", ()))
    return Trained(folder=out, metrics=metrics, skipped=skipped)
