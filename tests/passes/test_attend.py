"""A network with gains: attended, or plain under neutral ones."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from edgecut.attention import KEY
from edgecut.cost import cost
from edgecut.errors import EdgecutError
from edgecut.network import Network
from edgecut.passes.attend import attended, embed, plain
from tests.gained import NAMES, NODES, PICKS, load, nested
from tests.graphs import random_inputs, run

VARIANTS = [
    {"picked": picked, **more}
    for more in ({}, {"pooled": True}, {"rested": True})
    for picked in PICKS
]


def image(network: Network) -> dict[str, np.ndarray]:
    return {"image": random_inputs(network)["image"]}


@pytest.mark.parametrize("variant", VARIANTS, ids=str)
def test_neutral_gains_are_the_plain_network_to_the_bit(variant: dict[str, Any]) -> None:
    gained = load(nested(**variant))
    ours, theirs = plain(gained), load(nested(gained=False))
    whole = attended(gained)
    assert whole.attention is not None
    feeds = image(whole)
    expected = run(theirs, feeds)["scores"]
    np.testing.assert_array_equal(run(ours, feeds)["scores"], expected)
    neutral = {**feeds, "gains": whole.attention.neutral_gains()}
    np.testing.assert_array_equal(run(whole, neutral)["scores"], expected)
    other = {**feeds, "gains": whole.attention.gains({"cat": 2.0})}
    assert np.abs(run(whole, other)["scores"] - expected).max() > 0.01


@pytest.mark.parametrize("variant", VARIANTS, ids=str)
def test_nothing_is_left_of_the_gains_in_the_plain_network(variant: dict[str, Any]) -> None:
    ours = plain(load(nested(**variant)))
    theirs = load(nested(gained=False))
    assert [n.op_type for n in ours.model.graph] == [n.op_type for n in theirs.model.graph]
    assert list(ours.model.graph.initializers) == list(theirs.model.graph.initializers)
    assert (ours.inputs, cost(ours)) == (theirs.inputs, cost(theirs))
    assert ours.attention is None and KEY not in ours.model.metadata_props


def test_a_network_without_gains_is_plain_already_and_has_no_attention() -> None:
    network = load(nested(gained=False))
    assert plain(network) is network
    with pytest.raises(EdgecutError, match="takes no gains") as caught:
        attended(network)
    assert caught.value.code == "no-attention"


def test_the_metadata_is_written_and_read_again() -> None:
    network = attended(load(nested()))
    assert network.attention is not None and network.attention.categories == NAMES
    renamed = replace(network, attention=replace(network.attention, largest=3.0))
    assert attended(embed(renamed)).attention == renamed.attention
    assert embed(load(nested(gained=False))).attention is None


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ({"input": "gain"}, "no input 'gain'"),
        ({"input": "image"}, r"float32 \[1, 3, 16, 16\]"),
        ({"categories": list(NAMES[:-1])}, "takes 6 gains, and 5 are named"),
        ({"categories": [*NAMES, "cow"]}, "takes 6 gains, and 7 are named"),
        ({"largest": 0.5}, "above 'largest'"),
        ({"neutral": None}, "'neutral'"),
    ],
)
def test_metadata_that_does_not_fit(told: dict[str, Any], said: str) -> None:
    with pytest.raises(EdgecutError, match=said) as caught:
        attended(load(nested(**told)))
    assert caught.value.code == "bad-attention"


def test_gains_without_names() -> None:
    nameless = replace(load(nested()), categories=None)
    with pytest.raises(EdgecutError, match=f"takes {NODES} gains, and 0 are named"):
        attended(nameless)
    assert plain(nameless).inputs == load(nested(gained=False)).inputs
