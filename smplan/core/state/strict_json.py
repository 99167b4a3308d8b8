"""Dataclasses as JSON and back: members are the fields, and each must be what the annotation of its field says.

Annotations may be ``str``, ``int``, ``bool``, a StrEnum, ``Json``, ``Mapping[str, X]``, ``tuple[X, ...]``, a dataclass,
or a union of dataclasses, distinguished by a member ``type``: the name of the class. A field with the metadata
``OPTIONAL`` is left out while it is empty, so that documents without it stay what they were.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import Field, fields, is_dataclass
from enum import StrEnum
from functools import cache, partial
from types import UnionType
from typing import Any, NamedTuple, TypeVar, get_args, get_origin, get_type_hints

from smplan.core.values import Json
from smplan.errors import StoreError

T = TypeVar("T")

OPTIONAL: Mapping[str, bool] = {"optional": True}

_NAMES = {str: "text", int: "a whole number", bool: "true or false", dict: "an object", list: "a list"}


def to_json(value: Any, hint: Any = None) -> Json:
    """``value`` as plain JSON; if it is not a dataclass, with its annotation as ``hint``."""
    annotation: Any = hint or type(value)
    return _form(annotation).encode(value)


def from_json(hint: type[T], data: Json, path: str) -> T:
    """What ``to_json`` made ``data`` from. Raises StoreError naming, below ``path``, the first member that is wrong."""
    annotation: Any = hint
    value: T = _form(annotation).decode(data, path)
    return value


class _Form(NamedTuple):
    encode: Callable[[Any], Json]
    decode: Callable[[Json, str], Any]


@cache
def _form(hint: Any) -> _Form:
    """How values annotated as ``hint`` are converted: worked out once, for a state has thousands of each."""
    origin, arguments = get_origin(hint), get_args(hint)
    if is_dataclass(hint):
        return _object(hint)
    if origin is tuple:
        return _list(_form(arguments[0]))
    if origin is Mapping:
        return _table(_form(arguments[1]))
    if origin is UnionType:
        return _union({cls.__name__: _form(cls) for cls in arguments})
    if hint is Any:
        return _Form(_same, _same)
    if issubclass(hint, StrEnum):
        return _Form(str, partial(_choice, {each.value: each for each in hint}))
    return _Form(_same, partial(_exactly, hint))


def _same(value: Any, _path: str = "") -> Any:
    return value


def _exactly(kind: type[T], data: Json, path: str) -> T:
    if type(data) is not kind:
        raise StoreError(f"{path} is not {_NAMES[kind]}")
    return data


def _choice(values: Mapping[str, T], data: Json, path: str) -> T:
    if _exactly(str, data, path) not in values:
        raise StoreError(f"{path} `{data[:40]}` is not known to this version of smplan")
    return values[data]


def _object(cls: Any) -> _Form:
    hints = get_type_hints(cls)
    forms = {field.name: _form(hints[field.name]) for field in fields(cls)}
    optional = frozenset(field.name for field in fields(cls) if _is_optional(field))

    def encode(value: Any) -> Json:
        return {
            name: form.encode(item)
            for name, form in forms.items()
            if (item := getattr(value, name)) or name not in optional
        }

    def decode(data: Json, path: str) -> Any:
        members, start = _exactly(dict, data, path), f"{path}." if path else ""
        wrong = (members.keys() ^ forms.keys()) - (optional - members.keys())
        if wrong:
            name = min(wrong)
            problem = "is missing" if name in forms else "is not known to this version of smplan"
            raise StoreError(f"{start}{name[:40]} {problem}")
        present = {name: form for name, form in forms.items() if name in members}
        return cls(**{name: form.decode(members[name], start + name) for name, form in present.items()})

    return _Form(encode, decode)


def _is_optional(field: Field[Any]) -> bool:
    return bool(field.metadata.get("optional"))


def _list(form: _Form) -> _Form:
    def decode(data: Json, path: str) -> tuple[Any, ...]:
        return tuple(form.decode(item, f"{path}[{at}]") for at, item in enumerate(_exactly(list, data, path)))

    return _Form(lambda items: [form.encode(item) for item in items], decode)


def _table(form: _Form) -> _Form:
    def decode(data: Json, path: str) -> dict[str, Any]:
        return {name: form.decode(item, f"{path}.{name}") for name, item in _exactly(dict, data, path).items()}

    return _Form(lambda items: {name: form.encode(item) for name, item in items.items()}, decode)


def _union(forms: Mapping[str, _Form]) -> _Form:
    def encode(value: Any) -> Json:
        name = type(value).__name__
        return {"type": name, **forms[name].encode(value)}

    def decode(data: Json, path: str) -> Any:
        members = dict(_exactly(dict, data, path))
        return _choice(forms, members.pop("type", None), f"{path}.type").decode(members, path)

    return _Form(encode, decode)
