"""A network and what a cut leaves of it, node by node, as one HTML page: no script, no network."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from html import escape
from importlib.resources import files

from edgecut import __version__
from edgecut.errors import EdgecutError
from edgecut.fates import GONE, NARROWED, WHOLE, Fate
from edgecut.report import lanes
from edgecut.report.markup import few, number

MOST = 20_000
NAMED = 3
"""So many categories of a node are named."""
TURN = 137.508
"""Degrees between two hues: the golden angle, which comes near none that was used lately."""
COLUMNS = ("node", "operation", "gives", "of which is left", ">MACs", "", "for", "stops the cut")


def page(name: str, keep: Sequence[str], found: Sequence[Fate], names: Sequence[str]) -> str:
    """The page; the same fates give the same text.

    Args:
        name: the network's.
        keep: what is kept.
        found: the fate of every node, in running order.
        names: all categories, in the order of their colours.

    Raises:
        EdgecutError: ``too-large``.
    """
    if len(found) > MOST:
        raise EdgecutError(
            f"{name} has {len(found)} nodes, more than a page can show ({MOST})",
            code="too-large",
            hint="--why NODE tells of a single one",
        )
    title = f"{name}, cut to {few(list(keep))}"
    style = "".join(
        files("edgecut.report").joinpath(sheet).read_text(encoding="utf-8")
        for sheet in ("page.css", "graph.css")
    )
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<link rel="icon" href="data:,">\n'
        f"<title>{escape(title)}: edgecut inspect</title>\n"
        f"<style>\n{style}</style>\n</head>\n<body>\n"
        '<a class="skip" href="#main">Skip to the nodes</a>\n'
        f"<header><h1>{escape(title)}</h1>{_summary(found)}</header>\n"
        f'<main id="main" tabindex="-1">\n{_graph(found, names)}</main>\n'
        f"<footer>edgecut {escape(__version__)}</footer>\n</body>\n</html>\n"
    )


def _summary(found: Sequence[Fate]) -> str:
    count = Counter(fate.kind for fate in found)
    full, left = sum(fate.macs for fate in found), sum(fate.macs_left for fate in found)
    facts = [
        ("Multiply-accumulates", number(left), f"of {number(full)}"),
        ("Nodes kept whole", str(count[WHOLE]), f"of {len(found)}"),
        ("Narrowed", str(count[NARROWED]), "only a part of them is left"),
        ("Gone", str(count[GONE]), "nothing that is kept is made of them"),
        ("Stops", str(sum(fate.stopped is not None for fate in found)), "of the cut"),
    ]
    cells = "".join(
        f"<div><dt>{escape(name)}</dt><dd>{escape(value)}<small>{escape(more)}</small></dd></div>"
        for name, value, more in facts
    )
    return f'<dl class="facts">{cells}</dl>'


def _graph(found: Sequence[Fate], names: Sequence[str]) -> str:
    """The lanes, and beside them a row for each node."""
    reads = [fate.reads for fate in found]
    kinds = ["stops" if fate.stopped else fate.kind for fate in found]
    indent = (lanes.lanes(reads).count + 1) * lanes.LANE
    hues = {category: f"hsl({i * TURN % 360:.0f} 55% 40%)" for i, category in enumerate(names)}
    most = max((fate.macs for fate in found), default=0) or 1
    head = "".join(
        f'<th scope="col"{_aligned(column)}>{escape(column.lstrip(">"))}</th>' for column in COLUMNS
    )
    rows = "".join(_row(place, fate, most, hues) for place, fate in enumerate(found))
    return (
        '<div class="graph" tabindex="0" role="region" aria-label="The nodes in running order">'
        f"{lanes.drawing(reads, kinds, gone=GONE)}"
        f'<table style="margin-left: {indent}px"><thead><tr>{head}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
    )


def _row(place: int, fate: Fate, most: int, hues: dict[str, str]) -> str:
    cells = [
        f"<td title={_quoted(fate.node)}>{escape(fate.node)}</td>",
        f"<td>{escape(fate.op_type)}</td>",
        f"<td>{_sizes(fate.shape)}</td>",
        f'<td class="plain">{_sizes(fate.left) if fate.left != fate.shape else "all"}</td>',
        f'<td class="n">{number(fate.macs_left) if fate.macs_left else ""}</td>',
        f"<td>{_bar(fate, most)}</td>",
        f'<td class="plain">{_chips(fate, hues)}</td>',
        f'<td class="stops" title={_quoted(fate.stopped or "")}>{escape(fate.stopped or "")}</td>',
    ]
    return f'<tr id="n{place}" class="{fate.kind}">{"".join(cells)}</tr>\n'


def _aligned(column: str) -> str:
    return ' class="n"' if column.startswith(">") else ""


def _quoted(text: str) -> str:
    return f'"{escape(text)}"'


def _sizes(shape: tuple[int, ...] | None) -> str:
    if shape is None:
        return "nothing"
    return "x".join(map(str, shape)) or "?"


def _bar(fate: Fate, most: int) -> str:
    """What the node costs beside the dearest one, and what is left of that."""
    if not fate.macs:
        return ""
    full, left = (f"{100 * macs / most:.3g}%" for macs in (fate.macs, fate.macs_left))
    return (
        f'<span class="bar"><i class="full" style="width: {full}"></i>'
        f'<i class="left" style="width: {left}"></i></span>'
    )


def _chips(fate: Fate, hues: dict[str, str]) -> str:
    """The categories that need the node, where not all do."""
    if len(fate.categories) == len(hues):
        return "all"
    chips = "".join(
        f'<span class="chip" style="background: {hues[name]}">{escape(name)}</span>'
        for name in fate.categories[:NAMED]
    )
    more = len(fate.categories) - NAMED
    return f"{chips}and {more} more" if more > 0 else chips or "nobody"
