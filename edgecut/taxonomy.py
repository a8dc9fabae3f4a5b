"""A tree of categories: what is a kind of what."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Self

from edgecut.errors import EdgecutError


@dataclass(frozen=True, slots=True, kw_only=True)
class Taxonomy:
    """Categories in depth-first order, parents before children, each with its parent's index.

    ``aliases`` lead from another name of a node to its name. Names and aliases differ by more than
    their case.

    Raises:
        EdgecutError: ``bad-taxonomy`` where the parts do not make up such a tree.
    """

    names: tuple[str, ...]
    parents: tuple[int | None, ...]
    aliases: Mapping[str, str] = field(default_factory=dict)
    _children: Mapping[int | None, tuple[int, ...]] = field(init=False, repr=False, compare=False)
    _known: Mapping[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_children", self._grouped())
        object.__setattr__(self, "_known", self._indexed())

    @classmethod
    def flat(cls, names: Iterable[str], aliases: Mapping[str, str] | None = None) -> Self:
        """The taxonomy in which nothing is a kind of anything else."""
        names = tuple(names)
        return cls(names=names, parents=(None,) * len(names), aliases=aliases or {})

    def children(self, node: int | None) -> tuple[int, ...]:
        """The nodes right under this one; under None, the top of the tree."""
        return self._children.get(node, ())

    @property
    def leaves(self) -> tuple[int, ...]:
        """The nodes that have no children."""
        return tuple(i for i in range(len(self.names)) if i not in self._children)

    def path(self, node: int) -> tuple[int, ...]:
        """The nodes from the top down to this one, itself included."""
        upward, current = [node], self.parents[node]
        while current is not None:
            upward.append(current)
            current = self.parents[current]
        return tuple(reversed(upward))

    def level(self, node: int) -> int:
        """How deep a node lies; the top of the tree is level 0."""
        return len(self.path(node)) - 1

    def frontier(self, level: int) -> tuple[int, ...]:
        """The nodes of a level and the leaves above it: together they cover every leaf once."""
        return tuple(
            i
            for i in range(len(self.names))
            if (depth := self.level(i)) == level or (depth < level and i not in self._children)
        )

    def under(self, node: int) -> range:
        """All nodes below this one, at any depth."""
        last = node
        while last in self._children:
            last = self._children[last][-1]
        return range(node + 1, last + 1)

    def leaves_under(self, node: int) -> tuple[int, ...]:
        """The leaves below this node; a leaf has none."""
        return tuple(i for i in self.under(node) if i not in self._children)

    def find(self, name: str) -> int | None:
        """The node of this name or alias, without regard to case; None where there is none."""
        return self._known.get(name.casefold())

    def restricted(self, nodes: Iterable[int]) -> Taxonomy:
        """The tree of these nodes and those above them, in the same order."""
        stay = sorted({above for node in nodes for above in self.path(node)})
        position: dict[int | None, int | None] = {old: new for new, old in enumerate(stay)}
        names = {self.names[i] for i in stay}
        return Taxonomy(
            names=tuple(self.names[i] for i in stay),
            parents=tuple(position.get(self.parents[i]) for i in stay),
            aliases={alias: name for alias, name in self.aliases.items() if name in names},
        )

    def _grouped(self) -> dict[int | None, tuple[int, ...]]:
        if len(self.names) != len(self.parents):
            raise _bad(f"{len(self.parents)} parents for {len(self.names)} names")
        groups: dict[int | None, list[int]] = {}
        path: list[int | None] = [None]
        for node, parent in enumerate(self.parents):
            # Depth first, a node's parent is on the path to the node before it.
            while path and path[-1] != parent:
                path.pop()
            if not path:
                raise _bad(f"'{self.names[node]}' does not follow its parent, depth first")
            groups.setdefault(parent, []).append(node)
            path.append(node)
        return {parent: tuple(nodes) for parent, nodes in groups.items()}

    def _indexed(self) -> dict[str, int]:
        known = {name.casefold(): i for i, name in enumerate(self.names)}
        exact = {name: i for i, name in enumerate(self.names)}
        if len(known) < len(self.names):
            raise _bad("two names differ by no more than their case")
        for alias, name in self.aliases.items():
            if name not in exact:
                raise _bad(f"the alias '{alias}' leads to '{name}', which is not in it")
            if known.setdefault(alias.casefold(), exact[name]) != exact[name]:
                raise _bad(f"'{alias}' stands for more than one category")
        return known


def _bad(reason: str) -> EdgecutError:
    return EdgecutError(f"the taxonomy does not hold together: {reason}", code="bad-taxonomy")
