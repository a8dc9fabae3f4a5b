"""Gains through the whole compiler: cut, artifacts, and comparisons that must reject."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgecut import cutout
from edgecut.artifact import Emitted
from edgecut.attention import KEY
from edgecut.discovery import embed as embed_categories
from edgecut.emitters import tflite
from edgecut.errors import EdgecutError
from edgecut.network import Network
from edgecut.opened import check_inputs, neutral_gains, running
from edgecut.passes.attend import attended, embed, plain
from edgecut.passes.tidy import tidy
from edgecut.produce import Tensors, produce
from edgecut.runtimes import open_runtime
from edgecut.target import read_target
from edgecut.verification import verify_artifact, verify_cut
from tests.emitters.cases import operators
from tests.gained import NAMES, PARENTS, PICKS, SIDE, load, nested
from tests.graphs import run

TARGETS = ("raspberry-pi-4", "intel-cpu")
KEEP = ("ship", "dog", "cat")
TAKEN = ("vehicle", "ship", "animal", "dog", "cat")


def images(count: int, seed: int = 0) -> list[np.ndarray]:
    random = np.random.default_rng(seed)
    return [random.standard_normal((1, 3, SIDE, SIDE)).astype(np.float32) for _ in range(count)]


def cut(network: Network, keep: Sequence[str] = KEEP) -> Network:
    small, _ = cutout.cut(network, keep)
    return embed(embed_categories(tidy(small)))


@pytest.fixture(scope="module")
def full() -> Network:
    return attended(load(nested()))


@pytest.fixture(scope="module")
def small(full: Network) -> Network:
    return cut(full)


@pytest.fixture(scope="module")
def pooled() -> Network:
    return cut(attended(load(nested(pooled=True))))


# The cut.


@pytest.mark.parametrize("pooled", [False, True])
@pytest.mark.parametrize("picked", PICKS)
@pytest.mark.parametrize("keep", [("cat",), ("vehicle",), ("car", "ship"), KEEP, NAMES])
def test_a_cut_takes_the_gains_that_its_scores_read(
    keep: tuple[str, ...], picked: str, pooled: bool
) -> None:
    whole = attended(load(nested(picked=picked, pooled=pooled)))
    part = cut(whole, keep)
    kept = {NAMES.index(name) for name in keep}
    if not pooled:
        kept |= {parent for i in kept if (parent := PARENTS[i]) is not None}
    assert whole.attention is not None and part.attention is not None
    assert part.attention.categories == tuple(NAMES[i] for i in sorted(kept))
    assert {s.name: s.shape for s in part.inputs}["gains"] == (1, len(kept))
    gains = np.random.default_rng(1).uniform(0, 4, (1, len(NAMES))).astype(np.float32)
    (image,) = images(1)
    expected = run(whole, {"image": image, "gains": gains})["scores"]
    got = run(part, {"image": image, "gains": gains[:, sorted(kept)]})["scores"]
    slots = [NAMES.index(name) for name in NAMES if name in keep]
    np.testing.assert_allclose(got, expected[:, slots], rtol=1e-5, atol=1e-6)


def test_the_cut_file_tells_of_its_gains_by_itself(small: Network) -> None:
    told = json.loads(small.model.metadata_props[KEY])
    assert told["categories"] == list(TAKEN)
    again = attended(small)
    assert again.attention == small.attention
    assert [spec.name for spec in plain(small).inputs] == ["image"]


def test_no_gain_left(full: Network) -> None:
    proto = nested()
    ungained = [n for n in proto.graph.node if n.output[0] not in ("gain3", "factor3")]
    for one in ungained:
        if one.output[0] == "features3":
            one.input[1] = "one"
    del proto.graph.node[:]
    proto.graph.node.extend(ungained)
    import onnx

    one_value = onnx.numpy_helper.from_array(np.ones((1, 1, 1, 1), np.float32), "one")
    proto.graph.initializer.append(one_value)
    with pytest.raises(EdgecutError, match="no gain of nested acts") as caught:
        cutout.cut(attended(load(proto)), ["animal"])
    assert caught.value.code == "no-attention"


def test_checks_run_under_neutral_and_random_gains_in_turn(full: Network) -> None:
    tried = list(check_inputs(full, None))
    assert full.attention is not None
    neutral = full.attention.neutral_gains()
    assert [("random gains" in name) for name, _ in tried] == [False, True] * 2
    for name, feeds in tried:
        assert np.array_equal(feeds["gains"], neutral) != ("random gains" in name)
        assert feeds["image"].shape == (1, 3, SIDE, SIDE)


def _checked(full: Network, part: Network, taken: Sequence[int]) -> Any:
    selection = {"scores": (1, [NAMES.index(name) for name in KEEP])}
    with running(full) as whole, running(part) as half:
        inputs = check_inputs(full, None)
        return verify_cut(whole, half, selection, inputs, inputs={"gains": (1, taken)})


def test_the_check_of_the_cut_finds_gains_in_wrong_places(full: Network, small: Network) -> None:
    assert small.attention is not None and full.attention is not None
    right = small.attention.slots_in(full.attention)
    assert _checked(full, small, right).passed
    assert not _checked(full, small, right[::-1]).passed


# The artifacts.


def written(emitted: Emitted, folder: Path) -> Path:
    for suffix, content in emitted.files.items():
        (folder / f"a{suffix}").write_bytes(content)
    return folder / f"a{next(iter(emitted.files))}"


def compared(network: Network, emitted: Emitted, folder: Path, scheme: str, **changed: Any) -> Any:
    """The artifact against the network under gains; ``changed`` gains are given to one of them."""
    assert network.attention is not None
    inputs = [
        (str(i), {"image": image, "gains": network.attention.varied(i)})
        for i, image in enumerate(images(12, seed=9))
    ]
    path = written(emitted, folder)
    with (
        running(network) as reference,
        open_runtime(path, emitted.format, emitted.inputs, emitted.outputs) as runtime,
    ):
        return verify_artifact(
            reference,
            lambda feeds: runtime({**feeds, **changed}),
            inputs,
            scheme,
            categories=network.categories,
            neutral=neutral_gains(network),
        )


@pytest.mark.parametrize("scheme", ["float32", "float16", "int8"])
@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("which", ["small", "pooled"])
def test_gains_act_in_every_artifact_as_in_the_network(
    request: pytest.FixtureRequest, which: str, target: str, scheme: str, tmp_path: Path
) -> None:
    network: Network = request.getfixturevalue(which)
    emitted = produce(network, read_target(target), scheme, Tensors(images(24)))
    assert [port.artifact_name for port in emitted.inputs] == ["image", "gains"]
    image, gains = emitted.inputs
    assert image.dtype == ("int8" if (scheme, emitted.format) == ("int8", "tflite") else "float32")
    assert (gains.dtype, gains.scale, gains.permutation) == ("float32", None, (0, 1))
    right = compared(network, emitted, tmp_path, scheme)
    assert right.passed, right
    if scheme == "int8":
        assert right.worst > 20
    deaf = compared(network, emitted, tmp_path, scheme, **neutral_gains(network))
    assert not deaf.passed


@pytest.mark.parametrize("target", TARGETS)
def test_neutral_gains_keep_the_accuracy_of_the_plain_int8_file(
    small: Network, target: str, tmp_path: Path
) -> None:
    """The error of the artifact under neutral gains is no larger than that of the plain one."""
    bare = plain(small)
    errors = {}
    for name, network in (("plain", bare), ("gained", small)):
        emitted = produce(network, read_target(target), "int8", Tensors(images(24)))
        path = written(emitted, tmp_path)
        with open_runtime(path, emitted.format, emitted.inputs, emitted.outputs) as runtime:
            off = [
                runtime({"image": image, **neutral_gains(network)})["scores"]
                - run(bare, {"image": image})["scores"]
                for image in images(16, seed=3)
            ]
        errors[name] = float(np.sqrt(np.mean(np.square(off))))
    assert 0 < errors["gained"] <= 1.1 * errors["plain"]


@pytest.mark.parametrize("picked", PICKS)
@pytest.mark.parametrize("keep", [("cat",), NAMES])
def test_gains_bring_no_transpose(keep: tuple[str, ...], picked: str) -> None:
    counts = operators(tflite.emit(cut(attended(load(nested(picked=picked))), keep)))
    assert counts["TRANSPOSE"] == counts["GATHER"] == counts["STRIDED_SLICE"] == 0
    assert counts["MUL"] == 2 if keep == ("cat",) else 6


def test_a_tflite_file_tells_of_its_gains(small: Network) -> None:
    from ai_edge_litert import schema_py_generated as schema

    for scheme in ("float32", "float16", "int8"):
        emitted = produce(small, read_target("raspberry-pi-4"), scheme, Tensors(images(4)))
        model = schema.ModelT.InitFromPackedBuf(emitted.files[".tflite"])
        told = {m.name: bytes(model.buffers[m.buffer].data) for m in model.metadata}
        assert json.loads(told[KEY.encode()])["categories"] == list(TAKEN)
        (signature,) = model.signatureDefs
        assert sorted(entry.name for entry in signature.inputs) == [b"gains", b"image"]


def test_an_openvino_file_tells_of_its_gains(small: Network, tmp_path: Path) -> None:
    import openvino

    for scheme in ("float32", "int8"):
        emitted = produce(small, read_target("intel-cpu"), scheme, Tensors(images(4)))
        model = openvino.Core().read_model(written(emitted, tmp_path))
        text = model.get_rt_info(["framework", KEY]).astype(str)
        assert json.loads(text)["categories"] == list(TAKEN)


@pytest.mark.parametrize("target", TARGETS)
def test_the_same_network_gives_the_same_bytes(small: Network, target: str) -> None:
    made = [produce(small, read_target(target), "int8", Tensors(images(8))) for _ in range(2)]
    assert made[0] == made[1]
