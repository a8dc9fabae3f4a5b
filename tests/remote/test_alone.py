"""This machine for one benchmark alone."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from edgecut.errors import EdgecutError
from edgecut.remote import supervisor
from edgecut.remote.alone import PLACE, alone


@pytest.fixture
def lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A lock of one test alone."""
    path = tmp_path / "lock"
    monkeypatch.setenv(PLACE, str(path))
    return path


def test_one_at_a_time(lock: Path) -> None:
    with alone():
        with (
            pytest.raises(EdgecutError, match="another benchmark has this machine") as caught,
            alone(),
        ):
            pass
        assert (
            caught.value.code == "device-busy" and f"process {os.getpid()}" in caught.value.message
        )
    assert not lock.exists()
    with alone():
        pass


def test_an_error_frees_it(lock: Path) -> None:
    with pytest.raises(ZeroDivisionError), alone():
        raise ZeroDivisionError
    with alone():
        assert lock.exists()


def test_it_is_the_lock_that_others_take_over_ssh(lock: Path) -> None:
    with alone():
        assert supervisor.take_lock(str(lock)) is None


def test_who_waits_gets_it(lock: Path) -> None:
    held = supervisor.take_lock(str(lock))
    assert held is not None
    told: list[str] = []

    def tell(stage: str, done: int, total: int) -> None:
        told.append(stage)
        supervisor.drop_lock(held, str(lock))

    with alone(30, tell):
        assert len(told) == 1 and told[0].startswith("wait for another benchmark since")


def test_what_cannot_be_a_lock(lock: Path) -> None:
    lock.mkdir()
    with pytest.raises(EdgecutError, match="cannot be taken") as caught, alone():
        pass
    assert caught.value.code == "cannot-lock" and PLACE in str(caught.value.hint)
