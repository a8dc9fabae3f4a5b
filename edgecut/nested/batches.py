"""The batches of a training: each follows from the seed and its number, whatever came before."""

from __future__ import annotations

import os

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from edgecut.nested.augment import augmented
from edgecut.nested.images import ImageSet
from edgecut.nested.recipe import TrainRecipe

Batch = tuple[torch.Tensor, torch.Tensor]
MOST_WORKERS = 8


class Batches(Dataset[Batch]):
    """Batch ``step`` of a training: augmented images (N, S, S, 3) uint8, and labels (N,).

    Every epoch has its own order; images that do not fill its last batch wait for the next.
    """

    def __init__(self, images: ImageSet, recipe: TrainRecipe) -> None:
        self.images = images
        self.recipe = recipe
        self.each = len(images) // recipe.schedule.batch
        """How many there are in an epoch."""

    def __len__(self) -> int:
        return self.each * self.recipe.schedule.epochs

    def __getitem__(self, step: int) -> Batch:
        """The batch that this step learns from."""
        seed, size = self.recipe.seed, self.recipe.schedule.batch
        epoch, place = divmod(step, self.each)
        order = np.random.default_rng([seed, 1, epoch]).permutation(len(self.images))
        chosen = order[place * size :][:size]
        random = np.random.default_rng([seed, 2, step])
        images = augmented(self.images.images[chosen], self.recipe.augmentation, random)
        return torch.from_numpy(images), torch.from_numpy(self.images.labels[chosen])

    def since(self, step: int, device: torch.device) -> DataLoader[Batch]:
        """The batches from this step on.

        A GPU would wait for its images: there, other processes make them ahead of time.
        """
        workers = min(MOST_WORKERS, _cores() - 1) if device.type == "cuda" else 0
        return DataLoader(
            self, batch_size=None, sampler=range(step, len(self)), num_workers=workers
        )


def _cores() -> int:
    """How many this process may use."""
    if hasattr(os, "sched_getaffinity"):  # not everywhere
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
