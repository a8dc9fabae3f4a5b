"""A run folder: which files it holds, whose it is, and the network that was trained in it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from edgecut.errors import EdgecutError
from edgecut.nested import checkpoint
from edgecut.nested.checkpoint import Identity
from edgecut.nested.recipe import read
from edgecut.nested.topology import DenseNet, NestedNet, network
from edgecut.nested.training import CHECKPOINT
from edgecut.saving import PARTIAL
from edgecut.taxonomy import Taxonomy

RECIPE, LOG, CURVES, METRICS = "recipe.toml", "log.json", "curves.png", "metrics.json"
TIMES = "times.json"
WEIGHTS, MODEL = "weights.safetensors", "model.onnx"
CATEGORIES = "categories"
"""The copy of the recipe's own label set, with the suffix that it has."""

_FILES = {RECIPE, LOG, CURVES, METRICS, TIMES, WEIGHTS, MODEL, CHECKPOINT}


def claim(out: Path, identity: Identity, *, begun_with: str | None) -> None:
    """Make a folder, or see to it that it holds this training and no other.

    Args:
        out: the folder.
        identity: what is to be trained there.
        begun_with: the digest of the recipe that lies in it, if one does.

    Raises:
        EdgecutError: ``unwritable``, ``not-a-run`` where it holds anything else, or
            ``other-recipe``.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        inside = sorted(p.name for p in out.iterdir() if not p.name.endswith(PARTIAL))
    except OSError as error:
        raise EdgecutError(
            f"cannot make the folder {out}: {error.strerror}", code="unwritable"
        ) from error
    for name in (CHECKPOINT, WEIGHTS):
        if name in inside:
            identity.check(checkpoint.load_facts(out / name), out)
            return
    if begun_with is not None:
        identity.check({**identity.facts, "recipe": begun_with}, out)
        return
    foreign = [name for name in inside if name not in _FILES and Path(name).stem != CATEGORIES]
    if foreign:
        raise EdgecutError(
            f"{out} holds '{foreign[0]}', and no training",
            code="not-a-run",
            hint="give --out a folder of its own",
        )


def is_finished(out: Path) -> bool:
    """Whether a training was carried to its end there."""
    return all((out / name).is_file() for name in (WEIGHTS, MODEL, METRICS))


def load_network(folder: Path) -> NestedNet | DenseNet:
    """The network of a finished run, in torch, ready to be used.

    Raises:
        EdgecutError: ``not-a-run``, ``bad-checkpoint``, or what reading its recipe raises.
    """
    path = folder / WEIGHTS
    if not path.is_file():
        raise EdgecutError(
            f"{folder} holds no finished training: {WEIGHTS} is not there",
            code="not-a-run",
            hint="`edgecut train` writes one, and goes on with one that was stopped",
        )
    saved = checkpoint.load(path)
    spec = read(folder / RECIPE).network
    try:
        found = network(_taxonomy(saved.facts["taxonomy"]), spec)
        found.load_state_dict(dict(saved.tensors))
    except (KeyError, TypeError, RuntimeError) as error:
        raise checkpoint.unfit(path, error) from error
    return found.eval()


def save_weights(folder: Path, trained: NestedNet | DenseNet, identity: Identity) -> None:
    """Write the weights, with all that ``load_network`` needs beside the recipe.

    Raises:
        EdgecutError: ``cannot-save``.
    """
    tree = trained.taxonomy
    facts = {
        **identity.facts,
        "taxonomy": {
            "names": tree.names,
            "parents": tree.parents,
            "aliases": dict(tree.aliases),
        },
    }
    saved = checkpoint.Checkpoint(tensors=trained.state_dict(), facts=facts)
    checkpoint.save(folder / WEIGHTS, saved)


def write_json(path: Path, data: Any) -> None:
    """Write plain values.

    Raises:
        EdgecutError: ``cannot-save``.
    """
    checkpoint.write(path, (json.dumps(data, indent=1, allow_nan=False) + "\n").encode())


def read_json(path: Path) -> Any:
    """Plain values, as ``write_json`` wrote them.

    Raises:
        EdgecutError: ``bad-json``.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise EdgecutError(
            f"{path} cannot be read: {error}",
            code="bad-json",
            hint="remove it, and give the same command again",
        ) from error


def _taxonomy(tree: dict[str, Any]) -> Taxonomy:
    return Taxonomy(
        names=tuple(tree["names"]),
        parents=tuple(tree["parents"]),
        aliases=tree.get("aliases", {}),
    )
