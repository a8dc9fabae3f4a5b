"""The state of a training on disk: one safetensors file, replaced only by a whole new one."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from edgecut import saving
from edgecut.errors import EdgecutError


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """Tensors by name, and facts that fit in JSON."""

    tensors: Mapping[str, torch.Tensor]
    facts: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """What a training is of: digests of its recipe, and of its data and teacher."""

    recipe: str
    data: str

    @property
    def facts(self) -> dict[str, str]:
        """As a checkpoint holds it."""
        return {"recipe": self.recipe, "data": self.data}

    def check(self, facts: Mapping[str, Any], where: Path) -> None:
        """Raise ``other-recipe`` unless a checkpoint is one of this training."""
        for what, told in (
            ("recipe", "with other settings or categories"),
            ("data", "on other data, or with another teacher"),
        ):
            if facts.get(what) != self.facts[what]:
                raise EdgecutError(
                    f"{where} holds a training {told}",
                    code="other-recipe",
                    hint="go on with the recipe and the data it began with, or give another --out",
                )


def save(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint; the one that is there survives whatever goes wrong.

    Raises:
        EdgecutError: ``cannot-save`` where the disk is full or forbids it.
    """
    from safetensors.torch import save as to_bytes

    tensors = {name: tensor.contiguous() for name, tensor in checkpoint.tensors.items()}
    data = to_bytes(tensors, {"facts": json.dumps(checkpoint.facts, sort_keys=True)})
    write(path, data)


def write(path: Path, data: bytes) -> None:
    """Put a file of a run in place whole, or leave what was there.

    Raises:
        EdgecutError: ``cannot-save``.
    """
    hint = "what was saved before is whole: make room, and give the same command again"
    saving.save(path, data, hint=hint)


def load(path: Path) -> Checkpoint:
    """A checkpoint from disk; nothing in it is run.

    Raises:
        EdgecutError: ``bad-checkpoint`` where it is not one.
    """
    with _opened(path) as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        return Checkpoint(tensors=tensors, facts=_facts(file))


def load_facts(path: Path) -> Mapping[str, Any]:
    """The facts of a checkpoint alone.

    Raises:
        EdgecutError: ``bad-checkpoint`` where it is not one.
    """
    with _opened(path) as file:
        return _facts(file)


def unfit(path: Path, reason: object) -> EdgecutError:
    """What to raise where a checkpoint is not what it should be."""
    return EdgecutError(
        f"{path} is not a checkpoint of edgecut, or not of this network: {reason}",
        code="bad-checkpoint",
        hint="remove it to begin anew",
    )


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[Any]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            yield file
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise unfit(path, error) from error


def _facts(file: Any) -> dict[str, Any]:
    facts = json.loads((file.metadata() or {})["facts"])
    if not isinstance(facts, dict):
        raise ValueError("its facts are no table")
    return facts
