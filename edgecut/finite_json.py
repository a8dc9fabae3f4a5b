"""JSON whose numbers are all finite: what edgecut writes, and all that it takes."""

from __future__ import annotations

import json
import math
from typing import Any


def loads(text: str) -> Any:
    """What a JSON text holds.

    Raises:
        ValueError: it is no JSON, it is nested too deep, or a float cannot hold one of its numbers.
    """
    try:
        return json.loads(text, parse_float=_finite, parse_int=_whole, parse_constant=_finite)
    except RecursionError as error:
        raise ValueError("it is nested too deep") from error


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text[:20]} is no finite number")
    return value


def _whole(text: str) -> int:
    _finite(text)  # 10^400 is an integer, and the first division by a float ends in an error
    return int(text)
