"""Every command and every option says what it is for."""

from __future__ import annotations

import click
import pytest

from edgecut.cli.main import COMMANDS, group
from tests.command import edgecut


def command(name: str) -> click.Command:
    found = group.get_command(click.Context(group), name)
    assert found is not None
    return found


def test_the_help_names_every_command_and_an_example() -> None:
    said = edgecut("--help")
    assert (said.code, said.stderr) == (0, "")
    for name, line in COMMANDS.items():
        assert f"  {name}" in said.stdout and line in said.stdout
    # As the user would type it, on lines of its own.
    assert "\n  edgecut build yolox_nano.onnx --labels coco80 --keep person,car \\\n" in said.stdout
    assert "\b" not in said.stdout


def test_every_module_is_a_command() -> None:
    from pathlib import Path

    import edgecut.cli

    inside = {path.stem for path in Path(edgecut.cli.__file__).parent.glob("*.py")}
    assert set(COMMANDS) == inside - {"__init__", "camera", "main", "options", "render", "timings"}


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_a_command_is_documented(name: str) -> None:
    found = command(name)
    assert found.name == name
    assert found.help and found.help.strip()
    assert found.callback is not None and found.callback.__doc__
    for parameter in found.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, f"{name} {parameter.opts}"
            assert parameter.help[0].isupper() and parameter.help.endswith("."), parameter.help
        else:
            assert str(parameter.name).upper() in str(found.help), f"{name} {parameter.name}"


@pytest.mark.parametrize("name", sorted(COMMANDS))
@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_a_command_shows_its_help(name: str, flag: str) -> None:
    said = edgecut(name, flag)
    assert (said.code, said.stderr) == (0, "")
    assert said.stdout.startswith(f"Usage: edgecut {name}")
    assert max(map(len, said.stdout.splitlines())) <= 80


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_prints_json_on_demand(name: str) -> None:
    assert "--json" in {opt for parameter in command(name).params for opt in parameter.opts}
