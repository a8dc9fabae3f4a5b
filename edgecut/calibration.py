"""Entries of ``calibration/*.toml``, of one of two kinds, opened by name or by path."""

from __future__ import annotations

import difflib

from edgecut import shipped
from edgecut.errors import EdgecutError
from edgecut.table import Table

# Kind -> what it is called, the code of an unknown one, and what a user's own is.
_KINDS = {
    "recipe": ("recipe", "unknown-recipe", "a .toml file"),
    "categories": ("label set", "unknown-labels", "a file with one name per line"),
}


def entries(kind: str) -> list[str]:
    """Names of the shipped entries of this kind: ``recipe`` or ``categories``."""
    return [name for name in shipped.names("calibration") if _kind(name) == kind]


def open_entry(name: str, kind: str) -> Table:
    """The table of the entry of that name (or at that ``.toml`` path), without its ``kind``.

    Raises:
        EdgecutError: ``unknown-recipe``, ``unknown-labels``, ``bad-toml``, or ``bad-recipe`` where
            it is of another kind.
    """
    own = name.endswith(".toml")
    if not own and (name not in shipped.names("calibration") or _kind(name) != kind):
        raise _unknown(name, kind)
    where = name if own else f"calibration/{name}.toml"
    table = Table(shipped.read("calibration", name), where, code="bad-recipe")
    found = table.text("kind", *_KINDS)
    if found != kind:
        raise table.error(f'\'kind\' is "{found}", and a "{kind}" is needed here')
    return table


def _kind(name: str) -> object:
    return shipped.read("calibration", name).get("kind")


def _unknown(name: str, kind: str) -> EdgecutError:
    known = entries(kind)
    close = difflib.get_close_matches(name, known, n=1)
    what, code, own = _KINDS[kind]
    return EdgecutError(
        f"'{name}' is not a known {what}",
        code=code,
        hint=f"did you mean '{close[0]}'?"
        if close
        else f"known: {', '.join(known)}; or the path of {own}",
    )
