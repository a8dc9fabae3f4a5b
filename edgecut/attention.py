"""Top-down attention: a gain for each category node, which scales what its branch finds.

A network that takes gains says so in its metadata ``edgecut.attention``, a JSON object: ``input``
(the input's name, shape (1, nodes)), ``neutral`` (the gain that leaves a branch as it was trained),
``largest`` (how far the network was studied) and, where they are not simply the network's
categories, ``categories`` (one name for each slot of the input).
"""

from __future__ import annotations

import difflib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from numbers import Real
from typing import TYPE_CHECKING, Any, TypeGuard

from edgecut.errors import EdgecutError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Gains = NDArray[np.float32]
    Wishes = Mapping[str, float] | Sequence[float] | NDArray[Any]

KEY = "edgecut.attention"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attention:
    """A network's input of gains, float32 of shape (1, slots): slot i is for ``categories[i]``.

    A gain of ``neutral`` leaves a branch as it was trained, more enhances it, less inhibits it.
    Gains lie in 0 to ``largest``, as far as the network was studied.
    """

    input: str
    neutral: float
    largest: float
    categories: tuple[str, ...]

    @property
    def shape(self) -> tuple[int, int]:
        """The shape of the input."""
        return 1, len(self.categories)

    def neutral_gains(self) -> Gains:
        """Gains under which the network gives what the plain one gives, shape (1, slots)."""
        import numpy as np

        return np.full(self.shape, self.neutral, np.float32)

    def gains(self, wishes: Wishes) -> Gains:
        """The gains that someone wishes for, float32 of shape (1, slots).

        Args:
            wishes: category -> gain, the others stay neutral; or a gain for each slot, in order.

        Raises:
            EdgecutError: ``unknown-gain`` for a name that has no slot, ``bad-gain`` for a gain
                that is negative, not finite or above ``largest``, ``wrong-gains`` for another
                number of gains than there are slots.
        """
        import numpy as np

        if isinstance(wishes, Mapping):
            gains = self.neutral_gains()
            for name, gain in self._told(wishes):
                gains[0, self.slot(name)] = self._checked(gain, name)
            return gains
        given = np.asarray(wishes, dtype=object)
        if given.shape not in (self.shape, self.shape[1:]):
            raise EdgecutError(
                f"the input '{self.input}' takes {len(self.categories)} gains, shape {self.shape}; "
                f"given was shape {given.shape}",
                code="wrong-gains",
                where=self.input,
                hint=f"their order is {', '.join(self.categories)}",
            )
        pairs = zip(self.categories, given.ravel().tolist(), strict=True)
        return np.array([[self._checked(gain, name) for name, gain in pairs]], np.float32)

    def slot(self, name: str) -> int:
        """The slot of a category, found without regard to case.

        Raises:
            EdgecutError: ``unknown-gain``, with the closest names.
        """
        folded = [known.casefold() for known in self.categories]
        wanted = name.strip().casefold()
        if wanted in folded:
            return folded.index(wanted)
        close = difflib.get_close_matches(wanted, folded, n=3, cutoff=0.6)
        meant = " or ".join(f"'{self.categories[folded.index(match)]}'" for match in close)
        raise EdgecutError(
            f"'{name}' has no gain in the input '{self.input}' ({len(folded)} gains)",
            code="unknown-gain",
            where=name,
            hint=f"did you mean {meant}?" if close else f"there are {', '.join(self.categories)}",
        )

    def _told(self, wishes: Mapping[str, float]) -> list[tuple[str, float]]:
        """The wishes; two for one slot are told rather than one of them forgotten."""
        slots = [self.slot(name) for name in wishes]
        twice = next((slot for slot in slots if slots.count(slot) > 1), None)
        if twice is not None:
            name = self.categories[twice]
            raise EdgecutError(f"'{name}' is given two gains", code="bad-gain", where=name)
        return list(wishes.items())

    def _checked(self, gain: Any, name: str) -> float:
        # Written so that NaN is refused as well.
        if not _is_number(gain) or not 0 <= gain <= self.largest:
            raise EdgecutError(
                f"{gain!r} is no gain for '{name}': gains lie in 0 to {self.largest:g}",
                code="bad-gain",
                where=name,
                hint=f"{self.neutral:g} is neutral, more enhances, less inhibits",
            )
        return float(gain)

    def varied(self, place: int) -> Gains:
        """Gains for the sample at a place: neutral where it is even, else random, always the same.

        Random ones are spread evenly over 0 to the geometric mean of ``neutral`` and ``largest``:
        gains on the way to a category multiply, so two of them reach ``largest``. Calibrated for
        more, int8 would lose digits under neutral gains (docs/adr/0010).
        """
        import numpy as np

        if place % 2 == 0:
            return self.neutral_gains()
        reach = math.sqrt(self.neutral * self.largest)
        return np.random.default_rng(place).uniform(0.0, reach, self.shape).astype(np.float32)

    def restricted(self, slots: Sequence[int]) -> Attention:
        """The attention of a network that takes the gains of these slots only, ascending."""
        return replace(self, categories=tuple(self.categories[slot] for slot in slots))

    def slots_in(self, whole: Attention) -> tuple[int, ...]:
        """Where these gains lie among those of the network that this one's was cut from."""
        return tuple(whole.slot(name) for name in self.categories)

    def to_json(self) -> dict[str, Any]:
        """Plain values, for the metadata of a file and for the manifest."""
        return {
            "input": self.input,
            "categories": list(self.categories),
            "neutral": self.neutral,
            "largest": self.largest,
        }

    def to_text(self) -> str:
        """The text that a file's metadata holds."""
        return json.dumps(self.to_json())

    @classmethod
    def from_json(cls, data: Any, *, where: str, categories: Sequence[str] = ()) -> Attention:
        """The inverse of ``to_json``; ``categories`` are the names where the data holds none.

        Raises:
            EdgecutError: ``bad-attention``.
        """
        told = {"categories": list(categories), **data} if isinstance(data, Mapping) else {}
        fault = _fault(told)
        if fault:
            raise _bad(where, fault)
        return cls(
            input=told["input"],
            neutral=float(told["neutral"]),
            largest=float(told["largest"]),
            categories=tuple(told["categories"]),
        )


def read(
    metadata: Mapping[str, str], *, where: str, categories: Sequence[str] = ()
) -> Attention | None:
    """The attention that a file's metadata tells of, or None where it tells of none.

    Args:
        metadata: the file's key-value pairs.
        where: names the file in errors.
        categories: the network's category names, which are those of the gains unless said
            otherwise.

    Raises:
        EdgecutError: ``bad-attention``.
    """
    text = metadata.get(KEY)
    if text is None:
        return None
    try:
        data = json.loads(text)
    except ValueError as error:
        raise _bad(where, f"it is no JSON ({error})") from error
    return Attention.from_json(data, where=where, categories=categories)


def _fault(told: Mapping[str, Any]) -> str:
    """What is wrong with an attention's plain values, or nothing."""
    name, names = told.get("input"), told.get("categories")
    if not isinstance(name, str) or not name:
        return f"'input' is {name!r}, and must name an input"
    for key in ("neutral", "largest"):
        value = told.get(key)
        if not _is_number(value) or not 0 < value < math.inf:
            return f"'{key}' is {value!r}, and must be a positive number"
    if told["neutral"] > told["largest"]:
        return f"'neutral' {told['neutral']:g} is above 'largest' {told['largest']:g}"
    if not isinstance(names, list) or not all(isinstance(n, str) and n.strip() for n in names):
        return "'categories' must be a list of names"
    if len({n.casefold() for n in names}) < len(names):
        return "'categories' names one twice"
    return ""


def _is_number(value: Any) -> TypeGuard[float]:
    return isinstance(value, Real) and not isinstance(value, bool)


def _bad(where: str, fault: str) -> EdgecutError:
    return EdgecutError(
        f"the metadata '{KEY}' of {where} is not understood: {fault}",
        code="bad-attention",
        where=where,
        hint='it is a JSON object like {"input": "gains", "neutral": 1.0, "largest": 4.0}',
    )
