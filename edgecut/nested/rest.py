"""What each branch gives at rest: its mean features where its category is not to be seen.

Attention scales the difference to them, so that a gain enhances what speaks for a category and not
what is always there (docs/adr/0010).
"""

from __future__ import annotations

import numpy as np
import torch

from edgecut.nested.images import ImageSet
from edgecut.nested.topology import NestedNet
from edgecut.nested.training import to_input
from edgecut.taxonomy import Taxonomy

IMAGES = 4000
BATCH = 128


@torch.inference_mode()
def settle(network: NestedNet, images: ImageSet) -> None:
    """Set ``Branch.rest`` of every branch, from a sample of images, N > 0, where the network is.

    A branch that all images of the sample show rests at zero.
    """
    network.eval()
    sample = images.sampled(IMAGES)
    absent = [_absent(network.taxonomy, node, sample) for node in range(len(network.branches))]
    sums = [torch.zeros_like(branch.rest) for branch in network.branches]
    for start in range(0, len(sample), BATCH):
        part = slice(start, start + BATCH)
        features = network.features(to_input(sample.images[part], sums[0].device))
        for total, made, where in zip(sums, features, absent, strict=True):
            chosen = torch.from_numpy(where[part]).to(total.device)
            total += made.mean((2, 3), keepdim=True)[chosen].sum(0, keepdim=True)
    for branch, total, where in zip(network.branches, sums, absent, strict=True):
        branch.rest.copy_(total / max(int(where.sum()), 1))


def _absent(taxonomy: Taxonomy, node: int, images: ImageSet) -> np.ndarray:
    """Which images do not show a node; a label above it leaves that open."""
    return ~np.isin(images.labels, [*taxonomy.path(node), *taxonomy.under(node)])
