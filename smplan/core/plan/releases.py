"""Releases: what an update takes out of a field that is released last is a step of its own, after all else.

A scaling group that changes its target groups has the old and the new ones until listeners forward to the new ones.
"""

from __future__ import annotations

from dataclasses import replace

from smplan.core.diff import AttributeChange
from smplan.core.plan import changes
from smplan.core.plan.changes import Change, ChangeSet, Release, Update
from smplan.core.spec import RELEASED_LAST, fields
from smplan.core.values import Json, encode


def with_releases(plan: ChangeSet) -> ChangeSet:
    """``plan`` with each update that releases something and does more in two steps: all but that, and the release."""
    split, releases = dict(plan.changes), dict[str, Release]()
    for address, change in plan.changes.items():
        lost = {each.path: each for each in _losses(change)}
        if not isinstance(change, Update) or not lost or only_releases(change):
            continue
        split[address], releases[address] = _split(change, lost)
    return replace(plan, changes=split, releases=releases) if releases else plan


def only_releases(change: Change) -> bool:
    """Whether an update takes items out of fields that are released last, and does nothing else."""
    if not isinstance(change, Update) or not change.changes:
        return False
    lost = {each.path for each in _losses(change)}
    return all(each.path in lost and not _gained(each) for each in change.changes)


def _losses(change: Change) -> list[AttributeChange]:
    if not isinstance(change, changes.Update):
        return []
    released = {name for name, traits in fields(change.target.type.spec).items() if traits.has(RELEASED_LAST)}
    return [each for each in change.changes if each.path in released and _items(each.before) and _lost(each)]


def _split(change: Update, lost: dict[str, AttributeChange]) -> tuple[Update, Release]:
    """The update without the losses, and the release."""
    target, spec = change.target, change.target.spec
    kept = {path: [*getattr(change.live.spec, path), *_new(change, path)] for path in lost}
    between = replace(target, spec=spec.model_copy(update=kept))
    recorded = encode({**spec.managed_fields(), **kept})
    first = tuple(
        replace(each, after=encode(kept[each.path])) if each.path in lost else each
        for each in change.changes
        if each.path not in lost or _gained(each)
    )
    last = tuple(replace(each, before=encode(kept[path])) for path, each in lost.items())
    why = tuple(f"`{path}` keeps what it had until nothing uses it any more" for path in lost)
    return (
        replace(change, target=between, resource=replace(change.resource, spec=recorded), changes=first),
        Release(change.resource, why, target, change.live, last),
    )


def _new(change: Update, path: str) -> list[object]:
    """The items that a field gains; what is known only after apply is new."""
    before = getattr(change.live.spec, path)
    return [each for each in getattr(change.target.spec, path) if each not in before]


def _items(value: Json) -> list[Json]:
    return value if isinstance(value, list) else []


def _lost(change: AttributeChange) -> bool:
    after = _items(change.after)
    return any(item not in after for item in _items(change.before))


def _gained(change: AttributeChange) -> bool:
    before = _items(change.before)
    return not isinstance(change.after, list) or any(item not in before for item in change.after)
