"""``edgecut train``, from a recipe and data to a run folder."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from edgecut.category_set import read_taxonomy
from edgecut.errors import EdgecutError
from edgecut.keep import kept
from edgecut.nested import checkpoint, curves, images, judging, training
from edgecut.nested.budget import macs_of, parameters_of
from edgecut.nested.checkpoint import Identity
from edgecut.nested.export import to_onnx
from edgecut.nested.images import Data, ImageSet
from edgecut.nested.loss import NONE
from edgecut.nested.recipe import TrainRecipe, read
from edgecut.nested.topology import DenseNet, NestedNet, network
from edgecut.progress import Tell, nobody
from edgecut.recipe import Recipe
from edgecut.taxonomy import Taxonomy

RECIPE, LOG, CURVES, METRICS = "recipe.toml", "log.json", "curves.png", "metrics.json"
WEIGHTS, MODEL, CHECKPOINT = "weights.safetensors", "model.onnx", "checkpoint.safetensors"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """What a training gave: its folder, its judgement, and the images that it had to skip."""

    folder: Path
    metrics: dict[str, Any]
    skipped: tuple[images.Skipped, ...]


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
        out: the run folder: recipe.toml, log.json, curves.png, metrics.json,
            weights.safetensors, model.onnx, and while it lasts checkpoint.safetensors.
        keep: train a specialist: only these leaves, on images of nothing else.
        teacher: the run folder of a network of the same categories to learn from, too.
        tell: told of progress.

    Raises:
        EdgecutError: what reading, training and saving raise.
    """
    settings = read(recipe)
    settings = replace(settings, keep=tuple(keep) or settings.keep)
    whole = read_taxonomy(settings.categories)
    taxonomy = _specialised(whole, settings)
    identity = Identity(
        recipe=settings.digest, data=f"{digest_of_data(data)} {_teacher_digest(teacher)}"
    )
    if (out / METRICS).exists():
        return _finished(out, identity)
    _begin(out, recipe)
    found = images.read(data, whole, settings.size, tell=tell)
    splits = {n: _relabelled(s, whole, taxonomy) for n, s in found.splits.items()}
    if "train" not in splits:
        raise EdgecutError(
            f"{data} has no split 'train', only {', '.join(sorted(splits))}", code="bad-data"
        )
    trained = training.train(
        settings,
        taxonomy,
        splits["train"],
        splits.get("val"),
        out,
        identity=identity,
        teacher=_teacher(teacher, taxonomy),
        note=lambda log: _write_log(out, log, settings.name),
        tell=tell,
    )
    metrics = _judged(trained, settings, splits, found)
    _write(out, trained, settings, identity, metrics)
    return Trained(folder=out, metrics=metrics, skipped=found.skipped)


def digest_of_data(data: Path) -> str:
    """SHA-256 of a file's bytes, or of the names and bytes of a folder's."""
    digest = hashlib.sha256()
    files = sorted(p for p in data.rglob("*") if p.is_file()) if data.is_dir() else [data]
    for file in files:
        digest.update(file.relative_to(data).as_posix().encode())
        try:
            with open(file, "rb") as opened:
                digest.update(hashlib.file_digest(opened, "sha256").digest())
        except OSError as error:
            raise EdgecutError(f"cannot read {file}: {error.strerror}", code="bad-data") from error
    return digest.hexdigest()


def load_network(folder: Path) -> NestedNet | DenseNet:
    """The network of a finished run, in torch, ready to be used.

    Raises:
        EdgecutError: ``not-a-run``, ``bad-checkpoint``, or what reading its recipe raises.
    """
    if not (folder / WEIGHTS).is_file():
        raise EdgecutError(
            f"{folder} holds no finished training ({WEIGHTS} is missing)",
            code="not-a-run",
            hint="`edgecut train` writes one, and goes on with one that was stopped",
        )
    saved = checkpoint.load(folder / WEIGHTS)
    try:
        tree = saved.facts["taxonomy"]
        taxonomy = Taxonomy(names=tuple(tree["names"]), parents=tuple(tree["parents"]))
        found = network(taxonomy, read(folder / RECIPE).network)
        found.load_state_dict(dict(saved.tensors))
    except (KeyError, TypeError, RuntimeError) as error:
        raise EdgecutError(
            f"{folder / WEIGHTS} does not fit {folder / RECIPE}", code="bad-checkpoint"
        ) from error
    return found.eval()


def _finished(out: Path, identity: Identity) -> Trained:
    """What a training that is done gave: it is not done again."""
    saved = checkpoint.load(out / WEIGHTS)
    identity.check(saved.facts, out)
    metrics = json.loads((out / METRICS).read_text(encoding="utf-8"))
    return Trained(folder=out, metrics=metrics, skipped=())


def _specialised(whole: Taxonomy, settings: TrainRecipe) -> Taxonomy:
    if not settings.keep:
        return whole
    nodes = kept(whole, range(len(whole.names)), settings.keep, where=settings.categories)
    inner = [whole.names[n] for n in nodes if n not in whole.leaves]
    if inner:
        raise EdgecutError(
            f"a specialist is trained on leaves, and '{inner[0]}' is none",
            code="not-a-leaf",
            hint=f"--keep '{inner[0]}/*' names the leaves under it",
        )
    return Taxonomy.flat([whole.names[n] for n in nodes])


def _relabelled(found: ImageSet, whole: Taxonomy, taxonomy: Taxonomy) -> ImageSet:
    """The images of a specialist's categories, with its labels."""
    if taxonomy is whole:
        return found
    places = np.full(len(whole.names) + 1, NONE)
    for place, name in enumerate(taxonomy.names):
        places[whole.names.index(name)] = place
    labels = places[found.labels]
    return replace(found, labels=labels).only(labels != NONE)


def _begin(out: Path, recipe: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise EdgecutError(
            f"cannot make the folder {out}: {error.strerror}", code="unwritable"
        ) from error
    if recipe.resolve() != (out / RECIPE).resolve():
        checkpoint.write(out / RECIPE, recipe.read_bytes())


def _teacher_digest(folder: Path | None) -> str:
    return "" if folder is None else digest_of_data(folder / WEIGHTS)


def _teacher(folder: Path | None, taxonomy: Taxonomy) -> torch.nn.Module | None:
    if folder is None:
        return None
    found = load_network(folder)
    if found.taxonomy.names != taxonomy.names:
        raise EdgecutError(
            f"the teacher {folder} tells other categories apart", code="other-categories"
        )
    return found.requires_grad_(False)


def _write_log(out: Path, log: training.Log, name: str) -> None:
    checkpoint.write(out / LOG, (json.dumps(log, indent=1) + "\n").encode())
    checkpoint.write(out / CURVES, curves.drawn(log, name))


def _judged(
    trained: NestedNet | DenseNet,
    settings: TrainRecipe,
    splits: dict[str, ImageSet],
    found: Data,
) -> dict[str, Any]:
    judged = [name for name in splits if name != "train"] or ["train"]
    return {
        "name": settings.name,
        "keep": list(settings.keep),
        "parameters": parameters_of(trained),
        "macs": macs_of(trained, settings.size),
        "skipped_images": len(found.skipped),
        "splits": {
            name: judging.judged(
                training.scores_of(trained, splits[name].images), splits[name], trained.taxonomy
            )
            for name in judged
            if len(splits[name])
        },
    }


def _write(
    out: Path,
    trained: NestedNet | DenseNet,
    settings: TrainRecipe,
    identity: Identity,
    metrics: dict[str, Any],
) -> None:
    pixels = Recipe(
        name=settings.name,
        resize="stretch",
        interpolation="bicubic",
        colour="RGB",
        scale=1 / 255,
        mean=(training.MEAN,) * 3,
        std=(training.STD,) * 3,
    )
    tree = {"names": trained.taxonomy.names, "parents": trained.taxonomy.parents}
    weights = checkpoint.Checkpoint(
        tensors=trained.state_dict(), facts={**identity.facts, "taxonomy": tree}
    )
    checkpoint.save(out / WEIGHTS, weights)
    model = to_onnx(trained, pixels, settings.size, source=settings.name)
    checkpoint.write(out / MODEL, model)
    checkpoint.write(out / METRICS, (json.dumps(metrics, indent=1) + "\n").encode())
    (out / CHECKPOINT).unlink(missing_ok=True)
