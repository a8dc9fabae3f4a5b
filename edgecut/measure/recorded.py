"""Records of measurements, as the commands print them, read from their files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from edgecut.errors import EdgecutError

LARGEST_BYTES = 1 << 30


def read(path: Path, schema: str) -> dict[str, Any]:
    """The record in a file.

    Raises:
        EdgecutError: ``bad-record`` unless it is a JSON object of that schema, up to 1 GiB.
    """
    try:
        if path.stat().st_size > LARGEST_BYTES:
            raise ValueError("it is larger than 1 GiB")
        data = json.loads(path.read_text(encoding="utf-8"), parse_constant=_no_number)
        if isinstance(data, list):
            raise ValueError("it holds a list, as --json prints for several devices")
        if not isinstance(data, dict) or data.get("schema") != schema:
            raise ValueError(f"it does not follow {schema}")
    except (OSError, ValueError, RecursionError) as error:
        raise bad(path, error) from error
    return data


def _no_number(text: str) -> None:
    raise ValueError(f"{text} is no number")


def bad(path: Path, error: Exception) -> EdgecutError:
    """The error of a file that does not hold what a record holds."""
    what = f"it lacks {error}" if isinstance(error, KeyError) else str(error)
    return EdgecutError(
        f"{path} is no record of a measurement: {what}",
        code="bad-record",
        where=str(path),
        hint="the bundle's records/ hold one for each device; or measure again",
    )
