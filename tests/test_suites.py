"""Suites of benchmarks: what they name is there, and what is rendered is what is committed."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from benchmarks import run, suite, tables
from benchmarks.machine import taken_on
from benchmarks.models import RESULTS, ROOT
from benchmarks.suite import Benchmark, read_suite
from benchmarks.tables import TABLES
from edgecut.errors import EdgecutError

BENCHMARK = '[[benchmark]]\nname = "macs"\nminutes = 1\n'


def arguments_of(name: str) -> set[str]:
    """The arguments of a benchmark's ``run``, which may need packages that are not here."""
    path = ROOT / name / "__init__.py" if (ROOT / name).is_dir() else ROOT / f"{name}.py"
    (found,) = (
        node
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.FunctionDef) and node.name == "run"
    )
    assert not found.args.args
    return {argument.arg for argument in found.args.kwonlyargs}


@pytest.mark.parametrize("name", suite.names())
def test_a_suite_names_benchmarks_and_their_settings(name: str) -> None:
    found = read_suite(name)
    for one in found.benchmarks:
        assert arguments_of(one.name) == set(one.settings), one.name
        assert one.minutes > 0 and one.name in TABLES
    assert set(found.readme) <= {one.name for one in found.benchmarks}


def test_a_suite_is_run_in_part() -> None:
    found = read_suite(suite.DEFAULT)
    assert found.only([]) == found.benchmarks
    assert [one.name for one in found.only(["macs", "latency"])] == ["latency", "macs"]
    with pytest.raises(EdgecutError, match="no such benchmark: nonsense") as caught:
        found.only(["nonsense"])
    assert "latency" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("title = ", "bad-toml"),
        ('kind = "suite"', "bad-suite"),
        ('kind = "target"\ntitle = "x"', "bad-suite"),
        ('kind = "suite"\ntitle = "x"\nmore = 1', "bad-suite"),
        ('kind = "suite"\ntitle = "x"\n[[benchmark]]\nname = "macs"', "bad-suite"),
    ],
)
def test_what_is_no_suite_is_refused(tmp_path: Path, text: str, code: str) -> None:
    path = tmp_path / "own.toml"
    path.write_text(text)
    with pytest.raises(EdgecutError) as caught:
        read_suite(str(path))
    assert caught.value.code == code


def test_an_unknown_suite_is_told() -> None:
    with pytest.raises(EdgecutError, match="no suite 'nonsense'") as caught:
        read_suite("nonsense")
    assert suite.DEFAULT in str(caught.value.hint)


def test_a_trial_leaves_the_committed_results_alone() -> None:
    assert read_suite("readme").results == RESULTS == read_suite("paper").results
    assert read_suite("short").results == ROOT.parent / "build" / "benchmarks" / "short"


def test_a_suite_of_ones_own_says_whether_it_is_committed(tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_text(f'kind = "suite"\ntitle = "x"\n{BENCHMARK}')
    assert read_suite(str(path)).results != RESULTS
    path.write_text(f'kind = "suite"\ntitle = "x"\nresults = "committed"\n{BENCHMARK}')
    assert read_suite(str(path)).results == RESULTS


def test_the_tables_are_written_even_if_a_benchmark_ends_early(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The JSON of the first is new by then."""
    results = {"macs": json.loads((RESULTS / "macs.json").read_text())}
    module = SimpleNamespace(run=lambda: results.pop("macs"))
    monkeypatch.setattr(run, "import_module", lambda name: module)
    benchmarks = [Benchmark(name=name, minutes=1, settings={}) for name in ("macs", "latency")]
    with pytest.raises(KeyError):
        run.run(benchmarks, tmp_path)
    assert "From `results/macs.json`" in (tmp_path / "README.md").read_text()


def test_a_table_names_the_machine_where_the_result_does() -> None:
    told = tables.taken_on(taken_on())
    assert f"{taken_on()['machine']['cores']} cores" in told
    assert "onnxruntime" in told and tables.taken_on({"schema": "x/1"}) == ""


def test_both_spreads_are_shown_where_there_are_both() -> None:
    old = json.loads((RESULTS / "harness.json").read_text())
    for row in old["repeatability"]:
        row.pop("full_ms_spread", None)
    assert "spread of full ms" not in TABLES["harness"](old)
    new = {**old, "repeatability": [{**r, "full_ms_spread": 0.123} for r in old["repeatability"]]}
    assert "spread of full ms" in TABLES["harness"](new) and "12.3%" in TABLES["harness"](new)


def test_the_tables_are_those_of_the_results() -> None:
    """The README's too: nobody writes a figure by hand."""
    for path, text in run.rendered().items():
        assert path.read_text(encoding="utf-8") == text, path.name
    assert run.README in run.rendered()


def test_results_elsewhere_leave_the_readme_alone(tmp_path: Path) -> None:
    (tmp_path / "macs.json").write_text((RESULTS / "macs.json").read_text())
    pages = run.rendered(tmp_path)
    assert (
        list(pages) == [tmp_path / "README.md"]
        and "From `results/macs.json`" in pages[tmp_path / "README.md"]
    )
