"""``edgecut tree``: of label sets, networks and run folders."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from edgecut.categories import one_slot_per_node
from edgecut.cli import tree as command
from edgecut.discovery import embed
from edgecut.taxonomy import Taxonomy
from tests import gained
from tests.command import edgecut, refused

TREE = Taxonomy(names=gained.NAMES, parents=gained.PARENTS, aliases={"hound": "dog"})


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a training run: a network with a score for every node."""
    folder = tmp_path_factory.mktemp("runs") / "mine"
    folder.mkdir()
    network = gained.load(gained.nested(gained=False))
    network = replace(network, categories=one_slot_per_node(TREE, "scores", source="test"))
    embed(network).write(folder / "model.onnx")
    return folder


def lines(*arguments: object) -> list[str]:
    outcome = edgecut("tree", *arguments)
    assert outcome.code == 0, outcome
    return outcome.stdout.splitlines()


def test_a_label_set_has_a_tree_without_costs(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(
        'kind = "categories"\nname = "mine"\nnames = ["dog", "cat", "car", "axe"]\n'
        '[tree]\nanimal = ["bird", "pet"]\npet = ["dog", "cat"]\nbird = ["axe"]\n'
        '[aliases]\ndog = ["hound"]\n'
    )
    assert lines(path) == [
        "mine.toml: 4 categories under 3 parents",
        "category   other names",
        "animal",
        "├─ bird",
        "│  └─ axe",
        "└─ pet",
        "   ├─ dog  hound",
        "   └─ cat",
        "car",
    ]
    assert lines(path, "--depth", 1)[2:] == [
        *("animal (3)", "car", "", "deeper levels are left out: --depth shows them"),
    ]
    assert lines(path, "--keep", "pet/*,!cat")[2:] == [
        *("animal", "└─ pet", "   └─ dog  yes   hound"),
    ]
    data = edgecut("tree", path, "--json").json
    assert data["schema"] == "edgecut.tree/1" and data["cost"] is None and data["kept"] is None
    assert data["nodes"][4] == {
        "name": "dog",
        "parent": "pet",
        "aliases": ["hound"],
        **dict.fromkeys(("score", "kept", "needs", "adds", "share")),
    }


def test_shipped_sets_and_text_files(tmp_path: Path) -> None:
    path = tmp_path / "two.txt"
    path.write_text("b\na\n")
    assert lines(path)[2:] == ["b", "a"]
    assert lines("coco80")[0] == "coco80: 80 categories under 11 parents"
    assert "did you mean 'coco80'" in refused("unknown-labels", "tree", "coco8")
    refused("missing-model", "tree", tmp_path / "gone.onnx")


def test_a_run_folder_has_costs(run: Path) -> None:
    shown = lines(run)
    assert shown[0] == "mine: 4 categories under 2 parents"
    assert shown[2].startswith("(shared by all)")
    assert [line.split()[0] for line in shown[3:9]] == ["vehicle", "├─", "└─", "animal", "├─", "└─"]
    data = edgecut("tree", run, "--json").json
    assert data == edgecut("tree", run / "model.onnx", "--json").json | {"name": "mine"}
    nodes = {node["name"]: node for node in data["nodes"]}
    assert nodes["vehicle"]["score"] is True and nodes["ship"]["parent"] == "vehicle"
    needs, adds = nodes["ship"]["needs"]["macs"], nodes["ship"]["adds"]["macs"]
    assert needs == nodes["vehicle"]["needs"]["macs"] + adds
    assert nodes["ship"]["share"]["macs"] == needs / data["cost"]["macs"]
    assert (
        nodes["vehicle"]["needs"]["macs"] == data["stem"]["macs"] + nodes["vehicle"]["adds"]["macs"]
    )


def test_a_keep_list_restricts_the_tree_and_is_counted_together(run: Path) -> None:
    data = edgecut("tree", run, "--keep", "animal,ship", "--json").json
    assert [(n["name"], n["kept"]) for n in data["nodes"]] == [
        *(("vehicle", False), ("ship", True), ("animal", True)),
    ]
    assert data["kept"]["names"] == ["ship", "animal"]
    parts = [n["needs"]["macs"] for n in data["nodes"] if n["kept"]]
    assert data["kept"]["cost"]["macs"] == sum(parts) - data["stem"]["macs"]
    shown = lines(run, "--keep", "animal,ship")
    assert any(line.startswith("kept: ") for line in shown)
    assert "did you mean 'ship'" in refused("unknown-category", "tree", run, "--keep", "shipp")


def test_large_networks_show_what_can_be_cut_in_time(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "MOST_COSTED", 5)
    shown = lines(run)
    assert [line.split()[:2] for line in shown[3:5]] == [["vehicle", "(2)"], ["animal", "(2)"]]
    assert shown[-1] == "deeper levels are left out: --depth shows them"
    assert len(json.loads(edgecut("tree", run, "--depth", 2, "--json").stdout)["nodes"]) == 6


def test_a_network_whose_categories_nobody_knows(tmp_path: Path) -> None:
    proto = gained.nested(gained=False)
    del proto.metadata_props[:]
    (tmp_path / "bare.onnx").write_bytes(proto.SerializeToString())
    refused("no-categories", "tree", tmp_path / "bare.onnx")
    path = tmp_path / "names.txt"
    path.write_text("\n".join(gained.NAMES))
    outcome = edgecut("tree", tmp_path / "bare.onnx", "--labels", path, "--json")
    assert [node["parent"] for node in outcome.json["nodes"]] == [None] * 6
