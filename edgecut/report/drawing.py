"""Plots as SVG that takes its colours and its font from the page around it."""

from __future__ import annotations

import io
import logging
import re
from collections.abc import Callable
from typing import Any

from edgecut.errors import MissingPackage

# Stand-ins: each is one colour of the page, in light and in dark.
INK, MUTED, GRID = "#010101", "#020202", "#030303"
FULL, CUT, AGAINST, PAPER = "#040404", "#050505", "#060606", "#070707"
_VARIABLES = {
    INK: "ink",
    MUTED: "muted",
    GRID: "grid",
    FULL: "full",
    CUT: "cut",
    AGAINST: "against",
    PAPER: "paper",
}
COLOURS = {"full": FULL, "cut": CUT, "against": AGAINST}
_SETTINGS = {
    "svg.fonttype": "none",
    "svg.hashsalt": "edgecut",
    "text.parse_math": False,
    "font.size": 11,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": MUTED,
    "axes.titlesize": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "legend.frameon": False,
    "savefig.facecolor": "none",
    "axes.facecolor": "none",
    "figure.facecolor": "none",
}


def draw(name: str, size: tuple[float, float], paint: Callable[[Any], None]) -> str:
    """The SVG element that ``paint`` leaves on a figure of so many inches.

    The same drawing gives the same text; identifiers begin with ``name``, so that many can share a
    page.

    Raises:
        MissingPackage: matplotlib is not installed.
    """
    # It tells on stderr that it builds its cache of fonts.
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    try:
        import matplotlib as mpl
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingPackage("matplotlib", extra="report", why="drawing plots") from error
    file = io.StringIO()
    with mpl.rc_context(_SETTINGS):
        figure = Figure(figsize=size, layout="constrained")
        paint(figure)
        figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
    return _for_page(file.getvalue(), name)


def _for_page(svg: str, name: str) -> str:
    """Only the element, without metadata, scaled by the page."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(
        r'<svg[^>]*?viewBox="([^"]*)"[^>]*>', r'<svg viewBox="\1" role="img">', svg, count=1
    )
    # Text between the tags is of foreign files, and holds no "<": it stays as it is.
    return re.sub(r"<[^>]*>", lambda found: _tag(found[0], name), svg)


def _tag(tag: str, name: str) -> str:
    """A tag with identifiers of its own, and the page's colours and font."""
    tag = re.sub(r'(?<= )id="', f'id="{name}-', tag)
    tag = re.sub(r'(?<=["(])#(?=[A-Za-z])', f"#{name}-", tag)
    tag = tag.replace("xlink:href", "href")
    for colour, variable in _VARIABLES.items():
        tag = tag.replace(colour, f"var(--{variable})")
    return re.sub(r"font: ([^;\"]*?)'DejaVu Sans'[^;\"]*", r"font: \1var(--sans)", tag)
