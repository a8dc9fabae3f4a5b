"""The ``edgecut`` command: finds subcommands lazily, and turns errors into messages and codes."""

from __future__ import annotations

import os
import signal
import sys
import warnings
from importlib import import_module
from types import FrameType
from typing import Any

import click

from edgecut import __version__
from edgecut.cli import render
from edgecut.errors import EdgecutError, EdgecutWarning

TRACEBACK = "EDGECUT_TRACEBACK"

HELP = """Cut a vision model to the categories you need, and ship it to the edge.

\b
edgecut inspect yolox_nano.onnx --labels coco80
edgecut build yolox_nano.onnx --labels coco80 --keep person,car \\
    --recipe yolox --samples photos/ --target raspberry-pi-4 --out dist/
"""
# Name -> help line: `edgecut --help` imports no command, and so nothing heavy.
COMMANDS = {
    "bench": "Time the artifacts of a build, here or on a device.",
    "build": "Cut a model and write verified artifacts for devices.",
    "compare": "Say what became slower between two benchmarks.",
    "cut": "Cut a model to the categories you keep.",
    "evaluate": "Judge full, cut and artifacts by accuracy.",
    "inspect": "Show a model's categories and what they cost.",
    "profile": "Show where an artifact's time goes, operator by operator.",
    "report": "Tell all that is known of a build, as a page, too.",
    "train": "Train a network that cuts well.",
    "targets": "List the devices that edgecut knows.",
    "tree": "Show a tree of categories and what its branches cost.",
    "verify": "Check a build again, on the artifacts' own runtimes.",
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


@click.group(cls=LazyGroup, help=HELP, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="edgecut")
def group() -> None:
    """Stand above all commands."""


def main() -> None:
    """Run the command line; every way out of the process goes through here."""
    _catch_signals()
    # Other packages' warnings are for their developers; ours are notes for the user.
    warnings.simplefilter("ignore")
    warnings.simplefilter("always", EdgecutWarning)
    warnings.showwarning = _note
    try:
        code = group.main(prog_name="edgecut", standalone_mode=False)
    except EdgecutError as error:
        render.print_error(error)
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
    except Exception as error:
        if TRACEBACK in os.environ:
            raise
        render.print_error(_unforeseen(error))
        sys.exit(1)
    sys.exit(code if isinstance(code, int) else 0)


def _catch_signals() -> None:
    """Whoever is terminated, or loses its terminal, cleans up as one stopped by Ctrl-C does."""
    signal.signal(signal.SIGTERM, _interrupt)
    # Windows has no SIGHUP, and nohup has it ignored.
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        signal.signal(signal.SIGHUP, _interrupt)


def _interrupt(number: int, frame: FrameType | None) -> None:
    # A closing terminal hangs up twice, and the second time must not interrupt the cleaning.
    signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def _note(message: Warning | str, *_: Any, **__: Any) -> None:
    click.echo(f"note: {message}", err=True)


def _unforeseen(error: Exception) -> EdgecutError:
    """Whatever no stage expected: the system's own words, or a defect of ours."""
    if isinstance(error, OSError) and error.strerror:
        place = f"{error.filename}: " if error.filename else ""
        return EdgecutError(f"{place}{error.strerror}", code="system")
    if isinstance(error, MemoryError):
        return EdgecutError("there is not enough memory", code="system")
    return EdgecutError(
        f"{type(error).__name__}: {error}",
        code="internal",
        hint=f"this is a defect of edgecut: please report it, with what {TRACEBACK}=1 shows",
    )
