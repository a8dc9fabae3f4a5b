"""Work in a child process that may die."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from edgecut import contained
from edgecut.errors import EdgecutError

Answer = tuple[dict[str, Any], bytes]


def echo(asked: dict[str, Any], data: bytes) -> Answer:
    return {**asked, "pid": os.getpid()}, data[::-1]


def talk(_asked: dict[str, Any], data: bytes) -> Answer:
    os.write(1, b"what C++ has to say")
    print("and what Python has", flush=True)
    return {}, data


def refuse(_asked: dict[str, Any], _data: bytes) -> Answer:
    raise EdgecutError("no", code="refused", where="here", hint="go away")


def fail(_asked: dict[str, Any], _data: bytes) -> Answer:
    raise ZeroDivisionError("of ours")


def die(asked: dict[str, Any], _data: bytes) -> Answer:
    os.kill(os.getpid(), asked["signal"])
    return {}, b""


def take_all(_asked: dict[str, Any], _data: bytes) -> Answer:
    there = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {"length": len(bytes(int(0.8 * there)))}, b""


def forbidden(_asked: dict[str, Any], _data: bytes) -> Answer:
    raise PermissionError(13, "Permission denied", "w.data")


def hang(_asked: dict[str, Any], _data: bytes) -> Answer:
    while True:
        time.sleep(1)


def call(task: Any, data: bytes = b"", **asked: Any) -> Answer:
    return contained.call(f"{__name__}:{task.__name__}", asked, data, what="it.onnx")


def test_one_child_answers_again_and_again() -> None:
    data = bytes(range(256)) * 4096
    told, answer = call(echo, data, one="ä")
    assert (told["one"], answer) == ("ä", data[::-1]) and told["pid"] != os.getpid()
    assert call(echo)[0]["pid"] == told["pid"]


def test_what_is_written_to_the_terminal_is_no_answer() -> None:
    assert call(talk, b"answer") == ({}, b"answer")


def test_an_error_comes_over_whole_and_a_defect_with_its_trace() -> None:
    with pytest.raises(EdgecutError) as error:
        call(refuse)
    found = error.value
    assert (found.message, found.code, found.where, found.hint) == (
        *("no", "refused", "here", "go away"),
    )
    with pytest.raises(RuntimeError, match="ZeroDivisionError: of ours"):
        call(fail)


@pytest.mark.parametrize("deadly", [signal.SIGSEGV, signal.SIGKILL])
def test_a_death_is_an_error_and_the_next_call_starts_anew(deadly: signal.Signals) -> None:
    with pytest.raises(EdgecutError) as error:
        call(die, signal=int(deadly))
    assert error.value.code == "brought-down" and f"signal {int(deadly)}" in error.value.message
    assert "it.onnx" in error.value.message
    assert call(echo, b"ab")[1] == b"ba"


def test_a_child_outlives_the_thread_that_called_it_first() -> None:
    contained.end()
    for _ in range(3):
        thread = threading.Thread(target=call, args=[echo])
        thread.start()
        thread.join()
        assert call(echo, b"ab")[1] == b"ba"


def test_ctrl_c_is_the_parents_affair() -> None:
    pid = call(echo)[0]["pid"]
    os.kill(pid, signal.SIGINT)
    assert call(echo)[0]["pid"] == pid


def test_a_folder_that_is_gone_hinders_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert call(echo, b"ab")[1] == b"ba"


@pytest.mark.parametrize("path", [["nowhere"], []])
def test_a_child_that_does_not_start_is_no_fault_of_the_file(
    monkeypatch: pytest.MonkeyPatch, path: list[str]
) -> None:
    contained.end()
    with monkeypatch.context() as patched, pytest.raises(RuntimeError, match="child process"):
        patched.setattr(sys, "path", path)
        call(echo)


def test_memory_is_bounded() -> None:
    with pytest.raises(MemoryError):
        call(take_all)
    with pytest.raises(PermissionError) as error:
        call(forbidden)
    assert error.value.filename == "w.data"


def test_the_answer_to_a_call_that_was_interrupted_is_not_the_next_ones(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def interrupted(stream: Any) -> Any:
        raise KeyboardInterrupt

    first = call(echo)[0]["pid"]
    with monkeypatch.context() as patched:
        patched.setattr(contained, "_read", interrupted)
        with pytest.raises(KeyboardInterrupt):
            call(echo, b"old")
    told, answer = call(echo, b"new")
    assert answer == b"wen" and told["pid"] != first


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux")
def test_a_child_that_hangs_goes_with_its_parent(tmp_path: Path) -> None:
    told = tmp_path / "pid"
    code = (
        "import threading, time; from pathlib import Path; from tests import test_contained as t\n"
        f"pid = t.call(t.echo)[0]['pid']; Path({str(told)!r}).write_text(str(pid))\n"
        "threading.Thread(target=t.call, args=[t.hang], daemon=True).start(); time.sleep(60)"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    parent = subprocess.Popen([sys.executable, "-c", code], env=environment)
    try:
        while not told.exists() or not told.read_text():
            time.sleep(0.05)
            assert parent.poll() is None
    finally:
        parent.kill()
        parent.wait()
    for _ in range(200):
        if not Path(f"/proc/{told.read_text()}").exists():
            return
        time.sleep(0.05)
    raise AssertionError("it stayed behind")
