"""Risks of planned steps: what each does to its resource, and what the kind says to that."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from itertools import chain

from smplan.core.plan.changes import (
    Abandon,
    Action,
    Change,
    ChangeSet,
    Create,
    Delete,
    DeleteDeposed,
    DeleteUntracked,
    Deletion,
    Forget,
    ForgetUntracked,
    NoOp,
    Release,
    Replace,
    Unprotect,
    Update,
)
from smplan.core.plan.model import Op
from smplan.core.plan.observed import ObservedResource
from smplan.core.resource_type import ResourceType
from smplan.core.risk import Category, Effect, PlannedEffect, Risk
from smplan.core.spec import SENSITIVE, fields
from smplan.core.state.model import ResourceState
from smplan.core.values import Json, encode


def of_action(change: Action) -> tuple[Risk, ...]:
    """The risks of a change."""
    return _sorted(change.target.type.risks(effect_of(change)))


def effect_of(change: Change | Release) -> Effect:
    """What a change does; of what is left as it is, what it is and is to be."""
    target = change.target
    after = without_secrets(target.type, encode(target.spec.managed_fields())) or {}
    if isinstance(change, NoOp):
        return Effect("", _attributes(target.type, change.live), after)
    live, changes = (None, ()) if isinstance(change, Create) else (change.live, change.changes)
    changed = frozenset(each.path.partition(".")[0] for each in changes)
    return Effect(change.op, _attributes(target.type, live), after, changed)


def lingers(change: Change | Release) -> float:
    """Seconds for which clients use what a change has changed: only an update leaves anything behind."""
    return change.target.type.lingers(effect_of(change)) if isinstance(change, Update) else 0


def of_deletion(deletion: Deletion, change: Change | None) -> tuple[Risk, ...]:
    """The risks of a deletion. ``change`` is that of its address: what it deletes may have a successor."""
    type, record = deletion.type, deletion.resource
    match deletion:
        case Forget() | ForgetUntracked():
            return ()
        case Abandon():
            what = f"{type.kind} {record.id}" if record.id else f"the {type.kind} that may exist"
            return (Risk(Category.LEFT_BEHIND, f"nothing deletes {what} any more: {type.left_behind}"),)
        case Unprotect():
            name = type.protection.name if type.protection else ""
            return (Risk(Category.PROTECTION, f"without {name}, anything may delete {record.id}"),)
    return _sorted(chain(type.risks(_effect_of_delete(deletion, change)), _overridden(deletion)))


def _effect_of_delete(deletion: Delete | DeleteDeposed | DeleteUntracked, change: Change | None) -> Effect:
    type, record = deletion.type, deletion.resource
    before = _attributes(type, deletion.live) if deletion.live else _recorded(record)
    return Effect(Op.DELETE, before, {} if isinstance(deletion, DeleteUntracked) else _successor(record, change))


def effects(plan: ChangeSet) -> Iterator[PlannedEffect]:
    """What ``plan`` does to every resource that it knows, those that it leaves as they are included."""
    for address, change in plan.changes.items():
        yield PlannedEffect(address, change.target.type.kind, effect_of(change))
    for deletion in plan.deletions:
        if isinstance(deletion, (Delete, DeleteDeposed, DeleteUntracked)):
            address = deletion.resource.address
            follows = plan.changes.get(address)
            first = isinstance(deletion, Delete) and isinstance(follows, Replace) and follows.delete_before_create
            yield PlannedEffect(address, deletion.type.kind, _effect_of_delete(deletion, follows), deleted_first=first)


def recorded_effects(resources: Iterable[ResourceState], but: Collection[str]) -> Iterator[PlannedEffect]:
    """What a plan does not look at, those of addresses other than ``but``: each stays as the state has it."""
    for each in resources:
        if each.address not in but:
            yield PlannedEffect(each.address, each.kind, Effect("", _recorded(each), each.spec))


def _recorded(record: ResourceState) -> dict[str, Json]:
    return {"id": record.id, **record.outputs, **record.spec}


def _overridden(deletion: Delete | DeleteDeposed | DeleteUntracked) -> Iterator[Risk]:
    """A delete of what ``prevent_destroy`` protects exists only if a person permitted it."""
    if deletion.resource.prevent_destroy and not isinstance(deletion, DeleteUntracked):
        yield Risk(Category.PROTECTION, "`prevent_destroy` protects it, and --unprotect permits to delete it")


def _successor(record: ResourceState, change: Change | None) -> Json:
    """The spec of what replaces ``record``; empty if nothing does."""
    if change is None or change.target.type.kind != record.kind:
        return {}
    if isinstance(change, NoOp) and change.live is None:
        return {}
    return without_secrets(change.target.type, encode(change.target.spec.managed_fields())) or {}


def _attributes(type: ResourceType, live: ObservedResource | None) -> dict[str, Json]:
    """Id, outputs and fields as read; none of what is new."""
    spec = without_secrets(type, encode(live.spec.managed_fields())) if live else {}
    return {"id": live.id, **encode(live.outputs), **(spec or {})} if live else {}


def without_secrets(type: ResourceType, spec: Json) -> Json:
    """An encoded ``spec`` without the fields that are never shown; None for None."""
    sensitive = {name for name, traits in fields(type.spec).items() if traits.has(SENSITIVE)}
    return spec and {name: value for name, value in spec.items() if name not in sensitive}


def _sorted(risks: Iterable[Risk]) -> tuple[Risk, ...]:
    """Each once, in the order of the categories."""
    order = list(Category)
    return tuple(sorted(dict.fromkeys(risks), key=lambda risk: order.index(risk.category)))
