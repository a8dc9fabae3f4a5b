"""A file put in place whole, or left as it was."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from edgecut.errors import EdgecutError

PARTIAL = ".partial"


def save(path: Path, data: bytes, *, hint: str | None = None) -> None:
    """Write a file; what was there survives whatever goes wrong.

    Raises:
        EdgecutError: ``cannot-save`` where the disk is full or forbids it.
    """
    partial = path.with_name(path.name + PARTIAL)
    try:
        with open(partial, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    except OSError as error:
        raise EdgecutError(
            f"cannot save {path}: {error.strerror or error}", code="cannot-save", hint=hint
        ) from error
    finally:
        with contextlib.suppress(OSError):  # it is gone where all went well
            partial.unlink(missing_ok=True)
