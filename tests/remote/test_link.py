"""A link that drops: the device is in a network namespace, and its cable is pulled."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from edgecut.remote import benchmark, session
from edgecut.remote.channel import Channel
from tests.remote import ssh_device
from tests.remote.on_device import bench, refused
from tests.remote.ssh_device import Device, wait_until

HERE, THERE = "203.0.113.201", "203.0.113.202"  # addresses that are for documents alone (RFC 5737)
SILENCE_S = 2.0
WHOLE_S = 30.0


@dataclass(frozen=True)
class Link:
    """A device at the other end of a cable."""

    device: Device
    cable: str

    def pull(self) -> None:
        """Pull the cable: not a byte passes, and neither end is told."""
        self._set("down")

    def plug(self) -> None:
        """Plug it in again."""
        self._set("up")

    def _set(self, state: str) -> None:
        subprocess.run(["ip", "link", "set", self.cable, state], check=True)


@pytest.fixture
def link(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Link]:
    """A device in a network namespace."""
    name, cable = f"edgecut-{os.getpid()}", f"ec{os.getpid()}"
    if shutil.which("ip") is None or not _run("ip", "netns", "add", name):
        pytest.skip("needs the right to make network namespaces (root, and ip of iproute2)")
    there = ("ip", "-n", name)
    try:
        if not _run("ip", "link", "add", cable, "type", "veth", "peer", "eth0", "netns", name):
            pytest.skip("needs the right to make network interfaces")
        assert _run("ip", "address", "add", f"{HERE}/30", "dev", cable)
        assert _run("ip", "link", "set", cable, "up")
        assert _run(*there, "address", "add", f"{THERE}/30", "dev", "eth0")
        assert _run(*there, "link", "set", "eth0", "up")
        inside = ("ip", "netns", "exec", name)
        with ssh_device.running(tmp_path, address=THERE, before=inside) as device:
            monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=":")
            monkeypatch.setattr(session, "LOCK", str(device.lock))
            monkeypatch.setattr(Channel, "BEAT_S", 0.3)
            monkeypatch.setattr(Channel, "SILENCE_S", SILENCE_S)
            yield Link(device, cable)
    finally:
        _run("ip", "link", "delete", cable)
        _run("ip", "netns", "delete", name)


def _run(*command: str) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def soon(happens: Callable[[], bool], act: Callable[[], None]) -> threading.Thread:
    """Act as soon as something happens."""
    thread = threading.Thread(target=lambda: wait_until(happens, within_s=30) and act())
    thread.start()
    return thread


def test_a_link_that_drops_while_measuring(link: Link, tmp_path: Path) -> None:
    thread = soon(link.device.measures, link.pull)
    error = refused("device-lost", tmp_path, seconds=120)
    thread.join()
    assert "is silent, the connection is taken for lost while measuring" in error.message
    # The cable is still out: the device has noticed by itself, and cleaned up.
    assert wait_until(link.device.is_clean, within_s=SILENCE_S + 10)


def test_a_link_that_drops_while_copying_and_comes_back(
    link: Link, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(benchmark, "BACK_OFF_S", 3.0)
    pulled: list[float] = []

    def tell(stage: str, done: int, total: int) -> None:
        if "copy" in stage and not pulled:
            link.pull()
            pulled.append(time.monotonic())
            threading.Timer(SILENCE_S + 1.5, link.plug).start()

    assert bench(tmp_path, tell=tell)["artifacts"]
    assert time.monotonic() - pulled[0] > SILENCE_S
    assert wait_until(link.device.is_clean, within_s=SILENCE_S + 10)


def test_a_link_that_is_not_there(link: Link, tmp_path: Path) -> None:
    link.pull()
    started = time.monotonic()
    refused("device-unreachable", tmp_path)
    assert time.monotonic() - started < WHOLE_S
