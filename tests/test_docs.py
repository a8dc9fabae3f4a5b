"""The documents tell the truth: commands parse, names exist, links lead somewhere.

``UPDATE_GOLDEN=1 pytest tests/test_docs.py`` writes ``docs/reference/cli.md`` anew.
"""

from __future__ import annotations

import ast
import inspect
import os
import re
import shlex
import textwrap
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import click
import pytest

import edgecut
from edgecut import (
    artifact,
    bundle,
    category_json,
    category_set,
    cost,
    demand,
    pipeline,
    recipe,
    source,
    target,
)
from edgecut import verification as verification_module
from edgecut.cli import compare as compare_command
from edgecut.cli import cut as cut_command
from edgecut.cli import inspect as inspect_command
from edgecut.cli import profile as profile_command
from edgecut.cli import timings
from edgecut.cli import tree as tree_command
from edgecut.cli import verify as verify_command
from edgecut.cli.main import COMMANDS, group
from edgecut.measure import comparison, measurement, profile, ratio, statistics

ROOT = Path(__file__).resolve().parents[1]
CLI = ROOT / "docs" / "reference" / "cli.md"
FORMATS = ROOT / "docs" / "reference" / "formats.md"
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
ADRS = sorted((ROOT / "docs" / "adr").glob("*.md"))


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def blocks(path: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", path.read_text(), re.M | re.S)


def context(name: str) -> tuple[click.Command, click.Context]:
    command = group.get_command(click.Context(group), name)
    assert command is not None
    return command, click.Context(command, info_name=f"edgecut {name}", **group.context_settings)


# The reference of the command line, written from the commands themselves.


def reference() -> str:
    parts = [
        "# The command line\n",
        "Written from the commands by `tests/test_docs.py`; do not edit.\n",
        "Results go to stdout, progress and errors to stderr. Exit codes are in the",
        "[how-to guides](../how-to.md#use-edgecut-in-a-script).\n",
        *(section(name) for name in sorted(COMMANDS)),
    ]
    return "\n".join(parts)


def section(name: str) -> str:
    command, ctx = context(name)
    arguments = [p.make_metavar(ctx) for p in command.params if isinstance(p, click.Argument)]
    options = [p for p in command.params if isinstance(p, click.Option)]
    usage = " ".join(["edgecut", name, "[OPTIONS]", *arguments])
    rows = "\n".join(f"| {shown(option)} | {meaning(option)} |" for option in options)
    text = inspect.cleandoc(command.help or "")
    return f"## {name}\n\n    {usage}\n\n{text}\n\n| option | |\n|---|---|\n{rows}\n"


def shown(option: click.Option) -> str:
    value = option.metavar or option.type.name.upper()
    if isinstance(option.type, click.Choice):
        value = "|".join(option.type.choices)
    text = option.opts[0] if option.is_flag else f"{option.opts[0]} {value}"
    return f"`{text}`".replace("|", "\\|")


def meaning(option: click.Option) -> str:
    assert option.help, f"{option.opts[0]} has no help"
    default = f" Default: {option.default}." if option.show_default else ""
    repeated = " May be repeated." if option.multiple and "several" not in option.help else ""
    return option.help + default + repeated + (" Required." if option.required else "")


def test_the_reference_of_the_command_line_is_up_to_date() -> None:
    if "UPDATE_GOLDEN" in os.environ:
        CLI.write_text(reference())
    assert CLI.read_text() == reference(), "run UPDATE_GOLDEN=1 pytest tests/test_docs.py"


# Commands.


def commands(path: Path) -> Iterator[list[str]]:
    for block in [*blocks(path, "sh"), *blocks(path, "console")]:
        for line in block.replace("\\\n", " ").splitlines():
            words = shlex.split(line.removeprefix("$ "), comments=True)
            if words[:1] == ["edgecut"]:
                end = words.index(">") if ">" in words else len(words)
                yield words[1:end]


def parse(words: list[str]) -> None:
    """Parse as ``edgecut`` would, and run nothing."""
    name, *arguments = words
    command, parent = context(name)
    command.make_context(name, list(arguments), parent=parent)


@pytest.mark.parametrize("path", [p for p in DOCUMENTS if any(commands(p))], ids=name_of)
def test_every_command_line_parses(path: Path) -> None:
    for words in commands(path):
        parse(words)


def test_a_wrong_command_line_does_not_parse() -> None:
    with pytest.raises(click.ClickException):
        parse(["build", "model.onnx", "--kept", "person"])


def test_the_readme_shows_every_command() -> None:
    assert {words[0] for words in commands(ROOT / "README.md")} == set(COMMANDS)


# Python and TOML.


def calls(text: str) -> Iterator[tuple[str, list[str]]]:
    """(name, keywords) of every ``edgecut.name(...)`` in a text."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            owner = node.func.value
            if isinstance(owner, ast.Name) and owner.id == "edgecut":
                yield node.func.attr, [str(keyword.arg) for keyword in node.keywords]


@pytest.mark.parametrize("path", [p for p in DOCUMENTS if blocks(p, "python")], ids=name_of)
def test_python_calls_what_there_is(path: Path) -> None:
    for block in blocks(path, "python"):
        for name, keywords in calls(block):
            assert name in edgecut.__all__
            parameters = inspect.signature(getattr(edgecut, name)).parameters
            if name == "load":  # it passes them on
                parameters = {**parameters, **inspect.signature(source.Source).parameters}
            assert set(keywords) <= set(parameters), name


def test_the_readme_uses_the_api() -> None:
    used = {name for block in blocks(ROOT / "README.md", "python") for name, _ in calls(block)}
    assert {"load", "build", "Source", "SampleSource"} <= used


def test_toml_examples_are_read(tmp_path: Path) -> None:
    kinds = []
    for i, block in enumerate(blocks(ROOT / "docs" / "how-to.md", "toml")):
        path = tmp_path / f"{i}.toml"
        path.write_text(block)
        is_recipe = tomllib.loads(block).get("kind") == "recipe"
        (recipe.read_recipe if is_recipe else target.read_target)(str(path))
        kinds.append(is_recipe)
    assert sorted(kinds) == [False, True]


def test_the_example_of_a_tree_is_read(tmp_path: Path) -> None:
    (block,) = blocks(ROOT / "docs" / "how-to" / "keep.md", "toml")
    (tmp_path / "yard.toml").write_text(block)
    tree = category_set.read_taxonomy(str(tmp_path / "yard.toml"))
    assert (len(tree.names), len(tree.leaves), len(tree.aliases)) == (5, 4, 2)


# Formats.


def keys_written(function: Callable[..., Any]) -> set[str]:
    """The keys of every dict that a function writes out."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(inspect.unwrap(function))))
    dicts = [node for node in ast.walk(tree) if isinstance(node, ast.Dict)]
    return {str(key.value) for d in dicts for key in d.keys if isinstance(key, ast.Constant)}


def all_keys() -> set[str]:
    values = (
        *(verification_module.Verification, demand.Refusal, source.Source, source.SampleSource),
        *(source.TargetSource, recipe.Recipe, recipe.Detections, category_set.CategorySet),
        *(
            target.Target,
            target.Int8,
            target.Peak,
            statistics.Summary,
            ratio.Ratio,
            comparison.Change,
        ),
    )
    writers: tuple[Callable[..., Any], ...] = (
        *(pipeline._write_papers, bundle.artifact_to_json, bundle.cost_to_json),
        *(
            category_json.to_json,
            tree_command.as_json,
            artifact.Port.to_json,
            *(timings.as_json, timings._rows, timings._ratios),
            measurement.Measurement.to_json,
            *(profile.Profile.to_json, profile.Operator.to_json, profile_command.as_json),
            compare_command.as_json,
            cut_command.summary,
        ),
    )
    # Trust in a model is given anew each time, and written nowhere.
    keys = {f.name for value in values for f in fields(value)} - {"trust"}
    keys |= {key for writer in writers for key in keys_written(writer)}
    for module in (inspect_command, verify_command):
        assert module.command.callback is not None
        keys |= keys_written(module.command.callback)
    return keys | {f.name for f in fields(cost.Cost)}


def test_every_key_of_every_format_is_described() -> None:
    named = set(re.findall(r"`\[{0,2}(\w+)\]{0,2}`", FORMATS.read_text()))
    assert {"cut_check", "permutation", "bursts_ms", "gmacs_per_s", "by_category"} <= all_keys()
    assert not all_keys() - named


# Text.


def anchors(path: Path) -> set[str]:
    titles = re.findall(r"^#+ (.+)$", path.read_text(), re.M)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_links_lead_somewhere(path: Path) -> None:
    prose = re.sub(r"^```.*?^```", "", path.read_text(), flags=re.M | re.S)
    for link in re.findall(r"\]\(([^)]+)\)", prose):
        if link.startswith("https://"):
            continue
        file, _, anchor = link.partition("#")
        goal = (path.parent / file).resolve() if file else path
        assert goal.exists(), link
        assert not anchor or anchor in anchors(goal), link


@pytest.mark.parametrize("path", ADRS, ids=name_of)
def test_a_decision_has_all_its_parts(path: Path) -> None:
    headings = re.findall(r"^## (.+)$", path.read_text(), re.M)
    assert headings == ["Status", "Context", "Decision", "Consequences"]
    assert path.read_text().startswith(f"# {path.name[:4]}. ")
    assert f"adr/{path.name}" in (ROOT / "docs" / "index.md").read_text()


def test_the_results_have_their_place() -> None:
    text = (ROOT / "README.md").read_text()
    assert text.count("<!-- results:begin -->") == text.count("<!-- results:end -->") == 1
