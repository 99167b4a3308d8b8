"""Errors of a spec, translated from pydantic's, with path and hint."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, get_args

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from smplan.core.blueprint import InvalidValue, printable
from smplan.core.spec import Field, FieldTrait, Spec, fields
from smplan.core.values import PartialValue, Path, Placeholder
from smplan.core.wording import count, dotted, one_of, quoted, shape, suggestion

_WANTED = {
    "int_type": "an integer",
    "int_from_float": "an integer",
    "float_type": "a number",
    "string_type": "text",
    "bool_type": "true or false",
    "list_type": "a list",
    "dict_type": "a map",
    "model_type": "a map",
    "model_attributes_type": "a map",
    "none_required": "left out",
}
_PAIR = re.compile(r"(\w+)(?:\s*:|\s)\s*(\S+)")
_BOUNDS = {
    "greater_than_equal": ("must be at least", "ge"),
    "less_than_equal": ("must be at most", "le"),
    "greater_than": ("must be more than", "gt"),
    "less_than": ("must be less than", "lt"),
    "multiple_of": ("must be a multiple of", "multiple_of"),
}
_LENGTHS = {
    "string_too_short": ("at least", "min_length", "character"),
    "string_too_long": ("at most", "max_length", "character"),
    "too_short": ("at least", "min_length", "item"),
    "too_long": ("at most", "max_length", "item"),
}


@dataclass(frozen=True, slots=True)
class SpecError:
    """One error. ``secret``: the source line must not be shown."""

    path: Path
    message: str
    hint: str = ""
    key: bool = False
    secret: bool = False
    unknown: bool = field(default=False, compare=False)
    """The key at ``path`` is none of the names there."""
    missing: str = field(default="", compare=False)
    """The name of the field that is missing."""


def spec_errors(form: type[Spec], tree: PartialValue, *, secret: FieldTrait | None = None) -> Iterator[SpecError]:
    """The errors of ``tree`` as a ``form``. Types are strict; placeholders are valid everywhere.

    Fields with the trait ``secret`` are reported without their value.
    """
    try:
        form.model_validate(tree, strict=True)
    except ValidationError as error:
        yield from _translate(form, tree, error.errors(include_url=False), secret)


def _translate(
    form: type[Spec], tree: PartialValue, found: list[ErrorDetails], secret: FieldTrait | None
) -> Iterator[SpecError]:
    by_path: dict[Path, list[ErrorDetails]] = {}
    for detail in found:
        if not isinstance(detail["input"], InvalidValue):
            by_path.setdefault(_document_path(tree, detail), []).append(detail)
    above = {path[:length] for path in by_path for length in range(len(path))}
    for path, details in by_path.items():
        # If the errors of one member of a union lie deeper, the author meant that one, not the others.
        if path in above and all(detail["type"] in _WANTED for detail in details):
            continue
        hidden = secret is not None and secret in walk(form, path)[1]
        yield from _errors_at(form, path, details, hidden)


def _document_path(tree: PartialValue, detail: ErrorDetails) -> Path:
    """pydantic's location without names of union members and validators, which are not in the document."""
    path: list[str | int] = []
    node, steps = tree, detail["loc"]
    for position, step in enumerate(steps):
        if step in (node if isinstance(node, Mapping) else range(len(node)) if isinstance(node, (list, tuple)) else ()):
            node = node[step]
        elif detail["type"] != "missing" or position != len(steps) - 1:
            continue
        path.append(step)
    return tuple(path)


def _errors_at(form: type[Spec], path: Path, details: list[ErrorDetails], hidden: bool) -> Iterator[SpecError]:
    first, subject = details[0], f"`{dotted(path)}` " if path else ""
    wanted = list(dict.fromkeys(_WANTED[detail["type"]] for detail in details if detail["type"] in _WANTED))
    if first["type"] == "missing":
        hint = f"add it: {_meaning(form, path)}".removesuffix(": ")
        yield SpecError(path[:-1], f"{subject}is missing", hint, missing=str(path[-1]))
    elif first["type"] == "extra_forbidden":
        forms, _ = walk(form, path[:-1])
        names = sorted({name for each in forms for name in each.model_fields})
        hint = one_of(str(path[-1]), names)
        yield SpecError(path, f"{subject}is not a known field", hint, key=True, secret=hidden, unknown=True)
    elif wanted:
        message = f"{subject}must be {' or '.join(wanted)}, not {shape(first['input'])}"
        hint = _requote(first["input"], wanted) or _reshape(form, path, first["input"], wanted)
        yield SpecError(path, message, hint or _meaning(form, path), secret=hidden)
    else:
        for detail in details:
            message, hint = _words(detail, hidden)
            yield SpecError(path, f"{subject}{message}", hint or _meaning(form, path), secret=hidden)


def _words(detail: ErrorDetails, hidden: bool) -> tuple[str, str]:
    kind, given, ctx = detail["type"], detail["input"], detail.get("ctx", {})
    if isinstance(given, Placeholder):
        return f"cannot be {shape(given)}", "write the value itself"
    if kind in _BOUNDS:
        words, key = _BOUNDS[kind]
        return f"{words} {ctx[key]}", ""
    if kind in _LENGTHS:
        words, key, unit = _LENGTHS[kind]
        return f"must have {words} {count(ctx[key], unit)}", ""
    if kind == "string_pattern_mismatch":
        return f"does not match the pattern {ctx['pattern']}", ""
    if kind == "literal_error":
        return _choice(given, ctx["expected"], hidden)
    return printable(detail["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ")), ""


def _choice(word: PartialValue, expected: str, hidden: bool) -> tuple[str, str]:
    names = [name.strip().strip("'") for name in expected.replace(" or ", ", ").split(",")]
    if not isinstance(word, str) or hidden:
        wanted = names[0] if len(names) == 1 else f"one of {', '.join(names)}"
        return f"must be {wanted}", _requote(word, ["text"]) if "'" in expected else ""
    return f"cannot be {quoted(word)}, only {', '.join(names)}", suggestion(word, names)


def _requote(given: PartialValue, wanted: list[str]) -> str:
    """The hint for a number in quotes, or text without them."""
    if isinstance(given, str):
        numbers = {"an integer", "a number"} & set(wanted) and given.strip().lstrip("+-").replace(
            ".", "", 1
        ).isdecimal()
        if numbers or ("true or false" in wanted and given in ("true", "false")):
            return "remove the quotes"
    elif "text" in wanted and isinstance(given, (bool, int, float)):
        return "put it in quotes"
    return ""


def _reshape(form: type[Spec], path: Path, given: PartialValue, wanted: list[str]) -> str:
    """The hint for a value of the wrong form: text for a list, a list for a map, nothing at all."""
    if given is None:
        return "write a value after the colon, or leave the key out"
    if "a map" in wanted and isinstance(given, str):
        names = {name for each in walk(form, path)[0] for name in each.model_fields}
        found = _PAIR.match(given)
        return f"write `{found[1]}: {found[2]}`, with a colon and a space" if found and found[1] in names else ""
    if "a map" in wanted and isinstance(given, list):
        return "write names and values, `name: value`, without dashes and brackets"
    if "a list" in wanted and isinstance(given, (str, int)):
        return f"write a list: [{printable(str(given))[:80]}]"
    if "text" in wanted and isinstance(given, list) and len(given) == 1:
        return "write the value without brackets and dashes"
    return ""


def _meaning(form: type[Spec], path: Path) -> str:
    """The description of the field at ``path``; of an item, that of its list or map."""
    for length in range(len(path), 0, -1):
        for each in walk(form, path[: length - 1])[0]:
            info = each.model_fields.get(str(path[length - 1]))
            if info is not None and info.description:
                return info.description
    return ""


def field_at(form: type[Spec], path: Path) -> Field | None:
    """The last field on ``path`` below ``form``: that of an item, too."""
    found: Field | None = None
    forms: tuple[type[Spec], ...] = (form,)
    for step in path:
        holder = next((each for each in forms if isinstance(step, str) and step in each.model_fields), None)
        if holder is not None:
            found, forms = fields(holder)[str(step)], nested(holder, str(step))
    return found


def walk(form: type[Spec], path: Path) -> tuple[tuple[type[Spec], ...], frozenset[FieldTrait]]:
    """The specs that apply at ``path`` below ``form``, and the traits of all fields on the way."""
    forms: tuple[type[Spec], ...] = (form,)
    traits: frozenset[FieldTrait] = frozenset()
    for step in path:
        holders = [each for each in forms if isinstance(step, str) and step in each.model_fields]
        for holder in holders:
            traits |= fields(holder)[str(step)].traits
        if holders:
            forms = tuple(found for holder in holders for found in nested(holder, str(step)))
    return forms, traits


@cache
def nested(form: type[Spec], name: str) -> tuple[type[Spec], ...]:
    """The specs that the field ``name`` of ``form`` may hold, directly or in lists and maps."""
    return tuple(_specs(form.model_fields[name].annotation))


def _specs(annotation: Any) -> Iterator[type[Spec]]:
    if isinstance(annotation, type) and issubclass(annotation, Spec):
        yield annotation
    for argument in get_args(annotation):
        yield from _specs(argument)
