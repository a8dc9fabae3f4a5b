"""The devices that a user has, by names of their own: ``devices.toml``, strictly read."""

from __future__ import annotations

import os
import re
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgecut.errors import EdgecutError
from edgecut.remote.ssh import Remote
from edgecut.table import Table
from edgecut.target import read_target

FILE = "devices.toml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """A device of the user's, and how it is to be measured where nothing else is asked for.

    ``target`` is a name among the targets, ``threads`` the thread counts to measure with, ``pin``
    the processors to stay on; empty or None where the file does not say.
    """

    remote: Remote
    target: str | None = None
    threads: tuple[int, ...] = ()
    pin: tuple[int, ...] = ()

    @property
    def name(self) -> str:
        """What the user calls it."""
        return self.remote.name


def find_device(name: str) -> Device:
    """The device of that name in the inventories, or else the one that ssh knows by it.

    Raises:
        EdgecutError: ``bad-toml``, ``bad-device``, ``unknown-target``.
    """
    for devices in _inventories():
        if name in devices:
            return devices[name]
    return Device(remote=Remote(destination=name))


def inventories() -> tuple[Path, Path]:
    """Where inventories may lie: in the current folder, and in the user's configuration."""
    return Path(FILE), _configuration() / FILE


def read_devices(path: Path) -> dict[str, Device]:
    """The devices of one inventory.

    Raises:
        EdgecutError: ``bad-toml``, ``bad-device``, ``unknown-target``.
    """
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError, OSError) as error:
        raise EdgecutError(f"{path} cannot be read as TOML: {error}", code="bad-toml") from error
    table = Table(data, str(path), code="bad-device")
    listed = table.table("devices")
    table.done()
    return {name: _device(name, listed.table(name)) for name in list(listed.data)}


def _inventories() -> Iterator[dict[str, Device]]:
    return (read_devices(path) for path in inventories() if path.is_file())


def _device(name: str, table: Table) -> Device:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
        raise table.error("a device's name takes letters, digits, '.', '_' and '-'")
    device = Device(
        remote=_remote(name, table),
        target=read_target(table.text("target")).name if table.has("target") else None,
        threads=table.integers("threads", 1) if table.has("threads") else (),
        pin=table.integers("pin", 0) if table.has("pin") else (),
    )
    table.done()
    return device


def _remote(name: str, table: Table) -> Remote:
    optional: dict[str, Any] = {}
    if table.has("python"):
        optional["python"] = table.text("python")
    if table.has("options"):
        optional["options"] = table.texts("options")
    try:
        return Remote(destination=table.text("destination"), name=name, **optional)
    except EdgecutError as error:
        wrong = table.error(error.message)
        wrong.hint = error.hint
        raise wrong from error


def _configuration() -> Path:
    """The user's folder for settings of edgecut, where the system has such folders."""
    home = Path.home()
    if sys.platform == "win32":
        return Path(os.environ.get("APPDATA") or home) / "edgecut"
    if sys.platform == "darwin":
        return home / "Library" / "Application Support" / "edgecut"
    return Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config") / "edgecut"
