"""A conversation with ``supervisor.py`` on a device, through one ssh process."""

from __future__ import annotations

import contextlib
import io
import json
import math
import os
import secrets
import shlex
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from edgecut.runtimes import stderr_tail

_SUPERVISOR = Path(__file__).with_name("supervisor.py")
_GREETING_S = 120.0  # jump hosts, slow name servers, a slow device's Python
_GRACE_S = 5.0
_LINE_BYTES = 1 << 16
_CHUNK = 1 << 14
_NOISE_BYTES = 1 << 18

# It runs on any Python, so that one that is too old can be told. Every login shell takes the text
# as it is in single quotes. Modules of the home folder must not pass for the library's.
_BOOTSTRAP = (
    "import sys;"
    "sys.path[:]=[p for p in sys.path if p];"
    "v=sys.version_info[:2];"
    'v<(3,9) and sys.exit("edgecut-python %d.%d"%v);'
    'eval(compile(sys.stdin.buffer.read({size}),"supervisor.py","exec"))'
)


class Gone(Exception):
    """The conversation has ended before its time.

    ``why`` is ``ended`` where the ssh process has ended or stopped to speak, ``silent``, ``late``,
    ``stopped``, or ``nonsense`` where the device did not answer as agreed.
    """

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class Channel:
    """Orders to a supervisor, and its answers; ``with`` sees to it that nothing is left behind.

    A second thread sends a sign of life every few seconds. It ends the ssh process, and with it
    whatever the first thread waits for, when the device is silent or late, or when ``stop`` is set.

    Args:
        ssh: the words of an ssh command, the destination included.
        python: the Python on the device.
        stop: ends the conversation when set.
    """

    BEAT_S = 5.0
    SILENCE_S = 30.0
    """After so much silence each end takes the other for gone."""

    def __init__(self, ssh: Sequence[str], python: str, stop: threading.Event) -> None:
        text, self._word = _SUPERVISOR.read_bytes(), f"edgecut-{secrets.token_hex(8)}"
        bootstrap = shlex.quote(_BOOTSTRAP.format(size=len(text)))
        self._stop, self._over, self._writing = stop, threading.Event(), threading.Lock()
        self._why = "ended"
        self._met = False
        self._heard, self._deadline = time.monotonic(), math.inf
        self._stderr: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed by close()
        self._process = subprocess.Popen(
            [*ssh, f"exec {shlex.quote(python)} -u -c {bootstrap} {self._word}"],
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            env={**os.environ, "LC_ALL": "C"},  # what it says is looked through for known faults
            start_new_session=True,  # Ctrl-C is for this process, which ends that one in order
        )
        raw: Any = self._process.stdout
        self._source = io.BufferedReader(raw)
        request = {"beat_s": self.BEAT_S, "silence_s": self.SILENCE_S}
        self._write(text + json.dumps(request).encode() + b"\n")
        self._watchdog = threading.Thread(target=self._watch, daemon=True)
        self._watchdog.start()

    def greet(self) -> None:
        """Wait for the supervisor's greeting, behind whatever a login prints."""
        self._expect(_GREETING_S)
        noise = 0
        while (line := self._line()) != self._word.encode() + b"\n":
            noise += len(line)
            if noise > _NOISE_BYTES:
                raise Gone("nonsense")
        self._met = True

    def order(
        self,
        order: Mapping[str, Any],
        body: bytes = b"",
        *,
        sent: Callable[[int], None] = lambda count: None,
    ) -> None:
        """Send an order, and the bytes of a file behind it; ``sent`` is told how many are off."""
        with self._writing:
            self._write(json.dumps(order).encode() + b"\n")
            for start in range(0, len(body), _CHUNK):
                self._write(body[start : start + _CHUNK])
                self._heard = time.monotonic()  # someone takes it
                sent(min(start + _CHUNK, len(body)))

    def answer(self, within_s: float) -> dict[str, Any]:
        """The next answer that says more than that the device lives.

        Raises:
            Gone: there is none.
        """
        self._expect(within_s)
        while True:
            try:
                answer = json.loads(self._line())
            except (ValueError, RecursionError):
                raise Gone("nonsense") from None
            if not isinstance(answer, dict) or not isinstance(answer.get("is"), str):
                raise Gone("nonsense")
            if answer["is"] != "alive":
                return answer

    def read(self, size: int) -> bytes:
        """That many bytes, which follow an answer, in the time that the answer had.

        Raises:
            Gone: there are not as many.
        """
        content = bytearray()
        while len(content) < size:
            chunk = self._source.read1(min(size - len(content), _LINE_BYTES))
            if not chunk:
                raise Gone(self._why)
            self._heard = time.monotonic()
            content += chunk
        return bytes(content)

    def ending(self, gone: Gone) -> tuple[int | None, str]:
        """The exit code of the ssh process, None where it does not end, and the last it said."""
        code = None
        with contextlib.suppress(subprocess.TimeoutExpired):
            code = self._process.wait(_GRACE_S if gone.why == "ended" else 0)
        return code, stderr_tail(self._stderr)

    def close(self) -> None:
        """End the conversation: the supervisor has a moment to clean up and to leave."""
        self._over.set()
        self._watchdog.join()
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(_GRACE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._source.close()
        self._stderr.close()

    def __enter__(self) -> Self:
        """The channel."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close it."""
        self.close()

    def _expect(self, within_s: float) -> None:
        self._deadline = time.monotonic() + within_s

    def _line(self) -> bytes:
        line = self._source.readline(_LINE_BYTES)
        if not line.endswith(b"\n"):
            raise Gone("nonsense" if len(line) == _LINE_BYTES else self._why)
        self._heard = time.monotonic()
        return line

    def _write(self, content: bytes) -> None:
        assert self._process.stdin is not None
        left = memoryview(content)
        # Where the supervisor has left, its last answer says why, and who reads finds that.
        with contextlib.suppress(OSError):
            while left:
                left = left[self._process.stdin.write(left) :]

    def _watch(self) -> None:
        beat = time.monotonic()
        while not self._over.wait(min(0.2, self.BEAT_S)):
            if why := self._fault(time.monotonic()):
                self._why = why
                self._end(orderly=why != "silent")
                return
            if time.monotonic() - beat > self.BEAT_S:
                beat = time.monotonic()
                self._tell({"do": "alive"}, wait_s=0)

    def _fault(self, now: float) -> str:
        if self._stop.is_set():
            return "stopped"
        if now > self._deadline:
            return "late"
        return "silent" if self._met and now - self._heard > self.SILENCE_S else ""

    def _end(self, *, orderly: bool) -> None:
        if orderly and self._met:
            self._tell({"do": "end"}, wait_s=1)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_GRACE_S)
        self._process.kill()

    def _tell(self, order: Mapping[str, Any], *, wait_s: float) -> None:
        """Send an order from the second thread, unless the first is sending something."""
        if self._writing.acquire(timeout=wait_s):
            try:
                self._write(json.dumps(order).encode() + b"\n")
            finally:
                self._writing.release()
