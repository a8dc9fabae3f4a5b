"""How results look: tables on stdout, JSON on demand, progress on stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal

import click

Tell = Callable[[str, int, int], None]


def print_json(data: Any) -> None:
    """Print a value as JSON."""
    click.echo(json.dumps(data, indent=2, ensure_ascii=False))


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table; a column whose name starts with ``>`` is set to the right."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)
    for column in columns:
        justify: Literal["right", "left"] = "right" if column.startswith(">") else "left"
        table.add_column(column.lstrip(">"), justify=justify, overflow="fold")
    for row in rows:
        # Names come from foreign files: they are text, never markup.
        table.add_row(*(Text(cell) for cell in row))
    width = None if sys.stdout.isatty() else 160
    Console(width=width, highlight=False).print(table)


@contextmanager
def progress() -> Iterator[Tell]:
    """A progress line on stderr while work goes on; plain lines where that is no terminal."""
    if not sys.stderr.isatty():
        yield _plain()
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        SpinnerColumn,
        TextColumn,
        TimeElapsedColumn,
    )

    bar = Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
    )
    with bar:
        task = bar.add_task("start", total=None)

        def tell(stage: str, done: int, total: int) -> None:
            bar.update(task, description=stage, completed=done, total=total or None)

        yield tell


def _plain() -> Tell:
    seen: list[str] = []

    def tell(stage: str, done: int, total: int) -> None:
        if not seen or seen[-1] != stage:
            seen.append(stage)
            click.echo(f"  {stage}", err=True)

    return tell


def count(number: float) -> str:
    """A number with three digits and k, M or G."""
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(number) >= size:
            return (
                f"{number / size:.3g} {unit}"
                if number / size < 100
                else f"{number / size:.0f} {unit}"
            )
    return f"{number:g}"


def size(count_bytes: int) -> str:
    """Bytes as kB or MB (powers of ten)."""
    return f"{count_bytes / 1e6:.2f} MB" if count_bytes >= 1e6 else f"{count_bytes / 1e3:.1f} kB"


def share(part: float, whole: float) -> str:
    """What is gone of a whole, in percent."""
    return f"-{100 * (1 - part / whole):.1f} %" if whole else "-"
