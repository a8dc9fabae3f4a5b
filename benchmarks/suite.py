"""Suites: TOML files in ``suites/`` that say which benchmarks run, and with which settings."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.models import RESULTS, ROOT
from edgecut.errors import EdgecutError
from edgecut.table import Table

SUITES = ROOT / "suites"
DEFAULT = "readme"


@dataclass(frozen=True, slots=True, kw_only=True)
class Benchmark:
    """A module of this package, about how long it takes, and the arguments of its ``run``."""

    name: str
    minutes: float
    settings: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """Benchmarks that are run by one command, in order; the README shows those in ``readme``.

    ``committed`` says that its results are those of the repository.
    """

    name: str
    title: str
    committed: bool
    benchmarks: tuple[Benchmark, ...]
    readme: tuple[str, ...]

    @property
    def results(self) -> Path:
        """Where its results are written: a trial must not take the place of what is committed."""
        return RESULTS if self.committed else ROOT.parent / "build" / "benchmarks" / self.name

    def only(self, names: list[str]) -> tuple[Benchmark, ...]:
        """The benchmarks of these names, in the suite's order; all where there are none.

        Raises:
            EdgecutError: ``unknown-benchmark``.
        """
        known = [one.name for one in self.benchmarks]
        if unknown := sorted(set(names) - set(known)):
            raise EdgecutError(
                f"no such benchmark: {', '.join(unknown)}",
                code="unknown-benchmark",
                hint=f"this suite has {', '.join(known)}",
            )
        return tuple(one for one in self.benchmarks if one.name in (names or known))


def names() -> list[str]:
    """What ``suites/`` holds, sorted."""
    return sorted(path.stem for path in SUITES.glob("*.toml"))


def read_suite(name_or_path: str) -> Suite:
    """A suite of ``suites/``, or of a file of one's own.

    Raises:
        EdgecutError: ``unknown-suite``, ``bad-toml`` or ``bad-suite``.
    """
    path = Path(name_or_path)
    if path.suffix != ".toml":
        path = SUITES / f"{name_or_path}.toml"
        if name_or_path not in names():
            raise EdgecutError(
                f"no suite '{name_or_path}'", code="unknown-suite", hint=f"try {', '.join(names())}"
            )
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise EdgecutError(f"{path} cannot be read as TOML: {error}", code="bad-toml") from error
    table = Table(values, str(path), code="bad-suite")
    table.text("kind", "suite")
    suite = Suite(
        name=path.stem,
        title=table.text("title"),
        committed=table.has("results") and bool(table.text("results", "committed")),
        readme=table.texts("readme") if table.has("readme") else (),
        benchmarks=tuple(map(_benchmark, table.tables("benchmark"))),
    )
    table.done()
    return suite


def _benchmark(table: Table) -> Benchmark:
    found = Benchmark(
        name=table.text("name"),
        minutes=table.number("minutes", 0),
        settings=table.table("settings").data if table.has("settings") else {},
    )
    table.done()
    return found
