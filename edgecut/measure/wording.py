"""A runtime's operators in words, for the terminal and for the page."""

from __future__ import annotations

from collections.abc import Sequence

from edgecut.measure.xnnpack import TABLE_LOOKUP

NAMED = 3


def type_of(told: str) -> str:
    """A runtime's word for an operation, or what it means where that cannot be guessed."""
    return "Table Lookup" if told == TABLE_LOOKUP else told


def nodes_of(nodes: Sequence[str] | None, *, added: bool) -> str:
    """The network's nodes that an operator computes; see ``edgecut.measure.profile.Operator``."""
    if nodes is None:
        return "unmapped"
    more = len(nodes) - NAMED
    told = ", ".join(nodes[-NAMED:]) + (f" and {more} before" if more > 0 else "")
    return told if not added else f"added at {told}" if told else "added"


def categories_of(names: Sequence[str] | None, everyone: Sequence[str]) -> str:
    """The categories that an operator serves, of all that the network has."""
    if names is None:
        return "unknown"
    if len(names) == len(everyone):
        return "all" if len(names) > 1 else ", ".join(names)
    more = len(names) - NAMED
    return (", ".join(names[:NAMED]) or "none") + (f" and {more} more" if more > 0 else "")
