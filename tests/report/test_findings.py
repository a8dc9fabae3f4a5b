"""What a report is made of: records that fit, and none that lack what is drawn."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edgecut import records
from edgecut.errors import EdgecutError
from edgecut.report.findings import gather
from edgecut.report.sheet import COLUMNS, sheet
from tests.report import made_up


def test_everything(tmp_path: Path) -> None:
    found = gather(made_up.everything(tmp_path))
    assert found.keep == ("person", "car") and found.missing == ()
    assert [bench.where for bench in found.benches] == ["Cortex-A72", "pi@kitchen"]
    assert [bench.place for bench in found.benches] == ["0", "1"]
    best = found.benches[0].best
    assert best is not None and best["artifact"] == "toy.int8.tflite"
    told = [(p.artifact, p.network, p.median_ms, p.accuracy) for p in found.accuracy_points()]
    # The full network was judged in float32 alone.
    assert told == [
        ("toy.float32.tflite", "full", 4.0, 0.6),
        ("toy.float32.tflite", "cut", 2.5, 0.6),
        ("toy.int8.tflite", "cut", 1.25, 0.5),
    ]
    assert all(point.valid and point.threads == 1 for point in found.accuracy_points())
    assert found.judged_on == ("252 images of val, prepared as yolox",)
    kept = found.to_json()
    assert [row["frame_ms"] for row in kept["benches"][0]["camera_loop"]] == [10.0, 8.0]
    assert kept["profiles"] and kept["missing"] == [] and "bursts_ms" not in kept["profiles"][0]


def test_what_is_missing_is_told_with_its_command(tmp_path: Path) -> None:
    found = gather(made_up.bundle(tmp_path))
    assert found.missing == (
        f"latency: not measured: edgecut bench {tmp_path}",
        f"where the time goes: not measured: edgecut profile {tmp_path}",
        f"accuracy: not measured: edgecut evaluate {tmp_path} --samples or --coco",
    )
    assert found.accuracy_points() == []


def test_records_of_an_earlier_build_draw_nothing_new(tmp_path: Path) -> None:
    folder = made_up.everything(tmp_path)
    made_up.bundle(folder, keep=("person",))
    found = gather(folder)
    assert all(bench.stale for bench in found.benches) and not found.profiles
    assert len(found.missing) == 3 and found.accuracy_points() == []
    again = f"measured, but before the last build: edgecut profile {folder}"
    assert found.missing[1] == f"where the time goes: {again}"


def test_reasons_of_one_kind_are_told_once(tmp_path: Path) -> None:
    made_up.bundle(tmp_path)
    busy = [f"other programs kept 1.{n} cores busy" for n in range(3)]
    rows = [made_up.row(f"{n}.tflite", "cut", 1.0, reasons=[busy[n]]) for n in range(3)]
    records.keep(tmp_path, "bench", made_up.bench(*rows))
    (bench,) = gather(tmp_path).benches
    assert bench.reasons == (f"3 of 3, for example: {busy[0]}",) and bench.verdict == "INVALID"


def test_rows_are_counted_and_not_their_reasons(tmp_path: Path) -> None:
    made_up.bundle(tmp_path)
    twice = ["0.1 ms: only 5 samples", "0.2 ms: only 5 samples", "it was hot"]
    rows = (made_up.row("a", "cut", 1.0, reasons=twice), made_up.row("b", "cut", 1.0))
    records.keep(tmp_path, "bench", made_up.bench(*rows))
    (bench,) = gather(tmp_path).benches
    assert bench.reasons == (f"1 of 2, for example: {twice[0]}", "1 of 2: it was hot")


def test_a_profile_says_where_it_was_taken(tmp_path: Path) -> None:
    made_up.bundle(tmp_path)
    records.keep(tmp_path, "profile", made_up.profile())
    found = gather(tmp_path)
    (profile,) = found.profiles
    assert found.where(profile) == "Cortex-A72" and found.elsewhere(profile) == ""
    assert found.to_json()["profiles"][0]["environment"] == made_up.ENVIRONMENT
    records.keep(tmp_path, "bench", made_up.bench(), device="pi")
    assert gather(tmp_path).elsewhere(profile) == "device this machine and pi"
    records.keep(tmp_path, "bench", made_up.bench())
    assert gather(tmp_path).elsewhere(profile) == ""


def test_a_valid_artifact_is_better_than_a_fast_one(tmp_path: Path) -> None:
    made_up.bundle(tmp_path)
    spoilt = made_up.row("fast.tflite", "cut", 1.0, reasons=["heat"])
    rows = (spoilt, made_up.row("slow.tflite", "cut", 2.0))
    records.keep(tmp_path, "bench", made_up.bench(*rows))
    (bench,) = gather(tmp_path).benches
    assert bench.best is not None and bench.best["artifact"] == "slow.tflite"
    records.keep(tmp_path, "bench", made_up.bench(spoilt))
    (bench,) = gather(tmp_path).benches
    assert bench.best is not None and bench.best["verdict"] == "INVALID"


def _without(name: str) -> Callable[[dict[str, Any]], None]:
    return lambda row: row.pop(name)


@pytest.mark.parametrize(
    "spoil",
    [
        *map(_without, ("artifact", "network", "median_ms", "bursts_ms", "state", "reasons")),
        lambda row: row.update(network="<script>"),
        lambda row: row.update(median_ms=-1.0),
        lambda row: row.update(median_ms="nan"),
        lambda row: row.update(bursts_ms=[]),
        lambda row: row.update(bursts_ms=[["x"]]),
        lambda row: row.update(bursts_ms=3),
        lambda row: row.update(roofline={}),
        lambda row: row["roofline"].update(peak_gmacs_per_s=0),
    ],
)
def test_a_record_that_cannot_be_drawn(
    tmp_path: Path, spoil: Callable[[dict[str, Any]], None]
) -> None:
    made_up.bundle(tmp_path)
    row = made_up.row("a.tflite", "cut", 1.0)
    record = made_up.bench(row)
    spoil(row)
    path = records.keep(tmp_path, "bench", record)
    with pytest.raises(EdgecutError) as error:
        gather(tmp_path)
    assert error.value.code == "bad-record" and str(path) in error.value.message


@pytest.mark.parametrize(
    "spoil",
    [
        lambda report: report["artifacts"][0].pop("bytes"),
        lambda report: report["artifacts"][0].update(verification=None),
        lambda report: report.update(refusals=["x"]),
        lambda report: report["cost"].pop("cut"),
        lambda report: report["cost"]["cut"].update(macs="many"),
        lambda report: report["cost"]["cut"].update(macs=1.5),
        lambda report: report["cost"]["cut"].update(uncounted=None),
        lambda report: report["artifacts"][0]["verification"].update(worst="nan"),
    ],
)
def test_a_build_that_cannot_be_told(
    tmp_path: Path, spoil: Callable[[dict[str, Any]], None]
) -> None:
    path = made_up.bundle(tmp_path) / "report.json"
    report = json.loads(path.read_text())
    spoil(report)
    path.write_text(json.dumps(report))
    with pytest.raises(EdgecutError) as error:
        gather(tmp_path)
    assert error.value.code == "bad-record" and str(path) in error.value.message


def test_the_file_that_lacks_something_is_named(tmp_path: Path) -> None:
    path = made_up.bundle(tmp_path) / "manifest.json"
    path.write_text('{"schema": "edgecut.manifest/1", "name": "toy"}')
    with pytest.raises(EdgecutError) as error:
        gather(tmp_path)
    assert error.value.code == "bad-record"
    assert error.value.message == f"{path} is no manifest of a build: it lacks 'source_sha256'"


@pytest.mark.parametrize("name", ["operators", "explained", "artifact"])
def test_a_profile_that_cannot_be_drawn(tmp_path: Path, name: str) -> None:
    made_up.bundle(tmp_path)
    profile = made_up.profile()
    del profile["profiles"][0][name]
    records.keep(tmp_path, "profile", profile)
    with pytest.raises(EdgecutError, match=name):
        gather(tmp_path)


def test_the_sheet(tmp_path: Path) -> None:
    made_up.bundle(tmp_path)
    row = made_up.row("=cmd()", "cut", 2.5, reasons=["heat", "load"])
    records.keep(tmp_path, "bench", made_up.bench(row), device="pi")
    (line,) = csv.DictReader(io.StringIO(sheet(gather(tmp_path).benches)))
    assert tuple(line) == COLUMNS
    assert (line["device"], line["median_ms"], line["reasons"]) == ("pi", "2.5", "heat; load")
    assert line["stale"] == "false"
    assert line["artifact"] == "'=cmd()" and line["memory_bytes"] == ""
