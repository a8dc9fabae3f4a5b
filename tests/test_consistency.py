"""Graphs that make no sense, and defects of ours."""

from __future__ import annotations

from typing import Any

import onnx_ir as ir
import pytest
from onnx import helper

from edgecut.consistency import blamed_on
from edgecut.cost import cost
from edgecut.cutout import cut
from edgecut.discovery import with_categories
from edgecut.errors import EdgecutError
from edgecut.network import Network
from edgecut.ops.movement import Transpose
from tests.graphs import network_of


def turned(*perm: int) -> Network:
    """A network whose first Transpose has this order, which the one after it undoes."""
    node = helper.make_node
    nodes = [
        node("Transpose", ["x"], ["a"], perm=[0, 2, 1]),
        node("Transpose", ["a"], ["y"], perm=[0, 2, 1]),
    ]
    network = network_of(nodes, inputs={"x": (1, 4, 4)}, outputs=["y"])
    network = with_categories(network, ["ant", "bee", "cat", "dog"], source="it", slots="y:1:4")
    model = network.editable()
    first = next(iter(model.graph))
    first.attributes["perm"] = ir.AttrInt64s("perm", list(perm))
    return network.evolve(model, "turn")


def test_a_graph_that_does_not_run_either_is_to_blame() -> None:
    network = turned(0, 2, 2)
    with pytest.raises(EdgecutError) as error:
        cut(network, ["bee"])
    assert error.value.code == "inconsistent"
    assert "Transpose" in error.value.message or "perm" in error.value.message


def test_a_defect_of_ours_stays_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: Any, node: Any, wanted: Any) -> Any:
        raise ValueError("of ours")

    monkeypatch.setattr(Transpose, "demand", broken)
    with pytest.raises(ValueError, match="of ours"):
        cut(turned(0, 2, 1), ["bee"])


@pytest.mark.parametrize("known", [EdgecutError("no", code="known"), MemoryError(), OSError()])
def test_what_is_understood_passes(known: Exception) -> None:
    with pytest.raises(type(known)), blamed_on(turned(0, 2, 2)):
        raise known
    assert cost(turned(0, 2, 1)).macs == 0
