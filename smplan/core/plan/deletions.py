"""Deletions: replaced and deposed generations, what the blueprint no longer has, and what interrupted runs left."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterator

from smplan.core import diff
from smplan.core.plan import changes
from smplan.core.plan.changes import ChangeSet, Delete, DeleteDeposed, DeleteUntracked, Deletion, Forget
from smplan.core.plan.observed import ObservedState, Untracked
from smplan.core.resource_type import ResourceTypes
from smplan.core.state.model import ResourceState, State

KEPT = "it is shared (`keep`) and continues to exist"
_PROTECTED = "would be deleted and is protected by `prevent_destroy`"


def plan_deletions(
    plan: ChangeSet, wanted: Container[str], types: ResourceTypes, state: State, observed: ObservedState, reason: str
) -> Iterator[Deletion]:
    """What goes; ``reason`` says why what is not ``wanted`` does. What may not go is a guard violation of ``plan``."""
    for change in plan.changes.values():
        if isinstance(change, changes.Replace):
            why = f"replaced by generation {change.resource.generation}"
            keep = change.prior.keep
            yield (
                Forget(change.prior, (why, KEPT), change.prior_type)
                if keep
                else Delete(change.prior, (why,), change.prior_type, change.live)
            )
    for resource in state.resources.values():
        if resource.address not in wanted:
            yield _remove(plan, resource, types, state, observed, reason)
    displaced = {move.resource.address for move in plan.moves}
    for resource in state.deposed:
        why = reason if resource.address in displaced else "an older generation that nothing refers to any more"
        if resource.keep:
            yield Forget(resource, (reason, KEPT), types(resource.kind))
            continue
        if resource.prevent_destroy:
            plan.guard_violations.append(f"{resource.address} {_PROTECTED}")
        yield DeleteDeposed(resource, (why,), types(resource.kind))
    yield from _untracked(plan, types, observed)


def _remove(
    plan: ChangeSet, resource: ResourceState, types: ResourceTypes, state: State, observed: ObservedState, reason: str
) -> Deletion:
    address, type = resource.address, types(resource.kind)
    live = observed.resources.get(address)
    if type.gate:
        return Forget(resource, (reason,), type)
    if resource.keep:
        return Forget(resource, (reason, KEPT), type)
    if live and live.owner and live.owner[0] != state.lineage:
        lost = f"it was taken over by {live.owner[1]} of state {live.owner[0]}, and continues to exist"
        return Forget(resource, (reason, lost), type)
    if address in observed.unreadable:
        why = observed.unreadable[address]
        plan.guard_violations.append(f"{address} cannot be deleted: it is not readable now, {why}")
    elif live is None and not type.virtual:
        return Forget(resource, (f"{resource.id} is gone already",), type)
    elif resource.prevent_destroy:
        plan.guard_violations.append(f"{address} {_PROTECTED}")
    return Delete(resource, (reason,), type, live)


def _untracked(plan: ChangeSet, types: ResourceTypes, observed: ObservedState) -> Iterator[Deletion]:
    """The untracked resources that no change adopts."""
    adopted = {(each.resource.kind, each.live.id) for each in plan.changes.values() if isinstance(each, changes.Adopt)}
    numbers: Counter[str] = Counter()
    for untracked in observed.untracked:
        resource, live = untracked.resource, untracked.live
        if (resource.kind, live.id) not in adopted and not _will_adopt(plan, untracked):
            numbers[resource.address] += 1
            type, why = types(resource.kind), "an interrupted run created it, and it is no longer wanted"
            yield DeleteUntracked(resource, (why,), type, live, untracked.key, numbers[resource.address])


def _will_adopt(plan: ChangeSet, untracked: Untracked) -> bool:
    """Whether the step that creates it finds it by its natural key, and may have it as it is."""
    change = plan.changes.get(untracked.resource.address)
    if not isinstance(change, (changes.Create, changes.Replace)) or change.resource.kind != untracked.resource.kind:
        return False
    return not any(each.replaces for each in diff.diff(change.target.spec, untracked.live.spec))
