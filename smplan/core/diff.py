"""Differences between two specs of a kind, field by field. All comparing of specs is done here."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, TypeAlias

from smplan.core import canonical_json
from smplan.core.spec import CLIENT_ONLY, IMMUTABLE, INITIAL, NAMED, SENSITIVE, WRITE_ONLY, Field, Spec, fields
from smplan.core.values import Json, PartialValue, encode


@dataclass(frozen=True, slots=True)
class AttributeChange:
    """One attribute that differs. ``path`` is dotted; a value known only after apply is ``{"$ref": …}``."""

    path: str
    before: Json
    after: Json
    replaces: bool = False


_STEP = re.compile(r'\["([^"]*)"\]|\[(\d+|\*)\]|([^.\[]+)')
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
    if traits.has(NAMED) and isinstance(before, list) and isinstance(after, list):
        before = as_managed(before, after)
    if traits.canonical(after) == traits.canonical(before):
        return
    replaces = traits.replaces(before, after)
    for path, was, becomes in changed_paths(encode(before), encode(after)):
        yield AttributeChange(".".join((traits.name, *path)), was, becomes, replaces)


def as_managed(items: Sequence[Any], wanted: Sequence[Any]) -> list[Any]:
    """The items of a NAMED list, without the members that the wanted item of the same name does not have."""
    said = {item.get("name"): item for item in wanted if isinstance(item, Mapping)}
    return [
        {key: value for key, value in item.items() if key in said.get(item.get("name"), item)}
        if isinstance(item, Mapping)
        else item
        for item in items
    ]


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


Steps: TypeAlias = Sequence[str]


def parse_path(path: str) -> Steps:
    """The steps of a path: ``tags.owner``, ``tags["a.b"]``, ``targets[0].role``, ``targets[*].role``."""
    return [quoted or index or plain for quoted, index, plain in _STEP.findall(path)]


def apply_ignore(
    tree: dict[str, PartialValue], live: Mapping[str, PartialValue], ignore: Sequence[str]
) -> dict[str, PartialValue]:
    """``tree`` with the paths in ``ignore`` taken from ``live``: they are not managed here."""
    for path in ignore:
        tree = _overlaid(tree, live, parse_path(path))
    return tree


def value_at(tree: Json, path: str) -> Json:
    """What is at ``path``, as ``AttributeChange`` writes it; None if there is nothing."""
    steps = parse_path(path)
    while steps:
        if not isinstance(tree, dict):
            return None
        key, steps = _next_key(steps, tree)
        tree = tree.get(key)
    return tree


def _next_key(steps: Steps, *maps: Mapping[str, Any]) -> tuple[str, Steps]:
    """The longest key of ``maps`` that the steps begin with, as a key may hold dots; else the first step."""
    for length in range(len(steps), 1, -1):
        joined = ".".join(steps[:length])
        if any(joined in each for each in maps):
            return joined, steps[length:]
    return steps[0], steps[1:]


def _overlaid(
    tree: Mapping[str, PartialValue], live: Mapping[str, PartialValue], steps: Steps
) -> dict[str, PartialValue]:
    head, rest = _next_key(steps, tree, live)
    made = dict(tree)
    if not rest and head in live:
        made[head] = live[head]
    elif not rest:
        made.pop(head, None)
    elif head in made:
        made[head] = _overlaid_value(made[head], live.get(head), rest)
    return made


def _overlaid_value(value: PartialValue, there: PartialValue, steps: Steps) -> PartialValue:
    if isinstance(value, dict):
        return _overlaid(value, there if isinstance(there, Mapping) else {}, steps)
    if not isinstance(value, (list, tuple)) or not isinstance(there, (list, tuple)) or len(steps) == 1:
        return value
    return [
        _overlaid_value(item, other, steps[1:]) if steps[0] in (str(at), "*") else item
        for at, (item, other) in enumerate(zip_longest(value, there[: len(value)]))
    ]
