"""What a device sends: read strictly, since the device is not trusted."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from edgecut.errors import EdgecutError

_LEAST_MOST_BYTES, _MOST_BYTES = 64 << 20, 1 << 30
# Of one artifact in a second: ten bursts of a thousand samples, the most that device.py tells of,
# with the seven digits and two signs of each, and more.
_BYTES_PER_S = 1 << 17
_MOST_DIGITS = 19


def most_bytes(spec: Mapping[str, Any]) -> int:
    """The length that a report on this spec of ``device.py bench`` may have, 1 GiB at most."""
    samples: float = len(spec["artifacts"]) * spec["duration_s"] * _BYTES_PER_S
    return min(_LEAST_MOST_BYTES + math.ceil(samples), _MOST_BYTES)


def read_json(content: bytes, *, where: str) -> dict[str, Any]:
    """What ``device.py`` printed on a device.

    It is one JSON object in UTF-8, without repeated keys and without numbers that are not finite;
    what no terminal prints is replaced in its texts.

    Raises:
        EdgecutError: ``bad-report``.
    """
    try:
        report = json.loads(
            content.decode("utf-8"),
            parse_float=_finite,
            parse_int=_whole,
            parse_constant=_finite,
            object_pairs_hook=_table,
        )
        if not isinstance(report, dict):
            raise ValueError("it is no JSON object")
    except (ValueError, RecursionError) as error:
        raise EdgecutError(
            f"{where} did not send a report: {printable(str(error)) or 'it is nested too deep'}",
            code="bad-report",
            where=where,
            hint="nothing was measured; is the device's Python sound?",
        ) from error
    return report


def printable(text: str) -> str:
    """The text, with a '?' for every character that could steer a terminal; lines stay lines."""
    return "".join(c if c.isprintable() or c == "\n" else "?" for c in text)


def _table(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = {printable(key): _clean(value) for key, value in pairs}
    if len(table) < len(pairs):
        raise ValueError("a key is there twice")
    return table


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return printable(value)
    # Tables inside are clean already: they were made first.
    return [_clean(item) for item in value] if isinstance(value, list) else value


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"the number {text[:20]} is not finite")
    return value


def _whole(text: str) -> int:
    if len(text.lstrip("-")) > _MOST_DIGITS:
        raise ValueError(f"the number {text[:20]}... is too long")
    return int(text)
