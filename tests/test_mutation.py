"""The script that breaks the cut on purpose: what it changes, and that a break is noticed."""

from __future__ import annotations

import ast
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
