"""A graph drawn beside a list of its nodes: each tensor runs down a lane from its maker on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

ROW, LANE, DOT = 26, 14, 4  # pixels


@dataclass(frozen=True, slots=True, kw_only=True)
class Lanes:
    """The lane of each node, by its place in the list, and how many lanes there are."""

    lane: tuple[int, ...]
    count: int


def lanes(reads: Sequence[Sequence[int]]) -> Lanes:
    """Lanes so that no two tensors are in one at the same place.

    Args:
        reads: for each node, in running order, the places of those that it reads.
    """
    last = list(range(len(reads)))
    for place, sources in enumerate(reads):
        for source in sources:
            last[source] = place
    lane: list[int] = []
    held: list[int] = []  # for each lane, the place up to which it is taken
    for place, sources in enumerate(reads):
        for source in sources:
            if last[source] == place:
                held[lane[source]] = -1
        ending = [lane[source] for source in sources if last[source] == place]
        free = [i for i, until in enumerate(held) if until < place]
        own = min(ending or free or [len(held)])
        if own == len(held):
            held.append(-1)
        held[own] = last[place] if last[place] > place else -1
        lane.append(own)
    return Lanes(lane=tuple(lane), count=len(held))


def drawing(reads: Sequence[Sequence[int]], kinds: Sequence[str], *, gone: str) -> str:
    """The lanes as SVG, a row of ``ROW`` pixels for each node.

    ``kinds`` name the classes of nodes; a line that has a node of the kind ``gone`` at an end is
    of that class as well.
    """
    found = lanes(reads)
    width, height = (found.count + 1) * LANE, len(reads) * ROW
    lines = [
        f'<path class="{gone if gone in (kinds[source], kinds[place]) else kinds[place]}" '
        f'd="{_line(found.lane, source, place)}"/>'
        for place, sources in enumerate(reads)
        for source in sources
    ]
    dots = [
        f'<circle class="{kind}" cx="{_x(found.lane[place])}" cy="{_y(place)}" r="{DOT}"/>'
        for place, kind in enumerate(kinds)
    ]
    return (
        f'<svg width="{width}" height="{height}" viewBox="0 0 {width} {height}" aria-hidden="true">'
        f"{''.join(lines)}{''.join(dots)}</svg>"
    )


def _line(lane: Sequence[int], source: int, place: int) -> str:
    """Down the source's lane, and over to the reader in the last row."""
    x, to, end = _x(lane[source]), _x(lane[place]), _y(place)
    bend = end - ROW
    return f"M{x} {_y(source)}V{bend}C{x} {bend + ROW // 2} {to} {bend + ROW // 2} {to} {end}"


def _x(lane: int) -> int:
    return LANE + lane * LANE


def _y(place: int) -> int:
    return ROW // 2 + place * ROW
