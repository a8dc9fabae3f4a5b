"""Where networks and samples come from, and that a report can hold it."""

from __future__ import annotations

import shutil
from pathlib import Path

import onnx
import pytest

from edgecut.errors import EdgecutError
from edgecut.source import SampleSource, Source, TargetSource, load
from tests.e2e.models import ANIMALS, RECIPE, Case, classifier, detector, write_case


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    return write_case(tmp_path_factory.mktemp("source") / "a", "tiny", detector(), RECIPE)


def test_load_by_name_or_by_source(case: Case) -> None:
    by_name = load(str(case.model), labels=str(case.labels))
    by_source = load(Source(model=str(case.model), labels=str(case.labels)))
    assert by_name.digest == by_source.digest
    assert by_name.categories == by_source.categories
    assert by_name.categories is not None and by_name.categories.names == ANIMALS


def test_without_labels_there_are_no_categories(case: Case) -> None:
    assert load(str(case.model)).categories is None


def test_where_the_labels_lay_is_not_remembered(case: Case) -> None:
    categories = load(str(case.model), labels=str(case.labels)).categories
    assert categories is not None and categories.source == "labels.txt"


def test_slots_override_what_was_found(case: Case) -> None:
    labels = str(case.labels)
    found = load(str(case.model), labels=labels, slots="output:2:3+6+2").categories
    assert found is not None and found.outputs[0].slots.index(0) == 3


def test_dynamic_axes_take_their_sizes(case: Case, tmp_path: Path) -> None:
    model = classifier()
    for axis in (0, 2, 3):
        model.graph.input[0].type.tensor_type.shape.dim[axis].dim_param = f"n{axis}"
    onnx.save(model, tmp_path / "dynamic.onnx")
    with pytest.raises(EdgecutError, match="axis 2 of input 'image' is dynamic"):
        load(str(tmp_path / "dynamic.onnx"))
    for shape in ("1x3x32x96", "image=1x3x32x96", " IMAGE=1x3x32x96".replace("IMAGE", "image")):
        network = load(str(tmp_path / "dynamic.onnx"), input_shape=shape)
        assert network.image.shape == (1, 3, 32, 96)


@pytest.mark.parametrize("shape", ["1x3", "1x3x64xbig", "1,3,64,64", "1x3x0x64", "1x3x-1x64", "x"])
def test_a_wrong_input_shape(case: Case, shape: str) -> None:
    with pytest.raises(EdgecutError) as caught:
        load(str(case.model), input_shape=shape)
    assert caught.value.code == "bad-input-shape"


def test_both_survive_json_and_move_with_their_files(case: Case, tmp_path: Path) -> None:
    folder = case.folder / "dist"
    folder.mkdir()
    source = Source(model=str(case.model), labels=str(case.labels), slots="output:2:5+6")
    samples = SampleSource(path=str(case.photos), recipe=str(case.recipe), limit=4)
    told, told_samples = source.to_json(folder), samples.to_json(folder)
    assert told["model"] == "../tiny.onnx" and told_samples["recipe"] == "../tiny.toml"
    assert Source.from_json(told, folder) == source
    assert SampleSource.from_json(told_samples, folder) == samples
    shutil.copytree(case.folder, tmp_path / "b")
    moved = Source.from_json(told, tmp_path / "b" / "dist")
    assert Path(moved.model) == tmp_path / "b" / "tiny.onnx"


def test_names_that_are_no_paths_stay_names(case: Case) -> None:
    source = Source(model="package.module:factory", labels="coco80")
    told = source.to_json(case.folder)
    assert (told["model"], told["labels"]) == ("package.module:factory", "coco80")
    assert Source.from_json(told, case.folder) == source


def test_keys_of_later_versions_are_passed_over(case: Case) -> None:
    path = str(case.folder / "a.onnx")
    assert Source.from_json({"model": "a.onnx", "new": 1}, case.folder) == Source(model=path)


def test_a_path_that_leads_nowhere_is_not_looked_for_elsewhere(
    case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file of that name where the user happens to be is not the one that the report means."""
    (tmp_path / "photos").mkdir()
    monkeypatch.chdir(tmp_path)
    told = SampleSource.from_json({"path": "photos", "recipe": "plain"}, case.folder / "gone")
    assert Path(told.path) == case.folder / "gone" / "photos"


@pytest.mark.parametrize("entry", [{"limit": "a"}, {"limit": 0}, {"path": 5}, {"split": ["x"]}])
def test_entries_of_a_wrong_type(case: Case, entry: dict[str, object]) -> None:
    with pytest.raises((ValueError, TypeError)):
        SampleSource.from_json({"path": "a", "recipe": "plain", **entry}, case.folder)


def test_whether_gains_stay_is_remembered(case: Case) -> None:
    source = Source(model=str(case.model), attention=True)
    told = source.to_json(case.folder)
    assert told["attention"] is True
    assert Source.from_json(told, case.folder) == source
    assert not Source.from_json({**told, "attention": False}, case.folder).attention
    with pytest.raises(ValueError, match="'attention' is 1"):
        Source.from_json({**told, "attention": 1}, case.folder)


def test_no_report_grants_trust(case: Case) -> None:
    told = Source(model="a.pt2", trust=True).to_json(case.folder)
    assert "trust" not in told
    assert not Source.from_json({**told, "trust": True}, case.folder).trust


def test_samples(case: Case) -> None:
    network = load(str(case.model))
    source = SampleSource(path=str(case.photos), recipe=str(case.recipe))
    assert [len(s.open(network)) for s in (source, source.limited(4), source.limited(99))] == [
        *(6, 4, 6)
    ]
    assert source.limited(4).limited(9).limit == 4
    sample = next(iter(source.open(network)))
    assert sample.tensor.shape == (1, 3, 64, 64)
    # -1 where the padding of 114 is nearly grey, 2 where the photo is white.
    assert sample.tensor.min() >= -2 and sample.tensor.max() <= 2


def test_synthetic_samples_are_no_path(case: Case) -> None:
    samples = SampleSource(path="synthetic", recipe=str(case.recipe), pictures="3,1")
    told = samples.to_json(case.folder / "dist")
    assert told["path"] == "synthetic"
    assert SampleSource.from_json(told, case.folder / "dist") == samples


def test_settled_samples_stay_as_they_are(case: Case) -> None:
    network = load(str(case.model))
    images = SampleSource(path=str(case.photos), recipe=str(case.recipe))
    assert images.settled(network) == (images, None)
    chosen = SampleSource(path="synthetic", recipe=str(case.recipe), pictures="3,1,4")
    assert chosen.settled(network) == (chosen, None)
    assert [s.name for s in chosen.limited(2).open(network)] == ["synthetic 3", "synthetic 1"]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_paths_are_relative_to_the_folder(here: Path) -> None:
    (here / "board.toml").touch()
    written = TargetSource(target="board.toml").to_json(here / "dist")
    assert written == {"target": "../board.toml"}
    (here / "dist").mkdir()
    assert TargetSource.from_json(written, here / "dist").target == str(here / "board.toml")


def test_a_folder_does_not_take_a_shipped_name(here: Path) -> None:
    for name in ("intel-cpu", "yolox", "photos"):
        (here / name).mkdir()
    assert TargetSource(target="intel-cpu").to_json(here / "dist") == {"target": "intel-cpu"}
    samples = SampleSource(path="photos", recipe="yolox").to_json(here / "dist")
    assert (samples["path"], samples["recipe"]) == ("../photos", "yolox")


def test_a_folder_that_is_called_synthetic(here: Path) -> None:
    """It is written with a path, and stays one."""
    told = SampleSource(path="./synthetic", recipe="plain").to_json(Path("dist"))
    assert told["path"] == "../synthetic"
    again = SampleSource.from_json(told, Path("dist"))
    assert not again.is_synthetic and Path(again.path) == Path("synthetic")
