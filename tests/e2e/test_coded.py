"""The whole line on a segmenter that ends in an ArgMax, and mistakes that users make with one."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper

from edgecut.bundle import artifact_from_json
from edgecut.opened import open_bundle, random_inputs, running
from edgecut.proofs import verify_all
from edgecut.runtimes import open_runtime
from tests.command import edgecut
from tests.graphs import conv_weights, proto_of

node = helper.make_node
KEEP = ("--keep", "bee,dog")
STAY = [0, 2, 4]


def write(path: Path, *choose: onnx.NodeProto) -> Path:
    nodes = [
        node("Conv", ["image", "w1"], ["a"], pads=[1, 1, 1, 1], strides=[2, 2]),
        node("Relu", ["a"], ["b"]),
        node("Conv", ["b", "w2"], ["c"]),
        node("Resize", ["c", "", "double"], ["s"], mode="linear", name="up"),
        *choose,
    ]
    weights = {
        "w1": conv_weights(16, 3, 3, 3),
        "w2": conv_weights(6, 16, 1, 1, seed=1),
        "double": np.array([1, 1, 2, 2], np.float32),
        "boxes": np.random.default_rng(0).random((1, 1024, 4)).astype(np.float32),
        "rows": np.array([1, 6, -1]),
    }
    used = {name for one in nodes for name in one.input}
    proto = proto_of(
        nodes,
        inputs={"image": (1, 3, 32, 32)},
        outputs=["y"],
        weights={name: value for name, value in weights.items() if name in used},
    )
    onnx.save(onnx.shape_inference.infer_shapes(proto), path)
    return path


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, tuple[object, ...]]:
    folder = tmp_path_factory.mktemp("coded")
    labels = folder / "labels.txt"
    labels.write_text("background\nant\nbee\ncat\ndog\neel\n")
    model = write(folder / "seg.onnx", node("ArgMax", ["s"], ["y"], axis=1, keepdims=0))
    return folder, (model, "--labels", labels)


@pytest.fixture(scope="module")
def bundles(case: tuple[Path, tuple[object, ...]]) -> dict[str, Path]:
    """A build for each meaning of the values, one for each runtime."""
    folder, options = case
    found = {}
    for scores, target in (("exact", "raspberry-pi-4"), ("renormalised", "intel-cpu")):
        found[scores] = folder / scores
        how = ("--scores", scores, "--scheme", "float32", "--target", target)
        told = (*how, "--out", found[scores])
        outcome = edgecut("build", *options, *KEEP, *told)
        assert outcome.code == 0, outcome
        assert "clear values" in outcome.stdout and "0 none of them, 1 bee, 2 dog" in outcome.stdout
        assert ("kept whole before ArgMax" in outcome.stdout) == (scores == "exact")
    return found


@pytest.mark.parametrize("scores", ["exact", "renormalised"])
def test_every_artifact_tells_what_its_manifest_says(bundles: dict[str, Path], scores: str) -> None:
    bundle, exact = bundles[scores], scores == "exact"
    manifest = json.loads((bundle / "manifest.json").read_text())
    (entry,) = manifest["categories"]["coded"]
    assert entry["values"] == [None, 0, 1, *([None] if exact else [])]
    assert entry["other"] == (3 if exact else None)
    opened = open_bundle(bundle)
    full = opened.full()
    model = full.editable()
    model.graph.outputs.append(next(n for n in model.graph if n.name == "up").outputs[0])
    _, inputs = next(random_inputs(full)[0])
    with running(full.evolve(model, "shown")) as whole:
        seen = whole(inputs)["s"]
    winners = seen.argmax(1)
    among = seen[:, STAY].argmax(1)
    wanted = np.select([winners == slot for slot in STAY], [0, 1, 2], 3) if exact else among
    (one,) = map(artifact_from_json, manifest["artifacts"])
    with open_runtime(bundle / one.path, one.format, one.inputs, one.outputs, threads=1) as runtime:
        got = runtime(inputs)["y"]
    assert got.dtype == np.int64 and np.mean(got == wanted) > 0.999


def test_a_bundle_verifies_and_one_of_another_meaning_does_not(bundles: dict[str, Path]) -> None:
    assert edgecut("verify", bundles["renormalised"]).code == 0
    network, wrong = open_bundle(bundles["renormalised"]).network, bundles["exact"]
    (one,) = verify_all(wrong, network, open_bundle(wrong).artifacts, None, lambda *_: None)
    assert not one.verification.passed and one.verification.metric == "agreement"


def test_mistakes_are_told_with_the_way_out(case: tuple[Path, tuple[object, ...]]) -> None:
    folder, (model, *_) = case
    few = folder / "few.txt"
    few.write_text("ant\nbee\ncat\ndog\neel\n")
    outcome = edgecut("inspect", model, "--labels", few)
    assert outcome.code == 1 and "--slots y:values:1+5" in outcome.stderr
    outcome = edgecut("inspect", model, "--labels", few, "--slots", "y:values:1+5", *KEEP)
    assert outcome.code == 0 and "values of output 'y': 6" in outcome.stdout
    nms = write(
        folder / "nms.onnx",
        node("Reshape", ["s", "rows"], ["r"]),
        node("NonMaxSuppression", ["boxes", "r"], ["y"], name="nms"),
    )
    for more in ((), ("--labels", few)):
        outcome = edgecut("inspect", nms, *more)
        assert outcome.code == 1 and "without its NMS" in outcome.stderr
