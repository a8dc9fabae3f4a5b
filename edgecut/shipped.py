"""Where what edgecut ships is found: targets, calibration recipes, label sets, networks."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from edgecut.errors import EdgecutError


def folder(kind: str) -> Path:
    """The folder of shipped data of one kind (``targets`` or ``calibration``)."""
    package = Path(__file__).parent
    installed = package / "_shipped" / kind
    # In a checkout the folders stand beside the package; in a wheel they are mapped into it.
    return installed if installed.is_dir() else package.parent / kind


def names(kind: str) -> list[str]:
    """Names of the shipped entries of one kind, sorted."""
    return sorted(path.stem for path in folder(kind).glob("*.toml"))


NETWORK = "everyday"
"""The network that is cut where the user names none."""


def networks() -> list[str]:
    """Names of the shipped networks, sorted."""
    return sorted(path.stem for path in (Path(__file__).parent / "networks").glob("*.onnx"))


def network(name: str) -> Path:
    """The file of a shipped network."""
    return Path(__file__).parent / "networks" / f"{name}.onnx"


def read(kind: str, name_or_path: str) -> dict[str, Any]:
    """The parsed TOML of a shipped entry, or of a user's own file when given a ``.toml`` path.

    Raises:
        EdgecutError: ``unknown-<kind>`` or ``bad-toml``.
    """
    own = Path(name_or_path)
    if own.suffix == ".toml":
        path = own
    else:
        path = folder(kind) / f"{name_or_path}.toml"
        # A bare name must not climb out of the shipped folder.
        if name_or_path not in names(kind):
            raise _unknown(kind, name_or_path)
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise _unknown(kind, name_or_path) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError, OSError) as error:
        raise EdgecutError(f"{path} cannot be read as TOML: {error}", code="bad-toml") from error


def _unknown(kind: str, name: str) -> EdgecutError:
    import difflib

    known = names(kind)
    close = difflib.get_close_matches(name, known, n=1)
    what = {"targets": "target", "calibration": "recipe or label set"}[kind]
    return EdgecutError(
        f"'{name}' is not a known {what}",
        code=f"unknown-{what.split()[0]}",
        hint=f"did you mean '{close[0]}'?"
        if close
        else f"known: {', '.join(known)}; or a path to a .toml file",
    )
