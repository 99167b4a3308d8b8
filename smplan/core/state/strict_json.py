"""Stored JSON taken apart without believing it: every member by name and type, nothing left over."""

from __future__ import annotations

from typing import TypeVar

from smplan.core.values import Json
from smplan.errors import StoreError

T = TypeVar("T")

_NAMES = {str: "text", int: "a whole number", bool: "true or false", dict: "an object", list: "a list"}


class ObjectReader:
    """The members of a JSON object, each taken with its type; what does not fit raises StoreError naming the place."""

    __slots__ = ("_at", "_data", "_taken")

    def __init__(self, data: Json, at: str) -> None:
        if type(data) is not dict:
            raise StoreError(f"{at} is not an object")
        self._data: dict[str, Json] = data
        self._at = at
        self._taken: set[str] = set()

    def __contains__(self, name: str) -> bool:
        return name in self._data

    def text(self, name: str) -> str:
        """A string."""
        return self._take(name, str)

    def number(self, name: str) -> int:
        """A whole number."""
        return self._take(name, int)

    def flag(self, name: str) -> bool:
        """True or false."""
        return self._take(name, bool)

    def table(self, name: str) -> dict[str, Json]:
        """An object of any members."""
        return self._take(name, dict)

    def items(self, name: str) -> list[Json]:
        """A list of anything."""
        return self._take(name, list)

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of strings."""
        items = self._take(name, list)
        if not all(type(item) is str for item in items):
            raise StoreError(f"{self._at}.{name} holds something that is not text")
        return tuple(items)

    def anything(self, name: str) -> Json:
        """Any JSON at all, null included."""
        if name not in self._data:
            raise StoreError(f"{self._at}.{name} is missing")
        self._taken.add(name)
        return self._data[name]

    def end(self) -> None:
        """Refuse members that nobody took."""
        if len(self._taken) != len(self._data):
            unknown = sorted(set(self._data) - self._taken)[0]
            raise StoreError(f"{self._at}.{unknown[:40]} is not known to this version of smplan")

    def _take(self, name: str, kind: type[T]) -> T:
        value = self.anything(name)
        if type(value) is not kind:
            raise StoreError(f"{self._at}.{name} is not {_NAMES[kind]}")
        return value
