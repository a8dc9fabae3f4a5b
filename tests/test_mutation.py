"""The script that breaks the cut on purpose: what it changes, and that a break is noticed."""

from __future__ import annotations

import ast
from dataclasses import replace
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


@pytest.fixture
def doubling(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> mutation.Mutant:
    """A repository of one rule and its test, and the mutant of the rule."""
    monkeypatch.setattr(mutation, "REPOSITORY", tmp_path)
    monkeypatch.setattr(mutation, "COPIED", ("doubling.py", "tests"))
    monkeypatch.setattr(mutation, "PRELOADED", ("pytest",))
    (tmp_path / "doubling.py").write_text("def double(x):\n    return x + x\n")
    (tmp_path / "tests").mkdir()
    test = "from doubling import double\n\n\ndef test_three():\n    assert double(3) == 6\n"
    (tmp_path / "tests" / "test_doubling.py").write_text(test)
    (mutant,) = mutation.mutants(tmp_path / "doubling.py")
    return mutant


def test_a_deadly_mutant_is_noticed_and_a_harmless_one_is_not(
    doubling: mutation.Mutant, tmp_path: Path
) -> None:
    whole = mutation.unbroken(tmp_path / "copy", ["tests"])
    assert doubling.after == "return x - x"
    noticed = mutation.noticed_by(doubling, whole)
    assert noticed == "tests/test_doubling.py::test_three"
    harmless = replace(doubling, text="def double(x):\n    return 2 * x\n")
    assert mutation.noticed_by(harmless, whole) is None
    unimportable = replace(doubling, text="def double(x)\n")
    assert mutation.noticed_by(unimportable, whole) == "tests/test_doubling.py"


def test_what_says_nothing_of_the_tests_is_no_result(
    doubling: mutation.Mutant, tmp_path: Path
) -> None:
    whole = mutation.unbroken(tmp_path / "copy", ["tests"])
    with pytest.raises(RuntimeError, match="exit code 7"):
        mutation.noticed_by(replace(doubling, text="import os\n\nos._exit(7)\n"), whole)
    (tmp_path / "doubling.py").write_text(doubling.text)
    with pytest.raises(RuntimeError, match="where nothing is broken"):
        mutation.unbroken(tmp_path / "again", ["tests"])


def test_the_test_that_noticed_a_mutant_runs_first_the_next_time(
    doubling: mutation.Mutant,
) -> None:
    row = {"path": doubling.path, "within": "", "before": "", "after": "", "by": "often"}
    own = {**row, "within": "double", "before": doubling.before, "after": doubling.after}
    known = [row, row, {**own, "by": "own"}, {**own, "by": None}, {**row, "path": "other.py"}]
    assert mutation._likely(doubling, known) == ["own", "often", "own"]


def test_every_mutant_that_is_listed_as_equivalent_is_one() -> None:
    assert all(mutation.equivalents().values())
