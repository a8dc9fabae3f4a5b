"""``python -m benchmarks.run [--suite SUITE] [NAME ...]``: run benchmarks, write their results.

A suite is a file in ``suites/`` or one of your own; NAMEs are those of its benchmarks, by default
all. ``render`` runs nothing and writes the tables again. The results of a suite that says so are
those in ``results/``, which are committed; others go to ``build/benchmarks/SUITE/``. The models and
data lie in ``../shared``; the peers need packages or an environment of their own, see
``peers/README.md``, and are left out without them.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from benchmarks import tables
from benchmarks.models import RESULTS, ROOT
from benchmarks.suite import DEFAULT, Benchmark, names, read_suite
from edgecut.errors import EdgecutError

BEGIN, END = "<!-- results:begin -->", "<!-- results:end -->"
README = ROOT.parent / "README.md"
RENDER = "render"


def main() -> None:
    """Do what the command line says."""
    given = _parsed()
    try:
        suite = read_suite(given.suite)
        folder = given.results or suite.results
        if given.names == [RENDER]:
            render(folder)
        else:
            run(suite.only(given.names), folder)
    except EdgecutError as error:
        sys.exit(f"{error.message}{f' ({error.hint})' if error.hint else ''}")


def run(benchmarks: Sequence[Benchmark], folder: Path) -> None:
    """Run benchmarks, and write what each finds into ``NAME.json``, and all tables at the end.

    The tables are written whatever goes wrong: those of old results would not be true.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        for one in benchmarks:
            print(f"running {one.name}, about {one.minutes:g} minutes", file=sys.stderr)
            result = import_module(f"benchmarks.{one.name}").run(**one.settings)
            if result is None:  # what it needs is not installed, and it has said so
                continue
            text = json.dumps(result, indent=1, ensure_ascii=False) + "\n"
            (folder / f"{one.name}.json").write_text(text, encoding="utf-8")
    finally:
        render(folder)


def render(folder: Path) -> None:
    """Write the tables of the results in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for path, text in rendered(folder).items():
        path.write_text(text, encoding="utf-8")


def rendered(folder: Path = RESULTS) -> dict[Path, str]:
    """What the results' page should hold; and the README, where they are the committed ones."""
    shown = {}
    for name, show in tables.TABLES.items():
        path = folder / f"{name}.json"
        if path.exists():
            data = json.loads(path.read_text(encoding="utf-8"))
            shown[name] = show(data) + tables.taken_on(data)
    parts = [f"{text}\n\nFrom `results/{name}.json`.\n" for name, text in shown.items()]
    head = "# Results\n\nWritten by `python -m benchmarks.run`; do not edit.\n\n"
    pages = {folder / "README.md": head + "\n".join(parts)}
    if folder.resolve() == RESULTS:
        before, _, rest = README.read_text(encoding="utf-8").partition(BEGIN)
        _, _, after = rest.partition(END)
        chosen = "\n\n".join(shown[name] for name in read_suite(DEFAULT).readme if name in shown)
        pages[README] = f"{before}{BEGIN}\n{chosen}\n{END}{after}"
    return pages


def _parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.run",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", metavar="NAME")
    known = ", ".join(names())
    parser.add_argument("--suite", default=DEFAULT, help=f"{known} or a .toml file; else {DEFAULT}")
    parser.add_argument("--results", type=Path, help="where results are written")
    return parser.parse_args()


if __name__ == "__main__":
    main()
