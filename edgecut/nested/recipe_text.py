"""A training recipe as the TOML text that ``recipe.read`` reads."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from edgecut.nested.recipe import TrainRecipe


def to_toml(recipe: TrainRecipe) -> str:
    """The recipe as TOML, every setting in it: ``read`` gives the same recipe back."""
    data = asdict(recipe)
    network, schedule, augmentation = (
        data.pop(key) for key in ("network", "schedule", "augmentation")
    )
    stages, branches = network.pop("stages"), network.pop("branches")
    augmentation["flip"] = int(augmentation["flip"])
    if not data["keep"]:
        del data["keep"]
    lines = [*_lines({"kind": "training", **data}), "", "[network]", *_lines(network)]
    for stage in stages:
        lines += ["", "[[network.stages]]", *_lines(stage)]
    if branches:
        inline = [f"{_text(n)} = {{ {', '.join(_lines(s))} }}" for n, s in branches.items()]
        lines += ["", "[network.branches]", *inline]
    lines += ["", "[schedule]", *_lines(schedule)]
    lines += ["", "[augmentation]", *_lines(augmentation)]
    return "\n".join(lines) + "\n"


def _lines(table: Mapping[str, Any]) -> list[str]:
    return [f"{key} = {_value(value)}" for key, value in table.items()]


def _value(value: Any) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(map(_value, value))}]"
    return _text(value) if isinstance(value, str) else repr(value)


def _text(text: str) -> str:
    # JSON's strings are TOML's, but for one character that TOML wants escaped.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
