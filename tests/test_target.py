"""The shipped targets, and what a bad target file is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgecut import shipped
from edgecut.errors import EdgecutError
from edgecut.target import all_targets, read_target

SHIPPED = ["generic-arm64", "intel-cpu", "intel-npu", "raspberry-pi-4", "raspberry-pi-5"]


def test_what_is_shipped() -> None:
    assert [target.name for target in all_targets()] == SHIPPED


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_target_is_consistent(name: str) -> None:
    target = read_target(name)
    assert target.name == name
    pairs = {("litert", "tflite", "NHWC"), ("openvino", "openvino", "NCHW")}
    assert (target.runtime, target.format, target.layout) in pairs
    assert len({peak.scheme for peak in target.peaks}) == len(target.peaks)
    for peak in target.peaks:
        assert peak.scheme in target.schemes
        assert peak.gmacs_per_s > 0
        words = ("measured by others", "specification", "estimate")
        assert any(word in peak.source for word in words), "the kind of source is not told"
    for scheme in target.schemes:
        target.require(scheme)


def test_peaks_are_found_by_scheme() -> None:
    found = read_target("raspberry-pi-5").peak("int8")
    assert found is not None and found.gmacs_per_s == 307.0
    assert read_target("raspberry-pi-4").peak("float16") is None
    assert read_target("generic-arm64").peak("float32") is None


def test_int8_boundaries() -> None:
    for name in ("raspberry-pi-4", "raspberry-pi-5", "generic-arm64"):
        int8 = read_target(name).int8
        assert (int8.input, int8.output, int8.activations) == ("int8", "float32", "per-tensor")
    for name in ("intel-cpu", "intel-npu"):
        int8 = read_target(name).int8
        assert (int8.input, int8.output, int8.activations) == ("float32", "float32", "per-channel")


def test_arm_targets_share_one_file() -> None:
    names = ("raspberry-pi-4", "raspberry-pi-5", "generic-arm64")
    assert len({read_target(name).preferences() for name in names}) == 1


def test_the_npu_takes_no_float32_and_says_how_it_was_checked() -> None:
    target = read_target("intel-npu")
    assert target.device == "NPU"
    with pytest.raises(EdgecutError, match="does not take the scheme 'float32'"):
        target.require("float32")
    assert any("not on a device" in note for note in target.notes)


def test_the_npu_list_holds_real_operations_once_each() -> None:
    openvino = pytest.importorskip("openvino")
    listed = read_target("intel-npu").operations
    assert list(listed) == sorted(set(listed))
    known = {
        name.replace("_", "").casefold()
        for version in range(1, 16)
        for name in dir(getattr(openvino, f"opset{version}"))
    }
    assert {name for name in listed if name.casefold() not in known} == set()


@pytest.mark.shared
@pytest.mark.parametrize("model", ["yolox-nano/yolox_nano.onnx", "fastestdet/FastestDet.onnx"])
def test_the_npu_list_covers_real_detectors(shared: Path, model: str) -> None:
    openvino = pytest.importorskip("openvino")
    ops = openvino.Core().read_model(shared / "models" / model).get_ops()
    found = {op.get_type_name() for op in ops} - {"Constant", "Parameter", "Result"}
    assert found - set(read_target("intel-npu").operations) == set()


GOOD = (shipped.folder("targets") / "raspberry-pi-5.toml").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('layout = "NHWC"', 'layout = "HWC"', "'layout' is 'HWC'"),
        ('layout = "NHWC"', 'layot = "NHWC"', "'layout' is missing"),
        ('title = "', 'colour = "red"\ntitle = "', "keys that do not belong here: colour"),
        ('"float16", "int8"]', '"float16", "int4"]', "'schemes' is 'int4'"),
        ('input = "int8"', 'input = "uint8"', "'input' is 'uint8'"),
        ("gmacs_per_s = 76.7", 'gmacs_per_s = "fast"', "must be a number"),
        ("gmacs_per_s = 76.7\nsource", "gmacs_per_s = 76.7\norigin", "'source' is missing"),
    ],
)
def test_a_bad_target_is_told_its_fault(tmp_path: Path, old: str, new: str, told: str) -> None:
    path = tmp_path / "mine.toml"
    assert old in GOOD
    path.write_text(GOOD.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(EdgecutError) as caught:
        read_target(str(path))
    assert caught.value.code == "bad-target"
    assert told in caught.value.message


def test_ones_own_target_is_read_by_its_path(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(GOOD.replace("raspberry-pi-5", "mine"), encoding="utf-8")
    assert read_target(str(path)).name == "mine"


@pytest.mark.parametrize(
    ("name", "hint"), [("raspbery-pi-5", "did you mean 'raspberry-pi-5'"), ("../x", "known:")]
)
def test_an_unknown_target_gets_a_suggestion(name: str, hint: str) -> None:
    with pytest.raises(EdgecutError) as caught:
        read_target(name)
    assert caught.value.code == "unknown-target"
    assert hint in str(caught.value.hint)
