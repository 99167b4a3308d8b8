"""Causes of changes: the blueprint, a change outside smplan, or a resource that is referred to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from smplan.core import diff
from smplan.core.diff import AttributeChange
from smplan.core.plan.changes import ChangeSet, Create, Replace, Restore, Target
from smplan.core.spec import fields
from smplan.core.state.model import ResourceState
from smplan.core.values import Json, Placeholder, Ref, decode, encode, refs

BLUEPRINT = "the blueprint changed"


def causes(plan: ChangeSet, target: Target, prior: ResourceState, changes: Iterable[AttributeChange]) -> Iterator[str]:
    """Why each attribute differs from what was applied: ``size: the blueprint changed``."""
    for change in changes:
        yield f"{change.path}: {_cause(plan, target, prior, change)}"


def _cause(plan: ChangeSet, target: Target, prior: ResourceState, change: AttributeChange) -> str:
    applied = diff.value_at(prior.spec, change.path)
    if _equal(target, change.path, applied, change.after):
        return "changed outside smplan"
    found = dict.fromkeys(_of_references(plan, target, prior, change.path, applied)) or {BLUEPRINT: None}
    outside = applied is not None and not _equal(target, change.path, applied, change.before)
    return " and ".join([*found, *(["it was changed outside smplan too"] if outside else [])])


def _equal(target: Target, path: str, one: Json, other: Json) -> bool:
    traits = fields(target.type.spec).get(path)
    if traits is None:  # inside a map
        return bool(one == other)
    return bool(traits.canonical(decode(one)) == traits.canonical(decode(other)))


def _of_references(plan: ChangeSet, target: Target, prior: ResourceState, path: str, applied: Json) -> Iterator[str]:
    """What gave another value than was applied; the blueprint, where it has a reference that it did not have."""
    raw = target.declaration.spec
    written = diff.value_at(raw, path)
    for _, ref in refs(raw.get(path.partition(".")[0]) if written is None else written):
        value = encode(plan.value_of(ref))
        if value == applied or (isinstance(applied, list) and value in applied):
            continue
        if ref.root in plan.lookups:
            yield f"{BLUEPRINT}, or the lookup `{ref.root}` finds another"
        elif ref.address in prior.dependencies:
            yield _of_dependency(plan, ref)
        else:
            yield BLUEPRINT


def _of_dependency(plan: ChangeSet, ref: Ref) -> str:
    if any(isinstance(move, Restore) and move.resource.address == ref.address for move in plan.moves):
        return f"{ref.address} goes back to an older generation"
    change = plan.changes.get(ref.address)
    if isinstance(change, Replace):
        return f"{ref.address} is replaced"
    if isinstance(change, Create):
        return f"{ref.address} is created again"
    if isinstance(plan.value_of(ref), Placeholder):
        return f"{ref.address} is updated"
    return f"{ref.address} has another {'.'.join(map(str, ref.path))}"
