"""The ``edgecut`` command: finds subcommands lazily, and turns errors into messages and codes."""

from __future__ import annotations

import signal
import sys
from importlib import import_module
from types import FrameType

import click

from edgecut import __version__
from edgecut.errors import EdgecutError

# Name -> help line: `edgecut --help` imports no command, and so nothing heavy.
COMMANDS = {
    "bench": "Time artifacts on this machine, full against cut, beside their GMACs.",
    "build": "Cut, emit, quantise and verify: a model becomes artifacts for devices.",
    "cut": "Cut a model to the categories you keep, and check that it is exact.",
    "evaluate": "Judge full, cut and artifacts by accuracy per kept category.",
    "inspect": "Show a model's categories, where its slots are, and what they cost.",
    "targets": "List the devices that edgecut knows.",
    "verify": "Run every artifact of a build again, and compare it with the network.",
}


class LazyGroup(click.Group):
    """A group whose commands live in ``edgecut.cli.NAME`` and are imported when they are run."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of all commands."""
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name, or None."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(f"edgecut.cli.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands, from the table alone."""
        with formatter.section("Commands"):
            formatter.write_dl(sorted(COMMANDS.items()))


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="edgecut")
def group() -> None:
    r"""Cut a vision model to the categories you need, and ship it to the edge.

    \b
    edgecut inspect yolox_nano.onnx --labels coco80
    edgecut build yolox_nano.onnx --labels coco80 --keep person,car \
        --recipe yolox --samples photos/ --target raspberry-pi-4 --out dist/
    """


def main() -> None:
    """Run the command line; every way out of the process goes through here."""
    # A terminated build cleans up after itself as one stopped by Ctrl-C does.
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        code = group.main(standalone_mode=False)
    except EdgecutError as error:
        _show(error)
        sys.exit(error.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        click.echo("stopped; nothing half-written was left behind", err=True)
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()  # or Python complains about the closed pipe once more
        sys.exit(0)
    sys.exit(code if isinstance(code, int) else 0)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _show(error: EdgecutError) -> None:
    click.echo(f"{click.style(f'error[{error.code}]', fg='red')}: {error.message}", err=True)
    if error.where and error.where not in error.message:
        click.echo(f"  where: {error.where}", err=True)
    if error.hint:
        click.echo(f"  hint: {error.hint}", err=True)
