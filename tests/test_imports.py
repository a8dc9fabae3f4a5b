"""Imports go down only, and nothing heavy is imported before it is needed."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import edgecut

PACKAGE = Path(edgecut.__file__).parent
# Each room may import from those above it in this list; those of one line do not know each other,
# except where NEIGHBOURS says so.
LEVELS = (
    {"errors", "finite_json", "progress", "quiet", "schemas"},
    {
        *("aside", "attention", "contained", "openvino_info", "saving", "shipped", "table"),
        "taxonomy",
    },
    {"calibration", "keep", "taxonomy_file"},
    {"agreement", "artifact", "categories", "network", "device", "tflite_file"},
    {"category_json", "category_set", "coco", "edit", "onnx_run", "target", "recipe"},
    {"consistency", "hugging_face", "model_api", "openvino_ir", "samples", "runtimes"},
    {"ops"},
    {"choices", "cost", "detections", "synthetic", "trail"},
    {"roofline", "slots"},
    {
        *("demand", "discovery", "emitters", "evaluation", "loaders"),
        *("measure", "passes", "quantise", "remote", "verification"),
    },
    {"coded", "scores"},
    {"cutout", "source", "bundle", "produce", "nested"},
    {"branch_cost", "opened", "probe", "records", "node_categories", "why"},
    {"fates", "proofs", "roofs"},
    {"pipeline", "appraise", "profiling", "report", "timing"},
    {"filming", "on_devices"},
    {"cli"},
    {"__main__"},
)
NEIGHBOURS = {
    # A port says how an artifact's tensor comes from the network's.
    ("artifact", "network"),
    # A category map is a value that a network holds.
    ("network", "categories"),
    # The cut is demand's answer, carried out.
    ("passes", "demand"),
    # int8 for runtimes with one scale per tensor rewrites the network before it is quantised.
    ("quantise", "passes"),
}
HEAVY = {
    *(
        "ai_edge_litert",
        "ai_edge_quantizer",
        "flatbuffers",
        "nncf",
        "onnx",
        "onnx_ir",
        "onnxruntime",
    ),
    *("onnxscript", "onnxsim", "openvino", "PIL", "pyarrow", "pycocotools", "rich", "safetensors"),
    *("h5py", "keras", "matplotlib", "scipy", "tflite_runtime", "torch"),
}
# Rooms that are nothing without a heavy package; they are entered inside functions only.
BUILT_ON = {"nested": {"torch"}}
WITHOUT_NUMPY = {"__init__", "__main__", "errors", "quiet", "shipped", "target", "cli"}
ONLY_CLI = {"click", "rich"}
ON_DEVICE = {Path("device.py"), Path("remote/supervisor.py")}
MODULES = sorted(path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py"))


def room(module: Path) -> str:
    """The first part of a module's name below ``edgecut``: the file, or the folder it is in."""
    return module.parts[0].removesuffix(".py")


def imports(tree: ast.AST, *, at_runtime: bool = True) -> Iterator[tuple[ast.stmt, str]]:
    """Every import with the absolute name that it brings in; not those for type checkers."""
    skipped = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if at_runtime and node in skipped:
            continue
        if isinstance(node, ast.Import):
            yield from ((node, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative import"
            yield from ((node, f"{node.module}.{alias.name}") for alias in node.names)


def parsed(module: Path) -> ast.Module:
    return ast.parse((PACKAGE / module).read_text(encoding="utf-8"))


def functions(tree: ast.AST) -> list[ast.AST]:
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
    return [node for node in ast.walk(tree) if isinstance(node, kinds)]


def at_top(tree: ast.Module) -> set[str]:
    """Packages that importing the module imports: everything outside of functions."""
    inside = {inner for function in functions(tree) for inner in ast.walk(function)}
    return {name.split(".")[0] for node, name in imports(tree) if node not in inside}


def edges(module: Path) -> set[tuple[str, str]]:
    """(this room, another room that it imports from)."""
    here = room(module)
    rooms = set().union(*LEVELS)
    found = set()
    for _, name in imports(parsed(module), at_runtime=False):
        parts = name.split(".")
        if parts[0] == "edgecut" and len(parts) > 1 and parts[1] in rooms:
            found.add((here, parts[1]))
    return {(a, b) for a, b in found if a != b}


def allowed(here: str, there: str) -> bool:
    level = {name: number for number, names in enumerate(LEVELS) for name in names}
    return level[there] < level[here] or (here, there) in NEIGHBOURS


def test_the_list_of_rooms_is_complete() -> None:
    rooms = {room(module) for module in MODULES} - {"__init__"}
    assert rooms == set().union(*LEVELS)


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_imports_go_down_only(module: Path) -> None:
    if room(module) == "__init__":
        return  # the front door names what it opens, for type checkers only
    assert {(a, b) for a, b in edges(module) if not allowed(a, b)} == set()


def test_the_rule_can_be_broken() -> None:
    assert not allowed("emitters", "quantise") and not allowed("demand", "passes")
    assert not allowed("errors", "network") and not allowed("pipeline", "cli")
    assert allowed("cli", "pipeline") and allowed("passes", "demand")


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_nothing_heavy_at_the_top(module: Path) -> None:
    heavy = HEAVY | ({"numpy"} if room(module) in WITHOUT_NUMPY else set())
    assert at_top(parsed(module)) & heavy <= BUILT_ON.get(room(module), set())


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_rooms_built_on_heavy_packages_are_entered_inside_functions(module: Path) -> None:
    tree = parsed(module)
    inside = {inner for function in functions(tree) for inner in ast.walk(function)}
    top = {name for node, name in imports(tree) if node not in inside}
    entered = {name.split(".")[1] for name in top if name.startswith("edgecut.")}
    assert entered & (set(BUILT_ON) - {room(module)}) == set()


def test_imports_inside_functions_are_told_from_those_at_the_top() -> None:
    tree = ast.parse(
        "import numpy\n"
        "if TYPE_CHECKING:\n    import onnx\n"
        "def f():\n    import torch\n"
        "class C:\n    import rich\n"
        "try:\n    import openvino\nexcept ImportError:\n    pass\n"
    )
    assert at_top(tree) == {"numpy", "rich", "openvino"}


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_only_the_command_line_prints_and_exits(module: Path) -> None:
    if room(module) in ("cli", "__main__") or module in ON_DEVICE:
        return
    tree = parsed(module)
    assert {name.split(".")[0] for _, name in imports(tree)} & ONLY_CLI == set()
    calls = {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    assert calls & {"print", "input", "exit", "quit", "sys.exit", "os._exit"} == set()
    raised = {ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Raise)}
    assert not [text for text in raised if "SystemExit" in text]


def test_the_device_script_stands_alone() -> None:
    runtimes = {"ai_edge_litert", "tflite_runtime", "openvino", "onnxruntime"}
    tree = parsed(Path("device.py"))
    packages = {name.split(".")[0] for _, name in imports(tree, at_runtime=False)}
    assert packages - set(sys.stdlib_module_names) <= {"numpy", *runtimes}
    assert at_top(tree) - set(sys.stdlib_module_names) <= {"numpy"}


@pytest.mark.parametrize(
    "code",
    [
        "import edgecut",
        "import edgecut; edgecut.EdgecutError",
        "from edgecut.cli.main import group; group.main(['--help'], standalone_mode=False)",
        "from edgecut.cli.main import group; group.main(['--version'], standalone_mode=False)",
        "from edgecut.cli.main import group; group.main(['build', '-h'], standalone_mode=False)",
        "from edgecut.cli.main import group; group.main(['train', '-h'], standalone_mode=False)",
    ],
)
def test_nothing_heavy_is_loaded(code: str) -> None:
    watched = sorted(HEAVY | {"numpy"})
    loaded = _run(
        f"{code}\nimport sys\nprint('loaded', [m for m in {watched} if m in sys.modules])"
    )
    assert loaded.splitlines()[-1] == "loaded []"


def test_loading_is_noticed() -> None:
    assert _run("import edgecut, sys; edgecut.load; print('numpy' in sys.modules)") == "True\n"


def test_nothing_reports_home(tmp_path: Path) -> None:
    """onnxruntime's telemetry leaves a session file in the temporary folder when it starts."""
    _run("import edgecut, onnxruntime", TMPDIR=str(tmp_path))
    assert list(tmp_path.iterdir()) == []
    assert _run("import edgecut, os; print(os.environ['NNCF_CI'])") == "1\n"
    assert _run("import edgecut, os; print(os.environ['NNCF_CI'])", NNCF_CI="0") == "0\n"


def _run(code: str, **environment: str) -> str:
    silent = ("ORT_DISABLE_TELEMETRY", "NNCF_CI", "CI", "TF_BUILD", "GITHUB_ACTIONS")
    env = {name: value for name, value in os.environ.items() if name not in silent}
    child = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={**env, **environment}
    )
    assert child.returncode == 0, child.stderr
    return child.stdout
