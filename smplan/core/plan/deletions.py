"""Deletions: replaced and deposed generations, what the blueprint no longer has, and what interrupted runs left."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Container, Iterator, Set
from dataclasses import dataclass, field, replace

from smplan.core import diff
from smplan.core.plan import changes
from smplan.core.plan.changes import (
    NO_PERMITS,
    Abandon,
    ChangeSet,
    Delete,
    DeleteDeposed,
    DeleteUntracked,
    Deletion,
    Forget,
    ForgetUntracked,
    Permits,
    Unprotect,
    Violation,
)
from smplan.core.plan.observed import Hidden, ObservedResource, ObservedState, Untracked
from smplan.core.plan.recorded import refers_to
from smplan.core.resource_type import ResourceTypes
from smplan.core.state.model import ResourceState, State

KEPT = "it is shared (`keep`) and continues to exist"
_ABANDONED = "it is abandoned: forgotten, and not deleted"
_MAYBE = "an interrupted run may have created it"


@dataclass(frozen=True)
class Deletions:
    """What goes: what is not ``wanted``, or everything. What may not go is a violation of ``plan``."""

    plan: ChangeSet
    wanted: Container[str]
    types: ResourceTypes
    state: State
    observed: ObservedState
    permits: Permits = NO_PERMITS
    destroy: bool = False
    kept: Collection[ResourceState] = ()
    """The replaced generations that stay."""
    _numbers: Counter[str] = field(default_factory=Counter)

    @property
    def reason(self) -> str:
        """Why what is not wanted goes."""
        return "everything is destroyed" if self.destroy else "it is no longer in the blueprint"

    def all(self) -> Iterator[Deletion]:
        """The deletions, each after the removal of what protects it."""
        for change in self.plan.changes.values():
            if isinstance(change, changes.Replace):
                yield from self._replaced(change)
        for resource in self.state.resources.values():
            if resource.address not in self.wanted:
                yield from self._unwanted(resource)
        displaced = {move.resource.address for move in self.plan.moves if not isinstance(move, changes.Restore)}
        for resource in self.state.deposed:
            if resource in self.kept:
                continue
            old = "an older generation that nothing refers to any more"
            yield from self._deposed(resource, self.reason if resource.address in displaced else old)
        yield from self._untracked()
        yield from self._hidden()

    def _replaced(self, change: changes.Replace) -> Iterator[Deletion]:
        prior, type, why = change.prior, change.prior_type, f"replaced by generation {change.resource.generation}"
        if stays := self._why_it_stays(prior):
            yield Forget(prior, (why, stays), type)
        elif prior.address in self.permits.abandon and not change.delete_before_create:
            yield self._abandon(prior, why)
        elif prior not in self.kept:
            yield from self._unprotected(Delete(prior, (why,), type, change.live))

    def _unwanted(self, resource: ResourceState) -> Iterator[Deletion]:
        address, type = resource.address, self.types(resource.kind)
        live = self.observed.resources.get(address)
        unreadable = self.observed.unreadable.get(address) or self._why_stopped(address)
        if type.gate:
            yield Forget(resource, (self.reason,), type)
        elif stays := self._why_it_stays(resource):
            yield Forget(resource, (self.reason, stays), type)
        elif live is None and not type.virtual and not unreadable:
            yield Forget(resource, (f"{resource.id} is gone already",), type)
        elif address in self.permits.abandon:
            yield self._abandon(resource, self.reason)
        elif unreadable:
            self._refuse_unreadable(resource, unreadable)
            yield Delete(resource, (self.reason,), type, live)
        else:
            yield from self._protected(Delete(resource, (self.reason,), type, live))

    def _why_stopped(self, address: str) -> str:
        why = self.observed.stopped.get(address)
        return f"{why}; it can be deleted once that is started" if why else ""

    def _deposed(self, resource: ResourceState, why: str) -> Iterator[Deletion]:
        type = self.types(resource.kind)
        hidden = next((each.why for each in self.observed.hidden if each.resource == resource), "")
        if stays := self._why_it_stays(resource):
            yield Forget(resource, (why, stays), type)
        elif resource.address in self.permits.abandon:
            yield self._abandon(resource, why)
        elif hidden and not self.destroy:
            self.plan.unreadable.setdefault(resource.address, f"generation {resource.generation}: {hidden}")
        elif hidden:
            self._refuse_unreadable(resource, hidden)
            yield DeleteDeposed(resource, (why,), type)
        else:
            live = self.observed.deposed.get((resource.kind, resource.id))
            why = why if live or type.virtual else f"generation {resource.generation}, {resource.id}, is gone already"
            yield from self._protected(DeleteDeposed(resource, (why,), type, live))

    def _untracked(self) -> Iterator[Deletion]:
        """The untracked resources that no change adopts are deleted; what has another address now is forgotten here."""
        adopts = [each for each in self.plan.changes.values() if isinstance(each, changes.Adopt)]
        adopted = {(each.resource.kind, each.live.id): each.resource.address for each in adopts}
        for untracked in self.observed.untracked:
            resource, live, type = untracked.resource, untracked.live, self.types(untracked.resource.kind)
            address = adopted.get((resource.kind, live.id))
            if address == resource.address or (address is None and self._will_adopt(untracked)):
                continue
            number = self._count(resource.address)
            if address:
                yield ForgetUntracked(resource, (f"it is {address} now",), type, untracked.key, number, address)
            elif resource.address in self.permits.abandon:
                yield self._abandon(resource, "an interrupted run created it", untracked.key, number)
            else:
                why = "an interrupted run created it, and it is no longer wanted"
                yield DeleteUntracked(resource, (why,), type, live, untracked.key, number)

    def _will_adopt(self, untracked: Untracked) -> bool:
        """Whether the step that creates it finds it by its natural key, and may have it as it is."""
        change = self.plan.changes.get(untracked.resource.address)
        if not isinstance(change, (changes.Create, changes.Replace)) or change.resource.kind != untracked.resource.kind:
            return False
        return not any(each.replaces for each in diff.diff(change.target.spec, untracked.live.spec))

    def _hidden(self) -> Iterator[Deletion]:
        """What interrupted runs may have created and cannot be read: a destroy would leave it behind."""
        for each in self.observed.hidden:
            address = each.resource.address
            if not each.key:
                continue
            if address in self.permits.abandon and address not in self.wanted:
                yield self._abandon(each.resource, _MAYBE, each.key, self._count(address))
            elif self.destroy:
                self._refuse_hidden(each)
            else:
                self.plan.unreadable.setdefault(address, f"{_MAYBE}: {each.why}")

    def _count(self, address: str) -> int:
        self._numbers[address] += 1
        return self._numbers[address]

    def _abandon(self, resource: ResourceState, why: str, key: str = "", number: int = 0) -> Abandon:
        return Abandon(resource, (why, _ABANDONED), self.types(resource.kind), key, number)

    def _protected(self, deletion: Delete | DeleteDeposed) -> Iterator[Deletion]:
        """``deletion``, unless ``prevent_destroy`` protects what it deletes."""
        address = deletion.resource.address
        if deletion.resource.prevent_destroy and address not in self.permits.unprotect:
            message = f"{address} would be deleted and is protected by `prevent_destroy`"
            self.plan.guard_violations.append(Violation(message, "--unprotect", address))
        yield from self._unprotected(deletion)

    def _unprotected(self, deletion: Delete | DeleteDeposed) -> Iterator[Deletion]:
        """``deletion``, after the removal of AWS's own protection where that is permitted."""
        resource, live, protection = deletion.resource, deletion.live, deletion.type.protection
        if live is None or protection is None or not protection.is_on(attributes(live)):
            yield deletion
        elif resource.address in self.permits.unprotect:
            spec = (
                resource.spec | {protection.attribute: False}
                if protection.attribute in resource.spec
                else resource.spec
            )
            why = f"--unprotect permits to remove its {protection.name}, with which AWS refuses to delete it"
            yield Unprotect(replace(resource, spec=spec), (why,), deletion.type, live, deletion.step_id)
            yield deletion
        else:
            message = f"{resource.address} ({resource.id}) would be deleted and has {protection.name}"
            self.plan.guard_violations.append(Violation(message, "--unprotect", resource.address))
            yield deletion

    def _why_it_stays(self, resource: ResourceState) -> str:
        """Why a record is forgotten and its resource not deleted; empty if it is deleted."""
        if resource.keep:
            return KEPT
        live = self.observed.deposed.get((resource.kind, resource.id)) or self.observed.resources.get(resource.address)
        if live is None or live.id != resource.id or not live.owner or live.owner[0] == self.state.lineage:
            return ""
        return f"it was taken over by {live.owner[1]} of state {live.owner[0]}, and continues to exist"

    def _refuse_unreadable(self, resource: ResourceState, why: str) -> None:
        message = f"{resource.address} cannot be deleted: it is not readable now, {why}"
        stopped = resource.address in self.observed.stopped
        self.plan.guard_violations.append(Violation(message, "--abandon", resource.address, stopped))

    def _refuse_hidden(self, hidden: Hidden) -> None:
        address = hidden.resource.address
        message = f"{address} ({hidden.resource.kind}): {_MAYBE}, and it is not readable now, {hidden.why}"
        self.plan.guard_violations.append(Violation(message, "--abandon", address))


def attributes(live: ObservedResource) -> dict[str, object]:
    """The outputs and the fields of what exists, by name."""
    return {**live.outputs, **live.spec.managed_fields()}


def refuse_abandoned(plan: ChangeSet, wanted: Set[str], permits: Permits) -> None:
    """What the blueprint has cannot be abandoned, except for its older generations: the next plan would create it."""
    abandoned = {each.resource.address for each in plan.deletions if isinstance(each, Abandon)}
    for address in sorted(permits.abandon & wanted - abandoned):
        message = f"{address} cannot be abandoned: the blueprint has it, so remove it from the blueprint first"
        plan.guard_violations.append(Violation(message))


def refuse_loss_of_kept(plan: ChangeSet) -> None:
    """What a kept resource refers to cannot be deleted: AWS refuses it, or deletes the kept one with it."""
    kept = [each.resource for each in plan.deletions if isinstance(each, Forget) and each.resource.keep]
    for deletion in plan.deletions:
        gone = deletion.resource
        goes = isinstance(deletion, (Delete, DeleteDeposed, DeleteUntracked)) and not deletion.type.virtual
        users = [each.address for each in kept if refers_to(each, gone)] if goes else []
        if users:
            message = (
                f"{gone.address} would be deleted, and {', '.join(users)} refers to it and continues to exist "
                f"(`keep`); keep it too, or forget it with `smplan state rm {gone.address}`"
            )
            plan.guard_violations.append(Violation(message))
