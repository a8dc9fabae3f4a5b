"""What was measured of a bundle, kept beside its artifacts: ``records/COMMAND[.DEVICE].json``."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgecut.bundle import MANIFEST, RECORDS
from edgecut.errors import EdgecutError
from edgecut.measure.recorded import read
from edgecut.network import digest_of
from edgecut.saving import save

COMMANDS = ("bench", "profile", "evaluate")


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One command's findings about a bundle; ``device`` is empty for the machine it ran on.

    ``stale`` where the bundle was built anew since: then it tells of other artifacts.
    """

    command: str
    device: str
    path: Path
    stale: bool
    data: Mapping[str, Any]


def keep(folder: Path, command: str, data: Mapping[str, Any], *, device: str = "") -> Path:
    """Write a record, in place of the last one of that command and device.

    Raises:
        EdgecutError: ``cannot-save``, ``not-a-bundle``.
    """
    path = folder / RECORDS / f"{command}{_ending(device)}.json"
    found = {**data, "device": device, "manifest_sha256": _build_of(folder)}
    text = json.dumps(found, indent=1, allow_nan=False)
    with suppress(OSError):
        path.parent.mkdir(exist_ok=True)
    save(path, f"{text}\n".encode())
    return path


def kept(folder: Path) -> list[Record]:
    """All records of a bundle, by command, then by device.

    Raises:
        EdgecutError: ``bad-record``.
    """
    build = _build_of(folder)
    found = []
    for command in COMMANDS:
        beside = sorted((folder / RECORDS).glob(f"{command}.*.json"))
        for path in [*(folder / RECORDS).glob(f"{command}.json"), *beside]:
            data = read(path, f"edgecut.{command}/1")
            found.append(
                Record(
                    command=command,
                    device=str(data.get("device", "")),
                    path=path,
                    stale=data.get("manifest_sha256") != build,
                    data=data,
                )
            )
    return found


def _ending(device: str) -> str:
    """What a device's records have in their names: each device something else."""
    name = re.sub(r"[^a-z0-9_-]+", "-", device)
    return "" if not device else f".{name if name == device else f'{name}-{_short(device)}'}"


def _short(text: str) -> str:
    return digest_of(text.encode())[:8]


def _build_of(folder: Path) -> str:
    try:
        return digest_of((folder / MANIFEST).read_bytes())
    except OSError as error:
        raise EdgecutError(
            f"{folder / MANIFEST} cannot be read: {error.strerror}",
            code="not-a-bundle",
            hint="give a folder that `edgecut build` wrote",
        ) from error
