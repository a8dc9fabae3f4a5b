"""Which slot of which output belongs to which category, and how we came to think so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from edgecut.errors import EdgecutError
from edgecut.keep import kept
from edgecut.taxonomy import Taxonomy

MOST_TOLD = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputSlots:
    """The categories along one axis of one output.

    ``slots[i]`` is the index into ``CategoryMap.names`` of the category that owns slot ``i``, or
    None where the slot is shared by all (box, objectness, background).
    """

    output: str
    axis: int
    slots: tuple[int | None, ...]
    reason: str

    def kept(self, keep: Sequence[int]) -> tuple[int, ...]:
        """The slots that a task with these categories needs, ascending."""
        wanted = set(keep)
        return tuple(i for i, owner in enumerate(self.slots) if owner is None or owner in wanted)

    @property
    def shared(self) -> tuple[int, ...]:
        """The slots that belong to no single category."""
        return tuple(i for i, owner in enumerate(self.slots) if owner is None)


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputValues:
    """An output whose values are categories, as an ArgMax over their scores gives them.

    ``values[v]`` is the index into ``CategoryMap.names`` of the category that the value ``v``
    means, or None where it means none of them: the background, or at ``other`` all that was cut.
    """

    output: str
    values: tuple[int | None, ...]
    reason: str
    other: int | None = None

    def kept(self, keep: Sequence[int]) -> tuple[int, ...]:
        """The values that stay for a task with these categories, ascending; ``other`` aside."""
        wanted = set(keep)
        return tuple(
            value
            for value, owner in enumerate(self.values)
            if value != self.other and (owner is None or owner in wanted)
        )

    def told(self, names: Sequence[str]) -> str:
        """What each value means, as a text: ``0 none of them, 1 car, 2 what was cut``."""
        meanings = ["none of them" if o is None else names[o] for o in self.values]
        if self.other is not None:
            meanings[self.other] = "what was cut"
        if len(meanings) == 1:
            return f"always 0, {meanings[0]}"
        told = [f"{value} {meaning}" for value, meaning in enumerate(meanings)]
        return ", ".join(told if len(told) <= MOST_TOLD else [*told[:3], "...", *told[-2:]])

    def is_cut(self, keep: Sequence[int]) -> bool:
        """Whether a task with these categories lacks any of the values."""
        return len(self.kept(keep)) < len(self.values) - (self.other is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class CategoryMap:
    """The categories of a network. An output without an entry belongs to all of them.

    ``names`` are those that have slots: all leaves of the taxonomy, and those of its parents that
    the network scores as well. Without a taxonomy nothing is a kind of anything else. ``outputs``
    have their categories along an axis, ``coded`` ones as values.
    """

    names: tuple[str, ...]
    outputs: tuple[OutputSlots, ...]
    source: str
    taxonomy: Taxonomy | None = None
    coded: tuple[OutputValues, ...] = ()

    @property
    def tree(self) -> Taxonomy:
        """The taxonomy; a flat one where none is known."""
        return self.taxonomy or Taxonomy.flat(self.names)

    def nodes(self) -> tuple[int, ...]:
        """The node of ``tree`` that each of ``names`` is."""
        tree = self.tree
        position = {name: node for node, name in enumerate(tree.names)}
        return tuple(position[name] for name in self.names)

    def fits(self) -> bool:
        """Whether the taxonomy knows every name, and every leaf of it has a slot."""
        tree = self.tree
        leaves = {tree.names[leaf] for leaf in tree.leaves}
        return leaves <= set(self.names) <= set(tree.names)

    def indices(self, keep: Sequence[str], *, where: str) -> tuple[int, ...]:
        """Indices into ``names`` of what a keep-list keeps, ascending and without repeats.

        ``edgecut.keep`` has the table of its entries: ``car``, ``vehicle/*``, ``!dog``, ...

        Raises:
            EdgecutError: what ``keep.kept`` raises, or ``bad-slots`` where an output would be left
                without a slot.
        """
        position = {node: index for index, node in enumerate(self.nodes())}
        chosen = kept(self.tree, position.keys(), keep, where=where)
        found = tuple(sorted(position[node] for node in chosen))
        entries: list[OutputSlots | OutputValues] = [*self.outputs, *self.coded]
        for entry in entries:
            if not entry.kept(found):
                names = ", ".join(self.names[i] for i in found)
                place = "slot" if isinstance(entry, OutputSlots) else "value"
                raise EdgecutError(
                    f"output '{entry.output}' of {where} has no {place} for {names}",
                    code="bad-slots",
                    where=entry.output,
                    hint="keep a category more, or leave the output whole: name others by --slots",
                )
        return found

    def restricted(self, keep: Sequence[int]) -> CategoryMap:
        """The map of the network that was cut to these categories.

        Coded outputs must already hold what ``edgecut.coded`` makes of them. The taxonomy keeps
        the categories and what is above them, so that a parent still names all of its kept leaves.
        """
        position = {old: new for new, old in enumerate(keep)}
        outputs = tuple(
            OutputSlots(
                output=entry.output,
                axis=entry.axis,
                slots=tuple(
                    None if (owner := entry.slots[i]) is None else position[owner]
                    for i in entry.kept(keep)
                ),
                reason=entry.reason,
            )
            for entry in self.outputs
        )
        coded = tuple(
            replace(entry, values=tuple(None if v is None else position[v] for v in entry.values))
            for entry in self.coded
        )
        nodes = self.nodes()
        return CategoryMap(
            names=tuple(self.names[i] for i in keep),
            outputs=outputs,
            source=self.source,
            taxonomy=self.taxonomy and self.taxonomy.restricted(nodes[i] for i in keep),
            coded=coded,
        )


def one_slot_per_node(taxonomy: Taxonomy, output: str, *, source: str) -> CategoryMap:
    """The map of a network that scores every node, in order, on axis 1 of one output."""
    slots = OutputSlots(
        output=output,
        axis=1,
        slots=tuple(range(len(taxonomy.names))),
        reason="one slot per node of the taxonomy",
    )
    return CategoryMap(names=taxonomy.names, outputs=(slots,), source=source, taxonomy=taxonomy)
