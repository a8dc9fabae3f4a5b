"""Do the tests notice a rule that is wrong? Each rule is broken on purpose, in one place at a time.

A mutant is the package with one change in the code of the cut: another index or axis, a union that
is forgotten, two inputs that have changed places, a condition the other way round. The tests of
the cut run on it, in a copy of the repository, and one of them must fail. Mutants that no test
could notice, since they give the same results, are listed in ``equivalent.toml`` with the reason.
"""

from __future__ import annotations

import ast
import copy
import json
import multiprocessing
import os
import shutil
import signal
import sys
import tempfile
import time
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from importlib.util import cache_from_source
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parent.parent
EQUIVALENT = REPOSITORY / "benchmarks" / "equivalent.toml"
RESULT = REPOSITORY / "benchmarks" / "results" / "mutation.json"
KEPT = REPOSITORY / "build" / "benchmarks" / "mutation.jsonl"
COPIED = ("edgecut", "tests", "targets", "calibration", "benchmarks", "pyproject.toml")
TESTS = (  # the quick ones first
    *("tests/ops/test_rules.py", "tests/ops/test_contract.py", "tests/test_demand.py"),
    *("tests/passes/test_narrow.py", "tests/test_cutout.py", "tests/ops/test_backend_cases.py"),
)
APART = ("examples", "macs")  # an example is no rule, and what is counted is not what is cut
IN_NO_ORDER = ("op_types", "RULES")

# What every child needs and none of them changes is imported once, by the server that forks them.
PRELOADED = (
    *("numpy.random", "onnx.inliner", "onnx_ir.passes.common", "onnxruntime"),
    *("hypothesis", "pytest"),
)
SERVER = multiprocessing.get_context("forkserver")
MOST_BYTES = 8 * 2**30
LONGEST_S = 180  # of processor time; all tests take a quarter where nothing is broken

# How the tests end: all passed; one failed; they do not even import what is broken, and none ran;
# one never ended; or one brought the process down, as a runtime does that divides by no groups. All
# else, such as a process that was killed for its memory, says nothing of the tests.
PASSED, FAILED, NOT_COLLECTED, NO_END = 0, 1, 2, -signal.SIGXCPU
FAULTS = [-fault for fault in (signal.SIGFPE, signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS)]


Name = tuple[str, str, str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """One change of one file: where, what, the line before and after it, and the new text."""

    path: str
    line: int
    within: str
    change: str
    before: str
    after: str
    text: str

    @property
    def name(self) -> Name:
        """What it is known by as long as this line of the code stays as it is."""
        return self.path, self.within, self.before, self.after


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """A copy of the repository in which these tests pass."""

    folder: Path
    tests: Sequence[str]


def run(*, files: Sequence[str], every: int, jobs: int) -> dict[str, Any]:
    """Rows ``{path, line, within, change, before, after, noticed, by, equivalent}``.

    ``by`` is the test that failed, ``equivalent`` the reason why none could. The rows are kept in
    ``build/benchmarks/mutation.jsonl`` as they come; the next run tries those tests first.

    Args:
        files: the modules that are broken, from the repository's root; ``*`` stands for any.
        every: of all mutants, one of so many is tried.
        jobs: how many are tried side by side.
    """
    paths = [path for pattern in files for path in sorted(REPOSITORY.glob(pattern))]
    found = [one for path in paths for one in mutants(path)][::every]
    known = _known()
    excused = equivalents()
    KEPT.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="edgecut-") as name, KEPT.open("a") as rows:
        whole = unbroken(Path(name) / "whole")

        def row(mutant: Mutant) -> dict[str, Any]:
            t = time.time()
            by = noticed_by(mutant, whole, first=_likely(mutant, known))
            told = {key: value for key, value in asdict(mutant).items() if key != "text"}
            told["s"] = round(time.time() - t, 1)
            told |= {"noticed": by is not None, "by": by}
            told |= {"equivalent": excused.get(mutant.name)}
            known.append(told)
            print(json.dumps(told), file=rows, flush=True)
            if by is None:
                print(f"  MISSED {mutant.path}:{mutant.line}: {mutant.after}", file=sys.stderr)
            return told

        with ThreadPoolExecutor(jobs) as pool:
            return {"schema": "edgecut.mutation/2", "rows": list(pool.map(row, found))}


def mutants(path: Path) -> Iterator[Mutant]:
    """Every way in which one place of a module can be wrong."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    plain = ast.unparse(tree).splitlines()
    apart = {id(node) for part in _apart(tree) for node in ast.walk(part)}
    for place, node in enumerate(ast.walk(tree)):
        if id(node) in apart:
            continue
        for change, spoilt in _spoilt(node):
            twin = copy.deepcopy(tree)
            old = list(ast.walk(twin))[place]
            text = ast.unparse(ast.fix_missing_locations(_Swap(old, spoilt).visit(twin)))
            changed = zip(plain, text.splitlines(), strict=True)
            before, after = next(pair for pair in changed if pair[0] != pair[1])
            line: int = node.lineno  # type: ignore[attr-defined]
            yield Mutant(
                path=str(path.relative_to(REPOSITORY)),
                line=line,
                within=_within(tree, line),
                change=change,
                before=before.strip(),
                after=after.strip(),
                text=text,
            )


def equivalents() -> dict[Name, str]:
    """The mutants that are known to give the same results, by name, and why they do.

    Raises:
        RuntimeError: one of them is no mutant any more.
    """
    listed = tomllib.loads(EQUIVALENT.read_text(encoding="utf-8"))["mutant"]
    reasons = {_name(one): one["reason"] for one in listed}
    paths = {one["path"] for one in listed}
    there = {one.name for path in paths for one in mutants(REPOSITORY / path)}
    if gone := [name for name in reasons if name not in there]:
        raise RuntimeError(f"{EQUIVALENT.name} lists what is no mutant: {gone}")
    return reasons


def unbroken(folder: Path, tests: Sequence[str] = TESTS) -> Copy:
    """A new folder with a copy of the repository, compiled files and all, where the tests pass.

    Raises:
        RuntimeError: they do not, so they could notice nothing.
    """
    SERVER.set_forkserver_preload(list(PRELOADED))
    folder.mkdir()
    for part in COPIED:
        _copy(REPOSITORY / part, folder / part)
    if _ending(folder, tests) != PASSED:
        raise RuntimeError(f"tests fail where nothing is broken:\n{_log(folder)}")
    return Copy(folder=folder, tests=tests)


def noticed_by(mutant: Mutant, whole: Copy, *, first: Sequence[str] = ()) -> str | None:
    """The test that fails on the mutant, or None; one that never ends has noticed it, too.

    Args:
        mutant: what is broken.
        whole: where nothing is.
        first: the tests that run before all others.

    Raises:
        RuntimeError: the tests ended in another way, of which nothing follows.
    """
    with tempfile.TemporaryDirectory(prefix="edgecut-") as name:
        folder = Path(name) / "broken"
        shutil.copytree(whole.folder, folder)
        (folder / mutant.path).write_text(mutant.text, encoding="utf-8")
        Path(cache_from_source(str(folder / mutant.path))).unlink(missing_ok=True)
        code = _ending(folder, whole.tests, first)
        if code in (FAILED, NOT_COLLECTED, NO_END, *FAULTS) and (folder / LAST).exists():
            return (folder / LAST).read_text(encoding="utf-8")
        if code != PASSED:
            raise RuntimeError(f"exit code {code} on {mutant.name}:\n{_log(folder)}")
    return None


def _name(row: Mapping[str, str]) -> Name:
    return row["path"], row["within"], row["before"], row["after"]


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
        # A comparison in the condition is turned round by itself.
        case ast.IfExp(test=test) if not isinstance(test, ast.Compare):
            twin.body, twin.orelse = twin.orelse, twin.body
            yield "the other way round", twin
        case ast.If(test=test) if not isinstance(test, ast.Compare):
            twin.test = ast.UnaryOp(ast.Not(), twin.test)
            yield "the other way round", twin


def _apart(tree: ast.Module) -> Iterator[ast.AST]:
    """What is not to be broken, since nothing that runs would be: examples, imports, types."""
    for part in ast.walk(tree):
        match part:
            case ast.FunctionDef(name=name) if name in APART:
                yield part
            case ast.FunctionDef(returns=types) | ast.AnnAssign(annotation=types) if types:
                yield types
            case ast.arg(annotation=types) if types:
                yield types
            case ast.Subscript(value=ast.Name(id="tuple")):
                yield part
            case ast.Raise() | ast.ImportFrom() | ast.Import():
                yield part
            case ast.If(test=ast.Name(id="TYPE_CHECKING")):
                yield part
        if isinstance(part, ast.Assign | ast.AnnAssign):
            targets = part.targets if isinstance(part, ast.Assign) else [part.target]
            if ast.unparse(targets[0]) in IN_NO_ORDER:
                yield part


LAST, LOG = "last.txt", "log.txt"


def _ending(folder: Path, tests: Sequence[str], first: Sequence[str] = ()) -> int | None:
    """How pytest ends in a copy of the repository, in a process of its own."""
    child = SERVER.Process(target=_test, args=(str(folder), tuple(tests), tuple(first)))
    child.start()
    child.join()
    return child.exitcode


def _test(folder: str, tests: Sequence[str], first: Sequence[str]) -> None:
    """The child: run the tests of a copy, and exit as pytest does."""
    import resource

    import hypothesis
    import pytest

    os.chdir(folder)
    sys.dont_write_bytecode = False
    os.environ.pop("EDGECUT_FUZZ", None)  # the same random networks every time
    log = os.open(LOG, os.O_WRONLY | os.O_CREAT)
    os.dup2(log, 1)
    os.dup2(log, 2)
    resource.setrlimit(resource.RLIMIT_AS, (MOST_BYTES, MOST_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (LONGEST_S, LONGEST_S + 1))
    for name in list(sys.modules):
        if name.partition(".")[0] in COPIED:
            del sys.modules[name]
    sys.path.insert(0, folder)
    # The same examples every time, and no smaller one is looked for.
    hypothesis.settings.register_profile(
        "first", derandomize=True, database=None, phases=[hypothesis.Phase.generate]
    )
    hypothesis.settings.load_profile("first")
    arguments = [*tests, "-x", "-q", "--tb=line", "-p", "no:cacheprovider"]
    arguments += ["-p", "no:unraisableexception", "-W", "ignore:Module already imported"]
    sys.exit(int(pytest.main(arguments, plugins=[_Ordered(first)])))


class _Ordered:
    """A plugin of pytest that runs some tests first, and writes down which one comes last."""

    def __init__(self, first: Sequence[str]) -> None:
        self.rank = {name: i for i, name in reversed([*enumerate(first)])}

    def pytest_collection_modifyitems(self, items: list[Any]) -> None:
        items.sort(key=lambda item: self.rank.get(item.nodeid, len(self.rank)))

    def pytest_collectreport(self, report: Any) -> None:
        if report.failed:
            Path(LAST).write_text(report.nodeid, encoding="utf-8")

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        Path(LAST).write_text(nodeid, encoding="utf-8")


def _likely(mutant: Mutant, known: Sequence[dict[str, Any]]) -> list[str]:
    """The test that noticed this very mutant, then those that noticed others of its module."""
    found = [row for row in known if row["path"] == mutant.path and row["by"]]
    own = [row["by"] for row in found if _name(row) == mutant.name]
    often = [by for by, _ in Counter(row["by"] for row in found).most_common()]
    return [*reversed(own), *often]


def _known() -> list[dict[str, Any]]:
    """The rows of the last results, and of runs that have not come to an end since."""
    rows = []
    if RESULT.exists():
        rows += json.loads(RESULT.read_text(encoding="utf-8"))["rows"]
    if KEPT.exists():
        rows += [json.loads(line) for line in KEPT.read_text(encoding="utf-8").splitlines()]
    return rows


def _within(tree: ast.Module, line: int) -> str:
    """The class and function that a line stands in."""
    named = [n for n in ast.walk(tree) if isinstance(n, ast.ClassDef | ast.FunctionDef)]
    return ".".join(n.name for n in named if n.lineno <= line <= (n.end_lineno or 0))


def _log(folder: Path) -> str:
    return (folder / LOG).read_text(encoding="utf-8", errors="replace")[-4000:]


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", "results"))
    else:
        shutil.copy(source, target)
