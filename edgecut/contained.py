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
from concurrent.futures import ThreadPoolExecutor
from typing import IO, Any

from edgecut.errors import EdgecutError

SHARE_OF_MEMORY = 0.75
_HEAD = struct.Struct(">QQ")
_PR_SET_PDEATHSIG = 1
# What an answer may hold.
_GIVEN, _ERROR, _SYSTEM, _MEMORY, _FAULT = "given", "error", "system", "memory", "fault"
_HELLO = "hello"
_CODE = (
    f"import json, sys; sys.path[:] = json.loads(sys.argv[1]); from {__name__} import main; main()"
)

_lock = threading.Lock()
_child: subprocess.Popen[bytes] | None = None
# A child that is told to die with its parent dies with the thread that started it.
_starter = ThreadPoolExecutor(1, thread_name_prefix="edgecut-contained")

Told = dict[str, Any]


def call(task: str, asked: Told, data: bytes = b"", *, what: str) -> tuple[Told, bytes]:
    """What a function gives for these arguments, in the child.

    Args:
        task: ``module:function``, of a function that takes and gives ``(plain values, bytes)``.
        asked: its first argument, as JSON holds it. Paths are absolute: the child may be elsewhere.
        data: its second argument.
        what: what is worked on, for messages.

    Raises:
        EdgecutError: what the function raises, or ``brought-down`` where the child dies.
        OSError: what the function raises, as of a file that cannot be read.
        MemoryError: the function takes more than three quarters of the machine's memory.
    """
    with _lock:
        child = _running()
        assert child.stdin is not None and child.stdout is not None
        try:
            _write(child.stdin, {"task": task, "asked": asked}, data)
            told, answer = _read(child.stdout)
        except (OSError, EOFError) as error:
            raise _brought_down(what) from error
        except BaseException:  # Ctrl-C: the answer to this must not be taken for the next one's
            end()
            raise
    _raise_what_was_raised(told)
    given: Told = told[_GIVEN]
    return given, answer


def _raise_what_was_raised(told: Told) -> None:
    if _ERROR in told:
        message, *rest = told[_ERROR]
        raise EdgecutError(message, **dict(zip(("code", "where", "hint"), rest, strict=True)))
    if _SYSTEM in told:
        raise OSError(*told[_SYSTEM])
    if _MEMORY in told:
        raise MemoryError(told[_MEMORY])
    if _FAULT in told:
        raise RuntimeError(told[_FAULT])


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
    if _child is None:
        _child = _starter.submit(_started).result()
        assert _child.stdout is not None
        try:
            hello, _ = _read(_child.stdout)
        except EOFError:
            hello = {}
        if _HELLO not in hello:
            end()
            raise RuntimeError(f"{sys.executable} does not run edgecut in a child process")
    return _child


def _started() -> subprocess.Popen[bytes]:
    # The same edgecut as here, wherever it was found.
    path = json.dumps([place or os.getcwd() for place in sys.path])
    return subprocess.Popen(
        [sys.executable, "-P", "-c", _CODE, path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )


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
        return {_GIVEN: told}, answer
    except EdgecutError as error:
        return {_ERROR: [error.message, error.code, error.where, error.hint]}, b""
    except OSError as error:
        return {_SYSTEM: [error.errno, error.strerror or str(error), error.filename]}, b""
    except MemoryError as error:
        return {_MEMORY: str(error)}, b""
    except Exception:  # a defect of ours, to be told where it is seen
        return {_FAULT: traceback.format_exc()}, b""


def main() -> None:
    """The child: answer until nobody asks any more."""
    # Ctrl-C reaches the child, too; it is the parent's to end it, or to go on.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform == "linux":
        _bind_to_parent()
    # C++ writes to the terminal where it likes; only answers go the way of answers.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    with contextlib.suppress(EOFError, BrokenPipeError):
        _write(answers, {_HELLO: 1}, b"")
        while True:
            told, data = _read(sys.stdin.buffer)
            _write(answers, *_done(told["task"], told["asked"], data))


def _bind_to_parent() -> None:
    """Die with it, even where C++ hangs, and take no more than a share of the memory.

    The limit is one of data: it leaves files that are mapped alone.
    """
    import resource

    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    there = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    _, most = resource.getrlimit(resource.RLIMIT_DATA)
    limit = int(SHARE_OF_MEMORY * there)
    resource.setrlimit(
        resource.RLIMIT_DATA, (limit if most == resource.RLIM_INFINITY else min(limit, most), most)
    )
