"""Every rule against every one of its examples: the narrowed node gives the selected slots."""

from __future__ import annotations

from itertools import product

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from edgecut.demand import demand
from edgecut.loaders.onnx_file import from_proto
from edgecut.network import Network
from edgecut.ops import RULES
from edgecut.ops.region import Region
from edgecut.ops.rule import Example, OpRule
from edgecut.passes.narrow import narrow
from tests.graphs import proto_of, random_inputs, run

CASES = [(rule, example) for rule in RULES for example in rule.examples()]


def single_node(example: Example) -> onnx.ModelProto:
    """The example as a model, as a file would hold it."""
    names, shapes, weights = [], {}, {}
    nodes = []
    for i, given in enumerate(example.inputs):
        names.append("" if given is None else f"in{i}")
        if i in example.of_int8:
            names[i] = f"int{i}"
            nodes.append(helper.make_node("Cast", [f"in{i}"], [f"int{i}"], to=TensorProto.INT8))
        if isinstance(given, np.ndarray):
            weights[f"in{i}"] = given
        elif given is not None:
            shapes[f"in{i}"] = given
    outputs = [f"out{i}" for i in range(example.outputs)]
    node: onnx.NodeProto = helper.make_node(
        example.op_type, names, outputs, name="node", **example.attributes
    )
    return proto_of(
        [*nodes, node], inputs=shapes, outputs=outputs, weights=weights, opset=example.opset
    )


def loaded(example: Example) -> Network:
    return from_proto(single_node(example), name="example", where="example.onnx", digest="")


def ids(case: tuple[OpRule, Example]) -> str:
    shapes = ["-" if given is None else str(np.shape(given)) for given in case[1].inputs]
    return f"{case[1].op_type}-{'x'.join(shapes)}".replace(" ", "")


@pytest.mark.parametrize("case", CASES, ids=ids)
def test_loading_keeps_the_results(case: tuple[OpRule, Example]) -> None:
    """What the file says, by its own opset, against the network that is loaded from it."""
    proto = single_node(case[1])
    network = loaded(case[1])
    feeds = random_inputs(network)
    expected = run(proto.SerializeToString(), feeds)
    for name, value in run(network, feeds).items():
        np.testing.assert_allclose(value, expected[name], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("case", CASES, ids=ids)
def test_narrowed_node_equals_selection(case: tuple[OpRule, Example]) -> None:
    """Oracle 1 for a single operation, on random regions of one or all axes of its outputs."""
    _, example = case
    network = loaded(example)
    feeds = random_inputs(network)
    full = run(network, feeds)
    random = np.random.default_rng(1)
    for _, axis in product(range(4), range(len(network.outputs[0].shape) + 1)):
        wanted = {}
        for spec in network.outputs:
            region = Region()
            for i, size in enumerate(spec.shape):
                if size > 1 and axis in (i, len(spec.shape)):
                    count = int(random.integers(1, size))
                    chosen = sorted(random.choice(size, count, replace=False).tolist())
                    region = region.with_axis(i, tuple(chosen))
            wanted[spec.name] = region
        need = demand(network, wanted)
        assert all("no rule" not in r.reason for r in need.refusals), need.refusals
        cut = narrow(network, need, wanted)
        got = run(cut, feeds)
        for spec in network.outputs:
            expected = full[spec.name]
            for i in range(expected.ndim):
                chosen = wanted[spec.name].axis(i)
                expected = expected if chosen is None else np.take(expected, chosen, axis=i)
            np.testing.assert_allclose(got[spec.name], expected, rtol=1e-5, atol=1e-5)
        assert cut.outputs == tuple(
            type(s)(name=s.name, shape=wanted[s.name].extent(s.shape), dtype=s.dtype)
            for s in network.outputs
        )


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: type(rule).__name__)
def test_every_operation_of_a_rule_is_registered_once(rule: OpRule) -> None:
    others = [name for other in RULES if other is not rule for name in other.op_types]
    assert rule.op_types and not set(rule.op_types) & set(others)
