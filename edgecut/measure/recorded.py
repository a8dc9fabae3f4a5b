"""Records of measurements, as the commands print them, read from their files."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from edgecut import finite_json
from edgecut.errors import EdgecutError

LARGEST_BYTES = 1 << 30
LONGEST = 300


def read(path: Path, schema: str) -> dict[str, Any]:
    """The record in a file.

    Raises:
        EdgecutError: ``bad-record`` unless it is JSON of that schema, up to 1 GiB.
    """
    try:
        if path.stat().st_size > LARGEST_BYTES:
            raise ValueError("it is larger than 1 GiB")
        data = finite_json.loads(path.read_text(encoding="utf-8"))
        if isinstance(data, list):
            raise ValueError("it holds a list, as --json prints for several devices")
        if not isinstance(data, dict) or data.get("schema") != schema:
            raise ValueError(f"it does not follow {schema}")
        _check(schema)(data)
    except (OSError, ValueError) as error:
        raise bad(path, error) from error
    return data


@cache
def _check(schema: str) -> Callable[[Any], Any]:
    """What raises ``ValueError`` for data that does not follow a schema."""
    import fastjsonschema

    name = schema.removeprefix("edgecut.").replace("/", "-")
    text = files("edgecut.schemas").joinpath(f"{name}.json").read_text(encoding="utf-8")
    check: Callable[[Any], Any] = fastjsonschema.compile(json.loads(text))
    return check


def bad(
    path: Path,
    error: Exception,
    *,
    no: str = "record of a measurement",
    hint: str = "the bundle's records/ hold one for each device; or measure again",
) -> EdgecutError:
    """The error of a file that does not hold what it must."""
    what = f"it lacks {error}" if isinstance(error, KeyError) else str(error)
    what = what if len(what) <= LONGEST else f"{what[:LONGEST]}..."
    return EdgecutError(f"{path} is no {no}: {what}", code="bad-record", where=str(path), hint=hint)
