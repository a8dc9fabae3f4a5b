"""Attention as a value: what metadata may say, and gains set by name."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest

from edgecut.attention import KEY, Attention, read
from edgecut.errors import EdgecutError

NAMES = ("vehicle", "car", "ship", "dog")
ATTENTION = Attention(input="gains", neutral=1.0, largest=4.0, categories=NAMES)


def test_gains_by_name() -> None:
    gains = ATTENTION.gains({"car": 2.0, " Dog ": 0.5})
    assert gains.dtype == np.float32
    assert gains.tolist() == [[1.0, 2.0, 1.0, 0.5]]
    assert ATTENTION.gains({}).tolist() == ATTENTION.neutral_gains().tolist() == [[1.0] * 4]
    assert ATTENTION.gains({"ship": 0, "car": 4}).tolist() == [[1.0, 4.0, 0.0, 1.0]]
    assert ATTENTION.gains({"ship": np.float32(1.5)}).tolist() == [[1.0, 1.0, 1.5, 1.0]]


@pytest.mark.parametrize("shape", [(4,), (1, 4)])
def test_gains_in_order(shape: tuple[int, ...]) -> None:
    given = np.linspace(0, 4, 4).reshape(shape)
    assert ATTENTION.gains(given).tolist() == [given.astype(np.float32).ravel().tolist()]
    assert ATTENTION.gains(given.ravel().tolist()).shape == ATTENTION.shape


@pytest.mark.parametrize(
    ("wishes", "code", "said"),
    [
        ({"cra": 2.0}, "unknown-gain", "did you mean 'car'"),
        ({"zebra": 2.0}, "unknown-gain", "there are vehicle, car, ship, dog"),
        ({"": 2.0}, "unknown-gain", "vehicle"),
        ({"car": -0.1}, "bad-gain", "0 to 4"),
        ({"car": math.nan}, "bad-gain", "nan"),
        ({"car": math.inf}, "bad-gain", "inf"),
        ({"car": 4.1}, "bad-gain", "4.1"),
        ({"car": "2"}, "bad-gain", "'2'"),
        ({"car": None}, "bad-gain", "None"),
        ({"car": True}, "bad-gain", "True"),
        ({"car": np.ones(2)}, "bad-gain", "'car'"),
        ({"car": 1.0, "CAR": 2.0}, "bad-gain", "two gains"),
        ([1.0, 1.0, 1.0], "wrong-gains", "takes 4 gains"),
        (np.ones((4, 1)), "wrong-gains", "(4, 1)"),
        (np.ones((2, 4)), "wrong-gains", "(2, 4)"),
        (2.0, "wrong-gains", "()"),
        ([1.0, -1.0, 1.0, 1.0], "bad-gain", "'car'"),
        (np.array([1, 1, np.nan, 1]), "bad-gain", "'ship'"),
    ],
)
def test_bad_gains(wishes: Any, code: str, said: str) -> None:
    with pytest.raises(EdgecutError) as caught:
        ATTENTION.gains(wishes)
    assert caught.value.code == code
    assert said in f"{caught.value.message} {caught.value.hint}"


def test_gains_to_try_are_neutral_and_random_in_turn_and_always_the_same() -> None:
    tried = [ATTENTION.varied(place) for place in range(20)]
    assert all(gains.tolist() == [[1.0] * 4] for gains in tried[::2])
    drawn = np.concatenate(tried[1::2])
    assert drawn.dtype == np.float32 and drawn.min() >= 0 and 1.8 < drawn.max() <= 2  # sqrt(1 * 4)
    assert len({gains.tobytes() for gains in tried[1::2]}) == 10
    assert all(np.array_equal(ATTENTION.varied(i), gains) for i, gains in enumerate(tried))


def test_a_part_of_the_gains() -> None:
    part = ATTENTION.restricted((0, 3))
    assert part.categories == ("vehicle", "dog") and part.shape == (1, 2)
    assert part.slots_in(ATTENTION) == (0, 3)
    with pytest.raises(EdgecutError, match="'car' has no gain"):
        ATTENTION.slots_in(part)


def test_there_and_back() -> None:
    told = {KEY: ATTENTION.to_text(), "names": "other"}
    assert read(told, where="a.onnx") == ATTENTION
    assert Attention.from_json(ATTENTION.to_json(), where="a") == ATTENTION
    assert read({"names": "other"}, where="a.onnx") is None


def test_names_come_from_the_network_where_the_metadata_has_none() -> None:
    short = {KEY: json.dumps({"input": "gains", "neutral": 1, "largest": 4})}
    assert read(short, where="a.onnx", categories=NAMES) == ATTENTION
    assert read({KEY: ATTENTION.to_text()}, where="a.onnx", categories=("x",)) == ATTENTION


@pytest.mark.parametrize(
    "change",
    [
        {"input": None},
        {"input": ""},
        {"input": 3},
        {"neutral": 0},
        {"neutral": "1"},
        {"neutral": True},
        {"neutral": math.nan},
        {"neutral": 5.0},
        {"largest": math.inf},
        {"largest": -4},
        {"categories": "gains"},
        {"categories": 3},
        {"categories": ["a", 1]},
        {"categories": ["a", " "]},
        {"categories": ["car", "Car"]},
    ],
)
def test_metadata_that_is_not_understood(change: dict[str, Any]) -> None:
    with pytest.raises(EdgecutError, match=r"metadata 'edgecut.attention' of a\.onnx") as caught:
        read({KEY: json.dumps({**ATTENTION.to_json(), **change})}, where="a.onnx")
    assert caught.value.code == "bad-attention"


@pytest.mark.parametrize("text", ["", "gains", "[]", "3", "{}", '{"input": "gains"}'])
def test_text_that_is_no_attention(text: str) -> None:
    with pytest.raises(EdgecutError) as caught:
        read({KEY: text}, where="a.onnx")
    assert caught.value.code == "bad-attention"
