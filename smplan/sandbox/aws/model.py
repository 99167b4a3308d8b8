"""What AWS's service models say of a request's values: types, required members, lengths, ranges, patterns, enums.

A shape is one of botocore's. Each violation is worded as AWS words it.
"""

from __future__ import annotations

import re
import sys
import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

TYPES: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "long": (int,),
    "float": (int, float),
    "double": (int, float),
    "boolean": (bool,),
    "list": (list,),
    "structure": (dict,),
    "map": (dict,),
}
"""The Python types of a shape's values; blobs and timestamps are left to the parser."""
_NUMBERS = frozenset({"integer", "long", "float", "double"})
_CATEGORY = re.compile(r"\\p\{([A-Z])\}")
_SURROGATES = r"\uD800\uDC00-\uDBFF\uDFFF"
"""How a Java pattern writes the characters that take two UTF-16 units."""


@dataclass(frozen=True, slots=True)
class Violation:
    """A value that the model refuses. ``rule``: type, required, min, max, pattern or enum."""

    path: str
    rule: str
    message: str


def violations(shape: Any, value: Any, path: str = "") -> Iterator[Violation]:
    """Everything in ``value`` that ``shape`` refuses."""
    wanted = TYPES.get(shape.type_name)
    if wanted and (not isinstance(value, wanted) or (isinstance(value, bool) and bool not in wanted)):
        yield Violation(path, "type", f"{_at(path)} must be of type {shape.type_name}")
        return
    yield from (_violation(value, path, rule, words) for rule, words in _broken(shape, value))
    if shape.type_name == "structure":
        yield from _of_structure(shape, value, path)
    elif shape.type_name == "list":
        for number, item in enumerate(value, 1):
            yield from violations(shape.member, item, f"{path}.{number}")
    elif shape.type_name == "map":
        for key, item in value.items():
            yield from violations(shape.key, key, f"{path}.{key}")
            yield from violations(shape.value, item, f"{path}.{key}")


def _of_structure(shape: Any, value: Mapping[str, Any], path: str) -> Iterator[Violation]:
    for name, member in shape.members.items():
        at = f"{path}.{name}".removeprefix(".")
        if value.get(name) is not None:
            yield from violations(member, value[name], at)
        elif name in shape.required_members:
            yield _violation(None, at, "required", "Member must not be null")


def _broken(shape: Any, value: Any) -> Iterator[tuple[str, str]]:
    """The constraints of ``shape`` itself that ``value`` breaks, in AWS's words."""
    limits, number = shape.metadata, shape.type_name in _NUMBERS
    size = value if number else len(value) if isinstance(value, (str, list, dict)) else None
    subject = "have value" if number else "have length"
    if "min" in limits and size is not None and size < limits["min"]:
        yield "min", f"Member must {subject} greater than or equal to {limits['min']}"
    if "max" in limits and size is not None and size > limits["max"]:
        yield "max", f"Member must {subject} less than or equal to {limits['max']}"
    if "pattern" in limits and isinstance(value, str) and not compiled(limits["pattern"]).fullmatch(value):
        yield "pattern", f"Member must satisfy regular expression pattern: {limits['pattern']}"
    if limits.get("enum") and value not in limits["enum"]:
        yield "enum", f"Member must satisfy enum value set: [{', '.join(limits['enum'][:20])}]"


def _violation(value: Any, path: str, rule: str, words: str) -> Violation:
    shown = "null" if value is None else repr(value)[:200]
    return Violation(path, rule, f"Value {shown} at {_at(path)} failed to satisfy constraint: {words}")


def _at(path: str) -> str:
    return f"'{path}'"


@cache
def compiled(pattern: str) -> re.Pattern[str]:
    """A pattern of a service model, which is Java's, for Python; AWS matches the whole text."""
    characters = pattern.replace(_SURROGATES, "\U00010000-\U0010ffff")
    return re.compile(_CATEGORY.sub(lambda found: _characters()[found[1]], characters))


@cache
def _characters() -> Mapping[str, str]:
    """Unicode's main categories, each as the inside of a character class."""
    ranges: dict[str, list[list[int]]] = defaultdict(list)
    for code in range(sys.maxunicode + 1):
        found = ranges[unicodedata.category(chr(code))[0]]
        if found and found[-1][1] == code - 1:
            found[-1][1] = code
        else:
            found.append([code, code])
    return {name: "".join(f"\\U{first:08x}-\\U{last:08x}" for first, last in found) for name, found in ranges.items()}
