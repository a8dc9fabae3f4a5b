"""A page as a parser and as a real browser see it."""

from __future__ import annotations

import json
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from edgecut.report.page import DATA

BROWSER = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), ""
)
needs_browser = pytest.mark.skipif(not BROWSER, reason="needs Chromium")


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


def opened(html: str, tmp_path: Path, *options: str) -> tuple[str, str]:
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
