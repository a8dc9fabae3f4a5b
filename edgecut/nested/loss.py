"""What a tree of scores should say of an image whose label is one of its nodes, or none."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from edgecut.nested.recipe import Schedule
from edgecut.taxonomy import Taxonomy

NONE = -1
"""The label of an image that shows nothing in the taxonomy."""

UNKNOWN = -100


class TreeLoss(nn.Module):
    """Which leaf it is, which node of each upper level, and of each node whether it is there.

    A label may be an inner node: then what lies under it is unknown and is asked nothing. An
    image that shows nothing in the tree teaches only that no node is there.
    """

    def __init__(self, taxonomy: Taxonomy, schedule: Schedule) -> None:
        super().__init__()
        depth = max(taxonomy.level(node) for node in taxonomy.leaves)
        self.frontiers = [taxonomy.frontier(level) for level in range(depth + 1)]
        self.schedule = schedule
        choices, presence, asked = _tables(taxonomy, self.frontiers)
        self.register_buffer("choices", torch.from_numpy(choices))
        self.register_buffer("presence", torch.from_numpy(presence))
        self.register_buffer("asked", torch.from_numpy(asked))

    def forward(
        self, scores: torch.Tensor, labels: torch.Tensor, teacher: torch.Tensor | None = None
    ) -> torch.Tensor:
        """The mean loss of scores (N, nodes) for labels (N,): node indices, or ``NONE``."""
        own = self.schedule
        scores = scores.float()
        total = scores.new_zeros(())
        for level, nodes in enumerate(self.frontiers):
            last = level == len(self.frontiers) - 1
            choice = nn.functional.cross_entropy(
                scores[:, list(nodes)],
                self.choices[level][labels],
                ignore_index=UNKNOWN,
                label_smoothing=own.label_smoothing,
                reduction="sum",
            )
            total = total + choice / len(labels) * (1.0 if last else own.level_weight)
        presence = nn.functional.binary_cross_entropy_with_logits(
            scores, self.presence[labels], weight=self.asked[labels], reduction="sum"
        )
        total = total + presence / len(labels) * own.presence_weight
        if teacher is not None:
            total = total + own.teacher_weight * self._agreement(scores, teacher.float())
        return total

    def _agreement(self, scores: torch.Tensor, teacher: torch.Tensor) -> torch.Tensor:
        """How far the scores are from the teacher's: over the leaves, and of each node.

        Over the leaves it is Hinton's distillation, with the temperature's square; whether a node
        is there weighs as it does without a teacher.
        """
        leaves, heat = list(self.frontiers[-1]), self.schedule.temperature
        choice = heat**2 * nn.functional.kl_div(
            nn.functional.log_softmax(scores[:, leaves] / heat, 1),
            nn.functional.log_softmax(teacher[:, leaves] / heat, 1),
            log_target=True,
            reduction="batchmean",
        )
        presence = nn.functional.binary_cross_entropy_with_logits(
            scores, teacher.sigmoid(), reduction="sum"
        ) - nn.functional.binary_cross_entropy_with_logits(
            teacher, teacher.sigmoid(), reduction="sum"
        )
        return choice + presence / len(scores) * self.schedule.presence_weight


def _tables(
    taxonomy: Taxonomy, frontiers: list[tuple[int, ...]]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For each label: the choice on each level, what is there, and what may be asked.

    The last row is that of ``NONE``, which indexes it as -1.
    """
    nodes = len(taxonomy.names)
    choices = np.full((len(frontiers), nodes + 1), UNKNOWN, np.int64)
    presence = np.zeros((nodes + 1, nodes), np.float32)
    asked = np.ones((nodes + 1, nodes), np.float32)
    for label in range(nodes):
        path = taxonomy.path(label)
        presence[label, list(path)] = 1
        for level, frontier in enumerate(frontiers):
            for place, node in enumerate(frontier):
                if node in path:
                    choices[level, label] = place
        under = [n for n in range(nodes) if n != label and label in taxonomy.path(n)]
        asked[label, under] = 0
    return choices, presence, asked
