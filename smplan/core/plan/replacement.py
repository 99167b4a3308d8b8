"""Replacements: the next generation of what cannot be changed in place, its name, and what may not be replaced."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from smplan.core.graph import Graph
from smplan.core.plan.changes import (
    Changes,
    ChangeSet,
    NoOp,
    Permits,
    Replace,
    Target,
    Unowned,
    Update,
    Violation,
)
from smplan.core.plan.existing import Existing, owner_of
from smplan.core.plan.generation_names import replacement_name
from smplan.core.plan.observed import ObservedResource, ObservedState
from smplan.core.resource_type import ResourceType, ResourceTypes
from smplan.core.state.model import ResourceState, State
from smplan.core.values import Ref, decode, encode, resolve


@dataclass(frozen=True)
class Replacements:
    """Plans replacements. What is refused is noted in ``changes``; ``resource`` makes the record of a target."""

    graph: Graph
    types: ResourceTypes
    state: State
    observed: ObservedState
    permits: Permits
    changes: ChangeSet
    existing: Existing
    resource: Callable[[Target, int, str], ResourceState]

    def plan(
        self,
        target: Target,
        prior: ResourceState,
        why: tuple[str, ...],
        live: ObservedResource | None = None,
        changes: Changes = (),
    ) -> Replace:
        """The change. What may not be replaced, or has no name left, is noted in the plan as refused."""
        declaration, type, generation, name = target.declaration, target.type, prior.generation + 1, ""
        protected = prior.prevent_destroy or declaration.lifecycle.prevent_destroy
        if protected and declaration.address not in self.permits.unprotect:
            message = (
                f"{declaration.address} would be replaced ({'; '.join(why)}) and is protected by `prevent_destroy`"
            )
            self.changes.guard_violations.append(Violation(message, "--unprotect", declaration.address))
        delete_before_create = not prior.keep and (
            not type.create_before_delete or _is_held(type, changes) or self._refers_to_deleted(declaration.address)
        )
        self._refuse_beside_kept(target, prior, "; ".join(why))
        clashes = target.conflicts_with(prior) or self._name_taken(target)
        if type.name_field and target.spec.known(type.name_field) and not delete_before_create and clashes:
            written = resolve(declaration.spec[type.name_field], self.changes.value_of)
            name = replacement_name(written, type.name_limit, encode(target.spec.managed_fields()), generation)
            target = replace(target, spec=target.spec.model_copy(update={type.name_field: name}))
        other = self.observed.by_natural_key.get(declaration.address)
        if other and not name and other.id != prior.id and not self.existing.is_leftover(target, other, differs=True):
            why_not = f"{type.kind} {other.id} exists already and {owner_of(other)}"
            self.changes.unowned.append(
                Unowned(declaration.address, why_not, other.owner, type.name_field, adoptable=False)
            )
        resource, prior_type = self.resource(target, generation, name), self.types(prior.kind)
        return Replace(resource, why, target, prior, prior_type, live, changes, delete_before_create)

    def _refuse_beside_kept(self, target: Target, prior: ResourceState, why: str) -> None:
        """A kept resource is not deleted; a new one of its natural key exists beside it only under a suffix."""
        type = target.type
        key = "" if type.name_field else type.natural_key(target.spec.managed_fields())
        if prior.keep and prior.kind == type.kind and key and key == type.natural_key(decode(prior.spec)):
            message = (
                f"{prior.address} cannot be replaced ({why}): the old one is shared (`keep`) and continues to exist"
            )
            self.changes.guard_violations.append(
                Violation(f"{message}; revert the change, or let it be another {type.kind}")
            )

    def _refers_to_deleted(self, address: str) -> bool:
        """Whether it refers to a resource whose old generation is deleted before the new one is created."""
        before = (edge.before for edge in self.graph.incoming.get(address, ()) if edge.reference)
        changes = (self.changes.changes.get(other) for other in before)
        return any(isinstance(change, Replace) and change.delete_before_create for change in changes)

    def _name_taken(self, target: Target) -> bool:
        """Whether a deposed generation exists where the new one is to be created."""
        deposed = (each for each in self.state.deposed if each.address == target.declaration.address)
        return any(target.conflicts_with(each) for each in deposed)


def renewed(plan: ChangeSet, permits: Permits) -> dict[str, str]:
    """By address, what is replaced with another resource that needs one of its own beside the old one, and why."""
    found: dict[str, str] = {}
    for address, change in plan.changes.items():
        if not isinstance(change, Replace) or not _is_held(change.target.type, change.changes):
            continue
        exclusive = change.target.type.exclusive
        used = change.target.declaration.spec.get(exclusive.of) if exclusive else None
        other = plan.changes.get(used.address) if isinstance(used, Ref) else None
        if isinstance(other, (NoOp, Update)) and other.live and _may_go(other, permits):
            found[other.target.declaration.address] = (
                f"{address} is replaced, and its old generation has this one for itself until it is deleted"
            )
    return found


def _is_held(type: ResourceType, changes: Changes) -> bool:
    """Whether the old one holds what the new one is to use, so that the new one cannot be created beside it."""
    paths, exclusive = {each.path for each in changes}, type.exclusive
    return exclusive is not None and exclusive.to in paths and exclusive.of not in paths


def _may_go(change: NoOp | Update, permits: Permits) -> bool:
    lifecycle, address = change.target.declaration.lifecycle, change.target.declaration.address
    return not lifecycle.keep and (not lifecycle.prevent_destroy or address in permits.unprotect)
