"""A build that is stopped, by Ctrl-C, terminated or hung up, leaves nothing half-written."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from edgecut.bundle import MANIFEST_SCHEMA
from tests.e2e.models import Case

SAID = "stopped; nothing half-written was left behind"


def _start(case: Case, out: Path) -> subprocess.Popen[str]:
    arguments = ("build", *case.options, "--keep", "dog", "--out", out)
    return subprocess.Popen(
        [sys.executable, "-m", "edgecut", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "TMPDIR": str(out.parent / "tmp")},
    )


def _wait_for(process: subprocess.Popen[str], stage: str) -> str:
    """Read the progress until this stage begins."""
    assert process.stderr is not None
    said = ""
    for line in process.stderr:
        said += line
        if line.strip() == stage:
            return said
    raise AssertionError(f"the build ended before '{stage}':\n{said}")


@pytest.mark.parametrize(
    ("number", "stage", "everyone"),
    [
        (signal.SIGINT, "load", False),
        (signal.SIGINT, "check the cut", True),  # as a terminal does: the children as well
        (signal.SIGINT, "tflite int8", True),
        (signal.SIGINT, "openvino int8", False),
        (signal.SIGTERM, "openvino int8", False),
        (signal.SIGTERM, "verify tiny.int8.xml", False),
        (signal.SIGHUP, "tflite int8", True),  # as a closed terminal does
    ],
)
def test_a_stopped_build(
    detecting: Case, tmp_path: Path, number: int, stage: str, everyone: bool
) -> None:
    out = tmp_path / "dist"
    (tmp_path / "tmp").mkdir()
    process = _start(detecting, out)
    try:
        said = _wait_for(process, stage)
        (os.killpg if everyone else os.kill)(process.pid, number)
        stdout, rest = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
    assert (process.returncode, stdout) == (130, ""), said + rest
    assert rest.strip().splitlines()[-1] == SAID
    assert "Traceback" not in rest
    assert [path.name for path in tmp_path.iterdir()] == ["tmp"]
    assert list((tmp_path / "tmp").iterdir()) == []


def test_a_stopped_build_leaves_the_older_one(detecting: Case, tmp_path: Path) -> None:
    out = tmp_path / "dist"
    (tmp_path / "tmp").mkdir()
    out.mkdir()
    (out / "manifest.json").write_text(json.dumps({"schema": MANIFEST_SCHEMA, "artifacts": []}))
    process = _start(detecting, out)
    try:
        _wait_for(process, "tflite float32")
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 130
    assert [path.name for path in out.iterdir()] == ["manifest.json"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dist", "tmp"]
