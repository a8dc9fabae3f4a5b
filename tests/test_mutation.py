"""The script that breaks the cut on purpose: what it changes, and that a break is noticed."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import mutation

RULE = '''
def demand(node, wanted):
    """A sentence."""
    if wanted is None:
        return None
    first, second = (wanted.axis(1), node)
    return first.union(second) if node == 3 else (second, first)


def macs(node):
    return 7 + 1


if TYPE_CHECKING:
    import numpy
'''


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(mutation, "REPOSITORY", tmp_path)
    path = tmp_path / "rule.py"
    path.write_text(RULE)
    return path


def test_every_mutant_differs_in_one_place_and_parses(module: Path) -> None:
    found = list(mutation.mutants(module))
    assert {one.change for one in found} == {
        *("off by one", "missing union", "changed places", "the other way round")
    }
    plain = ast.unparse(ast.parse(RULE)).splitlines()
    for one in found:
        assert one.line <= 8 and one.path == "rule.py"
        lines = ast.unparse(ast.parse(one.text)).splitlines()
        assert len(lines) == len(plain)
        assert sum(a != b for a, b in zip(lines, plain, strict=True)) == 1, one


SCRIPT = """
from dataclasses import replace
from pathlib import Path
import sys
from benchmarks import mutation

mutation.REPOSITORY = Path.cwd()
found = list(mutation.mutants(Path.cwd() / "rules" / "doubling.py"))
texts = [one.text for one in found] if len(sys.argv) == 1 else sys.argv[1:]
mutants = [replace(found[0], text=text) for text in texts]
mutation.noticed(mutants, lambda mutant, by: print(by), tests=["tests"], jobs=2)
"""
DOUBLING = """
TWO = 2


class Doubling:
    @property
    def two(self):
        return 1 + 1

    @staticmethod
    def double(x):
        return x + x


def times(x):
    return x * TWO
"""
TESTS = """
from rules.doubling import Doubling, times


def test_sum():
    assert Doubling.double(3) == 6


def test_product():
    assert times(3) == 6


def test_two():
    assert Doubling().two == 2
"""


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository of two rules and their tests."""
    for name, text in {"rules/doubling.py": DOUBLING, "tests/test_doubling.py": TESTS}.items():
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text(text)
    (tmp_path / "pyproject.toml").write_text("[tool.pytest.ini_options]\nmarkers = ['shared']\n")
    return tmp_path


def told(repository: Path, *texts: str) -> subprocess.CompletedProcess[str]:
    """What notices these mutants, or those of the rules; and where it ends early, why."""
    path = os.pathsep.join([str(mutation.REPOSITORY), str(repository)])
    command = [sys.executable, "-c", SCRIPT, *texts]
    environment = {**os.environ, "PYTHONPATH": path}
    return subprocess.run(
        command, cwd=repository, env=environment, capture_output=True, text=True, check=False
    )


def test_deadly_mutants_are_noticed_and_harmless_ones_are_not(repository: Path) -> None:
    done = told(repository)
    names = ("product", "sum", "two", "two", "two")
    noticed = [f"tests/test_doubling.py::test_{name}" for name in names]
    assert sorted(done.stdout.split()) == noticed, done.stderr
    harmless, unimportable = DOUBLING.replace("x * TWO", "TWO * x"), DOUBLING + "1 / 0\n"
    done = told(repository, harmless, unimportable)
    assert {"None", "its import"} <= {*done.stdout.splitlines()}, done.stderr


def test_an_end_that_says_nothing_of_the_tests_is_no_result(repository: Path) -> None:
    killed = DOUBLING.replace("x + x", "__import__('os').kill(__import__('os').getpid(), 9)")
    done = told(repository, killed)
    assert done.returncode and "exit code -9" in done.stdout + done.stderr
    assert "test_sum" not in done.stdout.splitlines()


def test_nothing_is_tried_where_tests_fail_anyway(repository: Path) -> None:
    (repository / "rules" / "doubling.py").write_text(DOUBLING.replace("x + x", "x - x"))
    done = told(repository)
    assert done.returncode and "where nothing is broken" in done.stdout + done.stderr
    assert "tests/test_doubling.py::test_sum" not in done.stdout.splitlines()


def test_the_test_that_noticed_a_mutant_runs_first_the_next_time(module: Path) -> None:
    mutant, *_ = mutation.mutants(module)
    row = {"path": mutant.path, "within": "", "before": "", "after": "", "by": "often"}
    own = {**row, "within": mutant.within, "before": mutant.before, "after": mutant.after}
    known = [row, row, {**own, "by": "own"}, {**own, "by": None}, {**row, "path": "other.py"}]
    assert mutation._likely(mutant, known) == ["own", "often", "own"]


def test_every_mutant_that_is_listed_as_equivalent_is_one() -> None:
    assert all(mutation.equivalents().values())
