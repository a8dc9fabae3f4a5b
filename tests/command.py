"""The ``edgecut`` command, run inside the tests' own process or as a child."""

from __future__ import annotations

import contextlib
import io
import json
import signal
import sys
import warnings
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

from edgecut.cli.main import TRACEBACK, main

# A test of the command wants to see the traceback of what nobody foresaw.
SHOW_TRACEBACK = True


@dataclass(frozen=True)
class Outcome:
    """What a command printed, and its exit code."""

    code: int
    stdout: str
    stderr: str

    @property
    def json(self) -> Any:
        """What ``--json`` printed: JSON and nothing else."""
        return json.loads(self.stdout)


def edgecut(*arguments: object) -> Outcome:
    """Run ``edgecut`` with these arguments; a traceback would come out as the exception."""
    out, err = io.StringIO(), io.StringIO()
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        with (
            patch.object(sys, "argv", ["edgecut", *map(str, arguments)]),
            patch.dict("os.environ", {TRACEBACK: "1"} if SHOW_TRACEBACK else {}),
            warnings.catch_warnings(),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            main()
    except SystemExit as exit_:
        assert isinstance(exit_.code, int)
        return Outcome(exit_.code, out.getvalue(), err.getvalue())
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    raise AssertionError("main() returned instead of exiting")


def refused(code: str, *arguments: object) -> str:
    """Run ``edgecut``, which must refuse with this error; return what it said."""
    outcome = edgecut(*arguments)
    assert (outcome.code, outcome.stdout) == (1, ""), outcome
    assert f"error[{code}]: " in outcome.stderr, outcome.stderr
    assert "Traceback" not in outcome.stderr
    return outcome.stderr.partition(f"error[{code}]: ")[2]
