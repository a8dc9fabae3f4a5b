"""Errors and exit codes: every way out of the process."""

from __future__ import annotations

import signal
import subprocess
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

import click
import pytest

from edgecut.cli import main as cli
from edgecut.errors import EdgecutError, EdgecutWarning, MissingPackage, QualityGateMissed
from tests.command import Outcome, edgecut

GOLDEN = {
    EdgecutError(
        "'persn' is not a category of yolox_nano (80 categories)",
        code="unknown-category",
        hint="did you mean 'person'?",
    ): (
        "error[unknown-category]: 'persn' is not a category of yolox_nano (80 categories)\n"
        "  hint: did you mean 'person'?\n",
        1,
    ),
    EdgecutError("the node cannot be written", code="unsupported-operation", where="Det_7"): (
        "error[unsupported-operation]: the node cannot be written\n  where: Det_7\n",
        1,
    ),
    EdgecutError("Det_7 cannot be written", code="unsupported-operation", where="Det_7"): (
        "error[unsupported-operation]: Det_7 cannot be written\n",
        1,
    ),
    EdgecutError("[bold]markup[/bold] is text", code="some-code", hint="[red]here too[/red]"): (
        "error[some-code]: [bold]markup[/bold] is text\n  hint: [red]here too[/red]\n",
        1,
    ),
    MissingPackage("nncf", extra="openvino", why="int8 for OpenVINO"): (
        "error[missing-package]: int8 for OpenVINO needs the package 'nncf', which is not "
        "installed\n  hint: pip install 'edgecut[openvino]'\n",
        1,
    ),
    QualityGateMissed("too far off: a.tflite", code="verification-failed"): (
        "error[verification-failed]: too far off: a.tflite\n",
        3,
    ),
}


@contextmanager
def command(error: BaseException) -> Iterator[None]:
    """Let `edgecut targets` raise this."""

    @click.command(name="targets")
    def targets() -> None:
        raise error

    with patch.object(cli.LazyGroup, "get_command", lambda *_: targets):
        yield


def ended_by(error: BaseException) -> Outcome:
    with command(error), patch("tests.command.SHOW_TRACEBACK", False):
        return edgecut("targets")


@pytest.mark.parametrize("error", GOLDEN, ids=lambda error: f"{error.code}-{error.where}")
def test_how_an_error_looks(error: EdgecutError) -> None:
    text, code = GOLDEN[error]
    assert ended_by(error) == Outcome(code, "", text)


def test_a_keyboard_interrupt() -> None:
    said = ended_by(KeyboardInterrupt())
    # click begins a new line, for the terminal shows ^C on the old one.
    assert said == Outcome(130, "", "\nstopped; nothing half-written was left behind\n")


def test_a_closed_pipe_is_no_error() -> None:
    code = (
        "import os, sys; from edgecut.cli.main import main\n"
        "read, write = os.pipe(); os.close(read); os.dup2(write, 1)\n"
        "sys.argv = ['edgecut', 'targets', '--json']; main()"
    )
    child = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert child.stderr == ""


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(28, "No space left on device", "dist/a.bin"), "system]: dist/a.bin: No space"),
        (MemoryError(), "system]: there is not enough memory"),
        (ZeroDivisionError("division by zero"), "internal]: ZeroDivisionError: division by zero"),
    ],
)
def test_what_nobody_foresaw_is_told_without_a_traceback(error: Exception, said: str) -> None:
    outcome = ended_by(error)
    assert (outcome.code, outcome.stdout) == (1, "")
    assert outcome.stderr.startswith(f"error[{said}")
    assert "Traceback" not in outcome.stderr
    if "internal" in said:
        assert "EDGECUT_TRACEBACK=1" in outcome.stderr


def test_a_traceback_on_demand() -> None:
    with command(ZeroDivisionError("division by zero")), pytest.raises(ZeroDivisionError):
        edgecut("targets")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["bild"], "No such command 'bild'"),
        (["build"], "Missing option '--keep'"),
        (["build", "a.onnx", "--keep"], "'--keep' requires an argument"),
        (["build", "a.onnx", "--keep", "a", "--scheme", "int4"], "'int4' is not one of"),
        (["targets", "--colour"], "No such option"),
    ],
)
def test_wrong_usage(arguments: list[str], said: str) -> None:
    outcome = edgecut(*arguments)
    assert (outcome.code, outcome.stdout) == (2, "")
    assert said in outcome.stderr and "Traceback" not in outcome.stderr


def test_without_a_command_the_help_is_shown() -> None:
    outcome = edgecut()
    assert outcome.code == 2
    assert "inspect" in outcome.stdout + outcome.stderr


def test_our_warnings_are_notes_and_those_of_others_are_not_shown() -> None:
    @click.command(name="targets")
    def targets() -> None:
        warnings.warn("three images left out", EdgecutWarning, stacklevel=1)
        warnings.warn("this will go away", DeprecationWarning, stacklevel=1)

    with patch.object(cli.LazyGroup, "get_command", lambda *_: targets):
        assert edgecut("targets") == Outcome(0, "", "note: three images left out\n")


@pytest.fixture
def hang_up() -> Iterator[signal.Signals]:
    """SIGHUP, whose handler is put back."""
    before = signal.getsignal(signal.SIGHUP)
    yield signal.SIGHUP
    signal.signal(signal.SIGHUP, before)


def test_hanging_up_is_like_an_interrupt_once(hang_up: signal.Signals) -> None:
    with pytest.raises(KeyboardInterrupt):
        cli._interrupt(hang_up, None)
    # A terminal that closes does it again.
    assert signal.getsignal(hang_up) is signal.SIG_IGN


@pytest.mark.parametrize("handler", [signal.SIG_IGN, signal.SIG_DFL], ids=["nohup", "terminal"])
def test_nohup_is_respected(hang_up: signal.Signals, handler: signal.Handlers) -> None:
    seen = []

    @click.command(name="targets")
    def targets() -> None:
        seen.append(signal.getsignal(hang_up))

    signal.signal(hang_up, handler)
    with patch.object(cli.LazyGroup, "get_command", lambda *_: targets):
        edgecut("targets")
    assert seen == [signal.SIG_IGN if handler is signal.SIG_IGN else cli._interrupt]


def test_the_version() -> None:
    from edgecut import __version__

    assert edgecut("--version").stdout == f"edgecut, version {__version__}\n"
