"""The page: whole, safe against names, and what a real browser makes of it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from PIL import Image

from edgecut import records
from edgecut.report import figures
from edgecut.report.drawing import draw
from edgecut.report.findings import gather
from edgecut.report.page import page
from tests.report import made_up
from tests.report.browser import Reader, needs_browser, opened

pytest.importorskip("matplotlib", reason="needs the extra 'report'")
HOSTILE = "</script><img src=x onerror=alert(1)>$\\frac{$&\"'"


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> str:
    return page(gather(made_up.everything(tmp_path_factory.mktemp("dist"))))


def test_the_numbers_are_there(text: str) -> None:
    read = Reader(text)
    cells = [row[:4] for row in read.rows]
    assert ["toy.int8.tflite", "cut", "VALID", "1.250"] in cells
    assert ["toy.int8.tflite", "cut", "1", "VALID", "2.00"] in [row[:5] for row in read.rows]
    assert "252 images of val" in text
    assert read.json["benches"][1]["device"] == "pi@kitchen"
    assert read.json["benches"][0]["rows"][0]["median_ms"] == 4.0
    assert "bursts_ms" not in read.json["benches"][0]["rows"][0]
    assert "All 19 operators" in text and "gather: its indices vary" in text


def test_nothing_is_loaded_and_nothing_runs(text: str) -> None:
    read = Reader(text)
    assert {url[:1] for url in read.urls} <= {"#", "d"} and "data:," in read.urls
    assert read.tags.count("script") == 1 and "url(http" not in text and "@import" not in text
    assert not re.search(r"\son\w+=", text)


def test_each_identifier_is_there_once_and_each_reference_leads_somewhere(text: str) -> None:
    read = Reader(text)
    assert len(set(read.ids)) == len(read.ids)
    asked = {url[1:] for url in read.urls if url.startswith("#")}
    asked |= set(re.findall(r"url\(#([^)]+)\)", text))
    assert asked <= set(read.ids)


def test_the_same_findings_give_the_same_page(text: str, tmp_path: Path) -> None:
    assert page(gather(made_up.everything(tmp_path))) == text


def test_hostile_names_are_text(tmp_path: Path) -> None:
    made_up.bundle(tmp_path, name=HOSTILE, keep=(HOSTILE,))
    row = made_up.row(HOSTILE, "cut", 1.0, reasons=[HOSTILE])
    full = made_up.row(HOSTILE, "full", 2.0)
    records.keep(tmp_path, "bench", made_up.bench(full, row), device=HOSTILE)
    read = Reader(page(gather(tmp_path)))
    assert "img" not in read.tags and read.tags.count("script") == 1
    assert read.json["name"] == HOSTILE
    assert any(cells[:1] == [HOSTILE] for cells in read.rows)


def test_what_spoils_a_profile_is_told(tmp_path: Path) -> None:
    made_up.bundle(tmp_path)
    told = {"verdict": "INVALID", "reasons": ["it was hot"], "notes": ["one part is unmapped"]}
    record = made_up.profile(**told, runtime="openvino")
    first, second = record["profiles"][0]["operators"][:2]
    first.update(nodes=None, categories=None)
    second.update(added=True, categories=["person", "car"])
    records.keep(tmp_path, "profile", record)
    text = page(gather(tmp_path))
    assert "INVALID" in text and "it was hot" in text and "one part is unmapped" in text
    assert "were not delegated" not in text
    cells = [row[1:3] for row in Reader(text).rows]
    assert ["unmapped", "unknown"] in cells and ["added at conv_2", "all"] in cells


def test_what_makes_a_peak_too_low_is_told(tmp_path: Path) -> None:
    made_up.bundle(tmp_path)
    rows = [made_up.row("a", network, ms) for network, ms in (("full", 2.0), ("cut", 1.0))]
    for number, row in enumerate(rows):
        row["roofline"]["reasons"] = [f"float32: {number + 1} cores were busy"]
    records.keep(tmp_path, "bench", made_up.bench(*rows))
    text = page(gather(tmp_path))
    assert text.count("cores were busy</li>") == 1
    assert "<li>for example: float32: 1 cores were busy</li>" in text


@pytest.mark.parametrize("uncounted", [("full",), ("cut",), ("full", "cut")])
def test_latency_without_known_macs(tmp_path: Path, uncounted: tuple[str, ...]) -> None:
    made_up.bundle(tmp_path)
    unknown = {"gmacs": None, "achieved_gmacs_per_s": None, "roofline": None}
    rows = [
        made_up.row("a", network, 2.0, **(unknown if network in uncounted else {}))
        for network in ("full", "cut")
    ]
    records.keep(tmp_path, "bench", made_up.bench(*rows))
    text = page(gather(tmp_path))
    assert "against multiply-accumulates" not in text and "Distribution" in text


def test_a_cut_without_macs_has_no_place_under_the_roof(tmp_path: Path) -> None:
    made_up.bundle(tmp_path)
    full, cut = (made_up.row("a", network, 2.0) for network in ("full", "cut"))
    rates = ("intensity_macs_per_byte", "achieved_gmacs_per_s", "attainable_gmacs_per_s")
    rates += ("ceiling_gmacs_per_s", "share_of_peak", "share_of_attainable")
    cut["roofline"] |= dict.fromkeys(rates, 0)
    cut |= {"gmacs": 0, "achieved_gmacs_per_s": 0, "share_of_peak": 0}
    records.keep(tmp_path, "bench", made_up.bench(full, cut))
    assert "Roofline" in page(gather(tmp_path))


def test_nodes_that_are_not_counted_are_told_beside_the_macs(tmp_path: Path) -> None:
    counted = page(gather(made_up.bundle(tmp_path)))
    assert "<small>of 8 M</small>" in counted
    text = page(gather(made_up.bundle(tmp_path, uncounted=["einsum", "loop"])))
    assert "<small>of 8 M; not all counted: einsum, loop</small>" in text


def test_operators_are_called_what_the_terminal_calls_them(tmp_path: Path) -> None:
    made_up.bundle(tmp_path)
    record = made_up.profile()
    first, second = record["profiles"][0]["operators"][:2]
    first.update(type="Invalid Unary Op")
    second.update(added=True, nodes=[])
    records.keep(tmp_path, "profile", record)
    text = page(gather(tmp_path))
    cells = [row[:2] for row in Reader(text).rows]
    assert ["Table Lookup", "conv_1"] in cells and ["CONV_2D", "added"] in cells
    assert "Table Lookup  conv_1" in text and ">Invalid Unary Op" not in text


def test_where_a_profile_was_taken_is_told(tmp_path: Path) -> None:
    made_up.bundle(tmp_path)
    records.keep(tmp_path, "bench", made_up.bench())
    records.keep(tmp_path, "profile", made_up.profile())
    text = page(gather(tmp_path))
    assert "On Cortex-A72, ai-edge-litert 2.3.0" in text and "not where the" not in text
    elsewhere = made_up.profile() | {"environment": {**made_up.ENVIRONMENT, "cores": 2}}
    records.keep(tmp_path, "profile", elsewhere)
    assert "not where the latencies above were measured: cores 2 and 4" in page(gather(tmp_path))


def test_the_measures_of_every_row_are_shown(tmp_path: Path) -> None:
    made_up.bundle(tmp_path)
    record = made_up.evaluation()
    record["rows"] = [
        {"what": "full", "category": "car"},
        {"what": "cut", "category": "car", "top1": 0.5, "samples": 123_456},
    ]
    records.keep(tmp_path, "evaluate", record)
    cells = Reader(page(gather(tmp_path))).rows
    assert ["full", "car", "-", "-"] in cells and ["cut", "car", "0.5", "123456"] in cells


def test_the_conditions_are_told(tmp_path: Path) -> None:
    made_up.bundle(tmp_path)
    row = made_up.row("a", "cut", 2.0)
    sheet = {"target": "pi", "scheme": "int8", "gmacs_per_s": 48.0, "source": "a friend"}
    row["roofline"] |= {"datasheet": sheet, "bound": "memory", "share_of_attainable": 0.25}
    hot = {"frequency_mhz": 600.0, "temperature_c": 81.0, "load_average": 2.5}
    hot |= {"heat_throttled": 3, "firmware_throttled": 0x50005}
    seen = [{"s": 1.0, "frequency_mhz": 1800.0, "temperature_c": 60.0}]
    row["state"] = {**made_up.STATE, "during": seen, "after": {**made_up.MOMENT, **hot}}
    seconds = ((2.0, 1500.0, 50.0), (4.0, 900.0, 80.0), (3.0, 1000.0, 75.0))
    row["sustained"] = [
        {"s": float(s), "median_ns": ms * 1e6, "runs": 9, "frequency_mhz": mhz, "temperature_c": c}
        for s, (ms, mhz, c) in enumerate(seconds)
    ]
    records.keep(tmp_path, "bench", made_up.bench(row))
    text = page(gather(tmp_path))
    cells = Reader(text).rows
    assert "measured from 2026-01-01 00:00:00 UTC to" in text
    assert ["a", "cut", "4", "48", "4", "20", "memory", "4", "25%"] in cells
    assert "pi, int8: 48 GMAC/s: a friend" in text
    clock, heat = "1500 to 600 (600 to 1800)", "40 to 81"
    told = ["a", "1", "2026-01-01 00:00:00 UTC", clock, heat, "0.1 to 2.5"]
    assert [*told, "heat: 3 times, get_throttled 0x50005"] in cells
    curve = ["a", "cut", "1", "3", "2.000 to 3.000", "4.000"]
    assert [*curve, "1500 to 1000 (900 to 1500)", "50 to 75 (50 to 80)", "-"] in cells


def test_what_speaks_against_a_scenario_is_told(tmp_path: Path) -> None:
    made_up.bundle(tmp_path)
    told = {"runs": 9, "seconds": 1.0, "streams": 2, "runs_per_s": 9.0}
    doubt = {"verdict": "INVALID", "reasons": ["a stream ended early"]}
    records.keep(tmp_path, "bench", made_up.bench(made_up.row("a", "cut", 2.0, offline=told)))
    row = ["a", "cut", "1", "-", "9.0", "-", "-"]
    assert [*row, "-"] in Reader(page(gather(tmp_path))).rows
    spoilt = made_up.row("a", "cut", 2.0, offline={**told, **doubt})
    records.keep(tmp_path, "bench", made_up.bench(spoilt))
    text = page(gather(tmp_path))
    assert [*row, "INVALID"] in Reader(text).rows
    assert "1 of 1: offline: a stream ended early" in text


def test_what_only_some_records_tell_is_shown(tmp_path: Path) -> None:
    made_up.bundle(tmp_path)
    second = {"s": 0.0, "median_ns": 2e6, "runs": 9, "frequency_mhz": None, "temperature_c": None}
    about = {"sustained_verdict": "INVALID", "sustained_reasons": ["others ran"]}
    start: dict[str, Any] = dict.fromkeys(("import_ms", "load_ms", "compile_ms", "first_ms"), 5.0)
    start |= dict.fromkeys(("peak_memory_bytes", "memory_before_load_bytes"))
    more: dict[str, Any] = {
        "energy_fault": "the meter ended",
        "delegate": "XNNPACK",
        "p99_ms": None,
    }
    more |= {"starts": [{**start, "bursts": bursts} for bursts in (7, 5)]}
    row = made_up.row("a", "cut", 2.0, sustained=[second], **about, **more)
    records.keep(tmp_path, "bench", made_up.bench(row))
    text = page(gather(tmp_path))
    curve = ["a", "cut", "1", "1", "2.000 to 2.000", "2.000"]
    assert [*curve, "-", "-", "INVALID"] in Reader(text).rows
    assert "1 of 1: sustained: others ran" in text
    assert "energy was not measured: the meter ended" in text
    assert ["runtimes", "ai-edge-litert 2.3.0 (XNNPACK)"] in Reader(text).rows


def test_a_bundle_without_records(tmp_path: Path) -> None:
    text = page(gather(made_up.bundle(tmp_path)))
    assert "Still to measure" in text and "edgecut bench" in text and "<svg" not in text


def test_drawings_take_their_colours_from_the_page() -> None:
    rows = made_up.bench()["rows"]
    drawers = (figures.latency, figures.spread, figures.drift, figures.roofline)
    for svg in (drawer(drawer.__name__, rows) for drawer in drawers):
        ElementTree.fromstring(svg.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1))
        assert "var(--cut)" in svg and "var(--ink)" in svg
        assert not re.search(r"(fill|stroke): ?#(?!fff)", svg.replace("#000000", ""))


def test_text_in_a_drawing_stays_as_it_is() -> None:
    name = "#010101 id=\"x\" (#abc) font: 'DejaVu Sans'"
    svg = draw("mine", (6, 2), lambda figure: figure.subplots().set_title(name))
    root = ElementTree.fromstring(f'<root xmlns:xlink="x">{svg}</root>')
    assert name in [element.text for element in root.iter("text")]


def test_an_identifier_belongs_to_its_drawing() -> None:
    svg = draw("mine", (2, 2), lambda figure: figure.subplots().plot([1, 2]))
    assert all(name.startswith("mine-") for name in re.findall(r'\bid="([^"]+)"', svg))


@needs_browser
def test_a_browser_reads_the_values_back(text: str, tmp_path: Path) -> None:
    dom, console = opened(text, tmp_path, "--dump-dom")
    read = Reader(dom)
    assert console == ""
    assert read.json == Reader(text).json
    assert ["toy.float32.tflite", "full", "VALID", "4.000"] in [row[:4] for row in read.rows]


@needs_browser
def test_the_console_would_tell(text: str, tmp_path: Path) -> None:
    broken = text.replace("</body>", "<script>nobody.knows()</script></body>")
    _, console = opened(broken, tmp_path, "--dump-dom")
    assert "nobody is not defined" in console


@needs_browser
@pytest.mark.parametrize("width", [1280, 500])
def test_the_page_itself_never_scrolls_sideways(text: str, tmp_path: Path, width: int) -> None:
    asked = "const at = document.documentElement; document.title = at.scrollWidth - at.clientWidth"
    html = text.replace("</body>", f"<script>{asked}</script></body>")
    dom, _ = opened(html, tmp_path, f"--window-size={width},900", "--dump-dom")
    assert re.search(r"<title>(-?\d+)</title>", dom)[1] == "0"  # type: ignore[index]


@needs_browser
def test_all_that_scrolls_or_opens_is_reached_by_keyboard(text: str, tmp_path: Path) -> None:
    asked = """
      const all = [...document.querySelectorAll('a, summary, .table, figure')];
      document.title = all.length + ' ' + all.filter(one => one.tabIndex < 0).length;"""
    html = text.replace("</body>", f"<script>{asked}</script></body>")
    dom, _ = opened(html, tmp_path, "--dump-dom")
    count, beyond = re.search(r"<title>(\d+) (\d+)</title>", dom).groups()  # type: ignore[union-attr]
    assert int(count) > 20 and beyond == "0"


@needs_browser
@pytest.mark.parametrize(("scheme", "paper"), [(1, (255, 255, 255)), (0, (20, 23, 26))])
def test_light_and_dark(
    text: str, tmp_path: Path, scheme: int, paper: tuple[int, int, int]
) -> None:
    shot = tmp_path / "shot.png"
    preferred = f"--blink-settings=preferredColorScheme={scheme}"
    opened(text, tmp_path, preferred, f"--screenshot={shot}", "--window-size=800,1600")
    with Image.open(shot) as image:
        colours = image.convert("RGB").getcolors(1 << 24)
    assert colours is not None
    assert max(colours)[1] == paper and len(colours) > 50
