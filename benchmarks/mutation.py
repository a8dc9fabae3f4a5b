"""Do the tests notice a rule that is wrong? Each rule is broken on purpose, in one place at a time.

A mutant is the package with one change in the code of the cut: another index or axis, a union that
is forgotten, two inputs that have changed places, a condition the other way round. The tests of
the cut run on it, in a copy of the repository, and one of them must fail.
"""

from __future__ import annotations

import ast
import copy
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.models import ROOT

REPOSITORY = ROOT.parent
COPIED = ("edgecut", "tests", "targets", "calibration", "benchmarks", "pyproject.toml")
TESTS = ("tests/ops", "tests/test_demand.py", "tests/passes/test_narrow.py", "tests/test_cutout.py")
LONGEST_S = 600.0
APART = ("examples", "macs")  # an example is no rule, and what is counted is not what is cut


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """One change of one file: where, what, and the file's new text."""

    path: str
    line: int
    change: str
    before: str
    text: str


def run(*, files: Sequence[str], every: int, jobs: int) -> dict[str, Any]:
    """Rows ``{path, line, change, before, noticed}``.

    Args:
        files: the modules that are broken, from the repository's root; ``*`` stands for any.
        every: of all mutants, one of so many is tried.
        jobs: how many are tried side by side.
    """
    paths = [path for pattern in files for path in sorted(REPOSITORY.glob(pattern))]
    found = [one for path in paths for one in mutants(path)][::every]
    with ThreadPoolExecutor(jobs) as pool:
        noticed = list(pool.map(is_noticed, found))
    rows = [
        {
            "path": one.path,
            "line": one.line,
            "change": one.change,
            "before": one.before,
            "noticed": seen,
        }
        for one, seen in zip(found, noticed, strict=True)
    ]
    return {"schema": "edgecut.mutation/1", "rows": rows}


def mutants(path: Path) -> Iterator[Mutant]:
    """Every way in which one place of a module can be wrong."""
    source = path.read_text(encoding="utf-8")
    tree = ast.parse(source)
    for place, node in enumerate(ast.walk(tree)):
        if not hasattr(node, "lineno") or _is_apart(tree, node):
            continue
        for change, spoilt in _spoilt(node):
            twin = copy.deepcopy(tree)
            old = list(ast.walk(twin))[place]
            text = ast.unparse(ast.fix_missing_locations(_Swap(old, spoilt).visit(twin)))
            yield Mutant(
                path=str(path.relative_to(REPOSITORY)),
                line=node.lineno,
                change=change,
                before=ast.unparse(node),
                text=text,
            )


def is_noticed(mutant: Mutant) -> bool:
    """Whether a test of the cut fails on the mutant; one that never ends is noticed, too."""
    with tempfile.TemporaryDirectory(prefix="edgecut-") as name:
        folder = Path(name)
        for part in COPIED:
            _copy(REPOSITORY / part, folder / part)
        (folder / mutant.path).write_text(mutant.text, encoding="utf-8")
        command = [sys.executable, "-m", "pytest", *TESTS, "-x", "-q", "-p", "no:cacheprovider"]
        try:
            done = subprocess.run(command, cwd=folder, capture_output=True, timeout=LONGEST_S)
        except subprocess.TimeoutExpired:
            return True
    noticed = done.returncode != 0
    told = f"{mutant.path}:{mutant.line}: {mutant.change}: {mutant.before}"
    print(f"  {'noticed' if noticed else 'MISSED '} {told}", file=sys.stderr, flush=True)
    return noticed


class _Swap(ast.NodeTransformer):
    """Puts one node in the place of another."""

    def __init__(self, old: ast.AST, new: ast.AST) -> None:
        self.old, self.new = old, new

    def visit(self, node: ast.AST) -> Any:
        return self.new if node is self.old else super().visit(node)


def _spoilt(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    """What may stand in a node's place, and what that is called."""
    twin: Any = copy.deepcopy(node)
    match node:
        case ast.Constant(value=int(value)) if not isinstance(value, bool):
            yield "off by one", ast.Constant(value + 1)
        case ast.Call(func=ast.Attribute(attr="union")):
            yield "missing union", twin.func.value
        case ast.Tuple(elts=[first, second, *_]) if ast.dump(first) != ast.dump(second):
            if isinstance(node.ctx, ast.Load):
                twin.elts[0], twin.elts[1] = twin.elts[1], twin.elts[0]
                yield "changed places", twin
        case ast.BinOp(op=ast.Add() | ast.Sub()):
            twin.op = ast.Sub() if isinstance(node.op, ast.Add) else ast.Add()
            yield "wrong sign", twin
        case ast.BinOp(op=ast.Mod() | ast.FloorDiv()):
            twin.op = ast.FloorDiv() if isinstance(node.op, ast.Mod) else ast.Mod()
            yield "wrong division", twin
        case ast.Compare(ops=[ast.Eq() | ast.NotEq() | ast.Is() | ast.IsNot()]):
            opposite = {ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Is: ast.IsNot, ast.IsNot: ast.Is}
            twin.ops = [opposite[type(node.ops[0])]()]
            yield "the other way round", twin
        case ast.IfExp():
            twin.body, twin.orelse = twin.orelse, twin.body
            yield "the other way round", twin
        case ast.If():
            twin.test = ast.UnaryOp(ast.Not(), twin.test)
            yield "the other way round", twin


def _is_apart(tree: ast.Module, node: Any) -> bool:
    """Whether a node is part of what is not to be broken."""
    return any(
        part.lineno <= node.lineno <= (part.end_lineno or 0)
        for part in ast.walk(tree)
        if (isinstance(part, ast.FunctionDef) and part.name in APART)
        or isinstance(part, ast.Raise | ast.ImportFrom | ast.Import)
        or (isinstance(part, ast.If) and ast.unparse(part.test) == "TYPE_CHECKING")
    )


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", "results"))
    else:
        shutil.copy(source, target)
