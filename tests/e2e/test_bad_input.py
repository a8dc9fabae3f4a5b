"""Each kind of bad input has its own message, its exit code, and leaves nothing behind."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx.external_data_helper import convert_model_to_external_data

from tests.command import edgecut, refused
from tests.e2e.models import Case, classifier, write_coco, write_photo


@pytest.fixture
def case(classifying: Case) -> Case:
    return classifying


def build(case: Case, out: Path, *more: object, model: Path | None = None) -> tuple[object, ...]:
    """Arguments of a build of float32 only; later options override earlier ones."""
    common = ("--labels", case.labels, "--keep", "dog", "--scheme", "float32", "--out", out)
    return ("build", model or case.model, *common, *more)


# The keep-list and the labels


def test_unknown_category(case: Case, tmp_path: Path) -> None:
    said = refused("unknown-category", *build(case, tmp_path / "dist", "--keep", "hore,dog"))
    assert "'hore' is not a category of tiny (6 categories)" in said
    assert "did you mean 'horse'?" in said and "edgecut tree" in said
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("keep", ["", " , "])
def test_empty_keep_list(case: Case, tmp_path: Path, keep: str) -> None:
    said = refused("empty-keep", *build(case, tmp_path / "dist", "--keep", keep))
    assert "the keep-list is empty" in said and "--keep dog" in said


def test_keep_is_required(case: Case) -> None:
    outcome = edgecut("build", case.model)
    assert outcome.code == 2 and "Missing option '--keep'" in outcome.stderr


def test_labels_that_do_not_fit(case: Case, tmp_path: Path) -> None:
    said = refused("labels-do-not-fit", *build(case, tmp_path / "dist", "--labels", "coco80"))
    assert "the 80 categories of coco80 fit no output of tiny: 'scores' [1, 6]" in said


def test_no_labels(case: Case, tmp_path: Path) -> None:
    options = ("--keep", "dog", "--out", tmp_path / "dist")
    said = refused("no-categories", "build", case.model, *options)
    assert "nothing says what categories tiny tells apart" in said and "--labels" in said


def test_unknown_label_set(case: Case, tmp_path: Path) -> None:
    said = refused("unknown-labels", *build(case, tmp_path / "dist", "--labels", "coco8"))
    assert "'coco8' is not a known label set" in said and "'coco80'" in said


@pytest.mark.parametrize("option", ["--labels", "--slots", "--input-shape", "--samples", "--out"])
@pytest.mark.parametrize("value", ["", " "])
def test_an_option_that_is_empty(case: Case, tmp_path: Path, option: str, value: str) -> None:
    outcome = edgecut(*build(case, tmp_path / "dist", option, value))
    assert (outcome.code, outcome.stdout) == (2, "")
    assert f"Invalid value for '{option}': it is empty" in outcome.stderr
    assert not list(tmp_path.iterdir())


def test_weights_of_a_model_that_has_its_own(case: Case, tmp_path: Path) -> None:
    outcome = edgecut(*build(case, tmp_path / "dist", "--weights", case.model))
    assert (outcome.code, outcome.stdout) == (2, "")
    assert "--weights is for a MODULE:FACTORY model" in outcome.stderr


# The model


def test_no_such_model(case: Case, tmp_path: Path) -> None:
    model = tmp_path / "absent.onnx"
    said = refused("missing-model", *build(case, tmp_path / "dist", model=model))
    assert "absent.onnx does not exist" in said


def test_a_folder_as_model(case: Case, tmp_path: Path) -> None:
    said = refused("missing-model", *build(case, tmp_path / "dist", model=tmp_path))
    assert "hint: give an .onnx file" in said


def test_the_folder_of_a_training_that_goes_on(case: Case, tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    (run / "recipe.toml").touch()
    said = refused("missing-model", *build(case, tmp_path / "dist", model=run))
    assert "has not come to its end" in said
    assert "the same `edgecut train` command" in said


@pytest.mark.parametrize(
    "content", [b"", b"version https://git-lfs", b"\x00\x01\x02\x03", b"{}" * 999]
)
def test_not_an_onnx_file(case: Case, tmp_path: Path, content: bytes) -> None:
    model = tmp_path / "wrong.onnx"
    model.write_bytes(content)
    said = refused("not-onnx", *build(case, tmp_path / "dist", model=model))
    assert "wrong.onnx is not an ONNX model" in said


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.999])
def test_truncated_file(case: Case, tmp_path: Path, share: float) -> None:
    model, data = tmp_path / "torn.onnx", case.model.read_bytes()
    model.write_bytes(data[: int(share * len(data))])
    said = refused("not-onnx", *build(case, tmp_path / "dist", model=model))
    assert "torn.onnx" in said and "truncated" in said


def _external(folder: Path, location: str) -> Path:
    """The tiny classifier with its weights in another file, written as ``weights.bin``."""
    model = classifier()
    convert_model_to_external_data(model, location="weights.bin", size_threshold=0)
    folder.mkdir(exist_ok=True)
    onnx.save(model, folder / "tiny.onnx")
    moved = onnx.load(folder / "tiny.onnx", load_external_data=False)
    for tensor in moved.graph.initializer:
        for entry in tensor.external_data:
            entry.value = location if entry.key == "location" else entry.value
    (folder / "tiny.onnx").write_bytes(moved.SerializeToString())
    return folder / "tiny.onnx"


def test_external_data_is_read(case: Case, tmp_path: Path) -> None:
    model = _external(tmp_path / "model", "weights.bin")
    outcome = edgecut("inspect", model, "--labels", case.labels, "--json")
    inside = edgecut("inspect", case.model, "--labels", case.labels, "--json")
    assert outcome.json == inside.json


def test_missing_external_data(case: Case, tmp_path: Path) -> None:
    model = _external(tmp_path / "model", "weights.bin")
    (tmp_path / "model" / "weights.bin").unlink()
    said = refused("missing-external-data", *build(case, tmp_path / "dist", model=model))
    assert "'weights.bin' of 'conv0.w' is missing" in said and f"copy it to {model.parent}" in said


def test_truncated_external_data(case: Case, tmp_path: Path) -> None:
    model = _external(tmp_path / "model", "weights.bin")
    (tmp_path / "model" / "weights.bin").write_bytes(b"\0" * 5000)
    said = refused("missing-external-data", *build(case, tmp_path / "dist", model=model))
    assert "'weights.bin' has 5000 bytes" in said


@pytest.mark.parametrize("location", ["../weights.bin", "/etc/passwd"])
def test_external_data_outside_the_folder(case: Case, tmp_path: Path, location: str) -> None:
    model = _external(tmp_path / "model", location)
    shutil.move(tmp_path / "model" / "weights.bin", tmp_path / "weights.bin")
    said = refused("path-escape", *build(case, tmp_path / "dist", model=model))
    assert "point out of its folder" in said and location in said


def test_external_data_behind_a_link(case: Case, tmp_path: Path) -> None:
    model = _external(tmp_path / "model", "weights.bin")
    shutil.move(tmp_path / "model" / "weights.bin", tmp_path / "weights.bin")
    (tmp_path / "model" / "weights.bin").symlink_to("../weights.bin")
    refused("path-escape", *build(case, tmp_path / "dist", model=model))


def _save(path: Path, nodes: list[onnx.NodeProto], *, weights: dict[str, np.ndarray]) -> Path:
    """A model from `image` 1x3x8x8 to `scores`, whose shape the file does not say."""
    graph = helper.make_graph(
        nodes,
        "odd",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, 8, 8])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    onnx.save(model, path)
    return path


def test_a_model_that_fails_shape_inference(case: Case, tmp_path: Path) -> None:
    nodes = [helper.make_node("MatMul", ["image", "w"], ["scores"])]
    weights = {"w": np.ones((7, 6), np.float32)}  # the image's rows have 8 values, not 7
    model = _save(tmp_path / "odd.onnx", nodes, weights=weights)
    said = refused("shape-inference", *build(case, tmp_path / "dist", model=model))
    assert "odd.onnx does not pass ONNX's checks and shape inference" in said


def test_a_model_that_does_not_run(case: Case, tmp_path: Path) -> None:
    nodes = [helper.make_node("Conv", ["image", "w"], ["scores"])]
    weights = {"w": np.ones((6, 5, 1, 1), np.float32)}  # shape inference does not look at the 5
    model = _save(tmp_path / "odd.onnx", nodes, weights=weights)
    said = refused("runtime-failed", *build(case, tmp_path / "dist", model=model))
    assert "Input channels C is not equal to kernel channels" in said


def test_an_operation_that_an_emitter_cannot_write(case: Case, tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Conv", ["image", "w"], ["features"], name="first"),
        helper.make_node("Det", ["features"], ["twisted"], name="odd one"),
        helper.make_node("Unsqueeze", ["twisted", "axes"], ["wide"], name="last"),
        helper.make_node("Mul", ["features", "wide"], ["scores"], name="join"),
    ]
    weights = {"w": np.ones((6, 3, 1, 1), np.float32), "axes": np.array([2, 3])}
    model = _save(tmp_path / "odd.onnx", nodes, weights=weights)
    said = refused(
        "unsupported-operation",
        *build(case, tmp_path / "dist", "--target", "raspberry-pi-4", model=model),
    )
    assert "Det" in said and "odd one" in said
    assert not (tmp_path / "dist").exists()


def test_a_factory_that_is_none(case: Case, tmp_path: Path) -> None:
    said = refused(
        "bad-factory",
        *("build", "no.such.module:network", "--input-shape", "1x3x8x8"),
        *("--labels", case.labels, "--keep", "dog", "--out", tmp_path / "dist"),
    )
    assert "no.such.module:network" in said


# The samples


def _int8(case: Case, out: Path, samples: Path) -> tuple[object, ...]:
    options = ("--samples", samples, "--recipe", case.recipe, "--target", "intel-cpu")
    return build(case, out, *options, "--scheme", "int8")


def test_images_that_do_not_decode(case: Case, tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    (photos / "a.jpg").write_bytes(b"not a picture")
    said = refused("unreadable-samples", *_int8(case, tmp_path / "dist", photos))
    assert "none of the 1 images can be used; the first, 'a.jpg', cannot be decoded" in said
    assert not (tmp_path / "dist").exists()


def test_no_images(case: Case, tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    (photos / "notes.txt").write_text("none here")
    said = refused("no-images", *_int8(case, tmp_path / "dist", photos))
    assert "photos holds no images" in said and ".png" in said


def test_no_such_samples(case: Case, tmp_path: Path) -> None:
    refused("missing-samples", *_int8(case, tmp_path / "dist", tmp_path / "nowhere"))


def test_samples_without_a_recipe(case: Case, tmp_path: Path) -> None:
    said = refused("missing-recipe", *build(case, tmp_path / "dist", "--samples", case.photos))
    assert "nothing says how an image becomes the input" in said


@pytest.mark.parametrize(
    ("command", "option", "value"),
    [
        *((command, "--recipe", "plain") for command in ("build", "cut", "verify")),
        *((command, "--split", "val") for command in ("build", "cut", "verify")),
        *((command, "--images", "photos") for command in ("build", "cut", "verify")),
        ("build", "--limit", "128"),  # the default, but said
    ],
)
def test_options_of_samples_without_samples(
    case: Case, built_classifier: Path, tmp_path: Path, command: str, option: str, value: str
) -> None:
    common = ("--labels", case.labels, "--keep", "dog", "--out", tmp_path / "cut.onnx")
    arguments = (built_classifier,) if command == "verify" else (case.model, *common)
    outcome = edgecut(command, *arguments, option, value)
    assert (outcome.code, outcome.stdout) == (2, "")
    assert f"{option} says nothing without --samples" in outcome.stderr
    assert not list(tmp_path.iterdir())


def test_an_unknown_recipe(case: Case, tmp_path: Path) -> None:
    options = ("--samples", case.photos, "--recipe", "yolo")
    assert "'yolox'" in refused("unknown-recipe", *build(case, tmp_path / "dist", *options))


def test_int8_without_samples(case: Case, tmp_path: Path) -> None:
    said = refused("no-samples", *build(case, tmp_path / "dist", "--scheme", "int8"))
    assert "int8 needs samples" in said and "--samples" in said


def test_a_coco_json_without_the_category(case: Case, built_classifier: Path) -> None:
    said = refused("no-truth", "evaluate", built_classifier)
    assert "--coco" in said and "--samples" in said


def test_boxes_and_a_recipe_that_makes_none(detecting: Case, built: Path) -> None:
    truth = write_coco(detecting, {"dog/0.png": [("dog", [1, 2, 3, 4])]})
    options = ("--images", detecting.photos, "--recipe", "imagenet")
    said = refused("no-detections", "evaluate", built, "--coco", truth, *options)
    assert "recipe 'imagenet' has no [detections]" in said and "--recipe" in said


def test_labels_that_no_sample_carries(built_classifier: Path, tmp_path: Path) -> None:
    write_photo(tmp_path / "lion" / "0.png", seed=0)
    said = refused("no-labelled-samples", "evaluate", built_classifier, "--samples", tmp_path)
    assert "'dog' or 'cat'" in said


# Output and target


@pytest.mark.parametrize("below", ["dist", "deep/er/dist"])
def test_unwritable_output(case: Case, tmp_path: Path, below: str) -> None:
    (tmp_path / "file").write_text("in the way")  # stops root, too
    out = tmp_path / "file" / below
    said = refused("unwritable-output", *build(case, out))
    assert f"{out} cannot be written" in said


@pytest.mark.parametrize("out", ["file/cut.onnx", "nowhere/cut.onnx", "folder.onnx"])
def test_unwritable_cut(case: Case, tmp_path: Path, out: str) -> None:
    (tmp_path / "file").write_text("in the way")
    (tmp_path / "folder.onnx").mkdir()
    options = ("--labels", case.labels, "--keep", "dog", "--out", tmp_path / out)
    said = refused("unwritable-output", "cut", case.model, *options)
    assert out in said
    assert ("it is a folder" if out == "folder.onnx" else "no such folder") in said


@pytest.mark.parametrize("kind", ["itself", "link", "hard link"])
def test_a_cut_in_the_place_of_its_model(case: Case, tmp_path: Path, kind: str) -> None:
    model, out = tmp_path / "tiny.onnx", tmp_path / "other.onnx"
    shutil.copy(case.model, model)
    if kind == "link":
        out.symlink_to(model)
    elif kind == "hard link":
        out.hardlink_to(model)
    options = ("--labels", case.labels, "--keep", "dog")
    out = model if kind == "itself" else out
    said = refused("output-is-input", "cut", model, *options, "--out", out)
    assert f"{out} is the model itself" in said and "--out" in said
    assert model.read_bytes() == case.model.read_bytes()


def test_a_cut_that_is_no_onnx_file(case: Case, tmp_path: Path) -> None:
    options = ("--labels", case.labels, "--keep", "dog", "--out", tmp_path / "cut.tflite")
    assert "must end in .onnx" in refused("bad-output", "cut", case.model, *options)


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_output_that_is_not_ours(case: Case, tmp_path: Path, kind: str) -> None:
    out = tmp_path / "dist"
    if kind == "folder":
        out.mkdir()
    precious = out / "thesis.txt" if kind == "folder" else out
    precious.write_text("three years")
    said = refused("output-exists", *build(case, out))
    assert "which edgecut did not write" in said and "--out" in said
    assert precious.read_text() == "three years"


def test_unknown_target(case: Case, tmp_path: Path) -> None:
    said = refused("unknown-target", *build(case, tmp_path / "dist", "--target", "rasberry-pi-4"))
    assert "'rasberry-pi-4' is not a known target" in said and "'raspberry-pi-4'" in said


def test_a_target_that_forbids_the_scheme(case: Case, tmp_path: Path) -> None:
    said = refused("scheme-not-allowed", *build(case, tmp_path / "dist", "--target", "intel-npu"))
    assert "'intel-npu' does not take the scheme 'float32'" in said
    assert "intel-npu takes: float16, int8" in said


# Numbers


@pytest.mark.parametrize(
    ("command", "option", "value"),
    [
        *(("build", "--limit", value) for value in ("0", "-3", "many")),
        *(("evaluate", "--limit", value) for value in ("0", "1.5")),
        *(("bench", "--threads", value) for value in ("0", "-1", "1,,2", "two")),
        *(("bench", "--pin", value) for value in ("-1", "a", "")),
        *(("bench", "--sustain", value) for value in ("0", "10x", "1e9", "25h")),
        *(("bench", "--precision", value) for value in ("0", "60", "nan")),
        *(("bench", "--seconds", value) for value in ("-1", "0", "soon", "inf", "nan")),
    ],
)
def test_numbers_out_of_range(command: str, option: str, value: str) -> None:
    outcome = edgecut(command, "some-folder", option, value)
    assert (outcome.code, outcome.stdout) == (2, "")
    assert f"Invalid value for '{option}'" in outcome.stderr


def test_cores_that_are_not_there(built_classifier: Path) -> None:
    refused("bad-measurement", "bench", built_classifier, "--pin", "4711")


def test_other_files_that_cannot_run(built_classifier: Path, tmp_path: Path) -> None:
    nothing = tmp_path / "none.tflite"
    refused("artifact-not-found", "bench", built_classifier, "--against", nothing)
    refused("unknown-format", "bench", built_classifier, "--against", tmp_path / "x.pt")
    nothing.write_bytes(b"no model")
    refused("runtime-failed", "bench", built_classifier, "--against", nothing)


def test_images_for_the_camera_loop_that_are_not_there(
    built_classifier: Path, tmp_path: Path
) -> None:
    loop = ("bench", built_classifier, "--camera-loop")
    refused("missing-samples", *loop, tmp_path / "none")
    refused("no-images", *loop, tmp_path)
    (tmp_path / "torn.png").write_bytes(b"no image")
    refused("unreadable-samples", *loop, tmp_path)


# Bundles


@pytest.fixture
def copy(built_classifier: Path, tmp_path: Path) -> Path:
    """A bundle that a test may spoil, beside its model and photos."""
    shutil.copytree(built_classifier.parent, tmp_path / "moved")
    return tmp_path / "moved" / "dist"


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("name", ["tiny.int8.tflite", "tiny.float32.bin", "tiny.float16.xml"])
@pytest.mark.parametrize("command", ["verify", "bench"])
def test_a_tampered_artifact(copy: Path, command: str, name: str) -> None:
    _flip(copy / name)
    said = refused("changed-artifact", command, copy)
    assert name.rsplit(".", 1)[0] in said and "is not the file that manifest.json describes" in said


def test_a_tampered_cut(copy: Path) -> None:
    model = onnx.load(copy / "cut.onnx")
    model.doc_string = "changed"
    onnx.save(model, copy / "cut.onnx")
    assert "cut.onnx" in refused("changed-artifact", "verify", copy)


def test_a_missing_artifact(copy: Path) -> None:
    (copy / "tiny.float32.tflite").unlink()
    assert "tiny.float32.tflite" in refused("missing-artifact", "verify", copy)


def _edit(path: Path, change: Callable[[dict[str, object]], object]) -> None:
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data))


def _rename(path: str) -> Callable[[dict[str, object]], object]:
    return lambda data: data["artifacts"][0].update(path=path)  # type: ignore[index]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (_rename("../../passwd"), "path-escape"),
        (lambda data: data.update(schema="edgecut.manifest/9"), "other-schema"),
        (lambda data: data.pop("artifacts"), "not-a-bundle"),
        (lambda data: data.update(artifacts=[{"path": "x"}]), "not-a-bundle"),
        (lambda data: data.update(artifacts=7), "not-a-bundle"),
        (lambda data: data.pop("cut_sha256"), "not-a-bundle"),
    ],
)
def test_a_tampered_manifest(
    copy: Path, change: Callable[[dict[str, object]], object], code: str
) -> None:
    _edit(copy / "manifest.json", change)
    refused(code, "verify", copy)


@pytest.mark.parametrize("key", ["selection", "source", "samples"])
def test_a_tampered_report(copy: Path, key: str) -> None:
    _edit(copy / "report.json", lambda data: data.pop(key))
    refused("not-a-bundle", "verify", copy)


@pytest.mark.parametrize("content", ["", "{", "[]", "7"])
def test_a_manifest_that_is_none(copy: Path, content: str) -> None:
    (copy / "manifest.json").write_text(content)
    outcome = edgecut("verify", copy)
    assert outcome.code == 1
    assert outcome.stderr.startswith(("error[not-a-bundle]", "error[other-schema]"))


@pytest.mark.parametrize("command", ["verify", "bench"])
def test_a_folder_that_is_no_bundle(tmp_path: Path, command: str) -> None:
    said = refused("not-a-bundle", command, tmp_path)
    assert "a folder that `edgecut build` wrote" in said


def test_a_model_that_is_gone(copy: Path) -> None:
    (copy.parent / "tiny.onnx").unlink()
    assert "tiny.onnx does not exist" in refused("missing-model", "verify", copy)


def test_another_model(copy: Path, detecting: Case) -> None:
    said = refused("other-model", "verify", copy, "--model", detecting.model)
    assert "--model" in said
