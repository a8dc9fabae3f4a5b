"""Tables of settings, strictly read: what we ship or a user wrote in TOML."""

from __future__ import annotations

import math
from typing import Any

from edgecut.errors import EdgecutError


class Table:
    """Takes keys out of a table one by one; what is missing, mistyped or left over is an error."""

    def __init__(self, data: dict[str, Any], where: str, *, code: str) -> None:
        self.data = dict(data)
        self.where = where
        self.code = code

    def error(self, message: str) -> EdgecutError:
        """An error about this table."""
        return EdgecutError(f"{self.where}: {message}", code=self.code, where=self.where)

    def has(self, key: str) -> bool:
        """Whether the key is there."""
        return key in self.data

    def table(self, key: str) -> Table:
        """A table inside this one."""
        return self._inner(self._take(key, dict, "a table"), f"{self.where}, [{key}]")

    def tables(self, key: str) -> list[Table]:
        """The tables of an array of tables; none where the key is missing."""
        items = self._items(key) if self.has(key) else []
        where = f"{self.where}, [[{key}]]"
        return [
            self._inner(self._inner({key: i}, where)._take(key, dict, "a table"), where)
            for i in items
        ]

    def text(self, key: str, *among: str) -> str:
        """A text that is not empty, one of those named, if any are."""
        value: str = self._take(key, str, "a text")
        if among and value not in among:
            raise self.error(f"'{key}' is {value!r}; it takes {', '.join(among)}")
        if not value.strip():
            raise self.error(f"'{key}' is empty")
        return value

    def texts(self, key: str, *among: str) -> tuple[str, ...]:
        """A list of texts that is not empty, each one of those named, if any are."""
        items = self._items(key)
        return tuple(self._inner({key: item}, self.where).text(key, *among) for item in items)

    def lists(self) -> dict[str, tuple[str, ...]]:
        """Every key of this table with its list of texts, which may be empty."""
        return {key: self._texts(key) for key in list(self.data)}

    def number(self, key: str, low: float = -math.inf, high: float = math.inf) -> float:
        """A finite number within bounds."""
        value = float(self._take(key, (int, float), "a number"))
        if not (math.isfinite(value) and low <= value <= high):
            raise self.error(f"'{key}' is {value}, outside {low}..{high}")
        return value

    def integer(self, key: str, low: int, high: int = 1_000_000) -> int:
        """A whole number within bounds."""
        value: int = self._take(key, int, "a whole number")
        if not low <= value <= high:
            raise self.error(f"'{key}' is {value}, outside {low}..{high}")
        return value

    def integers(self, key: str, low: int) -> tuple[int, ...]:
        """A list of whole numbers that is not empty."""
        return tuple(self._inner({key: i}, self.where).integer(key, low) for i in self._items(key))

    def per_channel(self, key: str, channels: int, *, positive: bool = False) -> tuple[float, ...]:
        """A number for each channel."""
        values = tuple(self._inner({key: i}, self.where).number(key) for i in self._items(key))
        if len(values) != channels:
            raise self.error(f"'{key}' holds {len(values)} values for {channels} channels")
        if positive and min(values) <= 0:
            raise self.error(f"'{key}' must be above zero")
        return values

    def done(self) -> None:
        """Raise an error unless every key was taken."""
        if self.data:
            raise self.error(f"keys that do not belong here: {', '.join(sorted(self.data))}")

    def _inner(self, data: dict[str, Any], where: str) -> Table:
        return Table(data, where, code=self.code)

    def _items(self, key: str) -> list[Any]:
        value: list[Any] = self._take(key, list, "a list")
        if not value:
            raise self.error(f"'{key}' is empty")
        return value

    def _texts(self, key: str) -> tuple[str, ...]:
        items: list[Any] = self._take(key, list, "a list")
        return tuple(self._inner({key: item}, self.where).text(key) for item in items)

    def _take(self, key: str, kind: type | tuple[type, ...], what: str) -> Any:
        if key not in self.data:
            raise self.error(f"'{key}' is missing")
        value = self.data.pop(key)
        # In Python a bool is an int; in a recipe it is a mistake.
        if isinstance(value, bool) or not isinstance(value, kind):
            raise self.error(f"'{key}' must be {what}, not {value!r}")
        return value
