"""A device: a real OpenSSH server with keys of its own, run by the tests as the current user.

What it runs has a temporary folder of its own, by which its files and its processes are known.
"""

from __future__ import annotations

import contextlib
import functools
import getpass
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

SSHD = shutil.which("sshd", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
PRIVILEGE_SEPARATION = Path("/run/sshd")


@dataclass(frozen=True, kw_only=True)
class Device:
    """A running server; ``device`` is its name in the ssh configuration that the tests use."""

    folder: Path
    server: subprocess.Popen[bytes]
    port: int

    @property
    def temporary(self) -> Path:
        """The temporary folder of what runs there."""
        return self.folder / "device"

    @property
    def lock(self) -> Path:
        """The lock there."""
        return self.folder / "bench.lock"

    def files(self) -> list[str]:
        """What lies in the temporary folder."""
        return sorted(path.name for path in self.temporary.iterdir())

    def processes(self) -> dict[int, str]:
        """What runs there: the command lines of the processes with that temporary folder, or one
        in it.
        """
        mark = f"\0TMPDIR={self.temporary}".encode()
        found = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                with contextlib.suppress(OSError):
                    if mark in b"\0" + (entry / "environ").read_bytes():
                        words = (entry / "cmdline").read_bytes().split(b"\0")
                        if line := b" ".join(words).decode(errors="replace"):
                            found[int(entry.name)] = line
        return found

    def measures(self) -> bool:
        """Whether an artifact is being run."""
        return any(line.rstrip().endswith("device.py burst") for line in self.processes().values())

    def is_clean(self) -> bool:
        """Whether nothing is left behind."""
        return not self.processes() and not self.files()

    def configure(self, host: str, *settings: str, address: str = "127.0.0.1") -> None:
        """Add a host to the ssh configuration, in front of what is there."""
        path = self.folder / "config"
        before = path.read_text() if path.exists() else ""
        lines = [
            f"Host {host}",
            *settings,
            f"HostName {address}",
            f"Port {self.port}",
            f"User {getpass.getuser()}",
            f"IdentityFile {self.folder / 'key'}",
            "IdentitiesOnly yes",
            f"UserKnownHostsFile {self.folder / 'known_hosts'}",
            "GlobalKnownHostsFile /dev/null",
        ]
        path.write_text("\n  ".join(lines) + "\n" + before)

    def drop(self) -> None:
        """End the server's sessions at once, as a restart of the device would end them."""
        for pid in self.sessions():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def sessions(self) -> list[int]:
        """The server's processes for its connections."""
        found = []
        for entry in Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                # The name in the second field may hold spaces and parentheses.
                parent = (entry / "stat").read_text().rpartition(")")[2].split()[1:2]
                if entry.name.isdigit() and parent == [str(self.server.pid)]:
                    found.append(int(entry.name))
        return found


def wait_until(happens: Callable[[], bool], *, within_s: float = 15.0) -> bool:
    """Whether it happens in time."""
    until = time.monotonic() + within_s
    while time.monotonic() < until:
        if happens():
            return True
        time.sleep(0.05)
    return happens()


@contextlib.contextmanager
def running(
    folder: Path,
    *settings: str,
    address: str = "127.0.0.1",
    before: Sequence[str] = (),
) -> Iterator[Device]:
    """A server, with more settings of sshd_config; ``before`` stands before its command."""
    if SSHD is None or shutil.which("ssh") is None:
        pytest.skip("needs OpenSSH's server and client (on Debian: apt install openssh-server)")
    with _privilege_separation():
        port = _free_port()
        _write_papers(folder, settings, address, port)
        command = [*before, SSHD, "-D", "-f", str(folder / "sshd_config")]
        with open(folder / "sshd.log", "wb") as log:
            server = subprocess.Popen([*command, "-e"], stderr=log, stdin=subprocess.DEVNULL)
        device = Device(folder=folder, server=server, port=port)
        try:
            device.configure("device", address=address)
            _trust(folder, address, port)
            if not wait_until(lambda: _lets_in(folder), within_s=10):
                pytest.skip("sshd runs, and does not let this user in: " + _log(folder))
            yield device
        finally:
            for pid in [*device.processes(), *device.sessions(), server.pid]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            server.wait()


def filter_input(folder: Path, source: str) -> str:
    """A setting of sshd: what comes from the host goes through ``source`` on its way.

    ``source`` is Python: a function ``passed(chunk, count)`` gives what to pass on of the bytes
    that came as the ``count``-th read of this connection; ``folder`` is a folder of its own.
    """
    path = folder / "filter.py"
    path.write_text(
        "import os, subprocess, sys, threading\n"
        f"folder = {str(folder)!r}\n"
        f"{source}\n"
        "command = ['/bin/sh', '-c', os.environ['SSH_ORIGINAL_COMMAND']]\n"
        "child = subprocess.Popen(command, stdin=subprocess.PIPE)\n"
        "def feed():\n"
        "    count = 0\n"
        "    while chunk := os.read(0, 1 << 16):\n"
        "        os.write(child.stdin.fileno(), passed(chunk, count))\n"
        "        count += 1\n"
        "    child.stdin.close()\n"
        "threading.Thread(target=feed, daemon=True).start()\n"
        "os._exit(child.wait() % 256)\n"
    )
    return f"ForceCommand exec {shlex.quote(sys.executable)} {shlex.quote(str(path))}"


@functools.cache
def _keys() -> dict[str, tuple[bytes, bytes]]:
    """Key pairs by name, made for this run of the tests: private, public."""
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in ("host_key", "key", "wrong_key"):
            path = Path(folder) / name
            make = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(path)]
            subprocess.run(make, check=True)
            found[name] = (path.read_bytes(), path.with_suffix(".pub").read_bytes())
    return found


def _write_papers(folder: Path, settings: Sequence[str], address: str, port: int) -> None:
    (folder / "device").mkdir()
    for name, pair in _keys().items():
        (folder / name).write_bytes(pair[0])
        (folder / name).chmod(0o600)
        (folder / f"{name}.pub").write_bytes(pair[1])
    (folder / "authorized_keys").write_bytes((folder / "key.pub").read_bytes())
    lines = (
        f"ListenAddress {address}",
        f"Port {port}",
        f"HostKey {folder / 'host_key'}",
        f"AuthorizedKeysFile {folder / 'authorized_keys'}",
        "PasswordAuthentication no",
        "KbdInteractiveAuthentication no",
        "PermitRootLogin prohibit-password",
        "StrictModes no",  # the folder of the tests may be anyone's
        "UsePAM no",
        "PidFile none",
        f"SetEnv TMPDIR={folder / 'device'}",
        *settings,
    )
    (folder / "sshd_config").write_text("\n".join(lines) + "\n")
    # The ssh that edgecut finds: the system's, with a configuration of the tests.
    (folder / "bin").mkdir()
    shim = folder / "bin" / "ssh"
    real, config = shlex.quote(str(shutil.which("ssh"))), shlex.quote(str(folder / "config"))
    shim.write_text(f'#!/bin/sh\nexec {real} -F {config} "$@"\n')
    shim.chmod(0o755)


def _trust(folder: Path, address: str, port: int) -> None:
    kind, key, *_ = (folder / "host_key.pub").read_text().split()
    (folder / "known_hosts").write_text(f"[{address}]:{port} {kind} {key}\n")


def _lets_in(folder: Path) -> bool:
    command = [str(folder / "bin" / "ssh"), "-o", "BatchMode=yes", "device", "exit 7"]
    nothing = subprocess.DEVNULL
    try:
        done = subprocess.run(command, stdin=nothing, stdout=nothing, stderr=nothing, timeout=2)
    except subprocess.TimeoutExpired:
        return True  # a test has something else run, which does not end
    return done.returncode != 255


def _log(folder: Path) -> str:
    lines = (folder / "sshd.log").read_text(errors="replace").split("\n")
    return " / ".join(line.strip() for line in lines[-4:] if line)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def _privilege_separation() -> Iterator[None]:
    """The folder that sshd insists on when it is run by root; its service makes it at boot."""
    ours = os.getuid() == 0 and not PRIVILEGE_SEPARATION.exists()
    if ours:
        PRIVILEGE_SEPARATION.mkdir(mode=0o755)
    try:
        yield
    finally:
        if ours:
            PRIVILEGE_SEPARATION.rmdir()
