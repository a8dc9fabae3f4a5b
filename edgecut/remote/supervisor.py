"""Supervises benchmarks on a device: what it starts there ends with the connection to the host.

The host sends this text through ssh to Python 3.9 or newer on the device, which runs it from
memory with the standard library alone. It takes the device's lock, makes a private folder,
receives files, runs ``device.py`` in it, and sends back what that printed. When its input ends,
when nothing has come for a while, when it is told to or is sent a signal, it kills what it
started, removes the folder and ends, which frees the lock.

Both directions carry lines of JSON. The host sends a request, then orders:
``{"do": "open" | "put" | "run" | "end" | "alive"}``; a ``put`` is followed by the file's bytes.
Answers are ``{"is": ...}``; a ``report`` is followed by its bytes. ``alive`` says nothing else:
each end sends it every few seconds, since a dropped link ends no input.
"""

from __future__ import annotations

import _thread
import contextlib
import errno
import fcntl
import hashlib
import importlib.util
import json
import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time
from typing import IO, Any

PREFIX = "edgecut-device-"
CHUNK = 1 << 16
TAIL_BYTES = 4000
SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)


class Supervisor:
    """One session of the host's on the device."""

    def __init__(self, request: dict[str, Any], source: IO[bytes], sink: IO[bytes]) -> None:
        self.request, self.source, self.sink = request, source, sink
        self.heard = time.monotonic()
        self.saying = threading.Lock()
        self.ending = threading.Lock()
        self.lock: int | None = None
        self.lock_path = ""
        self.folder: str | None = None
        self.child: subprocess.Popen[bytes] | None = None

    def serve(self) -> None:
        """Follow orders until the input ends."""
        threading.Thread(target=self.watch, daemon=True).start()
        try:
            while self.obey(self.source.readline(CHUNK)):
                self.heard = time.monotonic()
        finally:
            self.end()

    def obey(self, line: bytes) -> bool:
        """Carry out one order; whether another may follow."""
        order = json.loads(line) if line else {"do": "end"}
        if order["do"] == "put":
            self.attempt(self.put, order)
        elif order["do"] in ("open", "run"):
            # Aside, so that the end of the input is noticed at once.
            work = getattr(self, order["do"])
            threading.Thread(target=self.attempt, args=(work, order), daemon=True).start()
        return bool(order["do"] != "end")

    def attempt(self, work: Any, order: dict[str, Any]) -> None:
        """Do it; a fault is told and ends the session."""
        try:
            work(order)
        except Exception as error:
            self.fault(error)
            self.end()

    def watch(self) -> None:
        """Tell the host that this end lives, and end when the host no longer does."""
        while time.monotonic() - self.heard < self.request["silence_s"]:
            time.sleep(self.request["beat_s"])
            # Where an answer is on its way, that is sign enough, and its lock may be held for long.
            if self.saying.acquire(blocking=False):
                try:
                    self.send(b'{"is": "alive"}\n')
                finally:
                    self.saying.release()
        self.end()

    def open(self, order: dict[str, Any]) -> None:
        """Take the lock, clear what a killed supervisor left behind, make the folder."""
        until = time.monotonic() + order["wait_s"]
        told = False
        while (lock := take_lock(order["lock"])) is None:
            held = read_lock(order["lock"])
            if time.monotonic() >= until:
                self.say({"is": "busy", **held})
                return
            if not told:
                self.say({"is": "waiting", **held})
                told = True
            time.sleep(0.5)
        self.lock, self.lock_path = lock, order["lock"]
        sweep()
        with self.ending:
            self.folder = tempfile.mkdtemp(prefix=PREFIX)  # mode 700
        needs = order["needs"]
        self.say(
            {
                "is": "open",
                "missing": [any_of for any_of in needs if not any(map(installed, any_of))],
                "free_bytes": shutil.disk_usage(self.folder).free,
            }
        )

    def put(self, order: dict[str, Any]) -> None:
        """Receive a file, and say what hash it has where it now lies."""
        assert self.folder is not None
        path, left = os.path.join(self.folder, order["name"]), order["size"]
        with open(path, "wb") as file:
            while left:
                chunk = self.source.read1(min(left, CHUNK))  # type: ignore[attr-defined]
                if not chunk:
                    return  # the next line of input says that it has ended
                self.heard = time.monotonic()
                left -= len(chunk)
                file.write(chunk)
        self.say({"is": "put", "sha256": sha256(path)})

    def run(self, order: dict[str, Any]) -> None:
        """Run ``device.py`` in the folder, and send what it printed."""
        assert self.folder is not None and self.lock is not None
        printed = os.path.join(self.folder, "stdout")
        said = os.path.join(self.folder, "stderr")
        with open(printed, "wb") as stdout, open(said, "wb") as stderr, self.ending:
            self.child = subprocess.Popen(
                [sys.executable, *order["arguments"]],
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                # Its temporary files go with the folder, also where it is killed.
                env={
                    **os.environ,
                    **order["environment"],
                    **dict.fromkeys(("TMPDIR", "TEMP", "TMP"), self.folder),
                },
                start_new_session=True,
                # Should this process be killed, the lock is held until that one has ended.
                pass_fds=(self.lock,),
            )
        # A wait with a limit would poll, and so disturb what is measured.
        started = time.monotonic()
        limit = threading.Timer(order["limit_s"], self.kill)
        limit.daemon = True
        limit.start()
        code = self.child.wait()
        late = code == -signal.SIGKILL and time.monotonic() - started >= order["limit_s"]
        limit.cancel()
        self.kill()
        with self.ending:  # where the end has begun, it was the one that killed, and all is said
            pass
        size = os.path.getsize(printed)
        if code != 0 or size > order["most_bytes"]:
            what = "late" if late else "failed"
            self.say({"is": what, "code": code, "size": size, "stderr": tail(said)})
            return
        with open(printed, "rb") as file:
            self.say({"is": "report", "size": size}, file)

    def say(self, answer: dict[str, Any], body: IO[bytes] | None = None) -> None:
        """Send one line, and the bytes of a file behind it."""
        with self.saying:
            self.send(json.dumps(answer).encode() + b"\n")
            while body is not None and (chunk := body.read(CHUNK)):
                self.send(chunk)

    def send(self, content: bytes) -> None:
        """Send bytes; where nobody takes them, end."""
        try:
            self.sink.write(content)
            self.sink.flush()
        except OSError:
            self.end()

    def fault(self, error: Exception) -> None:
        """Tell of a fault."""
        code = getattr(error, "errno", None)
        full = code in (errno.ENOSPC, errno.EDQUOT)
        self.say({"is": "fault", "full": full, "error": f"{type(error).__name__}: {error}"})

    def kill(self) -> None:
        """Kill what was started, and all that it started."""
        if self.child is not None:
            with contextlib.suppress(OSError):
                os.killpg(self.child.pid, signal.SIGKILL)
            self.child.wait()

    def end(self) -> None:
        """Leave nothing behind. Whichever thread comes first does it, and ends the process."""
        self.ending.acquire()
        self.kill()
        remove(self.folder)
        if self.lock is not None:
            drop_lock(self.lock, self.lock_path)
        os._exit(0)


def take_lock(path: str) -> int | None:
    """An open file that holds the lock and says since when; None where another holds it.

    The kernel frees such a lock with the last process that has the file open.
    """
    while True:
        file = open_lock(path)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(file)
            return None
        if same_file(file, path):
            break
        os.close(file)  # its holder has just removed it
    os.ftruncate(file, 0)
    os.pwrite(file, json.dumps(holder()).encode(), 0)
    return file


def holder() -> dict[str, Any]:
    """Who this is, for others to read in the lock: since when, whose process, from where."""
    try:
        user = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        user = str(os.getuid())
    return {
        "since": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "pid": os.getpid(),
        "user": user,
        "from": os.environ.get("SSH_CONNECTION", "").partition(" ")[0],
    }


def drop_lock(file: int, path: str) -> None:
    """Remove the lock's file while it is held; whoever waits for it finds that, and makes anew."""
    # Where it is another user's, a folder like /tmp keeps it, and it holds nobody back.
    with contextlib.suppress(OSError):
        if same_file(file, path):
            os.unlink(path)
    os.close(file)


def open_lock(path: str) -> int:
    """The lock's file, which every user of the device may open."""
    flags = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
    try:
        # Without O_CREAT: Linux forbids that on others' files in a folder like /tmp.
        file = os.open(path, flags)
    except FileNotFoundError:
        try:
            file = os.open(path, flags | os.O_CREAT | os.O_EXCL, 0o666)
        except FileExistsError:
            return open_lock(path)
        os.fchmod(file, 0o666)
    if not stat.S_ISREG(os.fstat(file).st_mode):
        os.close(file)
        raise OSError(f"{path} is not a file")
    return file


def same_file(file: int, path: str) -> bool:
    """Whether the open file is still the one at the path."""
    try:
        return os.path.samestat(os.fstat(file), os.stat(path))
    except FileNotFoundError:
        return False


def read_lock(path: str) -> dict[str, Any]:
    """What the holder of the lock wrote of itself; empty where that cannot be read."""
    try:
        with open(path, "rb") as file:
            held = json.loads(file.read(400))
        return {key: str(held[key]) for key in ("since", "pid", "user", "from")}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def sweep() -> None:
    """Remove this user's folders of benchmarks that were killed; whoever holds the lock may."""
    for item in os.scandir(tempfile.gettempdir()):
        if item.name.startswith(PREFIX) and item.is_dir(follow_symlinks=False):
            # A folder of another user is not ours to remove, and stays.
            shutil.rmtree(item.path, ignore_errors=True)


def remove(folder: str | None) -> None:
    """Remove a folder, also where a dying process still writes into it."""
    for _ in range(20):
        if folder is None or not os.path.lexists(folder):
            return
        shutil.rmtree(folder, ignore_errors=True)
        time.sleep(0.05)


def installed(module: str) -> bool:
    """Whether Python would find the module."""
    return importlib.util.find_spec(module) is not None


def sha256(path: str) -> str:
    """The hash of a file's content."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def tail(path: str) -> str:
    """The last characters of a text file."""
    with open(path, "rb") as file:
        file.seek(max(0, os.path.getsize(path) - TAIL_BYTES))
        return file.read().decode("utf-8", errors="replace")


def main() -> None:
    """Greet with the word that the host chose, and serve its request."""
    source, sink = sys.stdin.buffer, sys.stdout.buffer
    sink.write(f"\n{sys.argv[1]}\n".encode())
    sink.flush()
    supervisor = Supervisor(json.loads(source.readline(CHUNK)), source, sink)
    for number in SIGNALS:
        # In a thread, not as an exception: signals come in pairs, as when systemd ends a session,
        # and an exception would fall into the cleaning up after the one before.
        signal.signal(number, lambda *_: _thread.start_new_thread(supervisor.end, ()))
    supervisor.serve()


if __name__ == "__main__":
    main()
