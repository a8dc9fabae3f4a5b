"""Work on what comes from outside, in a child process that may die without harm.

The onnx package, its optimiser and ONNX Runtime are C++ that was not written for files which mean
harm, and a fault there ends the process. One child does all such work, one thing after the other,
so that what is slow to import is imported once. Where it dies, the next call starts anew.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import importlib
import json
import os
import signal
import struct
import subprocess
import sys
import threading
import traceback
from typing import IO, Any

from edgecut.errors import EdgecutError

_HEAD = struct.Struct(">QQ")
_PR_SET_PDEATHSIG = 1
_ERROR, _FAULT = "error", "fault"

_lock = threading.Lock()
_child: subprocess.Popen[bytes] | None = None

Told = dict[str, Any]


def call(task: str, asked: Told, data: bytes = b"", *, what: str) -> tuple[Told, bytes]:
    """What a function gives for these arguments, in the child.

    Args:
        task: ``module:function``, of a function that takes and gives ``(plain values, bytes)``.
        asked: its first argument, as JSON holds it.
        data: its second argument.
        what: what is worked on, for messages.

    Raises:
        EdgecutError: what the function raises, or ``brought-down`` where the child dies.
    """
    with _lock:
        child = _running()
        assert child.stdin is not None and child.stdout is not None
        try:
            _write(child.stdin, {"task": task, "folder": os.getcwd(), "asked": asked}, data)
            told, answer = _read(child.stdout)
        except (OSError, EOFError) as error:
            raise _brought_down(what) from error
        except BaseException:  # Ctrl-C: the answer to this must not be taken for the next one's
            end()
            raise
    if _FAULT in told:
        raise RuntimeError(told[_FAULT])
    if _ERROR in told:
        message, *rest = told[_ERROR]
        raise EdgecutError(message, **dict(zip(("code", "where", "hint"), rest, strict=True)))
    return told, answer


def end() -> None:
    """End the child, if there is one."""
    global _child
    child, _child = _child, None
    if child is None:
        return
    child.kill()  # it holds nothing that must be saved
    child.wait()
    for pipe in (child.stdin, child.stdout):
        with contextlib.suppress(OSError):  # what was buffered for a dead child
            if pipe is not None:
                pipe.close()


atexit.register(end)


def _running() -> subprocess.Popen[bytes]:
    global _child
    if _child is not None and _child.poll() is not None:
        end()  # it went with the thread that had started it
    if _child is None:
        _child = subprocess.Popen(
            [sys.executable, "-P", "-m", __name__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )
    return _child


def _brought_down(what: str) -> EdgecutError:
    """What to say of a child that died; ``end`` reaps what is left of it."""
    assert _child is not None
    with contextlib.suppress(subprocess.TimeoutExpired):
        _child.wait(timeout=5)
    code = _child.returncode
    end()
    how = f"signal {-code}" if code is not None and code < 0 else f"exit code {code}"
    return EdgecutError(
        f"{what} brings down the library that reads it ({how})",
        code="brought-down",
        hint="the file is damaged or made to do harm, or memory ran out; `python -m onnx.checker` "
        "on it may tell more",
    )


def _write(stream: IO[bytes], told: Told, data: bytes) -> None:
    head = json.dumps(told).encode()
    stream.write(_HEAD.pack(len(head), len(data)) + head)
    stream.write(data)
    stream.flush()


def _read(stream: IO[bytes]) -> tuple[Told, bytes]:
    told, data = _HEAD.unpack(_exactly(stream, _HEAD.size))
    return json.loads(_exactly(stream, told)), _exactly(stream, data)


def _exactly(stream: IO[bytes], size: int) -> bytes:
    data = stream.read(size)
    if len(data) < size:
        raise EOFError
    return data


def _done(task: str, asked: Told, data: bytes) -> tuple[Told, bytes]:
    module, _, function = task.partition(":")
    try:
        told, answer = getattr(importlib.import_module(module), function)(asked, data)
        return told, answer
    except EdgecutError as error:
        return {_ERROR: [error.message, error.code, error.where, error.hint]}, b""
    except Exception:  # a defect of ours, to be told where it is seen
        return {_FAULT: traceback.format_exc()}, b""


def main() -> None:
    """The child: answer until nobody asks any more."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C reaches the child, too
    _die_with_parent()
    # C++ writes to the terminal where it likes; only answers go the way of answers.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    with contextlib.suppress(EOFError, BrokenPipeError):
        while True:
            told, data = _read(sys.stdin.buffer)
            os.chdir(told["folder"])  # paths mean here what they mean there
            _write(answers, *_done(told["task"], told["asked"], data))


def _die_with_parent() -> None:
    """Else a child that hangs in C++ would stay behind; elsewhere than on Linux it may."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


if __name__ == "__main__":
    main()
