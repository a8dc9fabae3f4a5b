"""The pieces of HTML that a report is made of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape


def figure(svg: str, title: str, caption: str) -> str:
    """A drawing with its title and what it means."""
    labelled = svg.replace('role="img"', f'role="img" aria-label="{escape(title)}"', 1)
    return (
        f'<figure tabindex="0" aria-label="{escape(title)}">{labelled}'
        f"<figcaption><strong>{escape(title)}.</strong> {escape(caption)}</figcaption></figure>"
    )


def table(
    title: str,
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    label: str = "",
    dropped: Sequence[int] = (),
) -> str:
    """A table; where it has no title, ``label`` names it for who cannot see it.

    A column whose name starts with ``>`` is set to the right. Cells are text, but for those that
    ``named`` and ``verdict_of`` made.
    """
    shown = [place for place in range(len(columns)) if place not in dropped]
    kinds = [' class="n"' if columns[place].startswith(">") else "" for place in shown]
    head = "".join(
        f'<th scope="col"{kind}>{escape(columns[place].lstrip(">"))}</th>'
        for place, kind in zip(shown, kinds, strict=True)
    )
    body = "".join(
        "<tr>"
        + "".join(
            f"<td{kind}>{row[place] if isinstance(row[place], Html) else escape(row[place])}</td>"
            for place, kind in zip(shown, kinds, strict=True)
        )
        + "</tr>\n"
        for row in rows
    )
    caption = f"<caption>{escape(title)}</caption>" if title else ""
    name = escape(title or label)
    return (
        f'<div class="table" tabindex="0" role="region" aria-label="{name}"><table>{caption}'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


class Html(str):
    """Text that is HTML already."""


def named(network: str) -> Html:
    """The name of a network beside its colour."""
    return Html(f'<span class="key" style="background: var(--{network})"></span>{network}')


def verdict_of(word: str) -> Html:
    """A verdict that can be told by colour too."""
    kind = "valid" if word == "VALID" else "invalid"
    return Html(f'<span class="verdict {kind}">{kind.upper()}</span>')


def reasons(texts: Iterable[str]) -> str:
    """A list of what speaks against numbers; nothing where nothing does."""
    items = "".join(f"<li>{escape(text)}</li>" for text in texts)
    return f'<ul class="reasons">{items}</ul>' if items else ""


def given(value: float | None, form: str) -> str:
    """A number in a format; a dash where there is none."""
    return "-" if value is None else form.format(value)


def moment(time: str) -> str:
    """A time in UTC, as ISO 8601 has it, for people."""
    return time.replace("T", " ").removesuffix("Z") + " UTC"


def number(value: float) -> str:
    """A number in three digits, with its unit prefix."""
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.3g} {unit}"
    return f"{value:g}"


def few(names: Sequence[str], most: int = 5) -> str:
    """The first names, and how many more there are."""
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")
