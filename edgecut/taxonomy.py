"""A tree of categories: what is a kind of what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Taxonomy:
    """Categories in depth-first order, parents before children, each with its parent's index."""

    names: tuple[str, ...]
    parents: tuple[int | None, ...]
    aliases: Mapping[str, str] = field(default_factory=dict)

    def children(self, node: int | None) -> tuple[int, ...]:
        """The nodes right under this one; under None, the top of the tree."""
        return tuple(i for i, parent in enumerate(self.parents) if parent == node)

    @property
    def leaves(self) -> tuple[int, ...]:
        """The nodes that have no children."""
        inner = set(self.parents)
        return tuple(i for i in range(len(self.names)) if i not in inner)

    def path(self, node: int) -> tuple[int, ...]:
        """The nodes from the top down to this one, itself included."""
        parent = self.parents[node]
        return (node,) if parent is None else (*self.path(parent), node)

    def level(self, node: int) -> int:
        """How deep a node lies; the top of the tree is level 0."""
        return len(self.path(node)) - 1

    def frontier(self, level: int) -> tuple[int, ...]:
        """The nodes of a level and the leaves above it: together they cover every leaf once."""
        leaves = set(self.leaves)
        return tuple(
            i
            for i in range(len(self.names))
            if (depth := self.level(i)) == level or (depth < level and i in leaves)
        )
