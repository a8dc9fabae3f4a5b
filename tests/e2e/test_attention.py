"""Gains through the command: kept, cut, shipped, judged; and every way to ask for them wrongly."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper

import edgecut as front
from edgecut.artifact import Port
from edgecut.bundle import read_attention
from edgecut.errors import EdgecutError
from edgecut.passes.attend import attended
from edgecut.runtimes import RunningArtifact, open_runtime
from edgecut.source import SampleSource
from tests.command import edgecut, refused
from tests.e2e.models import RECIPE, write_photo
from tests.gained import NAMES, load, nested
from tests.graphs import run

TAKEN = ["vehicle", "ship", "animal", "cat"]
TARGETS = ("--target", "raspberry-pi-4", "--target", "intel-cpu")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network with gains, one without, a recipe and labelled photos."""
    folder = tmp_path_factory.mktemp("attention")
    onnx.save(nested(), folder / "nested.onnx")
    onnx.save(nested(gained=False), folder / "bare.onnx")
    (folder / "tiny.toml").write_text(RECIPE)
    for i in range(6):
        write_photo(folder / "photos" / ("ship", "cat")[i % 2] / f"{i}.png", seed=i)
    return folder


def options(home: Path) -> tuple[object, ...]:
    return ("--samples", home / "photos", "--recipe", home / "tiny.toml")


@pytest.fixture(scope="module")
def built(home: Path) -> Path:
    """A build with attention; tests must not change it."""
    out = home / "dist"
    keep = ("--attention", "--keep", "ship,cat", *TARGETS, "--out", out)
    outcome = edgecut("build", home / "nested.onnx", *options(home), *keep)
    assert outcome.code == 0, outcome
    return out


def manifest(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "manifest.json").read_text())
    return found


def artifacts(folder: Path) -> list[RunningArtifact]:
    """The artifacts of a bundle, on their runtimes."""
    opened = []
    for told in manifest(folder)["artifacts"]:
        ports = [[Port.from_json(port) for port in told[side]] for side in ("inputs", "outputs")]
        opened.append(open_runtime(folder / told["path"], told["format"], *ports))
    return opened


def test_the_manifest_names_the_gains_in_order(built: Path) -> None:
    told = {"input": "gains", "categories": TAKEN, "neutral": 1.0, "largest": 4.0}
    assert manifest(built)["attention"] == told
    assert json.loads((built / "report.json").read_text())["source"]["attention"] is True
    props = {p.key: p.value for p in onnx.load(built / "cut.onnx").metadata_props}
    assert json.loads(props["edgecut.attention"]) == told
    assert read_attention(built).to_json() == told


def test_without_the_option_the_gains_are_folded_away(home: Path, tmp_path: Path) -> None:
    built = []
    for name in ("nested", "bare"):
        out = tmp_path / name
        more = ("--keep", "ship,cat", *TARGETS, "--out", out)
        outcome = edgecut("build", home / f"{name}.onnx", *options(home), *more)
        assert outcome.code == 0, outcome
        assert manifest(out)["attention"] is None
        built.append(out)
    image = np.random.default_rng(0).uniform(-1, 1, (1, 3, 16, 16)).astype(np.float32)
    for folded, bare in zip(*map(artifacts, built), strict=True):
        with folded as one, bare as other:
            scores = [runtime({"image": image})["scores"] for runtime in (one, other)]
        np.testing.assert_array_equal(*scores)


def test_a_program_on_the_device_sets_gains_by_name(built: Path) -> None:
    """What docs/how-to/attention.md shows, with numpy and the runtime alone."""
    from ai_edge_litert.interpreter import Interpreter

    told = json.loads((built / "manifest.json").read_text())["attention"]
    gains = np.full((1, len(told["categories"])), told["neutral"], np.float32)
    gains[0, told["categories"].index("cat")] = 3.0
    assert np.array_equal(front.gains(built, {"cat": 3.0}), gains)
    for scheme in ("float32", "int8"):
        path = str(built / f"nested.{scheme}.tflite")
        runner = Interpreter(path).get_signature_runner("serving_default")
        details = runner.get_input_details()
        assert details["gains"]["dtype"] == np.float32
        image = np.zeros(details["image"]["shape"], details["image"]["dtype"])
        with_gains = runner(image=image, gains=gains)["scores"]
        neutral = runner(image=image, gains=np.ones_like(gains))["scores"]
        assert with_gains.shape == (1, 2)
        assert with_gains[0, 0] == neutral[0, 0] and abs(with_gains[0, 1] - neutral[0, 1]) > 0.01


def test_gains_may_be_set_on_every_artifact(built: Path) -> None:
    image = np.random.default_rng(0).uniform(-1, 1, (1, 3, 16, 16)).astype(np.float32)
    scores: dict[str, np.ndarray] = {}
    for runtime in artifacts(built):
        with runtime:
            feeds = {"image": image, "gains": front.gains(built, {"ship": 4, "animal": 0.5})}
            scores[runtime.path.name] = runtime(feeds)["scores"]
    reference = scores.pop("nested.float32.tflite")
    for path, found in scores.items():
        loose = 0.15 if "int8" in path else 5e-3
        np.testing.assert_allclose(found, reference, atol=loose * np.abs(reference).max())


def test_verify(built: Path) -> None:
    outcome = edgecut("verify", built, "--json")
    assert outcome.code == 0, outcome
    report = json.loads((built / "report.json").read_text())
    assert outcome.json["artifacts"] == [
        {"path": a["path"], "verification": a["verification"]} for a in report["artifacts"]
    ]


def top1(home: Path, gains: dict[str, float]) -> float:
    """What the full network gives under these gains, worked out by hand."""
    network = attended(load(nested()))
    assert network.attention is not None
    right = []
    for sample in SampleSource(path=str(home / "photos"), recipe=str(home / "tiny.toml")).open(
        network
    ):
        feeds = {"image": sample.tensor, "gains": network.attention.gains(gains)}
        scores = run(network, feeds)["scores"][0, [NAMES.index("ship"), NAMES.index("cat")]]
        right.append(("ship", "cat")[int(scores.argmax())] == sample.label)
    return float(np.mean(right))


def test_evaluate_under_gains(home: Path, built: Path) -> None:
    expected = [top1(home, gains) for gains in ({}, {"animal": 4.0})]
    assert expected[0] != expected[1]
    for options, right in zip(((), ("--gain", "animal=4")), expected, strict=True):
        outcome = edgecut("evaluate", built, "--samples", home / "photos", *options, "--json")
        assert outcome.code == 0, outcome
        rows = [row for row in outcome.json["rows"] if row["category"] == "overall"]
        found = {row["what"]: row["top1"] for row in rows}
        assert len(found) == 8
        for what in ("full", "cut", "nested.float32.tflite", "nested.float32.xml"):
            assert found[what] == pytest.approx(right)


def test_bench(built: Path) -> None:
    outcome = edgecut("bench", built, "--no-peak", "--starts", "1", "--seconds", "0.2", "--json")
    assert outcome.code == 0, outcome
    assert len(outcome.json["rows"]) == 12


def test_cut_keeps_the_gains_or_folds_them(home: Path, tmp_path: Path) -> None:
    shapes = {}
    for name, more in (("with", ("--attention",)), ("without", ())):
        out = tmp_path / f"{name}.onnx"
        keep = ("--keep", "cat", "--out", out)
        outcome = edgecut("cut", home / "nested.onnx", *keep, *more)
        assert outcome.code == 0
        told = "gains: animal, cat (input 'gains', 0 to 4, 1 is neutral)"
        assert (told in outcome.stdout) == (name == "with")
        shapes[name] = {
            value.name: [d.dim_value for d in value.type.tensor_type.shape.dim]
            for value in onnx.load(out).graph.input
        }
    image = [1, 3, 16, 16]
    assert shapes == {"with": {"image": image, "gains": [1, 2]}, "without": {"image": image}}


def test_a_cut_file_is_cut_again(built: Path, tmp_path: Path) -> None:
    again, out = tmp_path / "again.onnx", tmp_path / "dist"
    keep = ("--attention", "--keep", "cat")
    assert edgecut("cut", built / "cut.onnx", *keep, "--out", again).code == 0
    assert front.load(str(again), attention=True).attention.categories == ("animal", "cat")
    outcome = edgecut("build", again, *keep, "--scheme", "float32", *TARGETS, "--out", out)
    assert outcome.code == 0, outcome
    assert manifest(out)["attention"]["categories"] == ["animal", "cat"]


def test_inspect_shows_the_gains_where_they_are_asked_for(home: Path) -> None:
    model = home / "nested.onnx"
    assert "gains" not in edgecut("inspect", model).stdout
    outcome = edgecut("inspect", model, "--attention", "--keep", "cat")
    assert outcome.code == 0 and "1x6" in outcome.stdout


# What is refused.


@pytest.mark.parametrize("command", ["build", "cut", "inspect"])
def test_attention_of_a_network_that_takes_no_gains(
    home: Path, tmp_path: Path, command: str
) -> None:
    out = {"build": tmp_path / "dist", "cut": tmp_path / "cut.onnx"}.get(command)
    more = ("--out", out) if out else ()
    said = refused(
        "no-attention", command, home / "bare.onnx", "--attention", "--keep", "cat", *more
    )
    assert "bare takes no gains" in said and "leave --attention out" in said
    assert list(tmp_path.iterdir()) == []


def test_labels_of_another_length(home: Path, tmp_path: Path) -> None:
    labels = tmp_path / "labels.txt"
    labels.write_text("\n".join(["background", *NAMES[1:]]) + "\n")
    more = ("--labels", labels, "--keep", "cat")
    said = refused("bad-attention", "inspect", home / "nested.onnx", "--attention", *more)
    assert "takes 6 gains, and 5 are named" in said
    assert edgecut("inspect", home / "nested.onnx", *more).code == 0


@pytest.mark.parametrize(
    ("gain", "code"),
    [
        ("dog=2", "unknown-gain"),  # it was not kept
        ("cta=2", "unknown-gain"),
        ("cat=-1", "bad-gain"),
        ("cat=nan", "bad-gain"),
        ("cat=5", "bad-gain"),
    ],
)
def test_bad_gains(home: Path, built: Path, gain: str, code: str) -> None:
    refused(code, "evaluate", built, "--samples", home / "photos", "--gain", gain)


@pytest.mark.parametrize("gain", ["cat", "=2", "cat=", "cat=two"])
def test_gains_that_are_not_written_as_gains(home: Path, built: Path, gain: str) -> None:
    outcome = edgecut("evaluate", built, "--samples", home / "photos", "--gain", gain)
    assert outcome.code == 2 and "NAME=GAIN" in outcome.stderr
    twice = ("--gain", "cat=1", "--gain", "cat=2")
    assert edgecut("evaluate", built, "--samples", home / "photos", *twice).code == 2


def test_gains_for_a_bundle_that_takes_none(home: Path, tmp_path: Path) -> None:
    out = tmp_path / "dist"
    more = (*options(home), "--keep", "cat", "--scheme", "float32", "--out", out)
    assert edgecut("build", home / "nested.onnx", *more).code == 0
    refused("no-attention", "evaluate", out, "--samples", home / "photos", "--gain", "cat=2")
    with pytest.raises(EdgecutError, match="take no gains") as caught:
        front.gains(out, {"cat": 2.0})
    assert caught.value.code == "no-attention"


def test_a_manifest_that_misstates_its_gains(built: Path, tmp_path: Path) -> None:
    other = {"input": "gains", "categories": TAKEN[::-1], "neutral": 1.0, "largest": 4.0}
    for place, told in enumerate((None, other)):
        copy = tmp_path / str(place)
        shutil.copytree(built, copy)
        found = manifest(copy)
        (copy / "manifest.json").write_text(json.dumps({**found, "attention": told}))
        assert "'attention' is not that of cut.onnx" in refused("not-a-bundle", "verify", copy)


def test_a_network_whose_metadata_is_broken(tmp_path: Path) -> None:
    for text in ("{", '{"input": "gone", "neutral": 1, "largest": 4}'):
        model = nested()
        helper.set_model_props(model, {"names": str(list(NAMES)), "edgecut.attention": text})
        onnx.save(model, tmp_path / "broken.onnx")
        for more in ((), ("--attention",)):
            refused("bad-attention", "inspect", tmp_path / "broken.onnx", *more)
