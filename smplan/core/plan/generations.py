"""Older generations: those that are kept for going back, and the one that becomes the current generation again.

A former blueprint gets back what was replaced, as long as it exists: nothing is created, and what refers to it changes.
With `keep_generations` it exists for longer than the plan that replaces it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from smplan.core import diff
from smplan.core.graph import Graph
from smplan.core.plan.changes import Change, ChangeSet, Create, Permits, Replace, Restore, Target
from smplan.core.plan.existing import with_current_name, with_ignored
from smplan.core.plan.moves import place
from smplan.core.plan.observed import ObservedResource, ObservedState
from smplan.core.plan.recorded import refers_to
from smplan.core.resource_type import ResourceTypes
from smplan.core.state.model import ResourceState, State, Status
from smplan.core.values import resolve


@dataclass(frozen=True)
class Generations:
    """The older generations of the resources of ``graph``, as they are recorded and as they exist."""

    graph: Graph
    types: ResourceTypes
    state: State
    observed: ObservedState

    def wanted_again(self, plan: ChangeSet) -> dict[str, ResourceState]:
        """By address, the older generation that is as the blueprint says, where ``plan`` would create another one."""
        moved = {move.resource.address for move in plan.moves}
        changes = plan.changes if self.state.deposed else {}
        found = {at: next(self._fitting(plan, each), None) for at, each in changes.items() if at not in moved}
        return {address: record for address, record in found.items() if record}

    def _fitting(self, plan: ChangeSet, change: Change) -> Iterator[ResourceState]:
        target = change.target
        if not target.type.restorable or not _creates(change):
            return
        for record in self._older(target.declaration.address):
            live = self._exists(record)
            if live and record.kind == target.type.kind and _fits(_renamed(plan, target, record), record, live):
                yield record

    def restored(self, found: Mapping[str, ResourceState]) -> tuple[State, ObservedState, tuple[Restore, ...]]:
        """State and observed state with the generations of ``found`` as the current ones, and the steps to it."""
        state, observed = place(self.state, found, self.types, self.graph), self.observed
        current, deposed = dict(observed.resources), dict(observed.deposed)
        restores = []
        for address, record in found.items():
            prior, live = self.state.resources.get(address), current.pop(address, None)
            if prior and live:
                deposed[prior.kind, prior.id] = live
            live = current[address] = deposed[record.kind, record.id]
            why = f"generation {record.generation} still exists, and is what the blueprint asks for"
            resource, type = state.resources[address], self.types(record.kind)
            restores.append(Restore(resource, (why,), type, address, deposed=True, live=live))
        return state, replace(observed, resources=current, deposed=deposed), tuple(restores)

    def kept(self, plan: ChangeSet, permits: Permits) -> list[ResourceState]:
        """The replaced generations that ``plan`` does not delete: as many of each address as the blueprint says.

        What refers to something that is deleted is of no use any more, and would block that.
        """
        found = [
            record
            for address, declaration in self.graph.nodes.items()
            if declaration.lifecycle.keep_generations and address not in permits.abandon
            for record in self._newest(plan, address, declaration.lifecycle.keep_generations)
        ]
        goes = [each for each in self._replaceable(plan) if each not in found] if found else []
        while lost := [each for each in found if any(refers_to(each, gone, by_output=False) for gone in goes)]:
            goes += lost
            found = [each for each in found if each not in lost]
        return found

    def _newest(self, plan: ChangeSet, address: str, most: int) -> list[ResourceState]:
        """The newest generations at ``address`` that can be gone back to, after what ``plan`` replaces."""
        change = plan.changes.get(address)
        others = any(move.resource.address == address and not isinstance(move, Restore) for move in plan.moves)
        found = [] if others else self._older(address)
        if isinstance(change, Replace) and not change.delete_before_create:
            found = [change.prior, *found]
        return [each for each in found if self._is_usable(each) and not _in_the_way(each, change)][:most]

    def _is_usable(self, record: ResourceState) -> bool:
        usable = self.types(record.kind).restorable and record.status is Status.READY and not record.keep
        return usable and self._exists(record) is not None

    def _replaceable(self, plan: ChangeSet) -> Iterator[ResourceState]:
        """All that ``plan`` deletes, unless it is kept."""
        hidden = [each.resource for each in self.observed.hidden]
        replaced = [change.prior for change in plan.changes.values() if isinstance(change, Replace)]
        unwanted = [each for address, each in self.state.resources.items() if address not in self.graph.nodes]
        for record in (*replaced, *unwanted, *self.state.deposed):
            type = self.types(record.kind)
            if not (record.keep or type.virtual or type.gate or record in hidden):
                yield record

    def _older(self, address: str) -> list[ResourceState]:
        """The older generations at ``address``, the newest first."""
        return self._by_address.get(address, [])

    @cached_property
    def _by_address(self) -> Mapping[str, list[ResourceState]]:
        found: dict[str, list[ResourceState]] = defaultdict(list)
        for record in sorted(self.state.deposed, key=lambda record: record.generation, reverse=True):
            found[record.address].append(record)
        return found

    def _exists(self, record: ResourceState) -> ObservedResource | None:
        """The generation as it was read, unless it is gone or another state has taken it over."""
        live = self.observed.deposed.get((record.kind, record.id))
        current = self.observed.resources.get(record.address)
        live = live or (current if current and current.id == record.id else None)
        return live if live and (live.owner is None or live.owner[0] == self.state.lineage) else None


def _creates(change: Change) -> bool:
    """Whether a resource is created because the current one is gone, or is another one than the blueprint asks for."""
    if isinstance(change, Replace):
        return change.live is None or any(each.replaces for each in change.changes)
    return isinstance(change, Create)


def _renamed(plan: ChangeSet, target: Target, record: ResourceState) -> Target:
    """``target`` under the name that it has if it is the generation of ``record``."""
    field = target.type.name_field
    if not field:
        return target
    written = resolve(target.declaration.spec[field], plan.value_of)
    spec = target.spec.model_copy(update={field: written})
    return with_current_name(replace(target, spec=spec), record.name)


def _fits(target: Target, record: ResourceState, live: ObservedResource) -> bool:
    """Whether what exists can become what the blueprint asks for, in place."""
    target = with_ignored(target, live)
    return not any(change.replaces for change in diff.diff(target.spec, live.spec, record.spec))


def _in_the_way(record: ResourceState, change: Change | None) -> bool:
    """Whether what ``change`` creates cannot exist beside ``record``."""
    return isinstance(change, (Create, Replace)) and change.target.conflicts_with(record)
