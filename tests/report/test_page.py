"""The page: whole, safe against names, and what a real browser makes of it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from PIL import Image

from edgecut import records
from edgecut.report import figures
from edgecut.report.drawing import draw
from edgecut.report.findings import gather
from edgecut.report.page import DATA, page
from tests.report import made_up

pytest.importorskip("matplotlib", reason="needs the extra 'report'")
BROWSER = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), ""
)
needs_browser = pytest.mark.skipif(not BROWSER, reason="needs Chromium")
HOSTILE = "</script><img src=x onerror=alert(1)>$\\frac{$&\"'"


class Reader(HTMLParser):
    """Tables by caption, identifiers, and the JSON of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.tags: list[str] = []
        self.rows: list[list[str]] = []
        self.data = ""
        self.urls: list[str] = []
        self._inside = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        self.tags.append(tag)
        self.ids += [str(named["id"])] if "id" in named else []
        self.urls += [str(named[name]) for name in ("src", "href") if named.get(name)]
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")
        self._inside = f"{tag} {named.get('id', '')}".strip()

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th", "script"):
            self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside == f"script {DATA}":
            self.data += data
        elif self._inside.split(" ")[0] in ("td", "th", "span") and self.rows:
            self.rows[-1][-1] += data

    @property
    def json(self) -> Any:
        return json.loads(self.data)


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
    assert "<li>float32: 2 cores were busy</li>" in text and "<li>float32: 1 core" not in text


def test_latency_without_known_macs(tmp_path: Path) -> None:
    made_up.bundle(tmp_path)
    unknown = {"gmacs": None, "achieved_gmacs_per_s": None, "roofline": None}
    rows = [made_up.row("a", network, 2.0, **unknown) for network in ("full", "cut")]
    records.keep(tmp_path, "bench", made_up.bench(*rows))
    text = page(gather(tmp_path))
    assert "against multiply-accumulates" not in text and "Distribution" in text


def test_a_bundle_without_records(tmp_path: Path) -> None:
    text = page(gather(made_up.bundle(tmp_path)))
    assert "Not measured" in text and "edgecut bench" in text and "<svg" not in text


def test_drawings_take_their_colours_from_the_page() -> None:
    rows = made_up.bench()["rows"]
    drawers = (figures.latency, figures.spread, figures.drift, figures.roofline)
    for svg in (drawer(drawer.__name__, rows) for drawer in drawers):
        ElementTree.fromstring(svg.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1))
        assert "var(--cut)" in svg and "var(--ink)" in svg
        assert not re.search(r"(fill|stroke): ?#(?!fff)", svg.replace("#000000", ""))


def test_an_identifier_belongs_to_its_drawing() -> None:
    svg = draw("mine", (2, 2), lambda figure: figure.subplots().plot([1, 2]))
    assert all(name.startswith("mine-") for name in re.findall(r'\bid="([^"]+)"', svg))


def _opened(html: str, tmp_path: Path, *options: str) -> tuple[str, str]:
    """The page's elements once a browser has read it, and what its console says."""
    path = tmp_path / "page.html"
    path.write_text(html, encoding="utf-8")
    command = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr"]
    profile = f"--user-data-dir={tmp_path / 'profile'}"
    done = subprocess.run(
        [*command, profile, *options, path.as_uri()], capture_output=True, text=True, timeout=120
    )
    console = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    return done.stdout, "\n".join(console)


@needs_browser
def test_a_browser_reads_the_values_back(text: str, tmp_path: Path) -> None:
    dom, console = _opened(text, tmp_path, "--dump-dom")
    read = Reader(dom)
    assert console == ""
    assert read.json == Reader(text).json
    assert ["toy.float32.tflite", "full", "VALID", "4.000"] in [row[:4] for row in read.rows]


@needs_browser
def test_the_console_would_tell(text: str, tmp_path: Path) -> None:
    broken = text.replace("</body>", "<script>nobody.knows()</script></body>")
    _, console = _opened(broken, tmp_path, "--dump-dom")
    assert "nobody is not defined" in console


@needs_browser
@pytest.mark.parametrize("width", [1280, 500])
def test_the_page_itself_never_scrolls_sideways(text: str, tmp_path: Path, width: int) -> None:
    asked = "const at = document.documentElement; document.title = at.scrollWidth - at.clientWidth"
    html = text.replace("</body>", f"<script>{asked}</script></body>")
    dom, _ = _opened(html, tmp_path, f"--window-size={width},900", "--dump-dom")
    assert re.search(r"<title>(-?\d+)</title>", dom)[1] == "0"  # type: ignore[index]


@needs_browser
def test_all_that_scrolls_or_opens_is_reached_by_keyboard(text: str, tmp_path: Path) -> None:
    asked = """
      const all = [...document.querySelectorAll('a, summary, .table, figure')];
      document.title = all.length + ' ' + all.filter(one => one.tabIndex < 0).length;"""
    html = text.replace("</body>", f"<script>{asked}</script></body>")
    dom, _ = _opened(html, tmp_path, "--dump-dom")
    count, beyond = re.search(r"<title>(\d+) (\d+)</title>", dom).groups()  # type: ignore[union-attr]
    assert int(count) > 20 and beyond == "0"


@needs_browser
@pytest.mark.parametrize(("scheme", "paper"), [(1, (255, 255, 255)), (0, (20, 23, 26))])
def test_light_and_dark(
    text: str, tmp_path: Path, scheme: int, paper: tuple[int, int, int]
) -> None:
    shot = tmp_path / "shot.png"
    preferred = f"--blink-settings=preferredColorScheme={scheme}"
    _opened(text, tmp_path, preferred, f"--screenshot={shot}", "--window-size=800,1600")
    with Image.open(shot) as image:
        colours = image.convert("RGB").getcolors(1 << 24)
    assert colours is not None
    assert max(colours)[1] == paper and len(colours) > 50
