"""What exists already under the natural key of a resource to create: adopted, deleted first, or refused."""

from __future__ import annotations

from dataclasses import dataclass, replace

from smplan.core import diff
from smplan.core.blueprint import Blueprint
from smplan.core.graph import Graph
from smplan.core.plan.changes import ChangeSet, Target, Unowned
from smplan.core.plan.generation_names import current_name
from smplan.core.plan.observed import ObservedResource, ObservedState
from smplan.core.state.model import ResourceState, State, Status
from smplan.core.values import encode


@dataclass(frozen=True)
class Existing:
    """Judges what exists already. What may not be taken is noted in ``plan``."""

    blueprint: Blueprint
    graph: Graph
    state: State
    observed: ObservedState
    plan: ChangeSet

    def adoption_reason(self, target: Target, live: ObservedResource, fixed: list[str]) -> str:
        """Why what exists may be adopted; empty if it may not. ``fixed``: the immutable fields in which it differs."""
        address, type, owner, lifecycle = (
            target.declaration.address,
            target.type,
            live.owner,
            target.declaration.lifecycle,
        )
        key = (address, type.kind, type.identity_digest(encode(target.spec.managed_fields())))
        pending = not type.taggable and key in self.observed.pending
        if not fixed and (pending or owner == (self.state.lineage, address)):
            return f"an interrupted run created {live.id}; it is adopted and completed"
        created_at = self._untracked_at(target, live)
        if not fixed and created_at:
            return f"an interrupted run created {live.id} as {created_at}; it is adopted and completed"
        if not fixed and lifecycle.keep:
            return f"{live.id} exists already and is shared (`keep`)"
        if not fixed and lifecycle.may_adopt(owner, self.state.lineage):
            return f"{live.id} exists already and the blueprint says `adopt`"
        differs = f"; it also differs in what cannot be changed: {', '.join(fixed)}" if fixed else ""
        why = f"{type.kind} {live.id} exists already and {owner_of(live)}{differs}"
        self.plan.unowned.append(Unowned(address, why, owner, type.name_field, adoptable=not fixed))
        return ""

    def holder(self, target: Target, live: ObservedResource) -> str:
        """The address under which the state has what exists already; empty if it does not have it."""
        return next(
            (
                each.address
                for each in self.state.resources.values()
                if (each.kind, each.id) == (target.type.kind, live.id)
            ),
            "",
        )

    def refuse_second_address(self, target: Target, live: ObservedResource, holder: str) -> None:
        """One resource has one address: nothing may be adopted that this state has under another one."""
        address, kind = target.declaration.address, target.type.kind
        message = f"{address} would be {kind} {live.id}, which this state has as {holder}"
        hint = f"to rename it, write `moved: [{{from: '{holder}', to: '{address}'}}]`"
        if holder in self.graph.nodes:
            hint = f"remove one of the two, or give {address} another name"
        self.plan.diagnostics.append(self.blueprint.source_map.diagnostic(target.declaration.path, message, hint))

    def is_leftover(self, target: Target, live: ObservedResource, differs: bool) -> bool:
        """Whether it is deleted first: a deposed generation, or untracked and different."""
        identity, deposed = (target.type.kind, live.id), self.state.deposed
        untracked = self._untracked_at(target, live)
        return any((each.kind, each.id) == identity for each in deposed) or bool(untracked and differs)

    def _untracked_at(self, target: Target, live: ObservedResource) -> str:
        """The address for which an interrupted run created what exists; empty if none did."""
        found = (each.resource for each in self.observed.untracked)
        return next((each.address for each in found if (each.kind, each.id) == (target.type.kind, live.id)), "")


def owner_of(live: ObservedResource) -> str:
    """Who owns what exists already, as a clause."""
    return f"it belongs to {live.owner[1]} of state {live.owner[0]}" if live.owner else "no state owns it"


def with_current_name(target: Target, current: str) -> Target:
    """``target`` under the name of its current generation, where that has a suffix."""
    field = target.type.name_field
    if not field or not current or not target.spec.known(field):
        return target
    name = current_name(getattr(target.spec, field), target.type.name_limit, current)
    return replace(target, spec=target.spec.model_copy(update={field: name}))


def with_ignored(target: Target, live: ObservedResource, others: tuple[str, ...] = ()) -> Target:
    """``target`` with the fields that the blueprint ignores, and ``others``, as they are."""
    ignore = (*target.declaration.lifecycle.ignore, *others)
    if not ignore:
        return target
    tree = diff.apply_ignore(target.spec.managed_fields(), live.spec.managed_fields(), ignore)
    return replace(target, spec=target.type.spec.model_validate(tree))


def why_gone(record: ResourceState) -> str:
    """Why a resource of the state is created again."""
    if record.status is Status.INCOMPLETE:
        return f"{record.id}, which an interrupted run created, is gone"
    return f"{record.id} is gone: it was deleted outside smplan"
