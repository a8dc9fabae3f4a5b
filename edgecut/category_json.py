"""A category map as plain values, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edgecut.categories import CategoryMap, OutputSlots, OutputValues
from edgecut.taxonomy import Taxonomy


def to_json(categories: CategoryMap) -> dict[str, Any]:
    """A category map as plain values."""
    tree = categories.taxonomy
    return {
        "names": list(categories.names),
        "source": categories.source,
        "outputs": [
            {"output": o.output, "axis": o.axis, "slots": list(o.slots), "reason": o.reason}
            for o in categories.outputs
        ],
        "coded": [
            {"output": o.output, "values": list(o.values), "other": o.other, "reason": o.reason}
            for o in categories.coded
        ],
        "taxonomy": None
        if tree is None
        else {
            "names": list(tree.names),
            "parents": list(tree.parents),
            "aliases": dict(tree.aliases),
        },
    }


def from_json(data: Mapping[str, Any]) -> CategoryMap:
    """The inverse of ``to_json``.

    Raises:
        KeyError, TypeError, ValueError: it is not what ``to_json`` gives.
        EdgecutError: ``bad-taxonomy``.
    """
    outputs = tuple(
        OutputSlots(
            output=_typed(o["output"], str),
            axis=_typed(o["axis"], int),
            slots=_owners(o["slots"]),
            reason=_typed(o["reason"], str),
        )
        for o in _typed(data["outputs"], list)
    )
    coded = tuple(
        OutputValues(
            output=_typed(o["output"], str),
            values=_owners(o["values"]),
            other=None if o["other"] is None else _typed(o["other"], int),
            reason=_typed(o["reason"], str),
        )
        for o in _typed(data.get("coded", []), list)
    )
    categories = CategoryMap(
        names=_names(data["names"]),
        outputs=outputs,
        source=_typed(data["source"], str),
        taxonomy=_taxonomy(data.get("taxonomy")),
        coded=coded,
    )
    if not categories.fits():
        raise ValueError("the taxonomy is not that of the names")
    return categories


def _taxonomy(data: Any) -> Taxonomy | None:
    if data is None:
        return None
    parents = _typed(_typed(data, dict)["parents"], list)
    aliases = _typed(data["aliases"], dict)
    return Taxonomy(
        names=_names(data["names"]),
        parents=tuple(None if parent is None else _typed(parent, int) for parent in parents),
        aliases={alias: _typed(name, str) for alias, name in aliases.items()},
    )


def _owners(data: Any) -> tuple[int | None, ...]:
    return tuple(None if owner is None else _typed(owner, int) for owner in data)


def _names(data: Any) -> tuple[str, ...]:
    return tuple(_typed(name, str).strip() for name in _typed(data, list))


def _typed(value: Any, kind: type) -> Any:
    if type(value) is not kind:
        raise TypeError(f"{value!r} is no {kind.__name__}")
    return value
