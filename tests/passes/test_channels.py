"""Which channels a factor may be moved through, and which not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pytest
from onnx import NodeProto, TensorProto, helper

from edgecut.network import Network
from edgecut.passes.channels import Channels, find_gates, trace
from edgecut.passes.equalise import depthwise_inputs, equalise
from edgecut.passes.focus_to_conv import focus_to_conv
from tests.graphs import conv_weights, network_of, random_inputs, run
from tests.passes.test_focus_to_conv import focus

node = helper.make_node
CHANNELS = 4


def between(
    nodes: Sequence[NodeProto],
    *,
    outputs: Sequence[str] = ("y",),
    weights: Mapping[str, np.ndarray] | None = None,
) -> Network:
    """conv -> a; the given nodes, a -> b; b -> depthwise convolution -> y."""
    own = {
        "w": conv_weights(CHANNELS, 3, 1, 1),
        "bias": conv_weights(CHANNELS),
        "d": conv_weights(CHANNELS, 1, 3, 3),
    }
    every = [
        node("Conv", ["x", "w", "bias"], ["a"], name="first"),
        *nodes,
        node("Conv", ["b", "d"], ["y"], name="depthwise", group=CHANNELS),
    ]
    shape = {"x": (1, 3, 8, 8)}
    return network_of(every, inputs=shape, outputs=outputs, weights={**own, **(weights or {})})


def traced(network: Network) -> Channels:
    return trace(network.model.graph)


def is_free(network: Network, name: str = "b") -> bool:
    channels = traced(network)
    fixed = channels.of(value(network, name), channels.fixed)
    assert fixed.all() or not fixed.any()
    return not fixed.any()


def value(network: Network, name: str):  # type: ignore[no-untyped-def]
    return next(v for n in network.model.graph for v in n.outputs if v.name == name)


def constants(**arrays: object) -> dict[str, np.ndarray]:
    return {name: np.array(array, np.float32) for name, array in arrays.items()}


def ints(**arrays: object) -> dict[str, np.ndarray]:
    return {name: np.array(array, np.int64) for name, array in arrays.items()}


SILU = [node("Sigmoid", ["a"], ["g"]), node("Mul", ["a", "g"], ["b"])]
HARD_SWISH = [
    node("Add", ["a", "three"], ["h"]),
    node("Clip", ["h", "zero", "six"], ["g"]),
    node("Mul", ["g", "a"], ["c"]),
    node("Mul", ["c", "sixth"], ["b"]),
]

CARRIERS = {
    "Relu": ([node("Relu", ["a"], ["b"])], {}),
    "LeakyRelu": ([node("LeakyRelu", ["a"], ["b"])], {}),
    "Identity": ([node("Identity", ["a"], ["b"])], {}),
    "PRelu": ([node("PRelu", ["a", "slope"], ["b"])], constants(slope=[[[0.1]]] * CHANNELS)),
    "MaxPool": ([node("MaxPool", ["a"], ["b"], kernel_shape=[2, 2])], {}),
    "AveragePool": ([node("AveragePool", ["a"], ["b"], kernel_shape=[2, 2])], {}),
    "Resize": (
        [node("Resize", ["a", "", "scales"], ["b"], mode="linear")],
        constants(scales=[1, 1, 2, 2]),
    ),
    "zero Pad": ([node("Pad", ["a", "pads"], ["b"])], ints(pads=[0, 0, 1, 1, 0, 0, 1, 1])),
    "Mul by constants": (
        [node("Mul", ["a", "factor"], ["b"])],
        constants(factor=np.arange(1, CHANNELS + 1).reshape(1, -1, 1, 1)),
    ),
    "Gather": ([node("Gather", ["a", "some"], ["b"], axis=1)], ints(some=[3, 1, 0, 2])),
    "SiLU": (SILU, {}),
    "HardSwish": (HARD_SWISH, constants(three=3, zero=0, six=6, sixth=1 / 6)),
    "Mish": (
        [
            node("Softplus", ["a"], ["s"]),
            node("Tanh", ["s"], ["g"]),
            node("Mul", ["a", "g"], ["b"]),
        ],
        {},
    ),
    "two gates on one tensor": (
        [
            node("Sigmoid", ["a"], ["g"]),
            node("Mul", ["a", "g"], ["c"]),
            node("Tanh", ["a"], ["t"]),
            node("Mul", ["t", "a"], ["e"]),
            node("Add", ["c", "e"], ["b"]),
        ],
        {},
    ),
    "Add of itself": ([node("Relu", ["a"], ["r"]), node("Add", ["r", "a"], ["b"])], {}),
}

OBSTACLES = {
    "Clip": ([node("Clip", ["a", "zero", "six"], ["b"])], constants(zero=0, six=6)),
    "Sigmoid": ([node("Sigmoid", ["a"], ["b"])], {}),
    "HardSwish as one operation": ([node("HardSwish", ["a"], ["b"])], {}),
    "Add of constants": ([node("Add", ["a", "one"], ["b"])], constants(one=1)),
    "Add of constants of its own shape": (
        [node("Add", ["a", "one"], ["b"])],
        constants(one=np.ones((1, CHANNELS, 8, 8))),
    ),
    "square": ([node("Mul", ["a", "a"], ["b"])], {}),
    "Pad with ones": (
        [node("Pad", ["a", "pads", "one"], ["b"])],
        {**ints(pads=[0, 0, 1, 1, 0, 0, 1, 1]), **constants(one=1)},
    ),
    "Pad of channels": (
        [
            node("Pad", ["a", "pads"], ["c"]),
            node("Slice", ["c", "start", "end", "axes"], ["b"]),
        ],
        ints(pads=[0, 1, 0, 0, 0, 0, 0, 0], start=[0], end=[CHANNELS], axes=[1]),
    ),
    "Pad of channels on one side, crop on the other": (
        [node("Pad", ["a", "pads"], ["b"])],
        ints(pads=[0, 1, 0, 0, 0, -1, 0, 0]),
    ),
    "Resize of channels that keeps their number": (
        [
            node(
                *("Resize", ["a", "", "scales"], ["b"]),
                mode="nearest",
                nearest_mode="floor",
                coordinate_transformation_mode="asymmetric",
            )
        ],
        constants(scales=[1, 1.2, 1, 1]),
    ),
    "Concat with constants": (
        [
            node("Conv", ["x", "half"], ["c"]),
            node("Concat", ["c", "rest"], ["b"], axis=1),
        ],
        {
            "half": conv_weights(CHANNELS // 2, 3, 1, 1),
            "rest": conv_weights(1, CHANNELS // 2, 8, 8),
        },
    ),
    "Add of what constants give": (
        [node("Relu", ["rest"], ["c"]), node("Add", ["a", "c"], ["b"])],
        {"rest": conv_weights(1, CHANNELS, 8, 8)},
    ),
    "Softmax": ([node("Softmax", ["a"], ["b"], axis=1)], {}),
    "unknown operation": ([node("LRN", ["a"], ["b"], size=3)], {}),
    "Slice of space and channels": (
        [node("Slice", ["a", "start", "end", "axes"], ["b"])],
        ints(start=[0, 1], end=[CHANNELS, 7], axes=[1, 2]),
    ),
    "the network's input": (
        [node("Gather", ["x", "some"], ["c"], axis=1), node("Add", ["c", "a"], ["b"])],
        ints(some=[0, 1, 2, 0]),
    ),
    "a gate per channel from elsewhere": (
        [
            node("GlobalAveragePool", ["a"], ["p"]),
            node("Sigmoid", ["p"], ["g"]),
            node("Mul", ["a", "g"], ["b"]),
        ],
        {},
    ),
}


@pytest.mark.parametrize("name", CARRIERS)
def test_what_carries_a_factor_on(name: str) -> None:
    nodes, weights = CARRIERS[name]
    network = between(nodes, weights=weights)
    assert is_free(network) and is_free(network, "a")


@pytest.mark.parametrize("name", OBSTACLES)
def test_what_does_not(name: str) -> None:
    nodes, weights = OBSTACLES[name]
    network = between(nodes, weights=weights)
    channels = traced(network)
    assert channels.of(value(network, "b"), channels.fixed).any()


def test_a_gate_whose_sigmoid_has_another_reader_is_none() -> None:
    nodes = [*SILU, node("Relu", ["g"], ["z"])]
    network = between(nodes, outputs=("y", "z"))
    assert find_gates(network.model.graph) == {}
    assert not is_free(network)


def test_a_gate_whose_sigmoid_is_an_output_is_none() -> None:
    network = between(SILU, outputs=("y", "g"))
    assert find_gates(network.model.graph) == {}


def test_a_tensor_that_is_an_output_is_fixed() -> None:
    network = between([node("Relu", ["a"], ["b"])], outputs=("y", "b"))
    assert not is_free(network)


def test_channels_that_are_added_share_one_class() -> None:
    nodes = [node("Conv", ["x", "u"], ["c"]), node("Add", ["a", "c"], ["b"])]
    network = between(nodes, weights={"u": conv_weights(CHANNELS, 3, 1, 1)})
    channels = traced(network)
    assert is_free(network)
    assert np.array_equal(channels.classes("a"), channels.classes("c"))
    assert len(set(channels.classes("a").tolist())) == CHANNELS


def test_channels_that_are_joined_stay_apart() -> None:
    nodes = [
        node("Conv", ["x", "u"], ["c"]),
        node("Concat", ["c", "a"], ["j"], axis=-3),
        node("Slice", ["j", "start", "end", "one", "two"], ["b"]),
    ]
    weights = {"u": conv_weights(CHANNELS, 3, 1, 1), **ints(start=[1], end=[8], one=[1], two=[2])}
    network = between(nodes, weights=weights)
    channels = traced(network)
    a, b, c = (channels.classes(name).tolist() for name in "abc")
    assert is_free(network) and b == [c[1], c[3], a[1], a[3]]


def test_a_join_along_another_axis_fixes() -> None:
    network = between([node("Concat", ["a", "a"], ["b"], axis=2)])
    assert not is_free(network)


def test_every_reader_counts() -> None:
    nodes = [node("Relu", ["a"], ["b"]), node("Tanh", ["b"], ["z"])]
    assert not is_free(between(nodes, outputs=("y", "z")))


def test_a_value_that_a_subgraph_reads_is_fixed() -> None:
    def branch(name: str) -> object:
        out = helper.make_tensor_value_info(f"{name}_out", TensorProto.FLOAT, (1, CHANNELS, 8, 8))
        return helper.make_graph([node("Neg", ["a"], [f"{name}_out"])], name, [], [out])

    nodes = [
        node("Relu", ["a"], ["b"]),
        node("ReduceSum", ["x"], ["sum"], keepdims=0),
        node("Cast", ["sum"], ["flag"], to=TensorProto.BOOL),
        node("If", ["flag"], ["z"], then_branch=branch("yes"), else_branch=branch("no")),
    ]
    assert not is_free(between(nodes, outputs=("y", "z")), "a")


def test_weights_that_are_computed_fix_both_sides() -> None:
    nodes = [
        node("Slice", ["x", "zero", "one", "axis"], ["d0"]),
        node("Reshape", ["d0", "shape"], ["d1"]),
        node("Relu", ["a"], ["b"]),
        node("Conv", ["b", "d1"], ["z"], group=CHANNELS),
    ]
    weights = ints(zero=[0], one=[1], axis=[1], shape=[CHANNELS, 1, 4, 4])
    assert not is_free(between(nodes, outputs=("y", "z"), weights=weights))


def test_values_of_unknown_shape_are_no_obstacle_elsewhere() -> None:
    nodes = [
        node("Relu", ["a"], ["b"]),
        node("NonZero", ["x"], ["where"]),
        node("Cast", ["where"], ["z0"], to=TensorProto.FLOAT),
        node("ReduceSum", ["z0"], ["z"], keepdims=0),
    ]
    assert is_free(between(nodes, outputs=("y", "z")))


def test_a_join_with_constants_leaves_the_others_free() -> None:
    nodes, weights = OBSTACLES["Concat with constants"]
    network = between(nodes, weights=weights)
    channels = traced(network)
    fixed = channels.of(value(network, "b"), channels.fixed)
    assert fixed.tolist() == [False, False, True, True]


def test_a_gate_that_spreads_over_another_axis_is_none() -> None:
    nodes = [
        node("Mul", ["a", "five"], ["m"]),
        node("Sigmoid", ["m"], ["g"]),
        node("Mul", ["a", "g"], ["z"]),
        node("Relu", ["a"], ["b"]),
    ]
    network = between(nodes, outputs=("y", "z"), weights=constants(five=np.ones((1, 2, 1, 1, 1))))
    assert find_gates(network.model.graph) == {}


def foreign(network: Network, op_type: str) -> Network:
    """The network in which this operation is another domain's of the same name."""
    model = network.editable()
    for each in model.graph:
        each.domain = "acme" if each.op_type == op_type else ""
    return network.evolve(model, "foreign")


def test_an_operation_of_another_domain_is_not_taken_for_the_standard_one() -> None:
    network = between(SILU)
    assert find_gates(network.model.graph) and depthwise_inputs(network) == ["b"]
    for op_type in ("Mul", "Sigmoid"):
        assert find_gates(foreign(network, op_type).model.graph) == {}
    assert depthwise_inputs(foreign(network, "Conv")) == []
    assert traced(foreign(network, "Conv")).fixed.all()
    space = focus(pads=[1, 1, 1, 1])
    assert focus_to_conv(space) is not space
    for op_type in ("Conv", "Concat", "Slice"):
        other = foreign(space, op_type)
        assert focus_to_conv(other) is other


def scaled(gain: tuple[int, ...]) -> Network:
    """A factor that is known only at run time, between the convolutions."""
    nodes = [
        node("Conv", ["x", "w"], ["a"]),
        node("Mul", ["a", "g"], ["b"]),
        node("Conv", ["b", "d"], ["y"], group=CHANNELS),
    ]
    weights = {"w": conv_weights(CHANNELS, 3, 1, 1), "d": conv_weights(CHANNELS, 1, 3, 3)}
    inputs = {"x": (1, 3, 8, 8), "g": gain}
    return network_of(nodes, inputs=inputs, outputs=["y"], weights=weights)


@pytest.mark.parametrize("gain", [(1, 1, 1, 1), (1,), (1, 1)])
def test_one_number_scales_all_channels_alike(gain: tuple[int, ...]) -> None:
    network = scaled(gain)
    assert is_free(network) and is_free(network, "a")
    even = equalise(network, {"b": np.array([1.0, 5.0, 0.2, 2.0])})
    assert even.to_bytes() != network.to_bytes()
    feeds = random_inputs(network)
    np.testing.assert_allclose(
        run(even, feeds)["y"], run(network, feeds)["y"], rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("gain", [(1, CHANNELS, 1, 1), (1, 1, 8, 8), (8,)])
def test_several_numbers_do_not(gain: tuple[int, ...]) -> None:
    assert not is_free(scaled(gain))
