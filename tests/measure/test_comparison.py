"""Records compared: slower is found, chance is not, and what does not compare is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgecut.errors import EdgecutError
from edgecut.measure.comparison import compare
from tests.measure.test_latency import steady
from tests.report import made_up


def row(artifact: str = "a.tflite", ms: float = 10.0, **other: Any) -> dict[str, Any]:
    return made_up.row(
        artifact, "cut", ms, **{"runtime": "r 1", "bursts_ms": steady(ms=ms)} | other
    )


def record(path: Path, *rows: dict[str, Any], **environment: Any) -> Path:
    data = made_up.bench(*rows, environment={"cpu": "x", "cores": 2} | environment)
    path.write_text(json.dumps(data))
    return path


def test_what_is_slower_is_found(tmp_path: Path) -> None:
    old = record(tmp_path / "old", row("a"), row("b"))
    new = record(tmp_path / "new", row("a", 11.0), row("b", 9.0))
    slower, faster = compare(old, new).changes
    assert slower.ratio == pytest.approx(1.1, rel=0.01)
    assert slower.low <= slower.ratio <= slower.high
    assert slower.verdict(0.05) == "slower" and slower.verdict(0.15) == "as fast"
    assert faster.verdict(0.0) == "faster"


def test_the_same_is_not_slower(tmp_path: Path) -> None:
    (change,) = compare(record(tmp_path / "a", row()), record(tmp_path / "b", row())).changes
    assert change.ratio == 1.0 and change.verdict(0.01) == "as fast"


def test_chance_is_found_slower_as_seldom_as_it_says(tmp_path: Path) -> None:
    random, found = np.random.default_rng(2), 0
    for _ in range(100):
        noisy = [row(bursts_ms=random.normal(10, 1, size=(30, 3)).tolist()) for _ in range(2)]
        paths = (record(tmp_path / "old", noisy[0]), record(tmp_path / "new", noisy[1]))
        found += compare(*paths).changes[0].verdict(0.0) == "slower"
    assert found <= 7  # 2.5 % of 100, give or take three standard deviations


@pytest.mark.parametrize(
    ("new", "fault"),
    [
        ({"reasons": ["the clock fell"]}, "new: the clock fell"),
        ({"runtime": "r 2"}, "measured on r 1, then on r 2"),
        ({"bursts_ms": [[99.0] * 9] * 4}, "only 4 bursts, 5 are needed: measure longer"),
    ],
)
def test_what_cannot_be_judged_is_not_slower(
    tmp_path: Path, new: dict[str, Any], fault: str
) -> None:
    paths = record(tmp_path / "old", row()), record(tmp_path / "new", row(ms=99.0, **new))
    (change,) = compare(*paths).changes
    assert change.faults == (fault,) and change.verdict(0.0) == "not judged"


def started(*bursts: int) -> list[dict[str, Any]]:
    about = dict.fromkeys(("import_ms", "load_ms", "compile_ms", "first_ms"), 5.0)
    memory = dict.fromkeys(("peak_memory_bytes", "memory_before_load_bytes"))
    return [{**about, **memory, "bursts": count} for count in bursts]


def test_bursts_of_one_start_are_alike(tmp_path: Path) -> None:
    """A third of the bursts is slow: chance would spread them over all starts, and not into two."""
    old = record(tmp_path / "old", row(bursts_ms=[[10.0] * 5] * 60))
    slow = [[11.0 if burst < 20 else 10.0] * 5 for burst in range(60)]
    one, six = (
        compare(old, record(tmp_path / "new", row(bursts_ms=slow, starts=starts))).changes[0]
        for starts in ([], started(*[10] * 6))
    )
    assert one.high == 1.0 and six.high == pytest.approx(1.1)


def test_starts_that_have_other_bursts_are_refused(tmp_path: Path) -> None:
    path = record(tmp_path / "old", row(starts=started(1, 2)))
    with pytest.raises(EdgecutError, match="have other bursts"):
        compare(path, path)


def test_a_wide_interval_is_unclear(tmp_path: Path) -> None:
    wide = [[10.0 * (1 + 0.5 * (i % 3 == 0))] for i in range(12)]
    paths = record(tmp_path / "old", row()), record(tmp_path / "new", row(bursts_ms=wide))
    (change,) = compare(*paths).changes
    assert change.low <= 1.05 < change.high and change.verdict(0.05) == "unclear"


def test_another_network_is_told(tmp_path: Path) -> None:
    paths = record(tmp_path / "old", row(gmacs=0.2)), record(tmp_path / "new", row(gmacs=0.3))
    assert compare(*paths).changes[0].notes == ("0.2 GMACs, then 0.3",)
    assert compare(paths[0], paths[0]).changes[0].notes == ()


def harnessed(path: Path, **told: str) -> Path:
    data = json.loads(record(path, row()).read_text())
    path.write_text(json.dumps({**data, **({"harness": told} if told else {})}))
    return path


def test_another_harness_is_not_judged(tmp_path: Path) -> None:
    old = harnessed(tmp_path / "old", edgecut="1", device_sha256="a")
    for other in ({"edgecut": "1", "device_sha256": "b"}, {}):
        (change,) = compare(old, harnessed(tmp_path / "new", **other)).changes
        assert change.verdict(0.05) == "not judged"
        assert "another version of the harness" in change.faults[0]


def test_another_edgecut_with_the_same_harness_is_told(tmp_path: Path) -> None:
    paths = [
        harnessed(tmp_path / version, edgecut=version, device_sha256="a") for version in ("1", "2")
    ]
    (change,) = compare(*paths).changes
    assert change.faults == () and change.notes == ("edgecut 1, then 2",)
    assert compare(paths[0], paths[0]).changes[0].notes == ()


def test_other_devices_are_refused(tmp_path: Path) -> None:
    paths = []
    for device in ("", "pi"):
        paths.append(record(tmp_path / f"of-{device}", row()))
        data = json.loads(paths[-1].read_text())
        paths[-1].write_text(json.dumps({**data, "device": device}))
    with pytest.raises(EdgecutError, match="device this machine and pi"):
        compare(*paths)


def test_other_machines_are_refused(tmp_path: Path) -> None:
    old = record(tmp_path / "old", row())
    with pytest.raises(EdgecutError) as caught:
        compare(old, record(tmp_path / "new", row(), governor="powersave", cores=4))
    assert caught.value.code == "other-environment"
    assert "cores 2 and 4; governor None and powersave" in caught.value.message


def test_what_only_one_holds_is_told(tmp_path: Path) -> None:
    old = record(tmp_path / "old", row("a"), row("b"))
    new = record(tmp_path / "new", row("b"), row("b", threads=2))
    found = compare(old, new)
    assert found.only_old == (("a", "cut", 1),) and found.only_new == (("b", "cut", 2),)
    with pytest.raises(EdgecutError) as caught:
        compare(old, record(tmp_path / "new", row("c")))
    assert caught.value.code == "nothing-in-common"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[" * 100_000,
        "[]",
        '{"schema": "edgecut.bench/0"}',
        '{"schema": "edgecut.bench/1", "rows": []}',
        '{"schema": "edgecut.bench/1", "environment": {}, "rows": []}',
        '{"schema": "edgecut.bench/1", "environment": {"cpu": "x"}, "rows": [3]}',
        json.dumps(made_up.bench(row(), environment={})),
        json.dumps(made_up.bench(row(median_ms=float("nan")))),
        *(
            json.dumps(made_up.bench() | {"rows": rows})
            for rows in (
                [row(bursts_ms=[])],
                [row(bursts_ms=[[0.0]])],
                [row(bursts_ms=[[1.0], []])],
                [row(bursts_ms=[["x"]])],
                [row(reasons=None)],
                [row(threads="many")],
                [row(), row()],
                [{k: v for k, v in row().items() if k != "runtime"}],
            )
        ),
    ],
)
def test_bad_records(tmp_path: Path, text: str) -> None:
    path = tmp_path / "bad.json"
    path.write_text(text)
    with pytest.raises(EdgecutError) as caught:
        compare(path, path)
    assert caught.value.code == "bad-record" and str(path) in caught.value.message


def test_a_record_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(EdgecutError, match="no record of a measurement"):
        compare(tmp_path / "none", tmp_path / "none")
