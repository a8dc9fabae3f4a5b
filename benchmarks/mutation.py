"""Do the tests notice a rule that is wrong? Each rule is broken on purpose, in one place at a time.

A mutant is a module with one change in the code of the cut: another index or axis, a union that is
forgotten, two inputs that have changed places, a condition the other way round. The tests of the
cut run on each of them, and one must fail. Mutants that no test could notice, since they give the
same results, are listed in ``equivalent.toml`` with the reason.

The tests are collected once. Each mutant gets a fork of that process, in which the code of its
module is replaced. There all tests run that call the broken function where nothing is broken, first
the one that noticed the mutant the last time, then those that noticed others of its module.
"""

from __future__ import annotations

import ast
import copy
import json
import os
import resource
import signal
import sys
import tempfile
import tomllib
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from types import FrameType, FunctionType
from typing import Any

REPOSITORY = Path(__file__).resolve().parent.parent
EQUIVALENT = REPOSITORY / "benchmarks" / "equivalent.toml"
RESULT = REPOSITORY / "benchmarks" / "results" / "mutation.json"
KEPT = REPOSITORY / "build" / "benchmarks" / "mutation.jsonl"
TESTS = (  # the quick ones first
    *("tests/ops/test_rules.py", "tests/ops/test_contract.py", "tests/test_demand.py"),
    *("tests/passes/test_narrow.py", "tests/test_cutout.py", "tests/ops/test_backend_cases.py"),
)
APART = (
    "examples",
    "Example",
    "_numbers",
    "macs",
)  # no rules, and what is counted is not what is cut
NO_RULES = ("op_types", "RULES", "MOST_FOLLOWED")  # names in no order, and a limit
FUZZ = "0.2"  # of the random networks of ``make test``, and the same ones every time
MOST_BYTES = 8 * 2**30
LONGEST_S = 120  # of processor time; all tests take a quarter where nothing is broken

# How a fork ends: all tests passed; one failed; one never ended; or one brought the process down,
# as a runtime does that divides by no groups. All else, such as a process that was killed for its
# memory, says nothing of the tests.
PASSED, FAILED, UNKNOWN = 0, 1, 2
FAULTS = [
    -fault
    for fault in (*(signal.SIGXCPU, signal.SIGFPE, signal.SIGSEGV), signal.SIGABRT, signal.SIGBUS)
]

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


def run(*, files: Sequence[str], every: int, jobs: int) -> dict[str, Any]:
    """Rows ``{path, line, within, change, before, after, noticed, by, equivalent}``.

    ``by`` is the test that failed, ``equivalent`` the reason why none could. The rows are kept in
    ``build/benchmarks/mutation.jsonl`` as they come. Of modules that are not broken this time, the
    rows are those of the last results.

    Args:
        files: the modules that are broken, from the repository's root; ``*`` stands for any.
        every: of all mutants, one of so many is tried.
        jobs: how many are tried side by side.
    """
    from onnx.backend.test.case.node import collect_testcases

    paths = [path for pattern in files for path in sorted(REPOSITORY.glob(pattern))]
    found = [one for path in paths for one in mutants(path)][::every]
    known, excused = _known(), equivalents()
    rows: dict[Name, dict[str, Any]] = {}
    KEPT.parent.mkdir(parents=True, exist_ok=True)
    with KEPT.open("a") as kept:

        def tell(mutant: Mutant, by: str | None) -> None:
            row = {key: value for key, value in asdict(mutant).items() if key != "text"}
            reason = excused.get(mutant.name)
            if by is not None and reason is not None:
                raise RuntimeError(f"{EQUIVALENT.name} lists what {by} notices: {mutant.name}")
            row |= {"noticed": by is not None, "by": by, "equivalent": reason}
            rows[mutant.name] = row
            known.append(row)
            print(json.dumps(row), file=kept, flush=True)
            if by is None and reason is None:
                print(f"  MISSED {mutant.path}:{mutant.line}: {mutant.after}", file=sys.stderr)

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # some of ONNX's cases overflow on purpose
            collect_testcases()  # takes seconds, so the forks have them from here
        noticed(found, tell, first=lambda mutant: _likely(mutant, known), jobs=jobs)
    tried = {mutant.path for mutant in found}
    told = [row for row in _last_rows() if row["path"] not in tried]
    told += [rows[mutant.name] for mutant in found]
    return {"schema": "edgecut.mutation/2", "rows": sorted(told, key=lambda row: str(row["path"]))}


def noticed(
    mutants: Sequence[Mutant],
    tell: Callable[[Mutant, str | None], None],
    *,
    tests: Sequence[str] = TESTS,
    first: Callable[[Mutant], Sequence[str]] = lambda mutant: (),
    jobs: int = 1,
) -> None:
    """Tell for every mutant the test that fails on it, or None.

    Args:
        mutants: what is broken, one at a time.
        tell: called with each result as it comes.
        tests: what pytest is to collect, from the repository's root.
        first: the tests that run before all others on a mutant.
        jobs: how many mutants are tried side by side.

    Raises:
        RuntimeError: the tests fail where nothing is broken, so they could notice nothing; or they
            end in a way of which nothing follows.
    """
    import hypothesis
    import pytest

    os.environ["EDGECUT_FUZZ"] = FUZZ
    # The same examples every time, and no smaller one is looked for.
    hypothesis.settings.register_profile(
        "first", derandomize=True, database=None, phases=[hypothesis.Phase.generate]
    )
    hypothesis.settings.load_profile("first")
    with tempfile.TemporaryDirectory(prefix="edgecut-") as folder:
        forking = _Forking(Path(folder), mutants, tell, first, jobs)
        options = ["-qq", "-s", "--tb=short", "-m", "not shared", f"--basetemp={folder}/tests"]
        options += ["-p", "no:cacheprovider", "-p", "no:faulthandler"]
        options += ["-W", "ignore:Module already imported"]  # by us
        code = pytest.main([*(str(REPOSITORY / one) for one in tests), *options], plugins=[forking])
    if code != PASSED:
        raise RuntimeError(f"pytest ended with exit code {int(code)}, and says above why")


@dataclass
class _Forking:
    """A plugin of pytest: what was collected runs once for each mutant, in a fork."""

    folder: Path
    mutants: Sequence[Mutant]
    tell: Callable[[Mutant, str | None], None]
    first: Callable[[Mutant], Sequence[str]]
    jobs: int

    @property
    def calls(self) -> Path:
        """Where it is written down which test calls which functions."""
        return self.folder / "calls.json"

    def pytest_runtestloop(self, session: Any) -> bool:
        self._ended({self._forked(session.items, None): None})
        running: dict[int, Mutant | None] = {}
        for mutant in self.mutants:
            if len(running) == self.jobs:
                self._ended(running)
            running[self._forked(session.items, mutant)] = mutant
        while running:
            self._ended(running)
        return True

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self._last().write_text(nodeid, encoding="utf-8")

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.failed:
            with self._last().open("a", encoding="utf-8") as last:
                print(f"\n{report.longreprtext}", file=last)
            os._exit(FAILED)

    def _last(self) -> Path:
        """Where the tests of this process write down which of them ran last, and why it failed."""
        return self.folder / str(os.getpid())

    def _forked(self, items: Sequence[Any], mutant: Mutant | None) -> int:
        """The process in which the tests run on a mutant, or on what is not broken."""
        pid = os.fork()
        if pid:
            return pid
        code = UNKNOWN
        try:
            resource.setrlimit(resource.RLIMIT_AS, (MOST_BYTES, MOST_BYTES))
            resource.setrlimit(resource.RLIMIT_CPU, (LONGEST_S, LONGEST_S + 1))
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, 1)
            os.dup2(nowhere, 2)
            code = self._tested(items, mutant)
        finally:
            os._exit(code)

    def _tested(self, items: Sequence[Any], mutant: Mutant | None) -> int:
        if mutant is None:
            self.calls.write_text(json.dumps(dict(map(_traced, items))), encoding="utf-8")
            return PASSED
        self._last().write_text("its import", encoding="utf-8")
        try:
            put_in_place(mutant)
        except Exception:  # what cannot be imported fails every test
            return FAILED
        rank = {name: i for i, name in reversed([*enumerate(self.first(mutant))])}
        calls = json.loads(self.calls.read_text(encoding="utf-8"))
        place = f"{mutant.path}:{mutant.within}"
        concerned = [i for i in items if place in calls[i.nodeid]] if mutant.within else items
        for item in sorted(concerned, key=lambda item: rank.get(item.nodeid, len(rank))):
            _protocol(item)
        return PASSED

    def _ended(self, running: dict[int, Mutant | None]) -> None:
        """Wait for one of the processes, and tell what it found."""
        pid, status = os.wait()
        mutant, code = running.pop(pid), os.waitstatus_to_exitcode(status)
        text = (self.folder / str(pid)).read_text(encoding="utf-8")
        if mutant is None and code != PASSED:
            raise RuntimeError(f"exit code {code} where nothing is broken: {text}")
        if code not in (PASSED, FAILED, *FAULTS):
            raise RuntimeError(f"exit code {code} on {mutant}: {text}")
        if mutant is not None:
            self.tell(mutant, None if code == PASSED else text.splitlines()[0])


def _traced(item: Any) -> tuple[str, list[str]]:
    """Run a test; its name, and the functions that it calls."""
    called = set()

    def note(frame: FrameType, event: str, arg: object) -> None:
        if event == "call":
            called.add((frame.f_code.co_filename, frame.f_code.co_qualname))

    sys.setprofile(note)
    _protocol(item)
    sys.setprofile(None)
    here = f"{REPOSITORY}/"
    return item.nodeid, [
        f"{path.removeprefix(here)}:{name.replace('<locals>.', '')}"
        for path, name in called
        if path.startswith(here)
    ]


def _protocol(item: Any) -> None:
    # Nothing comes next as far as this one knows: its fixtures are torn down with it.
    item.ihook.pytest_runtest_protocol(item=item, nextitem=None)


def put_in_place(mutant: Mutant) -> None:
    """Give every function of the mutant's module, and every number, what the mutant has."""
    name = mutant.path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    module = import_module(name)
    assert module.__file__ == str(REPOSITORY / mutant.path), "another edgecut is installed"
    fresh = {"__name__": name, "__file__": module.__file__}
    exec(compile(mutant.text, str(module.__file__), "exec"), fresh)
    _graft(vars(module), fresh, name)


def _graft(old: Mapping[str, Any], new: Mapping[str, Any], module: str) -> None:
    for name, value in new.items():
        mine = old.get(name)
        if isinstance(value, int) and isinstance(old, dict):
            old[name] = value
        if isinstance(value, type) and isinstance(mine, type) and value.__module__ == module:
            _graft(vars(mine), vars(value), module)
        function, own = _function(value), _function(mine)
        if function is not None and own is not None and function.__module__ == module:
            own.__code__, own.__defaults__ = function.__code__, function.__defaults__
            own.__kwdefaults__ = function.__kwdefaults__


def _function(value: Any) -> FunctionType | None:
    """The function of a method, a static method or a property."""
    inner = getattr(value, "fget", getattr(value, "__func__", value))
    return inner if isinstance(inner, FunctionType) else None


def mutants(path: Path) -> Iterator[Mutant]:
    """Every way in which one place of a module can be wrong."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    plain = ast.unparse(tree).splitlines()
    apart = {id(node) for part in _apart(tree) for node in ast.walk(part)}
    for node in list(ast.walk(tree)):
        if id(node) in apart:
            continue
        for change, spoilt in _spoilt(node):
            text = ast.unparse(ast.fix_missing_locations(_Swap(node, spoilt).visit(tree)))
            _Swap(spoilt, node).visit(tree)
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
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name) if name in APART:
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
            if ast.unparse(targets[0]) in NO_RULES:
                yield part


def _likely(mutant: Mutant, known: Sequence[dict[str, Any]]) -> list[str]:
    """The test that noticed this very mutant, then those that noticed others of its module."""
    found = [row for row in known if row["path"] == mutant.path and row["by"]]
    own = [row["by"] for row in found if _name(row) == mutant.name]
    often = [by for by, _ in Counter(row["by"] for row in found).most_common()]
    return [*reversed(own), *often]


def _known() -> list[dict[str, Any]]:
    """The rows of the last results, and of runs that have not come to an end since."""
    rows = _last_rows()
    if KEPT.exists():
        rows += [json.loads(line) for line in KEPT.read_text(encoding="utf-8").splitlines()]
    return rows


def _last_rows() -> list[dict[str, Any]]:
    there = RESULT.exists()
    rows: list[dict[str, Any]] = json.loads(RESULT.read_text("utf-8"))["rows"] if there else []
    return rows


def _within(tree: ast.Module, line: int) -> str:
    """The class and function that a line stands in."""
    named = [n for n in ast.walk(tree) if isinstance(n, ast.ClassDef | ast.FunctionDef)]
    return ".".join(n.name for n in named if n.lineno <= line <= (n.end_lineno or 0))
