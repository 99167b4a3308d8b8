"""Dataclasses as JSON and back: members are the fields, and each must be what the annotation of its field says.

Annotations may be ``str``, ``int``, ``bool``, a StrEnum, ``Json``, ``Mapping[str, X]``, ``tuple[X, ...]``, a dataclass,
or a union of dataclasses, distinguished by a member ``type``: the name of the class.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields, is_dataclass
from enum import StrEnum
from functools import cache, partial
from itertools import count, repeat
from types import UnionType
from typing import Any, NamedTuple, TypeVar, get_args, get_origin, get_type_hints

from smplan.core.values import Json
from smplan.errors import StoreError

T = TypeVar("T")

_NAMES = {str: "text", int: "a whole number", bool: "true or false", dict: "an object", list: "a list"}


def to_json(value: Any, hint: Any = None) -> Json:
    """``value`` as plain JSON; if it is not a dataclass, with its annotation as ``hint``."""
    annotation: Any = hint or type(value)
    return _form(annotation).encode(value)


def from_json(hint: type[T], data: Json, path: str) -> T:
    """What ``to_json`` made ``data`` from. Raises StoreError naming, below ``path``, the first member that is wrong."""
    annotation: Any = hint
    try:
        value: T = _form(annotation).decode(data)
    except _Mismatch as error:
        raise StoreError(f"{path}{error.path} {error}".lstrip(".")) from None
    return value


class _Mismatch(Exception):
    def __init__(self, problem: str, path: str = "") -> None:
        super().__init__(problem)
        self.path = path


class _Form(NamedTuple):
    encode: Callable[[Any], Json]
    decode: Callable[[Json], Any]


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
        return _union(arguments)
    if hint is Any:
        return _Form(_same, _same)
    if issubclass(hint, StrEnum):
        return _choice({each.value: each for each in hint})
    return _Form(_same, partial(_exactly, hint))


def _same(value: Any) -> Any:
    return value


def _exactly(kind: type[T], data: Json) -> T:
    if type(data) is not kind:
        raise _Mismatch(f"is not {_NAMES[kind]}")
    return data


def _decode_each(
    template: str, keys: Iterable[Any], decoders: Iterable[Callable[[Json], Any]], items: Iterable[Json]
) -> dict[Any, Any]:
    """Every item by its decoder. ``template`` writes the key of the one that does not fit."""
    decoded, key = {}, None
    try:
        for key, decode, item in zip(keys, decoders, items, strict=False):
            decoded[key] = decode(item)
    except _Mismatch as error:
        raise _Mismatch(str(error), template % key + error.path) from None
    return decoded


def _object(cls: Any) -> _Form:
    hints = get_type_hints(cls)
    forms = {field.name: _form(hints[field.name]) for field in fields(cls)}
    encoders = [(name, form.encode) for name, form in forms.items()]
    decoders = [form.decode for form in forms.values()]

    def encode(value: Any) -> Json:
        return {name: encode(getattr(value, name)) for name, encode in encoders}

    def decode(data: Json) -> Any:
        members = _exactly(dict, data)
        if members.keys() != forms.keys():
            name = min(members.keys() ^ forms.keys())
            problem = "is missing" if name in forms else "is not known to this version of smplan"
            raise _Mismatch(problem, f".{name[:40]}")
        return cls(**_decode_each(".%s", forms, decoders, map(members.__getitem__, forms)))

    return _Form(encode, decode)


def _list(form: _Form) -> _Form:
    def decode(data: Json) -> tuple[Any, ...]:
        return tuple(_decode_each("[%d]", count(), repeat(form.decode), _exactly(list, data)).values())

    return _Form(list if form.encode is _same else lambda items: [form.encode(item) for item in items], decode)


def _table(form: _Form) -> _Form:
    if form.decode is _same:
        return _Form(dict, partial(_exactly, dict))

    def decode(data: Json) -> dict[str, Any]:
        return _decode_each(".%s", _exactly(dict, data), repeat(form.decode), data.values())

    return _Form(lambda items: {name: form.encode(item) for name, item in items.items()}, decode)


def _union(classes: tuple[Any, ...]) -> _Form:
    forms = {cls.__name__: _form(cls) for cls in classes}
    by_name = _choice(forms)

    def encode(value: Any) -> Json:
        name = type(value).__name__
        return {"type": name, **forms[name].encode(value)}

    def decode(data: Json) -> Any:
        members = dict(_exactly(dict, data))
        (form,) = _decode_each(".%s", ["type"], [by_name.decode], [members.pop("type", None)]).values()
        return form.decode(members)

    return _Form(encode, decode)


def _choice(values: Mapping[str, Any]) -> _Form:
    def decode(data: Json) -> Any:
        if _exactly(str, data) not in values:
            raise _Mismatch(f"`{data[:40]}` is not known to this version of smplan")
        return values[data]

    return _Form(str, decode)
