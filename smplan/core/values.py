"""Values of a blueprint: JSON, and placeholders for what is not known yet or secret.

``resolve`` replaces the references whose value is known; those that remain name the resource that provides it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from smplan.errors import SmplanError

Json: TypeAlias = Any
"""What JSON can say: None, bool, int, float, str, and lists and maps of these."""

PartialValue: TypeAlias = Any
"""JSON with placeholders as leaves."""

Path: TypeAlias = "tuple[str | int, ...]"


class Placeholder:
    """A leaf whose value is known later, or only by the call that needs it."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Ref(Placeholder):
    """``${root["index"].path}``: an attribute of a resource, a lookup, a variable or ``each``."""

    root: str
    index: str | None = None
    path: Path = ()
    index_from_each: bool = False

    @property
    def address(self) -> str:
        """The address referred to: ``root``, or ``root["index"]``."""
        return instance_address(self.root, self.index)

    def __str__(self) -> str:
        index = "[each.key]" if self.index_from_each else "" if self.index is None else f'["{self.index}"]'
        rest = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in self.path)
        return f"${{{self.root}{index}{rest}}}"


@dataclass(frozen=True, slots=True)
class Interpolation(Placeholder):
    """Text with references in it, such as ``https://${record.name}/``."""

    parts: tuple[str | Ref, ...]

    def __str__(self) -> str:
        return "".join(part.replace("${", "$${") if isinstance(part, str) else str(part) for part in self.parts)


@dataclass(frozen=True, slots=True)
class Secret(Placeholder):
    """``{secret: "env:NAME"}``: where a secret is found; never the secret itself."""

    source: str

    def __str__(self) -> str:
        return f"secret {self.source}"


def instance_address(root: str, key: str | None) -> str:
    """The address of one instance of ``root``: ``root["key"]``, or ``root`` itself without a key."""
    return root if key is None else f'{root}["{key}"]'


class InvalidReference(SmplanError, ValueError):
    """Text that opens ``${`` and is not a reference, or a reference whose value cannot be part of a text."""


_NAME = r"[A-Za-z_][A-Za-z0-9_-]*"
_REF = re.compile(
    rf"(?P<root>{_NAME})(?P<index>\[(?:\"[^\"\]]*\"|each\.key)\])?(?P<rest>(?:\.[A-Za-z0-9_:-]+|\[[0-9]{{1,9}}\])*)\Z"
)
_STEP = re.compile(r"\.([A-Za-z0-9_:-]+)|\[([0-9]+)\]")
_OPEN = re.compile(r"\$\$\{|\$\{([^{}]*)\}|\$\{")


def parse_ref(text: str) -> Ref:
    """The reference written between ``${`` and ``}``. Raises InvalidReference."""
    found = _REF.match(text.strip())
    if not found:
        raise InvalidReference(f"`{text}` is not a reference")
    index, from_each = found["index"], False
    if index == "[each.key]":
        index, from_each = None, True
    elif index is not None:
        index = index[2:-2]
    path = tuple(name or int(number) for name, number in _STEP.findall(found["rest"]))
    return Ref(found["root"], index, path, from_each)


def parse_text(text: str) -> str | Ref | Interpolation:
    """``text`` with its references found: a lone reference keeps the value's type. Raises InvalidReference."""
    if "${" not in text:
        return text
    parts: list[str | Ref] = []
    at = 0
    for found in _OPEN.finditer(text):
        parts.append(text[at : found.start()])
        at = found.end()
        if found[0] == "$${":
            parts.append("${")
        elif found[1] is None:
            raise InvalidReference("`${` is opened and never closed; write `$${` for the two characters themselves")
        else:
            parts.append(parse_ref(found[1]))
    parts.append(text[at:])
    return _joined(parts)


def _joined(parts: list[str | Ref]) -> str | Ref | Interpolation:
    """``parts`` with neighbouring text run together, as the simplest value that says the same."""
    merged: list[str | Ref] = []
    for part in parts:
        if isinstance(part, str) and merged and isinstance(merged[-1], str):
            merged[-1] += part
        elif part != "":
            merged.append(part)
    if not merged:
        return ""
    return merged[0] if len(merged) == 1 else Interpolation(tuple(merged))


def refs(tree: PartialValue, path: Path = ()) -> Iterator[tuple[Path, Ref]]:
    """Every reference in ``tree``, with its path."""
    if isinstance(tree, Ref):
        yield path, tree
    elif isinstance(tree, Interpolation):
        yield from ((path, part) for part in tree.parts if isinstance(part, Ref))
    elif isinstance(tree, Mapping):
        for key, value in tree.items():
            yield from refs(value, (*path, key))
    elif isinstance(tree, (list, tuple)):
        for position, value in enumerate(tree):
            yield from refs(value, (*path, position))


def resolve(tree: PartialValue, known: Callable[[Ref], PartialValue]) -> PartialValue:
    """``tree`` with each reference replaced by ``known(ref)``, which returns an unknown reference itself."""
    if isinstance(tree, Ref):
        return known(tree)
    if isinstance(tree, Interpolation):
        return _resolve_interpolation(tree, known)
    if isinstance(tree, Mapping):
        return {key: resolve(value, known) for key, value in tree.items()}
    if isinstance(tree, (list, tuple)):
        return [resolve(value, known) for value in tree]
    return tree


def _resolve_interpolation(template: Interpolation, known: Callable[[Ref], PartialValue]) -> PartialValue:
    parts: list[str | Ref] = []
    for part in template.parts:
        value = known(part) if isinstance(part, Ref) else part
        if isinstance(value, (Ref, str)):
            parts.append(value)
        elif isinstance(value, Interpolation):
            parts.extend(value.parts)
        elif isinstance(value, bool):
            parts.append("true" if value else "false")
        elif isinstance(value, (int, float)):
            parts.append(str(value))
        else:
            raise InvalidReference(f"`{part}` is a {_shape(value)} and cannot be part of a text")
    joined = _joined(parts)
    return Interpolation((joined,)) if isinstance(joined, Ref) else joined


def _shape(value: PartialValue) -> str:
    if value is None:
        return "null"
    if isinstance(value, Placeholder):
        return "secret"
    return "list" if isinstance(value, list) else "map"


def placeholders(tree: PartialValue, path: Path = ()) -> Iterator[tuple[Path, Placeholder]]:
    """Every placeholder in ``tree``, secrets included, with its path."""
    if isinstance(tree, Placeholder):
        yield path, tree
    elif isinstance(tree, Mapping):
        for key, value in tree.items():
            yield from placeholders(value, (*path, key))
    elif isinstance(tree, (list, tuple)):
        for position, value in enumerate(tree):
            yield from placeholders(value, (*path, position))


def leaves(tree: PartialValue, path: Path = ()) -> Iterator[tuple[Path, PartialValue]]:
    """Every value in ``tree`` that is neither a list nor a map, with its path."""
    if isinstance(tree, Mapping):
        for key, value in tree.items():
            yield from leaves(value, (*path, key))
    elif isinstance(tree, (list, tuple)):
        for position, value in enumerate(tree):
            yield from leaves(value, (*path, position))
    else:
        yield path, tree


def known(tree: PartialValue) -> bool:
    """Whether ``tree`` holds no reference that is still open (secrets count as known: a call resolves them)."""
    return next(refs(tree), None) is None


def encode(tree: PartialValue) -> Json:
    """``tree`` as plain JSON; placeholders become ``{"$ref": …}``, ``{"$template": […]}``, ``{"$secret": …}``."""
    if isinstance(tree, Ref):
        return {"$ref": str(tree)[2:-1]}
    if isinstance(tree, Interpolation):
        return {"$template": [encode(part) for part in tree.parts]}
    if isinstance(tree, Secret):
        return {"$secret": tree.source}
    if isinstance(tree, Mapping):
        plain = {key: encode(value) for key, value in tree.items()}
        return {"$map": plain} if any(key.startswith("$") for key in plain) else plain
    if isinstance(tree, (list, tuple)):
        return [encode(value) for value in tree]
    return tree


def decode(data: Json) -> PartialValue:
    """What ``encode`` made ``data`` from. Raises InvalidReference for what it made from nothing."""
    if isinstance(data, dict):
        match data:
            case {"$ref": str(text)}:
                return parse_ref(text)
            case {"$template": list(parts)}:
                return Interpolation(tuple(_decoded_part(part) for part in parts))
            case {"$secret": str(source)}:
                return Secret(source)
            case {"$map": dict(plain)}:
                return {key: decode(value) for key, value in plain.items()}
        return {key: decode(value) for key, value in data.items()}
    if isinstance(data, list):
        return [decode(value) for value in data]
    return data


def _decoded_part(data: Json) -> str | Ref:
    """A part of a text: only a reference may be in it, and no secret."""
    part = decode(data)
    if not isinstance(part, (str, Ref)):
        raise InvalidReference(f"a {_shape(part)} cannot be part of a text")
    return part


def get_path(value: PartialValue, path: Path) -> PartialValue:
    """The part of ``value`` at ``path``; a placeholder met on the way is returned. Raises KeyError."""
    for step in path:
        if isinstance(value, Placeholder):
            return value
        try:
            value = value[_position(step)] if isinstance(value, (list, tuple)) else _map(value)[step]
        except (KeyError, IndexError, TypeError, ValueError):
            raise KeyError(step) from None
    return value


def _position(step: str | int) -> int:
    position = int(step)
    if position < 0:
        raise IndexError(step)
    return position


def _map(value: PartialValue) -> Mapping[str | int, PartialValue]:
    if not isinstance(value, Mapping):
        raise TypeError(value)
    return value
