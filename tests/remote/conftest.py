"""Fixtures for benchmarks on another machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from edgecut.remote import benchmark, channel, session
from tests.remote import ssh_device
from tests.remote.ssh_device import Device

Start = Callable[..., Device]


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """Starts a device, with settings of sshd_config as arguments."""
    with ExitStack() as stack:

        def start(*settings: str, **how: object) -> Device:
            device = stack.enter_context(ssh_device.running(tmp_path, *settings, **how))  # type: ignore[arg-type]
            monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=":")
            monkeypatch.setattr(session, "LOCK", str(device.lock))
            return device

        monkeypatch.setattr(session, "BACK_OFF_S", 0.01)
        monkeypatch.setattr(channel, "_GRACE_S", 2.0)
        monkeypatch.setattr(benchmark, "BACK_OFF_S", 0.1)
        yield start


@pytest.fixture
def device(start: Start) -> Device:
    """A device with nothing special about it."""
    return start()
