"""Differences between two specs of a kind, field by field. All comparing of specs is done here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from smplan.core import canonical_json
from smplan.core.spec import CLIENT_ONLY, IMMUTABLE, INITIAL, SENSITIVE, WRITE_ONLY, Field, Spec, fields
from smplan.core.values import Json, PartialValue, encode


@dataclass(frozen=True, slots=True)
class AttributeChange:
    """One attribute that differs. ``path`` is dotted; a value known only after apply is ``{"$ref": …}``."""

    path: str
    before: Json
    after: Json
    replaces: bool = False


_NEVER = (INITIAL, CLIENT_ONLY)
_REMEMBERED = (WRITE_ONLY, SENSITIVE)


def diff(wanted: Spec, live: Spec, applied: Mapping[str, Json] | None = None) -> tuple[AttributeChange, ...]:
    """The changes that make ``live`` equal to ``wanted``.

    Fields that are None in ``wanted`` are not managed. Fields that cannot be read back are compared with what was last
    ``applied`` (an encoded spec), and ignored without it.
    """
    changes: list[AttributeChange] = []
    for name, traits in fields(type(wanted)).items():
        target = getattr(wanted, name)
        if target is None or any(traits.has(trait) for trait in _NEVER):
            continue
        if any(traits.has(trait) for trait in _REMEMBERED):
            changes += _diff_write_only(traits, target, applied)
        else:
            changes += _diff_field(traits, target, getattr(live, name))
    return tuple(changes)


def _diff_write_only(
    traits: Field, target: PartialValue, applied: Mapping[str, Json] | None
) -> Iterator[AttributeChange]:
    before = (applied or {}).get(traits.name)
    after = encode(_plain(target))
    if applied is not None and before != after:
        yield AttributeChange(traits.name, before, after, traits.has(IMMUTABLE))


def _diff_field(traits: Field, target: Any, live: Any) -> Iterator[AttributeChange]:
    if target == live:
        return
    after, before = _plain(target), _plain(live)
    if traits.nested and isinstance(before, Mapping) and isinstance(after, Mapping):
        before = {key: value for key, value in before.items() if key in after}
    if traits.canonical(after) == traits.canonical(before):
        return
    for path, was, becomes in changed_paths(encode(before), encode(after)):
        yield AttributeChange(".".join((traits.name, *path)), was, becomes, traits.has(IMMUTABLE))


def changed_paths(before: Json, after: Json) -> list[tuple[tuple[str, ...], Json, Json]]:
    """Where two JSON values differ: maps key by key, everything else as a whole. Paths are sorted."""
    if not _map(before) or not _map(after):
        return [((), before, after)]
    from deepdiff import DeepDiff

    found = DeepDiff(before, after, view="tree", verbose_level=0, threshold_to_diff_deeper=0)
    paths = {_up_to_map(item.path(output_format="list"), before, after) for group in found.values() for item in group}
    return [(path, _at(before, path), _at(after, path)) for path in sorted(paths)]


def _map(value: Json) -> bool:
    """Whether ``value`` is a map, and not an encoded placeholder."""
    return isinstance(value, dict) and not any(key.startswith("$") for key in value)


def _up_to_map(path: Sequence[Any], before: Json, after: Json) -> tuple[str, ...]:
    """The beginning of ``path`` that runs through maps alone: lists and placeholders are shown whole."""
    kept: list[str] = []
    for step in path:
        if not (_map(before) and _map(after)):
            break
        kept.append(str(step))
        before, after = before.get(step), after.get(step)
    return tuple(kept)


def _at(value: Json, path: Sequence[str]) -> Json:
    for step in path:
        value = value.get(step) if isinstance(value, dict) else None
    return value


def _plain(value: Any) -> PartialValue:
    return (
        value.managed_fields()
        if isinstance(value, Spec)
        else [_plain(item) for item in value]
        if isinstance(value, list)
        else value
    )


def comparable_fields(live: Spec) -> dict[str, PartialValue]:
    """The fields that a plan relies on, as read: all but those that are initial, client-only or not readable."""
    return {
        name: traits.canonical(_plain(getattr(live, name)))
        for name, traits in fields(type(live)).items()
        if getattr(live, name) is not None and not any(traits.has(trait) for trait in (*_NEVER, *_REMEMBERED))
    }


def fingerprint(live: Spec) -> str:
    """SHA-256 of the fields that a plan relies on."""
    return canonical_json.digest(encode(comparable_fields(live)))


def apply_ignore(
    tree: dict[str, PartialValue], live: Mapping[str, PartialValue], ignore: Sequence[str]
) -> dict[str, PartialValue]:
    """``tree`` with the paths in ``ignore`` (dotted) taken from ``live``: they are not managed here."""
    for path in ignore:
        tree = _overlaid(tree, live, path.split("."))
    return tree


def _overlaid(
    tree: Mapping[str, PartialValue], live: Mapping[str, PartialValue], path: Sequence[str]
) -> dict[str, PartialValue]:
    head, rest = path[0], path[1:]
    made = dict(tree)
    if rest and isinstance(made.get(head), dict):
        there = live.get(head)
        made[head] = _overlaid(made[head], there if isinstance(there, Mapping) else {}, rest)
    elif not rest and head in live:
        made[head] = live[head]
    elif not rest:
        made.pop(head, None)
    return made
