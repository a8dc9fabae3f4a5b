"""Silence for third-party packages that write to the terminal and cannot be told not to."""

from __future__ import annotations

import contextlib
import io
import os
import warnings
from collections.abc import Iterator


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep warnings and whatever is written to stdout and stderr, C++ code's too, to ourselves.

    Exceptions pass as ever. Put as little as possible inside: a crash would be silent as well.
    """
    with (
        warnings.catch_warnings(),
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
        _diverted(1),
        _diverted(2),
    ):
        warnings.simplefilter("ignore")
        yield


@contextlib.contextmanager
def _diverted(descriptor: int) -> Iterator[None]:
    """The file descriptor, on which C++ writes, leads nowhere for the time being."""
    try:
        saved = os.dup(descriptor)
    except OSError:  # closed, as in a service without a terminal
        yield
        return
    try:
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), descriptor)
        yield
    finally:
        os.dup2(saved, descriptor)
        os.close(saved)
