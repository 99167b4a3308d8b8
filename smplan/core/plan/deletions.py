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


def plan_deletions(
    plan: ChangeSet, wanted: Container[str], types: ResourceTypes, state: State, observed: ObservedState, reason: str
) -> Iterator[Deletion]:
    """What goes; ``reason`` says why what is not ``wanted`` does. What may not go is a guard violation of ``plan``."""
    for change in plan.changes.values():
        if isinstance(change, changes.Replace):
            why = f"replaced by generation {change.resource.generation}"
            yield Delete(change.prior, (why,), change.prior_type, change.live)
    for resource in state.resources.values():
        if resource.address not in wanted:
            yield _remove(plan, resource, types, observed, reason)
    for resource in state.deposed:
        yield DeleteDeposed(resource, ("an older generation that nothing refers to any more",), types(resource.kind))
    yield from _untracked(plan, types, observed)


def _remove(
    plan: ChangeSet, resource: ResourceState, types: ResourceTypes, observed: ObservedState, reason: str
) -> Deletion:
    address, type = resource.address, types(resource.kind)
    live = observed.resources.get(address)
    if type.gate:
        return Forget(resource, (reason,), type)
    if address in observed.unreadable:
        why = observed.unreadable[address]
        plan.guard_violations.append(f"{address} cannot be deleted: it is not readable now, {why}")
    elif live is None and not type.virtual:
        return Forget(resource, (f"{resource.id} is gone already",), type)
    elif resource.prevent_destroy:
        plan.guard_violations.append(f"{address} would be deleted and is protected by `prevent_destroy`")
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
