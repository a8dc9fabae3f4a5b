"""Which slot of which output belongs to which category, and how we came to think so."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass

from edgecut.errors import EdgecutError


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
class CategoryMap:
    """The categories of a network. An output without an entry belongs to all of them."""

    names: tuple[str, ...]
    outputs: tuple[OutputSlots, ...]
    source: str

    def indices(self, keep: Sequence[str], *, where: str) -> tuple[int, ...]:
        """Indices of the named categories, ascending and without repeats.

        Raises:
            EdgecutError: ``empty-keep``, ``unknown-category`` (with the closest name), or
                ``bad-slots`` where an output would be left without a slot.
        """
        wanted = [name.strip() for name in keep if name.strip()]
        if not wanted:
            raise EdgecutError(
                "the keep-list is empty: name at least one category",
                code="empty-keep",
                hint=f"for example --keep {self.names[0]}",
            )
        found = tuple(sorted({self._index(name, where) for name in wanted}))
        for entry in self.outputs:
            if not entry.kept(found):
                raise EdgecutError(
                    f"output '{entry.output}' of {where} has no slot for {', '.join(wanted)}",
                    code="bad-slots",
                    where=entry.output,
                    hint="keep a category more, or leave the output whole: name others by --slots",
                )
        return found

    def _index(self, name: str, where: str) -> int:
        folded = [known.casefold() for known in self.names]
        if name.casefold() in folded:
            return folded.index(name.casefold())
        close = difflib.get_close_matches(name.casefold(), folded, n=3, cutoff=0.6)
        meant = " or ".join(f"'{self.names[folded.index(match)]}'" for match in close)
        suggestion = f"did you mean {meant}? " if close else ""
        raise EdgecutError(
            f"'{name}' is not a category of {where} ({len(self.names)} categories)",
            code="unknown-category",
            hint=f"{suggestion}`edgecut inspect` lists them all",
        )

    def restricted(self, keep: Sequence[int]) -> CategoryMap:
        """The map of the network that was cut to these categories."""
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
        return CategoryMap(
            names=tuple(self.names[i] for i in keep), outputs=outputs, source=self.source
        )
