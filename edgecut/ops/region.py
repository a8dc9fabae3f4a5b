"""Which part of a tensor is meant: an index set, or all, for each axis."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

Indices = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Region:
    """A product of per-axis index sets, ascending; None on an axis means all of it.

    Axes past the end of ``axes`` are whole, so ``Region()`` is all of any tensor, even of one
    whose rank nobody knows.
    """

    axes: tuple[Indices | None, ...] = ()

    def axis(self, i: int) -> Indices | None:
        """The index set on axis ``i`` (0 or more), or None for all of it."""
        return self.axes[i] if i < len(self.axes) else None

    @property
    def is_whole(self) -> bool:
        """Whether nothing is left out on any axis."""
        return all(indices is None for indices in self.axes)

    def with_axis(self, i: int, indices: Indices | None) -> Region:
        """The same region with another index set on axis ``i``."""
        return Region((*map(self.axis, range(i)), indices, *self.axes[i + 1 :]))

    def union(self, other: Region) -> Region:
        """The smallest region that covers both."""
        rank = max(len(self.axes), len(other.axes))
        return Region(tuple(_union(self.axis(i), other.axis(i)) for i in range(rank)))

    def fitted(self, shape: Sequence[int]) -> Region:
        """The same region with complete index sets written as None, one entry per axis."""
        return Region(
            tuple(
                None if (got := self.axis(i)) is None or len(got) == size else got
                for i, size in enumerate(shape)
            )
        )

    def extent(self, shape: Sequence[int]) -> tuple[int, ...]:
        """The shape of what is left of a tensor of this shape."""
        return tuple(
            size if (got := self.axis(i)) is None else len(got) for i, size in enumerate(shape)
        )


WHOLE = Region()


def indices(values: Iterable[int]) -> Indices:
    """An index set: ascending, without repeats."""
    return tuple(sorted(set(values)))


def _union(a: Indices | None, b: Indices | None) -> Indices | None:
    if a is None or b is None:
        return None
    return a if a == b else indices({*a, *b})
