"""``edgecut report`` as a user sees it."""

from __future__ import annotations

from pathlib import Path

from edgecut import records
from tests.command import edgecut, refused
from tests.report import made_up


def test_all_that_is_known_is_told(tmp_path: Path) -> None:
    outcome = edgecut("report", made_up.everything(tmp_path))
    assert outcome.code == 0
    lines = [line.split() for line in outcome.stdout.splitlines()]
    assert ["toy.int8.tflite", "raspberry-pi-4", "20.0", "kB", "ok"] in lines
    assert "toy on pi@kitchen, 2026-01-01T00:00:00Z to" in outcome.stdout
    full = "toy.float32.tflite full 1 4.000 4.120 1.60 x (1.55 to 1.65) 0.80 VALID"
    assert full.split() in lines
    assert ["toy.int8.tflite", "cut", "1", "8.000", "1.25", "x", "VALID"] in lines
    assert "Where the time goes on Cortex-A72" in outcome.stdout
    assert ["toy.int8.tflite", "CONV_2D", "conv_1", "1.000", "30.0%", "VALID"] in lines
    assert ["toy.int8.tflite", "0.5"] in lines and "mean ap50" in outcome.stdout
    assert "not measured" not in outcome.stdout and "INVALID" not in outcome.stdout


def test_what_speaks_against_it_is_told(tmp_path: Path) -> None:
    folder = made_up.bundle(tmp_path, uncounted=["einsum"])
    row = made_up.row("a", "cut", 1.0, reasons=["it was hot"])
    frames = made_up.bench()["camera_loop"]
    frames[0].update(verdict="INVALID", reasons=["the camera was hot"])
    records.keep(folder, "bench", made_up.bench(row, camera_loop=frames))
    spoilt = made_up.profile(verdict="INVALID", reasons=["the profiler was hot"])
    spoilt["environment"] = {"cpu": "another", "cores": 4}
    records.keep(folder, "profile", spoilt)
    told = edgecut("report", folder).stdout
    for text in ("1 of 1: it was hot", "the camera was hot", "a: the profiler was hot"):
        assert text.removeprefix("a: ") in told
    assert "not where the latencies were measured: cpu another and Cortex-A72" in told
    assert "not all counted: einsum" in told
    assert f"accuracy: not measured: edgecut evaluate {folder}" in told


def test_a_damaged_record_is_refused(tmp_path: Path) -> None:
    folder = made_up.everything(tmp_path)
    path = folder / "records" / "bench.json"
    path.write_text(path.read_text().replace('"median_ms": 4.0', '"median_ms": 1e999'))
    told = refused("bad-record", "report", folder)
    assert str(path) in told and "1e999 is no finite number" in told
