"""The built-in network: it opens, is small, is cut without torch, and is what is told of it."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np

from benchmarks.models import RESULTS
from edgecut.cost import cost
from edgecut.cutout import cut
from edgecut.opened import running
from edgecut.shipped import NETWORK, network
from edgecut.source import load

LARGEST = 8_000_000
MEASURED = json.loads((RESULTS / "everyday.json").read_text("utf-8"))
CARD = network(NETWORK).with_suffix(".md").read_text("utf-8")

WITHOUT_TORCH = """
import sys
sys.modules["torch"] = None  # as where it is not installed; others import it where it is
from edgecut.cutout import cut
from edgecut.source import load
small, _ = cut(load("everyday"), ["person", "car"])
print(*small.categories.names)
"""


def test_its_file_is_small() -> None:
    assert network(NETWORK).stat().st_size <= LARGEST


def test_it_is_cut_without_torch() -> None:
    child = subprocess.run([sys.executable, "-c", WITHOUT_TORCH], capture_output=True, text=True)
    assert (child.returncode, child.stderr) == (0, "")
    assert sorted(child.stdout.split()) == ["car", "person"]


def test_its_cut_gives_its_own_scores() -> None:
    full = load(NETWORK)
    small, _ = cut(full, ["person", "car"])
    assert full.categories is not None and small.categories is not None
    places = [full.categories.names.index(name) for name in small.categories.names]
    image = np.random.default_rng(0).uniform(-2, 2, (1, 3, 32, 32)).astype(np.float32)
    found = []
    for one in (full, small):
        with running(one) as runtime:
            found.append(runtime.run({one.image.name: image})[one.outputs[0].name])
    np.testing.assert_allclose(found[1], found[0][:, places], rtol=1e-5, atol=1e-5)


def test_the_results_are_of_this_file() -> None:
    full = load(NETWORK)
    assert MEASURED["bytes"] == network(NETWORK).stat().st_size
    assert MEASURED["macs"] == cost(full).macs
    assert MEASURED["parameters"] == cost(full).parameters


def test_the_card_is_of_these_results() -> None:
    """Every figure that the results hold stands in the card, as the card writes it."""
    full = load(NETWORK)
    pair = cost(cut(full, ["person", "car"])[0])
    judged = MEASURED["judged"]
    told = [
        f"{MEASURED['bytes'] / 1e6:.2f} MB",
        f"{MEASURED['macs'] / 1e6:.1f} M multiply-accumulates",
        f"{MEASURED['parameters'] / 1e6:.2f} M parameters",
        f"person and car {pair.macs / 1e6:.1f} M and {pair.parameters / 1e3:.0f} k",
        f"{MEASURED['macs_of_ten'] / 1e6:.1f} M multiply-accumulates",
        f"{100 * MEASURED['cifar10_test']['top1_of_all']:.1f} %",
        f"{100 * MEASURED['cifar10_test']['top1_of_ten']:.1f} % cut to its ten categories",
    ]
    cifar = judged["by_source"]["cifar10"]["by_category"]
    ten = ("airplane", "bird", "car", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
    told += [f"| {name} | {100 * cifar[name]['recall']:.1f} % |" for name in ten]
    crops = judged["by_source"]["coco_crops"]["by_category"]
    told += [
        f"| {name} | {crops[name]['images']} | {100 * crops[name]['recall']:.1f} % | "
        f"{crops[name]['auroc']:.3f} |"
        for name in ("person", "car", "truck", "ship", "motorbike", "fruit")
    ]
    assert [one for one in told if one not in CARD] == []
