"""The benchmark of damaged files tells right from wrong."""

from __future__ import annotations

import random
import signal
import sys
from pathlib import Path
from typing import Any

import onnx
import pytest

from benchmarks import hostile
from edgecut.discovery import embed
from edgecut.source import load


@pytest.fixture(scope="module")
def good() -> bytes:
    return embed(load("everyday")).to_bytes()


def kind(data: bytes, folder: Path) -> str:
    return hostile.outcome_of(data, folder / "it.onnx").kind


def test_what_comes_of_a_file(good: bytes, tmp_path: Path, monkeypatch: Any) -> None:
    assert kind(good, tmp_path) == "right"
    assert kind(good[:-1], tmp_path) == "error"
    with monkeypatch.context() as patched:
        patched.setattr(hostile, "load", lambda source: 1 / 0)
        assert kind(good, tmp_path) == "traceback"
    calls = iter(range(10))
    real = hostile._outputs

    def shifted(network: Any, feeds: Any) -> dict[str, Any]:
        shift = next(calls)  # the full network's first, the cut one's then
        return {name: value + shift for name, value in real(network, feeds).items()}

    monkeypatch.setattr(hostile, "_outputs", shifted)
    assert kind(good, tmp_path) == "wrong"


@pytest.mark.parametrize(
    ("end", "expected"),
    [
        (f"os.kill(os.getpid(), {int(signal.SIGSEGV)})", "crash"),
        ("signal.alarm(1); time.sleep(30)", "hang"),
        ("sys.exit(1)", "crash"),
    ],
)
def test_what_ends_a_process_is_told(end: str, expected: str) -> None:
    line = '{"kind": "right", "detail": ""}'
    code = f"import os, signal, sys, time; print('{line}', flush=True); {end}"
    kinds = [one.kind for one in hostile.batch_of([sys.executable, "-c", code], 3)]
    assert kinds == ["right", expected]


@pytest.mark.parametrize("level", list(hostile.LEVELS))
def test_damage_is_done_and_can_be_done_again(good: bytes, level: str) -> None:
    spoilt = [hostile.LEVELS[level](good, random.Random(i)) for i in range(8)]
    assert spoilt == [hostile.LEVELS[level](good, random.Random(i)) for i in range(8)]
    assert sum(one != good for one in spoilt) >= 6


def test_weights_are_left_alone_where_only_bytes_change(good: bytes) -> None:
    places = set(hostile._outside_of_weights(good))
    weights = [t.raw_data for t in onnx.ModelProto.FromString(good).graph.initializer]
    largest = max(weights, key=len)
    start = good.find(largest)
    assert places.isdisjoint(range(start, start + len(largest))) and len(places) < len(good) / 4
