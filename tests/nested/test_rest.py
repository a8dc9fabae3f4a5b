"""The features at rest, counted by hand."""

from __future__ import annotations

import numpy as np
import torch

from edgecut.nested import rest
from edgecut.nested.images import ImageSet
from edgecut.nested.loss import NONE
from edgecut.nested.topology import NestedNet
from edgecut.nested.training import to_input
from tests.nested.toys import NESTED, SIZE, TREE


def images(*names: str) -> ImageSet:
    pixels = np.random.default_rng(0).integers(0, 256, (len(names), SIZE, SIZE, 3))
    labels = np.array([TREE.names.index(name) if name else NONE for name in names])
    sources = np.array(["toys"] * len(names))
    return ImageSet(images=pixels.astype(np.uint8), labels=labels, sources=sources)


@torch.inference_mode()
def settled(own: ImageSet) -> tuple[NestedNet, list[torch.Tensor]]:
    """The network, and what each branch gives for each image, pooled."""
    torch.manual_seed(0)
    network = NestedNet(TREE, NESTED)
    rest.settle(network, own)
    features = network.features(to_input(own.images, torch.device("cpu")))
    return network, [made.mean((2, 3)) for made in features]


def test_a_branch_rests_where_its_category_is_not_to_be_seen() -> None:
    # Not where a label leaves open whether a cat is to be seen; where there is nothing at all.
    network, pooled = settled(images("cat", "dog", "bird", "person", "pet", "animal", ""))
    for name, at_rest in (
        ("pet", [2, 3, 6]),
        ("cat", [1, 2, 3, 6]),
        ("person", [0, 1, 2, 4, 5, 6]),
    ):
        node = TREE.names.index(name)
        expected = pooled[node][at_rest].mean(0)
        got = network.branches[node].rest.flatten()
        assert torch.allclose(got, expected, atol=1e-6), name


def test_what_all_images_show_rests_at_zero() -> None:
    network, _ = settled(images("cat", "cat"))
    assert not network.branches[TREE.names.index("animal")].rest.any()
    assert network.branches[TREE.names.index("person")].rest.any()
