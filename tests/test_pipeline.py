"""What the line refuses: a cut, or a tidied network, that gives other numbers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest
from onnx import helper

from edgecut import pipeline, proofs
from edgecut.cutout import Cut
from edgecut.errors import EdgecutError
from edgecut.network import Network
from edgecut.passes.tidy import tidy
from edgecut.source import Source
from tests.graphs import conv_weights, proto_of

LAYERS = 12


def saved(folder: Path) -> Source:
    """A deep classifier whose normalisations are not folded yet."""
    nodes, weights, last = [], {}, "image"
    random = np.random.default_rng(0)
    for i in range(LAYERS):
        weights[f"w{i}"] = conv_weights(16, 3 if i == 0 else 16, 3, 3, seed=i)
        weights |= {f"n{i}{k}": random.uniform(0.5, 2, 16).astype(np.float32) for k in range(4)}
        nodes.append(helper.make_node("Conv", [last, f"w{i}"], [f"c{i}"], pads=[1, 1, 1, 1]))
        inputs = [f"c{i}", *(f"n{i}{k}" for k in range(4))]
        nodes.append(helper.make_node("BatchNormalization", inputs, [f"b{i}"]))
        nodes.append(helper.make_node("Relu", [f"b{i}"], [last := f"r{i}"]))
    weights["head"] = conv_weights(4, 16, 1, 1)
    nodes.append(helper.make_node("Conv", [last, "head"], ["y"]))
    proto = proto_of(nodes, inputs={"image": (1, 3, 7, 7)}, outputs=["y"], weights=weights)
    (folder / "net.onnx").write_bytes(proto.SerializeToString())
    (folder / "names.txt").write_text("ant\nbee\ncat\ndog\n")
    return Source(model=str(folder / "net.onnx"), labels=str(folder / "names.txt"))


def spoilt(network: Network, share: float) -> Network:
    """The tidied network with a weight that is off by a share of itself."""
    small = tidy(network)
    model = small.editable()
    weight = next(w for w in model.graph.initializers.values() if "head" in str(w.name))
    assert weight.const_value is not None
    array = weight.const_value.numpy() * np.float32(1 + share)
    weight.const_value = ir.tensor(array, name=weight.name)
    return small.evolve(model, "spoilt")


def test_a_cut_is_judged_beside_the_full_network_tidied_alike(tmp_path: Path) -> None:
    result = pipeline.cut(saved(tmp_path), keep=["bee"])
    assert result.check.passed and result.check.worst <= 1e-6


def test_a_wrong_cut_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cut_once = pipeline.cutout.cut

    def wrong(network: Network, keep: Sequence[str], *, scores: str) -> tuple[Network, Cut]:
        small, saved_costs = cut_once(network, keep, scores=scores)
        return spoilt(small, 1e-4), saved_costs

    monkeypatch.setattr(pipeline.cutout, "cut", wrong)
    with pytest.raises(EdgecutError) as error:
        pipeline.cut(saved(tmp_path), keep=["bee"])
    assert error.value.code == "cut-not-exact"


def test_tidying_that_changes_the_numbers_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On both sides alike, so that the cut and the full network agree."""
    for module in (pipeline, proofs):
        monkeypatch.setattr(module, "tidy", lambda network: spoilt(network, 0.01))
    with pytest.raises(EdgecutError) as error:
        pipeline.cut(saved(tmp_path), keep=["bee"])
    assert error.value.code == "tidy-not-exact" and "net" in error.value.message


def test_the_slot_without_a_label_is_told(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Conv", ["image", "w"], ["z"]),
        helper.make_node("Softmax", ["z"], ["y"], axis=1),
    ]
    weights = {"w": conv_weights(4, 3, 1, 1)}
    proto = proto_of(nodes, inputs={"image": (1, 3, 7, 7)}, outputs=["y"], weights=weights)
    (tmp_path / "net.onnx").write_bytes(proto.SerializeToString())
    (tmp_path / "names.txt").write_text("ant\nbee\ncat\ndog\n")
    source = Source(model=str(tmp_path / "net.onnx"), labels=str(tmp_path / "names.txt"))
    (note,) = pipeline.cut(source, keep=["bee"], scores="other").notes
    assert "output 'y', axis 1" in note and "no label" in note
    assert pipeline.cut(source, keep=["bee"], scores="renormalised").notes == ()
