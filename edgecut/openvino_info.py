"""What OpenVINO's Model API notes of a model in its IR: ``rt_info/model_info`` of the ``.xml``.

Only that is looked at. The file comes from outside, so it may declare no entities, which could make
much of little, and is read up to a bound.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.parsers import expat

LARGEST_BYTES = 256 * 2**20
MOST_NOTES = 1000
_PLACE = ["net", "rt_info", "model_info"]


def read_info(path: Path) -> Mapping[str, str]:
    """The notes by name; none where there are none.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is no IR, declares a document type, or is too large.
    """
    if path.stat().st_size > LARGEST_BYTES:
        raise ValueError(f"it has more than {LARGEST_BYTES} bytes")
    at: list[str] = []
    notes: dict[str, str] = {}

    def start(name: str, attributes: dict[str, str]) -> None:
        if not at and name != _PLACE[0]:
            raise ValueError(f"it is no IR of OpenVINO but <{name}>")
        if at == _PLACE and "value" in attributes:
            notes[name] = attributes["value"]
            if len(notes) > MOST_NOTES:
                raise ValueError(f"it has more than {MOST_NOTES} notes")
        at.append(name)

    def end(_: str) -> None:
        at.pop()

    def refuse(*_: Any) -> None:
        raise ValueError("it declares a document type, which no IR does")

    parser = expat.ParserCreate()
    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.StartDoctypeDeclHandler = refuse
    try:
        with path.open("rb") as file:
            parser.ParseFile(file)
    except expat.ExpatError as error:
        raise ValueError(f"it is no XML: {error}") from error
    return notes
