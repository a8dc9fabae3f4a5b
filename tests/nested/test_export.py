"""The exported network: torch's own numbers, and all about itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from edgecut import attention, recipe, source
from edgecut.cutout import cut
from edgecut.errors import EdgecutError
from edgecut.nested import export
from edgecut.nested.export import halved, to_onnx
from edgecut.nested.folder import load_network
from edgecut.nested.run import Trained, pixels_of
from edgecut.nested.topology import DenseNet, NestedNet, network
from tests.graphs import run
from tests.nested.toys import DENSE, NESTED, RECIPE, SIZE, TREE

PLAIN = {
    *("Conv", "BatchNormalization", "Relu", "Add", "ReduceMean", "Gemm", "Concat"),
    *("Mul", "Slice", "Gather", "Split", "Unsqueeze", "Reshape", "Sub"),  # the gains
}


def feeds(gained: bool = True, seed: int = 0) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    found = {"image": random.standard_normal((1, 3, SIZE, SIZE)).astype(np.float32)}
    gains = random.uniform(0, 4, (1, len(TREE.names))).astype(np.float32)
    return found | ({"gains": gains} if gained else {})


def in_torch(net: torch.nn.Module, given: Mapping[str, np.ndarray]) -> np.ndarray:
    with torch.inference_mode():
        scores: np.ndarray = net(*map(torch.from_numpy, given.values())).numpy()
    return scores


def exported(net: NestedNet | DenseNet) -> bytes:
    return to_onnx(net, pixels_of(RECIPE), SIZE, source="toys")


@pytest.fixture(scope="module")
def net(whole: Trained) -> NestedNet | DenseNet:
    return load_network(whole.folder)


@pytest.fixture(scope="module")
def model(whole: Trained) -> bytes:
    return (whole.folder / "model.onnx").read_bytes()


def test_it_gives_what_torch_gives(net: NestedNet, model: bytes) -> None:
    for seed in range(3):
        given = feeds(seed=seed)
        expected = in_torch(net, given)
        found = run(model, given)["scores"]
        assert np.abs(found - expected).max() <= 1e-5 * max(1, np.abs(expected).max())
    neutral = feeds() | {"gains": np.ones((1, len(TREE.names)), np.float32)}
    plain = in_torch(net, {"image": neutral["image"]})
    assert np.abs(run(model, neutral)["scores"] - plain).max() <= 1e-5


def test_the_same_weights_give_the_same_bytes(net: NestedNet, model: bytes) -> None:
    assert exported(net) == model


def test_plain_operations_with_normalisation_unfolded(net: NestedNet, model: bytes) -> None:
    """So that the statistics of what was trained on are in the file."""
    graph = onnx.load_model_from_string(model).graph
    kinds = Counter(node.op_type for node in graph.node)
    assert set(kinds) <= PLAIN
    layers = {n: m for n, m in net.named_modules() if isinstance(m, torch.nn.BatchNorm2d)}
    assert kinds["BatchNormalization"] == len(layers)
    weights = {w.name: onnx.numpy_helper.to_array(w) for w in graph.initializer}
    means = {weights[n.input[3]].tobytes() for n in graph.node if n.op_type[:5] == "Batch"}
    assert means == {m.running_mean.numpy().tobytes() for m in layers.values()}  # type: ignore[union-attr]


def test_the_file_tells_all_about_itself(whole: Trained, model: bytes) -> None:
    network = source.load(str(whole.folder), attention=True)
    assert network.categories is not None
    assert network.categories.names == TREE.names
    assert network.categories.tree == TREE
    gains = network.attention
    assert gains is not None
    assert (gains.input, gains.neutral, gains.categories) == ("gains", 1.0, TREE.names)
    metadata = {p.key: p.value for p in onnx.load_model_from_string(model).metadata_props}
    assert recipe.embedded(metadata, where="toys") == pixels_of(RECIPE)
    read = attention.read(metadata, where="toys")
    assert read is not None and read.largest == export.LARGEST_GAIN


def test_it_is_cut_as_deep_as_its_branches(whole: Trained, net: NestedNet) -> None:
    """The kept scores are those of the whole network, and the other branches are gone."""
    network = source.load(str(whole.folder))
    part, _ = cut(network, ["dog", "person"])
    given = {"image": feeds()["image"]}
    kept = [TREE.names.index("dog"), TREE.names.index("person")]
    found = run(part, given)["scores"]
    assert np.abs(found - in_torch(net, given)[:, kept]).max() <= 1e-5
    assert part.categories is not None and part.categories.names == ("dog", "person")
    convolutions = [node for node in part.model.graph if node.op_type == "Conv"]
    # The stem, and two for each of person, animal, pet, dog.
    assert len(convolutions) == 1 + 2 * 4


@pytest.mark.parametrize("base", ["mobilenet", "convnext"])
def test_the_other_bases(base: str) -> None:
    torch.manual_seed(0)
    net = network(TREE, replace(NESTED if base == "mobilenet" else DENSE, base=base))
    given = feeds(gained=isinstance(net, NestedNet))
    found = run(exported(net), given)["scores"]
    expected = in_torch(net.eval(), given)
    assert np.abs(found - expected).max() <= 1e-5 * max(1, np.abs(expected).max())


def test_halved(net: NestedNet, model: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "LARGE", 500)
    small = halved(model)
    onnx.checker.check_model(onnx.load_model_from_string(small))
    kinds = Counter(w.data_type for w in onnx.load_model_from_string(small).graph.initializer)
    assert kinds[onnx.TensorProto.FLOAT16] > 4
    assert len(small) < len(model)
    assert small == halved(model)
    given = feeds()
    before, after = run(model, given)["scores"], run(small, given)["scores"]
    error = np.abs(before - after).max() / np.abs(before).max()
    assert 0 < error < 5e-3
    metadata = [
        {p.key: p.value for p in onnx.load_model_from_string(m).metadata_props}
        for m in (model, small)
    ]
    assert metadata[0] == metadata[1]


def test_what_float16_cannot_hold_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    weights = {"w": np.full((1, 2000), 1e5, np.float32), "v": np.ones((1, 2000), np.float32)}
    nodes = [
        onnx.helper.make_node("Mul", ["x", "w"], ["a"]),
        onnx.helper.make_node("Mul", ["a", "v"], ["y"]),
    ]
    from tests.graphs import proto_of

    model = proto_of(nodes, inputs={"x": [1, 2000]}, outputs=["y"], weights=weights)
    x = np.random.default_rng(0).random((1, 2000), np.float32)
    small = halved(model.SerializeToString())
    assert np.array_equal(run(small, {"x": x})["y"], x * np.float32(1e5))
    assert len(small) < len(model.SerializeToString())


def test_an_export_that_differs_is_refused(net: NestedNet, model: bytes) -> None:
    inputs = [torch.zeros(1, 3, SIZE, SIZE), torch.ones(1, len(TREE.names))]
    export._check(model, net, inputs)
    torch.manual_seed(5)
    with pytest.raises(EdgecutError, match="scores differ by") as error:
        export._check(model, network(TREE, NESTED).eval(), inputs)
    assert error.value.code == "export-differs"


def test_every_weight_is_there_by_name(net: NestedNet, model: bytes) -> None:
    graph = onnx.load_model_from_string(model).graph
    stored = {w.name: onnx.numpy_helper.to_array(w) for w in graph.initializer}
    for name, tensor in net.state_dict().items():
        if not name.endswith("num_batches_tracked"):
            assert np.array_equal(stored[name], tensor.numpy()), name


def test_it_says_nothing_of_this_machine(whole: Trained) -> None:
    here = str(Path(__file__).resolve().parents[2]).encode()
    for path in whole.folder.iterdir():
        assert here not in path.read_bytes(), path.name
