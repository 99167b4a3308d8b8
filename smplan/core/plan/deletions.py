"""Deletions: replaced and deposed generations, what the blueprint no longer has, and what interrupted runs left."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterator

from smplan.core import diff
from smplan.core.plan import changes
from smplan.core.plan.changes import (
    ChangeSet,
    Delete,
    DeleteDeposed,
    DeleteUntracked,
    Deletion,
    Forget,
    ForgetUntracked,
)
from smplan.core.plan.observed import ObservedState, Untracked
from smplan.core.resource_type import ResourceTypes
from smplan.core.state.model import ResourceState, State
from smplan.core.values import Json

KEPT = "it is shared (`keep`) and continues to exist"
_PROTECTED = "would be deleted and is protected by `prevent_destroy`"


def plan_deletions(
    plan: ChangeSet, wanted: Container[str], types: ResourceTypes, state: State, observed: ObservedState, reason: str
) -> Iterator[Deletion]:
    """What goes; ``reason`` says why what is not ``wanted`` does. What may not go is a guard violation of ``plan``."""
    for change in plan.changes.values():
        if isinstance(change, changes.Replace):
            why, stays = (
                f"replaced by generation {change.resource.generation}",
                _why_it_stays(change.prior, state, observed),
            )
            yield (
                Forget(change.prior, (why, stays), change.prior_type)
                if stays
                else Delete(change.prior, (why,), change.prior_type, change.live)
            )
    for resource in state.resources.values():
        if resource.address not in wanted:
            yield _remove(plan, resource, types, state, observed, reason)
    displaced = {move.resource.address for move in plan.moves}
    for resource in state.deposed:
        why = reason if resource.address in displaced else "an older generation that nothing refers to any more"
        if stays := _why_it_stays(resource, state, observed):
            yield Forget(resource, (why, stays), types(resource.kind))
            continue
        if resource.prevent_destroy:
            plan.guard_violations.append(f"{resource.address} {_PROTECTED}")
        yield DeleteDeposed(resource, (why,), types(resource.kind))
    yield from _untracked(plan, types, observed)


def refuse_loss_of_kept(plan: ChangeSet) -> None:
    """What a kept resource refers to cannot be deleted: AWS refuses it, or deletes the kept one with it."""
    kept = [each.resource for each in plan.deletions if isinstance(each, Forget) and each.resource.keep]
    for deletion in plan.deletions:
        gone = deletion.resource
        stays = isinstance(deletion, (Forget, ForgetUntracked)) or deletion.type.virtual
        users = [] if stays else [each.address for each in kept if _refers(each, gone)]
        if users:
            plan.guard_violations.append(
                f"{gone.address} would be deleted, and {', '.join(users)} refers to it and continues to exist "
                f"(`keep`); keep it too, or forget it with `smplan state rm {gone.address}`"
            )


def _refers(resource: ResourceState, other: ResourceState) -> bool:
    """Whether ``resource`` was created after ``other`` and holds its id or another of its outputs."""
    names = {other.id, *(value for value in other.outputs.values() if isinstance(value, str))}
    return other.address in resource.dependencies and any(value in names for value in _texts(resource.spec))


def _texts(tree: Json) -> Iterator[str]:
    if isinstance(tree, str):
        yield tree
    elif isinstance(tree, (dict, list)):
        for item in tree.values() if isinstance(tree, dict) else tree:
            yield from _texts(item)


def _remove(
    plan: ChangeSet, resource: ResourceState, types: ResourceTypes, state: State, observed: ObservedState, reason: str
) -> Deletion:
    address, type = resource.address, types(resource.kind)
    live = observed.resources.get(address)
    if type.gate:
        return Forget(resource, (reason,), type)
    if stays := _why_it_stays(resource, state, observed):
        return Forget(resource, (reason, stays), type)
    if address in observed.unreadable:
        why = observed.unreadable[address]
        plan.guard_violations.append(f"{address} cannot be deleted: it is not readable now, {why}")
    elif live is None and not type.virtual:
        return Forget(resource, (f"{resource.id} is gone already",), type)
    elif resource.prevent_destroy:
        plan.guard_violations.append(f"{address} {_PROTECTED}")
    return Delete(resource, (reason,), type, live)


def _why_it_stays(resource: ResourceState, state: State, observed: ObservedState) -> str:
    """Why a record is forgotten and its resource not deleted; empty if it is deleted."""
    if resource.keep:
        return KEPT
    live = observed.deposed.get((resource.kind, resource.id)) or observed.resources.get(resource.address)
    if live is None or live.id != resource.id or not live.owner or live.owner[0] == state.lineage:
        return ""
    return f"it was taken over by {live.owner[1]} of state {live.owner[0]}, and continues to exist"


def _untracked(plan: ChangeSet, types: ResourceTypes, observed: ObservedState) -> Iterator[Deletion]:
    """The untracked resources that no change adopts are deleted; what has another address now is forgotten here."""
    adopts = [each for each in plan.changes.values() if isinstance(each, changes.Adopt)]
    adopted = {(each.resource.kind, each.live.id): each.resource.address for each in adopts}
    numbers: Counter[str] = Counter()
    for untracked in observed.untracked:
        resource, live, type = untracked.resource, untracked.live, types(untracked.resource.kind)
        address = adopted.get((resource.kind, live.id))
        if address == resource.address or (address is None and _will_adopt(plan, untracked)):
            continue
        numbers[resource.address] += 1
        number = numbers[resource.address]
        if address:
            yield ForgetUntracked(resource, (f"it is {address} now",), type, untracked.key, number, address)
        else:
            why = "an interrupted run created it, and it is no longer wanted"
            yield DeleteUntracked(resource, (why,), type, live, untracked.key, number)


def _will_adopt(plan: ChangeSet, untracked: Untracked) -> bool:
    """Whether the step that creates it finds it by its natural key, and may have it as it is."""
    change = plan.changes.get(untracked.resource.address)
    if not isinstance(change, (changes.Create, changes.Replace)) or change.resource.kind != untracked.resource.kind:
        return False
    return not any(each.replaces for each in diff.diff(change.target.spec, untracked.live.spec))
