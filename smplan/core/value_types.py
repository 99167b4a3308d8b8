"""The types of values that a field may have, by its annotation."""

from __future__ import annotations

import types
from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeAlias, Union, get_args, get_origin

from pydantic import BaseModel

from smplan.core.values import Path

ValueType: TypeAlias = Literal["text", "integer", "number", "boolean", "list", "map", "any"]

ANY: frozenset[ValueType] = frozenset({"any"})
WORDS: Mapping[ValueType, str] = {
    "text": "text",
    "integer": "an integer",
    "number": "a number",
    "boolean": "true or false",
    "list": "a list",
    "map": "a map",
    "any": "any value",
}
_SCALARS: Mapping[Any, ValueType] = {bool: "boolean", int: "integer", float: "number", str: "text"}


def of_value(value: object) -> frozenset[ValueType]:
    """The type of a known value; any if it is None or not known."""
    if isinstance(value, (list, tuple)):
        return frozenset({"list"})
    if isinstance(value, Mapping):
        return frozenset({"map"})
    return frozenset({_SCALARS[type(value)]}) if type(value) in _SCALARS else ANY


def at(form: type[BaseModel], path: Path) -> frozenset[ValueType]:
    """The types that the value at ``path`` in a ``form`` may have; any where the path leads nowhere."""
    annotations: list[Any] = [form]
    for step in path:
        annotations = [inner for each in annotations for inner in _inside(each, step)]
    return frozenset(found for each in annotations for found in _types(each)) or ANY


def fits(given: frozenset[ValueType], wanted: frozenset[ValueType]) -> bool:
    """Whether a value of one of the types ``given`` may be used where one of ``wanted`` is."""
    if "any" in given | wanted or given & wanted:
        return True
    return "number" in wanted and "integer" in given


def words(found: frozenset[ValueType]) -> str:
    """The types in words: ``an integer or text``."""
    return " or ".join(text for name, text in WORDS.items() if name in found)


def _members(annotation: Any) -> list[Any]:
    """The members of a union, without None and without metadata."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return _members(get_args(annotation)[0])
    if origin in (Union, types.UnionType):
        return [member for each in get_args(annotation) for member in _members(each)]
    return [] if annotation is type(None) else [annotation]


def _inside(annotation: Any, step: str | int) -> list[Any]:
    found: list[Any] = []
    for member in _members(annotation):
        origin = get_origin(member)
        if origin is list and isinstance(step, int):
            found += _members(get_args(member)[0])
        elif origin is dict and isinstance(step, str):
            found += _members(get_args(member)[1])
        elif isinstance(member, type) and issubclass(member, BaseModel) and step in member.model_fields:
            found += _members(member.model_fields[str(step)].annotation)
    return found


def _types(annotation: Any) -> frozenset[ValueType]:
    found: set[ValueType] = set()
    for member in _members(annotation):
        origin = get_origin(member)
        if origin is Literal:
            found |= {_SCALARS[type(each)] for each in get_args(member)}
        elif origin in (list, dict):
            found.add("list" if origin is list else "map")
        elif isinstance(member, type) and issubclass(member, BaseModel):
            found.add("map")
        else:
            found.add(_SCALARS.get(member, "any"))
    return frozenset(found)
