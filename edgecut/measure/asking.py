"""What ``device.py`` reports, from a process of its own on this machine."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgecut import finite_json
from edgecut.errors import EdgecutError
from edgecut.runtimes import device_command, device_environment, stderr_tail

DYING_S = 1.0
"""Where nothing reaps orphans, they look alive for ever."""


def ask(command: str, spec: Mapping[str, Any], *, limit_s: float, what: str) -> dict[str, Any]:
    """The report of ``device.py COMMAND``; every process is gone afterwards, whatever happens.

    Args:
        command: ``bench`` or ``profile``.
        spec: what that command is told.
        limit_s: seconds after which it is given up.
        what: what errors are about: "the measurement".

    Raises:
        EdgecutError: ``runtime-failed``.
    """
    with (
        tempfile.TemporaryDirectory(prefix="edgecut-", ignore_cleanup_errors=True) as folder,
        tempfile.TemporaryFile() as stderr,
    ):
        spec_path = Path(folder) / "spec.json"
        spec_path.write_text(json.dumps(spec), encoding="utf-8")
        process = subprocess.Popen(
            device_command(command, str(spec_path)),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
            # What it and its children leave, ended in the middle of it all, goes with the folder.
            env={**device_environment(), "TMPDIR": folder},
            start_new_session=True,  # so that its children can be ended with it
        )
        try:
            stdout, _ = process.communicate(timeout=limit_s)
            if process.returncode != 0:
                raise ValueError(f"ended with exit code {process.returncode}")
            report = finite_json.loads(stdout.decode("utf-8"))
            if not isinstance(report, dict):
                raise ValueError("printed no report")
            return report
        except (subprocess.TimeoutExpired, ValueError) as error:
            late = isinstance(error, subprocess.TimeoutExpired)
            how = f"did not end within {limit_s:g} s" if late else str(error)
            tail = stderr_tail(stderr)
            raise EdgecutError(
                f"{what} {how}" + (f"; it said:\n{tail}" if tail else ""),
                code="runtime-failed",
                hint="`edgecut verify` shows whether each artifact runs at all",
            ) from error
        finally:
            _end(process)


def _await_end(process: subprocess.Popen[bytes]) -> None:
    """Wait for the group: what is not quite dead yet may still write into the folder."""
    process.wait()
    ends = time.monotonic() + DYING_S
    while time.monotonic() < ends:
        os.killpg(process.pid, 0)
        time.sleep(0.01)


def _end(process: subprocess.Popen[bytes]) -> None:
    if hasattr(os, "killpg"):
        # The group may outlive its leader: a hung child of a bench that failed.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
            _await_end(process)
    process.kill()
    process.wait()
    if process.stdout is not None:
        process.stdout.close()
