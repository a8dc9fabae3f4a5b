"""Reading a bundle back, and what checks run on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import edgecut
from edgecut import bundle
from edgecut.errors import EdgecutError
from edgecut.opened import CHECK_SAMPLES, check_inputs, open_bundle, running
from edgecut.source import SampleSource, Source, load
from tests.e2e.models import RECIPE, Case, classifier, detector, write_case


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    return write_case(tmp_path_factory.mktemp("opened"), "tiny", classifier(), RECIPE)


@pytest.fixture(scope="module")
def source(case: Case) -> Source:
    return Source(model=str(case.model), labels=str(case.labels))


@pytest.fixture(scope="module")
def built(case: Case, source: Source) -> edgecut.pipeline.BuildResult:
    samples = SampleSource(path=str(case.photos), recipe=str(case.recipe))
    return edgecut.build(
        source,
        keep=["cat", "hen"],
        out=case.folder / "dist",
        samples=samples,
        targets=["raspberry-pi-4", "raspberry-pi-5"],
        schemes=["float32"],
    )


def test_what_was_built_is_read_back(built: edgecut.pipeline.BuildResult, source: Source) -> None:
    opened = open_bundle(built.folder)
    assert opened.source == source
    assert opened.artifacts == tuple(one.artifact for one in built.built)
    assert opened.selection == built.cut.cut.selection == {"scores": (1, (1, 5))}
    assert opened.network.categories == built.cut.network.categories
    assert opened.network.to_bytes() == built.cut.network.to_bytes()
    assert opened.full().digest == built.cut.full.digest
    assert opened.samples is not None and opened.samples.recipe.endswith("tiny.toml")


def test_targets_alike_share_a_file(built: edgecut.pipeline.BuildResult) -> None:
    first, second = (one.artifact for one in built.built)
    assert replace(first, target=second.target) == second
    assert [path.name for path in built.folder.glob("*.tflite")] == ["tiny.float32.tflite"]


def test_another_model_is_told_from_the_right_one(
    built: edgecut.pipeline.BuildResult, case: Case, tmp_path: Path
) -> None:
    copy = tmp_path / "copy.onnx"
    copy.write_bytes(case.model.read_bytes())
    assert open_bundle(built.folder, model=str(copy)).full().name == "copy"
    other = write_case(tmp_path, "other", detector(), RECIPE)
    with pytest.raises(EdgecutError) as caught:
        open_bundle(built.folder, model=str(other.model)).full()
    assert caught.value.code in ("other-model", "labels-do-not-fit")
    changed = classifier()
    changed.doc_string = "another"
    copy.write_bytes(changed.SerializeToString())
    with pytest.raises(EdgecutError, match="is not the model that") as caught:
        open_bundle(built.folder, model=str(copy)).full()
    assert caught.value.code == "other-model"


def test_an_empty_folder_is_no_bundle(tmp_path: Path) -> None:
    with pytest.raises(EdgecutError) as caught:
        open_bundle(tmp_path)
    assert caught.value.code == "not-a-bundle"
    assert bundle.MANIFEST in caught.value.message


def test_checks_run_on_samples_or_else_on_noise_that_never_changes(case: Case) -> None:
    network = load(str(case.model))
    samples = SampleSource(path=str(case.photos), recipe=str(case.recipe))
    named = [name for name, _ in check_inputs(network, samples)]
    assert named[0] == "cat/1.png" and len(named) == 6 <= CHECK_SAMPLES
    first, second = (list(check_inputs(network, None)) for _ in range(2))
    kinds = [f"random 0..{largest}, {seed}" for largest in (1, 255) for seed in (0, 1)]
    assert [name for name, _ in first] == kinds
    assert 0.9 < first[0][1]["image"].max() <= 1.0 and 250 < first[2][1]["image"].max() <= 255
    for (_, a), (_, b) in zip(first, second, strict=True):
        assert a["image"].shape == (1, 3, 64, 64) and a["image"].dtype == np.float32
        assert np.array_equal(a["image"], b["image"])
    assert not np.array_equal(first[0][1]["image"], first[1][1]["image"])


def test_a_network_runs(case: Case) -> None:
    network = load(str(case.model))
    with running(network) as runtime:
        scores = runtime.run({"image": np.zeros((1, 3, 64, 64), np.float32)})["scores"]
    assert scores.shape == (1, 6) and np.isfinite(scores).all()
