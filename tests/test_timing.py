"""A bundle's artifacts timed one after the other: what one of them cannot, the others still do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from edgecut import timing
from edgecut.cost import Cost
from edgecut.errors import EdgecutError
from edgecut.measure.ratio import Ratio


@dataclass
class Made:
    """Stands for an artifact and for its round."""

    path: str
    contenders: tuple[str, ...] = ()


class Field:
    """Three artifacts, of which the last one ends its process."""

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def artifacts(self) -> list[Made]:
        return [Made("a.tflite"), Made("b.tflite"), Made("broken.tflite")]

    @contextmanager
    def round(self, artifact: Made) -> Iterator[Made]:
        yield Made(artifact.path, contenders=(artifact.path,))


def measure(contenders: tuple[str, ...], **_: Any) -> list[str]:
    if contenders == ("broken.tflite",):
        raise EdgecutError("the measurement ended", code="runtime-failed", hint="try it")
    return list(contenders)


@pytest.fixture(autouse=True)
def bundle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timing, "open_bundle", lambda *_, **__: None)
    monkeypatch.setattr(timing, "Field", Field)
    monkeypatch.setattr(timing, "measure", measure)
    monkeypatch.setattr(timing, "timings_of", lambda ran, _: [found for _, found in ran])


def test_what_could_be_measured_is_kept() -> None:
    errors: list[EdgecutError] = []
    found: list[Any] = timing.bench(Path("x"), under_roof=False, failed=errors.append)
    assert found == [["a.tflite"], ["b.tflite"]]
    (error,) = errors
    assert error.message == "broken.tflite: the measurement ended"
    assert (error.code, error.hint) == ("runtime-failed", "try it")


def test_without_anybody_to_tell_the_first_error_ends_it() -> None:
    with pytest.raises(EdgecutError, match="the measurement ended"):
        timing.bench(Path("x"), under_roof=False)


@pytest.mark.parametrize(("full", "cut", "promised"), [(8, 4, 2.0), (8, 0, None), (0, 0, None)])
def test_what_multiplies_nothing_promises_nothing(
    full: int, cut: int, promised: float | None
) -> None:
    unused: Any = None
    costs = [Cost(parameters=1, macs=macs, weight_bytes=1, uncounted=()) for macs in (full, cut)]
    gain = Ratio(of="", to="", ratio=3.0, low=3.0, high=3.0, confidence=0.95, pairs=1, reasons=())
    found = timing.Timing(
        artifact="a.tflite",
        target=unused,
        scheme="float32",
        full=unused,
        cut=unused,
        full_cost=costs[0],
        cut_cost=costs[1],
        speed_up=gain,
    )
    assert found.macs_ratio == promised
    assert found.realisation == (None if promised is None else 1.5)
