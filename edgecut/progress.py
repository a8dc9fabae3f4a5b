"""How long work tells what it is at."""

from __future__ import annotations

from collections.abc import Callable

Tell = Callable[[str, int, int], None]
"""Told the stage, how much of it is done, and how much there is (0: not known)."""


def nobody(stage: str, done: int, total: int) -> None:
    """Tell nobody."""
