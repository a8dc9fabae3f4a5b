"""Outputs whose values are categories: what they mean after a cut, against numpy."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import onnx
import pytest
from onnx import NodeProto, helper

from edgecut.categories import OutputValues
from edgecut.category_json import from_json, to_json
from edgecut.coded import with_margins
from edgecut.cutout import cut, reference
from edgecut.discovery import embed, with_categories
from edgecut.errors import EdgecutError
from edgecut.network import Network
from edgecut.node_categories import node_categories
from edgecut.scores import SCORES
from edgecut.why import why
from tests.graphs import conv_weights, network_of, random_inputs, run

NAMES = ("background", "ant", "bee", "cat", "dog", "eel")
KEEP = ["bee", "eel"]
STAY = [0, 2, 5]
WEIGHTS = np.ones((1, 5), np.float32)
NUMBERS = {
    "first": [0],
    "one": [1],
    "space": [2, 3],
    "five": [5],
    "four": [4],
    "weights": np.ones((1, 5), np.float32),
}
node = helper.make_node


def built(
    *after: NodeProto, outputs: list[str], names: tuple[str, ...] = NAMES, **weights: np.ndarray
) -> Network:
    """Six maps of scores, s, of a 4x4 image, and what chooses by them."""
    nodes = [
        node("Conv", ["image", "w1"], ["a"]),
        node("Relu", ["a"], ["b"]),
        node("Conv", ["b", "w2"], ["s"]),
        *after,
    ]
    weights = {
        "w1": conv_weights(8, 3, 1, 1),
        "w2": conv_weights(6, 8, 1, 1, seed=1),
        **{n: np.array(v) for n, v in NUMBERS.items() if any(n in one.input for one in after)},
        **weights,
    }
    network = network_of(nodes, inputs={"image": (1, 3, 4, 4)}, outputs=outputs, weights=weights)
    return with_categories(network, names, source="test")


def segmenter(**attributes: int) -> Network:
    return built(node("ArgMax", ["s"], ["y"], axis=1, **attributes), outputs=["y"])


def top(count: int, *after: NodeProto, outputs: tuple[str, ...] = ("v", "i")) -> Network:
    """The largest scores of a pooled image, and where they are."""
    nodes = [
        node("GlobalAveragePool", ["s"], ["p"]),
        node("Flatten", ["p"], ["f"]),
        node("TopK", ["f", "k"], ["v", "i"], axis=1),
        *after,
    ]
    return built(*nodes, outputs=list(outputs), k=np.array([count]))


def scores_of(network: Network, name: str = "s") -> np.ndarray:
    """What the network chooses by."""
    model = network.editable()
    model.graph.outputs.append(next(v for n in model.graph for v in n.outputs if v.name == name))
    return run(network.evolve(model, "shown"), random_inputs(network))[name]


def places(winners: np.ndarray, stay: list[int] = STAY) -> np.ndarray:
    """By hand: the place of each winner among what stays, or one more than there are."""
    return np.array([stay.index(w) if w in stay else len(stay) for w in winners.ravel()]).reshape(
        winners.shape
    )


def coded(network: Network) -> OutputValues:
    assert network.categories is not None
    (entry,) = network.categories.coded
    return entry


def test_values_are_found() -> None:
    network = segmenter()
    assert network.categories is not None and network.categories.names == NAMES[1:]
    assert coded(network).values == (None, 0, 1, 2, 3, 4) and not network.categories.outputs
    assert "ArgMax" in coded(network).reason


@pytest.mark.parametrize("scores", ["exact", "other"])
@pytest.mark.parametrize("keepdims", [0, 1])
def test_exact_values_are_what_the_full_network_chose(scores: str, keepdims: int) -> None:
    network = segmenter(keepdims=keepdims)
    feeds = random_inputs(network)
    (full,) = run(network, feeds).values()
    small, done = cut(network, KEEP, scores=scores)
    (got,) = run(small, feeds).values()
    np.testing.assert_array_equal(got, places(full))
    assert {0, 1, 3} <= set(got.ravel().tolist()) and got.dtype == np.int64
    assert coded(small).values == (None, 0, 1, None) and coded(small).other == 3
    assert done.cut.macs == done.full.macs
    (refusal,) = done.refusals
    assert refusal.op_type == "ArgMax" and "--scores renormalised" in refusal.reason


@pytest.mark.parametrize("keepdims", [0, 1])
def test_renormalised_values_are_chosen_among_the_kept(keepdims: int) -> None:
    network = segmenter(keepdims=keepdims)
    small, done = cut(network, KEEP, scores="renormalised")
    (got,) = run(small, random_inputs(network)).values()
    expected = scores_of(network)[:, STAY].argmax(1)
    np.testing.assert_array_equal(got.reshape(expected.shape), expected)
    assert coded(small).values == (None, 0, 1) and coded(small).other is None
    assert not done.refusals and done.cut.macs == done.full.macs - 3 * 8 * 16


@pytest.mark.parametrize("to", [onnx.TensorProto.UINT8, onnx.TensorProto.FLOAT])
@pytest.mark.parametrize("scores", SCORES)
def test_casts_and_moves_behind_a_choice_stay(scores: str, to: int) -> None:
    nodes = [
        node("Softmax", ["s"], ["p"], axis=1),
        node("ArgMax", ["p"], ["i"], axis=1),
        node("Cast", ["i"], ["c"], to=to),
        node("Transpose", ["c"], ["y"], perm=[0, 2, 3, 1]),
    ]
    network = built(*nodes, outputs=["y"])
    small, done = cut(network, KEEP, scores=scores)
    (got,) = run(small, random_inputs(network)).values()
    chosen = scores_of(network)
    if scores == "renormalised":
        expected = chosen[:, STAY].argmax(1)
        assert done.cut.macs < done.full.macs
    else:
        expected = places(chosen.argmax(1))
    np.testing.assert_array_equal(got, expected[..., None])
    assert got.dtype == onnx.helper.tensor_dtype_to_np_dtype(to)


@pytest.mark.parametrize("count", [1, 3, 5, 6])
def test_exact_ranks_stay_and_winners_that_were_cut_are_told(count: int) -> None:
    network = top(count)
    small, _ = cut(network, KEEP)
    got = run(small, random_inputs(network))
    pooled = scores_of(network, "f")
    order = np.argsort(-pooled)[:, :count]
    np.testing.assert_array_equal(got["i"], places(order))
    np.testing.assert_array_equal(got["v"], np.take_along_axis(pooled, order, 1))


@pytest.mark.parametrize("count", [1, 3, 5, 6])
def test_renormalised_ranks_are_those_of_the_kept_and_no_more(count: int) -> None:
    network = top(count)
    small, done = cut(network, KEEP, scores="renormalised")
    got = run(small, random_inputs(network))
    pooled = scores_of(network, "f")[:, STAY]
    order = np.argsort(-pooled)[:, :count]
    np.testing.assert_array_equal(got["i"], order)
    np.testing.assert_allclose(got["v"], np.take_along_axis(pooled, order, 1), rtol=1e-6)
    assert {spec.shape for spec in small.outputs} == {(1, min(count, 3))}
    assert ("3 of them where there were" in coded(small).reason) == (count > 3)
    assert done.cut.macs < done.full.macs


def test_ranks_go_on_through_moves() -> None:
    more = [node("Unsqueeze", ["i", "first"], ["u"]), node("Sigmoid", ["v"], ["q"])]
    network = top(5, *more, outputs=("q", "u"))
    small, _ = cut(network, KEEP, scores="renormalised")
    got = run(small, random_inputs(network))
    assert got["q"].shape == (1, 3) and got["u"].shape == (1, 1, 3)


@pytest.mark.parametrize(
    "reader",
    [
        node("Reshape", ["v", "five"], ["q"]),
        node("Mul", ["v", "weights"], ["q"]),
        node("Squeeze", ["v"], ["q"]),
        node("Gather", ["v", "four"], ["q"], axis=1),
        node("Softmax", ["v"], ["q"]),
    ],
    ids=lambda reader: reader.op_type,
)
def test_what_takes_no_fewer_ranks_is_refused(reader: NodeProto) -> None:
    network = top(5, reader, outputs=("q", "i"))
    with pytest.raises(EdgecutError) as error:
        cut(network, ["bee"], scores="renormalised")
    assert error.value.code == "too-few-kept" and "5" in error.value.message
    cut(network, ["bee"])
    cut(network, NAMES[1:5], scores="renormalised")


@pytest.mark.parametrize("scores", SCORES)
def test_several_choices_by_the_same_scores(scores: str) -> None:
    network = top(2, node("ArgMax", ["f"], ["y"], axis=1), outputs=("y", "i", "v"))
    small, _ = cut(network, KEEP, scores=scores)
    got = run(small, random_inputs(network))
    assert small.categories is not None
    assert [entry.output for entry in small.categories.coded] == ["y", "i"]
    np.testing.assert_array_equal(got["y"], got["i"][:, :1])
    seen = scores_of(network, "f")
    among = np.argsort(-seen[:, STAY])[:, :2]
    wanted = among if scores == "renormalised" else places(np.argsort(-seen)[:, :2])
    np.testing.assert_array_equal(got["i"], wanted)


@pytest.mark.parametrize("scores", SCORES)
def test_scores_beside_the_choice_are_cut_as_ever(scores: str) -> None:
    network = built(node("ArgMax", ["s"], ["y"], axis=1), outputs=["s", "y"])
    assert network.categories is not None
    (slots,) = network.categories.outputs
    assert (slots.output, slots.axis, slots.slots) == ("s", 1, (None, 0, 1, 2, 3, 4))
    small, done = cut(network, KEEP, scores=scores)
    got = run(small, random_inputs(network))
    full = scores_of(network)
    np.testing.assert_allclose(got["s"], full[:, STAY], rtol=1e-5)
    among = full[:, STAY].argmax(1) if scores == "renormalised" else places(full.argmax(1))
    np.testing.assert_array_equal(got["y"][:, 0], among)
    assert (done.cut.macs < done.full.macs) == (scores == "renormalised")


@pytest.mark.parametrize("kind", ["Identity", "Sigmoid", "Softmax"])
def test_the_largest_score_is_that_of_the_choice(kind: str) -> None:
    how = {"axis": 1} if kind == "Softmax" else {}
    nodes = [
        node("ArgMax", ["s"], ["y"], axis=1),
        node(kind, ["s"], ["p"], **how),
        node("ReduceMax", ["p", "one"], ["m"], keepdims=0),
        node("Neg", ["m"], ["v"]),
        node("ReduceMax", ["s", "space"], ["w"]),
    ]
    network = built(*nodes, outputs=["y", "v", "w"])
    full, made = scores_of(network), scores_of(network, "p")
    exact, whole = cut(network, KEEP)
    np.testing.assert_array_equal(run(exact, random_inputs(network))["v"], -made.max(1))
    small, done = cut(network, KEEP, scores="renormalised")
    among = run(small, random_inputs(network))
    kept = made[:, STAY] / (made[:, STAY].sum(1, keepdims=True) if kind == "Softmax" else 1)
    np.testing.assert_allclose(among["v"], -kept.max(1), rtol=1e-5)
    # Of each category the largest on the picture: these are scores of categories, too.
    np.testing.assert_allclose(among["w"], full.max((2, 3), keepdims=True)[:, STAY], rtol=1e-5)
    assert done.cut.macs < whole.cut.macs


def test_the_largest_that_a_softmax_takes_away_is_no_score_of_a_choice() -> None:
    nodes = [
        node("ReduceMax", ["s", "one"], ["m"]),
        node("Sub", ["s", "m"], ["d"]),
        node("Exp", ["d"], ["e"]),
        node("ArgMax", ["e"], ["y"], axis=1),
    ]
    network = built(*nodes, outputs=["y", "e"])
    assert network.categories is not None
    told = replace(network.categories, outputs=())
    network = network.evolve(network.model, "e whole", categories=told)
    small, _ = cut(network, KEEP, scores="renormalised")
    feeds = random_inputs(network)
    np.testing.assert_allclose(run(small, feeds)["e"], run(network, feeds)["e"], rtol=1e-6)


def test_what_reads_a_choice_inside_must_not_see_other_numbers() -> None:
    more = [node("ArgMax", ["s"], ["y"], axis=1), node("Equal", ["y", "five"], ["m"])]
    network = built(*more, outputs=["y", "m"])
    with pytest.raises(EdgecutError) as error:
        cut(network, KEEP, scores="renormalised")
    assert error.value.code == "no-choice" and "Equal" in error.value.message
    feeds = random_inputs(network)
    small, _ = cut(network, KEEP)
    np.testing.assert_array_equal(run(small, feeds)["m"], run(network, feeds)["m"])


@pytest.mark.parametrize("scores", SCORES)
@pytest.mark.parametrize("network", [segmenter(keepdims=0), top(2), top(5)])
@pytest.mark.parametrize("keep", [["ant"], KEEP, NAMES[2:]])
def test_the_reference_gives_what_the_cut_gives(
    network: Network, scores: str, keep: list[str]
) -> None:
    feeds = random_inputs(network)
    small, _ = cut(network, keep, scores=scores)
    expected = run(reference(network, keep, scores=scores), feeds)
    for name, value in run(small, feeds).items():
        np.testing.assert_allclose(value, expected[name], rtol=1e-6)


@pytest.mark.parametrize("scores", SCORES)
def test_keeping_everything_changes_no_value(scores: str) -> None:
    network = segmenter()
    small, done = cut(network, NAMES[1:], scores=scores)
    assert [n.op_type for n in small.model.graph] == [n.op_type for n in network.model.graph]
    assert coded(small) == coded(network) and not done.refusals


@pytest.mark.parametrize("scores", SCORES)
def test_cutting_in_two_steps_equals_one(scores: str) -> None:
    network = segmenter()
    feeds = random_inputs(network)
    halfway, _ = cut(network, ["ant", "bee", "eel"], scores=scores)
    if scores != "renormalised":
        with pytest.raises(EdgecutError) as error:
            cut(halfway, ["bee"], scores="renormalised")
        assert error.value.code == "no-choice"
    twice, _ = cut(halfway, KEEP, scores=scores)
    once, _ = cut(network, KEEP, scores=scores)
    np.testing.assert_array_equal(run(twice, feeds)["y"], run(once, feeds)["y"])
    assert coded(twice) == coded(once)


def test_without_a_background_one_alone_is_always_chosen() -> None:
    network = built(node("ArgMax", ["s"], ["y"], axis=1), outputs=["y"], names=("axe", *NAMES[1:]))
    small, _ = cut(network, ["axe"], scores="renormalised")
    (got,) = run(small, random_inputs(network)).values()
    assert not got.any() and coded(small).told(["axe"]) == "always 0, axe"
    small, _ = cut(network, ["axe"])
    assert coded(small).told(["axe"]) == "0 axe, 1 what was cut"


def test_the_map_travels_with_the_network() -> None:
    small, _ = cut(segmenter(), KEEP)
    again = Network(name="again", model=embed(small).model, digest="")
    assert with_categories(again, None, source="file").categories == small.categories
    assert small.categories is not None
    assert from_json(to_json(small.categories)) == small.categories


@pytest.mark.parametrize("other", [0, 1, 9, "3"])
def test_a_map_that_says_odd_things_is_refused(other: object) -> None:
    small, _ = cut(segmenter(), KEEP)
    network = embed(small)
    data = json.loads(network.model.metadata_props["edgecut.categories"])
    data["coded"][0]["other"] = other
    if other == 0:
        data["coded"][0]["output"] = "z"
    network.model.metadata_props["edgecut.categories"] = json.dumps(data)
    with pytest.raises(EdgecutError) as error:
        with_categories(Network(name="odd", model=network.model, digest=""), None, source="file")
    assert error.value.code == "labels-do-not-fit"


@pytest.mark.parametrize("count", [1, 2, 5, 6])
def test_a_margin_is_how_far_the_next_choice_is(count: int) -> None:
    network = top(count)
    told, margins = with_margins(network)
    assert margins == {"i": "i/margin"}
    got = run(told, random_inputs(network))["i/margin"]
    pooled = scores_of(network, "f")
    ranked = np.concatenate([[np.inf], np.sort(pooled[0])[::-1], [-np.inf]])
    gaps = -np.diff(ranked)
    expected = np.minimum(gaps[:count], gaps[1 : count + 1]) / np.abs(pooled).max()
    np.testing.assert_allclose(got[0], expected, rtol=1e-5)


@pytest.mark.parametrize("scores", SCORES)
def test_margins_are_found_behind_moves_casts_and_tables(scores: str) -> None:
    nodes = [
        node("ArgMax", ["s"], ["i"], axis=1, keepdims=0),
        node("Cast", ["i"], ["c"], to=onnx.TensorProto.INT32),
        node("Transpose", ["c"], ["y"], perm=[1, 2, 0]),
    ]
    network = built(*nodes, outputs=["y"])
    small, _ = cut(network, KEEP, scores=scores)
    told, margins = with_margins(small)
    got = run(told, random_inputs(network))[margins["y"]]
    full = scores_of(network)
    seen = full[:, STAY] if scores == "renormalised" else full
    first, second = -np.sort(-seen, axis=1)[:, :2].transpose(1, 0, 2, 3)
    expected = ((first - second) / np.abs(seen).max()).transpose(1, 2, 0)
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-7)


def test_a_network_without_values_has_no_margins() -> None:
    network = built(node("Relu", ["s"], ["y"]), outputs=["y"])
    assert with_margins(network) == (network, {})


def test_why_says_that_values_are_categories() -> None:
    told = why(segmenter(), KEEP, "s")
    assert told.needed_by == ("'y', whose values are categories",)
    assert any("--scores renormalised" in (step.stopped or "") for step in told.path)


def test_every_category_needs_what_a_choice_sees() -> None:
    network = segmenter()
    assert set(node_categories(network).values()) == {tuple(sorted(NAMES[1:]))}


def test_what_reads_the_best_scores_inside_forbids_another_choice() -> None:
    """A box that is scaled by the best score of all is not that of the best of the kept."""
    inside = [node("Mul", ["f", "v"], ["scaled"]), node("Sub", ["scaled", "v"], ["gap"])]
    network = top(1, *inside, outputs=("i", "gap"))
    with pytest.raises(EdgecutError) as error:
        cut(network, KEEP, scores="renormalised")
    assert error.value.code == "no-choice" and "TopK" in error.value.message
    cut(network, KEEP)


def test_every_choice_of_more_than_are_kept_is_looked_at() -> None:
    """The second one loses its axis where one rank is left."""
    again = [
        node("TopK", ["f", "k"], ["v2", "i2"], axis=1),
        node("Squeeze", ["i2"], ["j"]),
    ]
    with pytest.raises(EdgecutError) as error:
        cut(top(3, *again, outputs=("i", "j")), KEEP[:1], scores="renormalised")
    assert error.value.code == "too-few-kept" and "TopK_6" in error.value.message


def test_two_layouts_of_one_choice_are_refused() -> None:
    nodes = [node("ArgMax", ["s"], ["y"], axis=1), node("Cast", ["y"], ["z"], to=1)]
    network = built(*nodes, outputs=["y", "z"])
    slots = "y:values:1+5,z:values:5+1"
    with pytest.raises(EdgecutError) as error:
        with_categories(network, NAMES[1:], source="test", slots=slots)
    assert error.value.code == "bad-slots" and "'y'" in error.value.message


@pytest.mark.parametrize("mask", [-1e9, -np.inf])
def test_scores_that_are_masked_leave_the_other_choices_clear(mask: float) -> None:
    masks = np.zeros((1, 6, 1, 1), np.float32)
    masks[0, 1] = mask
    nodes = [node("Add", ["s", "mask"], ["m"]), node("ArgMax", ["m"], ["y"], axis=1)]
    network = built(*nodes, outputs=["y"], mask=masks)
    told, names = with_margins(network)
    margins = run(told, random_inputs(network))[names["y"]]
    assert np.isfinite(margins).all() and np.median(margins) > 0.01


def test_the_check_of_a_choice_among_the_kept_does_not_trust_the_cut(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The reference masks the full network's scores, and so sees a Gather of wrong ones."""
    from edgecut import coded

    real = coded._choose_among

    def shifted(graph: object, choice: object, stay: list[int]) -> None:
        real(graph, choice, [*stay[:-1], stay[-1] - 1])  # type: ignore[arg-type]

    monkeypatch.setattr(coded, "_choose_among", shifted)
    network = segmenter()
    small, _ = cut(network, KEEP, scores="renormalised")
    expected = reference(network, KEEP, scores="renormalised")
    feeds = random_inputs(network)
    assert (run(small, feeds)["y"] != run(expected, feeds)["y"]).any()
    monkeypatch.undo()
    right, _ = cut(network, KEEP, scores="renormalised")
    np.testing.assert_array_equal(run(right, feeds)["y"], run(expected, feeds)["y"])


def test_what_was_cut_among_all_cannot_choose_anew() -> None:
    small, _ = cut(segmenter(), KEEP)
    with pytest.raises(EdgecutError) as error:
        cut(small, ["*"], scores="renormalised")
    assert error.value.code == "no-choice"
