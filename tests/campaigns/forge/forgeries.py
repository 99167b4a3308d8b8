"""The forgeries of a plan file: one member of it is not as smplan wrote it, and the digest is right again."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, TypeAlias

from smplan.core import canonical_json

Place: TypeAlias = tuple[str | int, ...]
Edit: TypeAlias = Callable[[Any, str | int], None]
"""Changes one member of its holder, a map or a list."""

SECRET = {"$secret": "env:AWS_SECRET_ACCESS_KEY"}
OTHER_ID = "00000000-0000-4000-8000-000000000000"


@dataclass(frozen=True)
class Forgery:
    """A forged plan: where, how, and the text of the file."""

    place: Place
    way: str
    text: str

    @property
    def member(self) -> str:
        """The member that was forged, with those of all steps counted as one: ``steps[].resource``."""
        names = ["[]" if isinstance(part, int) else f".{part}" for part in self.place]
        return "".join(names[: 3 if self.place[:1] == ("steps",) else 1]).removeprefix(".")

    def __str__(self) -> str:
        return f"{'.'.join(map(str, self.place))}: {self.way}"


def forgeries(document: dict[str, Any], other: dict[str, Any], random: Random, most: int) -> Iterator[Forgery]:
    """``most`` forgeries of a plan, or all; members of the ``other`` plan are put into it, too."""
    edits = [
        (place, way, edit)
        for place, value in _members(document)
        if place != ("digest",)
        for way, edit in _edits(place, value, other)
    ]
    for place, way, edit in edits if len(edits) <= most else random.sample(edits, most):
        forged = copy.deepcopy(document)
        holder = forged
        for part in place[:-1]:
            holder = holder[part]  # type: ignore[index]
        edit(holder, place[-1])
        if forged != document or canonical_json.canonical(forged) != canonical_json.canonical(document):
            yield Forgery(place, way, sealed(forged))


def sealed(document: dict[str, Any]) -> str:
    """The plan file of a document, with the digest that belongs to it."""
    members = {name: value for name, value in document.items() if name != "digest"}
    return json.dumps(members | {"digest": canonical_json.digest(members)})


def _members(tree: Any, place: Place = ()) -> Iterator[tuple[Place, Any]]:
    parts: Sequence[tuple[str | int, Any]] = ()
    if isinstance(tree, dict):
        parts = list(tree.items())
    elif isinstance(tree, list):
        parts = list(enumerate(tree))
    for part, value in parts:
        yield (*place, part), value
        yield from _members(value, (*place, part))


def _edits(place: Place, value: Any, other: dict[str, Any]) -> Iterator[tuple[str, Edit]]:
    yield "dropped", lambda holder, part: holder.__delitem__(part)
    for way, new in _values(value):
        yield way, _put(new)
    if isinstance(value, list):
        yield from _of_list(value)
    if isinstance(value, dict):
        yield "a member added", _put({**value, "forged": "x"})
    there = _at(other, place)
    if there is not None and there != value:
        yield "swapped with another plan", _put(there)


def _values(value: Any) -> Iterator[tuple[str, Any]]:
    yield "null", None
    yield "a secret", dict(SECRET)
    match value:
        case bool():
            yield "changed", not value
        case int() | float():
            yield "changed", value + 1
            yield "changed", -1
        case str():
            yield "changed", OTHER_ID if len(value) == len(OTHER_ID) else f"{value}x"
            yield "emptied", ""
            yield "a list", [value]
        case list() | dict() if value:
            yield "emptied", type(value)()
        case list() | dict():
            yield "filled", ["x"] if isinstance(value, list) else {"x": "y"}


def _of_list(value: list[Any]) -> Iterator[tuple[str, Edit]]:
    if value:
        yield "an item twice", _put([*value, copy.deepcopy(value[-1])])
    if len(value) > 1:
        yield "items swapped", _put([*value[1:], value[0]])


def _put(new: Any) -> Edit:
    def edit(holder: Any, part: str | int) -> None:
        holder[part] = copy.deepcopy(new)

    return edit


def _at(tree: Any, place: Place) -> Any:
    for part in place:
        try:
            tree = tree[part]
        except (KeyError, IndexError, TypeError):
            return None
    return tree
