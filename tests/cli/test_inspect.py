"""``edgecut inspect``: why a node stays, and the page of all nodes."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgecut.discovery import embed
from tests.command import edgecut, refused
from tests.test_why import branches


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("inspect") / "branches.onnx"
    embed(branches()).write(path)
    return path


def test_why_a_node_stays(model: Path) -> None:
    outcome = edgecut("inspect", model, "--keep", "bee,dog", "--why", "left")
    assert outcome.code == 0, outcome
    assert "Conv 'left' stays for bee\n" in outcome.stdout
    assert "1 of 2 on axis 1" in outcome.stdout and "Its way to the output 'y'" in outcome.stdout
    outcome = edgecut("inspect", model, "--keep", "ant", "--why", "right")
    assert outcome.stdout == "Conv 'right' goes: nothing that is kept is made of it\n"


def test_why_as_json(model: Path) -> None:
    told = edgecut("inspect", model, "--keep", "bee", "--why", "stem", "--json").json["why"]
    assert told["needed_by"] == ["bee"] and [s["node"] for s in told["path"]][-1] == "join"


def test_the_page_is_written(model: Path, tmp_path: Path) -> None:
    page = tmp_path / "cut.html"
    outcome = edgecut("inspect", model, "--keep", "ant", "--html", page)
    assert (outcome.code, outcome.stdout) == (0, f"wrote {page}\n"), outcome
    assert "branches, cut to ant" in page.read_text(encoding="utf-8")
    nodes = edgecut("inspect", model, "--keep", "ant", "--html", page, "--json").json["nodes"]
    assert [node["kind"] for node in nodes].count("gone") == 1


@pytest.mark.parametrize(
    "options",
    [
        ("--why", "left"),
        ("--html", "x.html"),
        ("--keep", "ant", "--each", "--why", "left"),
        ("--keep", "ant", "--why", "left", "--html", "x.html"),
    ],
)
def test_they_tell_of_one_keep_list(model: Path, options: tuple[str, ...]) -> None:
    assert edgecut("inspect", model, *options).code == 2


def test_wrong_names_and_places(model: Path, tmp_path: Path) -> None:
    assert "did you mean 'left'" in refused(
        "unknown-node", "inspect", model, "--keep", "ant", "--why", "lefft"
    )
    nowhere = tmp_path / "no" / "such" / "page.html"
    refused("cannot-save", "inspect", model, "--keep", "ant", "--html", nowhere)
    refused("no-softmax", "inspect", model, "--keep", "ant", "--scores", "other")
