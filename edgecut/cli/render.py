"""How results look: tables on stdout, JSON on demand, progress on stderr."""

from __future__ import annotations

import datetime
import json
import sys
import textwrap
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import click

from edgecut.errors import EdgecutError

Tell = Callable[[str, int, int], None]
# Where the output is no terminal: wide enough for every table of ours.
WIDTH = 160
PLAIN_SECONDS = 60.0


def print_json(data: Any) -> None:
    """Print a value as JSON."""
    click.echo(json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False))


def keep(folder: Path, command: str, data: Mapping[str, Any], *, device: str = "") -> None:
    """Keep a measurement beside the bundle; where that cannot be, it is a note, not an error."""
    from edgecut import records

    try:
        click.echo(f"  kept as {records.keep(folder, command, data, device=device)}", err=True)
    except EdgecutError as error:
        click.echo(f"note: not kept for `edgecut report`: {error.message}", err=True)


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table; a column whose name starts with ``>`` is set to the right."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for column in columns:
        justify: Literal["right", "left"] = "right" if column.startswith(">") else "left"
        table.add_column(column.lstrip(">"), justify=justify, overflow="fold")
    for row in rows:
        # Names come from foreign files: they are text, never markup.
        table.add_row(*(Text(cell) for cell in row))
    console = Console(width=None if sys.stdout.isatty() else WIDTH, highlight=False)
    with console.capture() as lines:
        console.print(table)
    click.echo(click.style(textwrap.fill(title, 100), bold=True))
    click.echo("\n".join(line.rstrip() for line in lines.get().splitlines()))


def print_machine(environment: Mapping[str, Any], device: str = "") -> None:
    """Print what a reader of times should know of the machine that they were taken on."""
    from edgecut.measure.environment import remarks

    if known := list(remarks(environment)):
        click.echo(f"{device or 'This machine'}: {', '.join(known)}.")


def print_error(error: EdgecutError) -> None:
    """Print an error to stderr; every error that edgecut shows is shown here."""
    click.echo(f"{click.style(f'error[{error.code}]', fg='red')}: {error.message}", err=True)
    if error.where and error.where not in error.message:
        click.echo(f"  where: {error.where}", err=True)
    if error.hint:
        click.echo(f"  hint: {error.hint}", err=True)


@contextmanager
def progress(refresh_per_s: float = 10) -> Iterator[Tell]:
    """A progress line on stderr while work goes on; plain lines where that is no terminal.

    It is drawn in this process, beside whatever is measured: then once a second is enough.
    """
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
        TimeRemainingColumn,
    )

    bar = Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[left]}"),
        console=Console(stderr=True),
        transient=True,
        speed_estimate_period=120,
        refresh_per_second=refresh_per_s,
    )
    with bar:
        task = bar.add_task("start", total=None, left="")

        def tell(stage: str, done: int, total: int) -> None:
            # Another stage has another pace, and a stage may not know its total.
            if bar.tasks[task].description != stage:
                bar.reset(task, description=stage, left="left" if total else "")
            bar.tasks[task].total = total or None  # an update takes None for "as before"
            bar.update(task, completed=done)

        yield tell


def _plain(clock: Callable[[], float] = time.monotonic) -> Tell:
    """A line for each stage and, where one takes longer, now and then how much of it is left."""
    stage, began, told, first = "", 0.0, 0.0, 0

    def tell(now: str, done: int, total: int) -> None:
        nonlocal stage, began, told, first
        time_s = clock()
        if now != stage:
            stage, began, told, first = now, time_s, time_s, done
            click.echo(f"  {stage}", err=True)
        elif total and done > first and time_s - told >= PLAIN_SECONDS:
            told = time_s
            left_s = (time_s - began) * (total - done) / (done - first)
            left = datetime.timedelta(seconds=round(left_s))
            click.echo(f"  {stage} {done}/{total}, {left} left", err=True)

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
    """What a part is beside the whole: -27.4 % where that much is gone."""
    change = round(100 * (part / whole - 1), 1) if whole else 0.0
    return f"{change:+.1f} %" if change else "none"
