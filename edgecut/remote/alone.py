"""This machine for one benchmark alone: the lock that a benchmark over ssh takes here, too."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import time
from collections.abc import Iterator

from edgecut.errors import EdgecutError
from edgecut.progress import Tell, nobody
from edgecut.remote import session

PLACE = "EDGECUT_LOCK"
"""The environment variable that says where the lock of this machine is, if not where it always is.

Whoever measures over ssh does not know it.
"""
POLL_S = 0.5


@contextlib.contextmanager
def alone(wait_s: float = 0.0, tell: Tell = nobody) -> Iterator[None]:
    """Hold this machine's lock; no other benchmark of edgecut's runs here meanwhile.

    A system without ``flock``, which no benchmark reaches over ssh either, has no lock.

    Args:
        wait_s: seconds to wait where another benchmark has it.
        tell: told that it waits.

    Raises:
        EdgecutError: ``device-busy``, ``cannot-lock``.
    """
    if importlib.util.find_spec("fcntl") is None:
        yield
        return
    from edgecut.remote import supervisor

    path = os.environ.get(PLACE) or session.LOCK
    file = _taken(path, wait_s, tell)
    try:
        yield
    finally:
        supervisor.drop_lock(file, path)


def _taken(path: str, wait_s: float, tell: Tell) -> int:
    from edgecut.remote import supervisor

    until = time.monotonic() + wait_s
    try:
        while (file := supervisor.take_lock(path)) is None:
            held = supervisor.read_lock(path)
            if time.monotonic() >= until:
                raise session.busy_error("this machine", held)
            tell(f"wait for another benchmark{session.holder(held)}", 0, 0)
            time.sleep(POLL_S)
    except OSError as error:
        raise EdgecutError(
            f"the lock {path}, by which benchmarks share this machine, cannot be taken: {error}",
            code="cannot-lock",
            hint=f"remove what is in its place, or name another one in {PLACE}",
        ) from error
    return file
