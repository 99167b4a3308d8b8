"""Plans the changes that make what exists match a blueprint. Pure: equal input gives equal output."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from pydantic import ValidationError

from smplan.core import diff
from smplan.core.blueprint import Blueprint, Resource
from smplan.core.diff import AttributeChange
from smplan.core.graph import Graph
from smplan.core.plan import drift
from smplan.core.plan.causes import causes
from smplan.core.plan.changes import (
    NO_PERMITS,
    Abandon,
    Adopt,
    Change,
    Changes,
    ChangeSet,
    Create,
    Gate,
    Move,
    NoOp,
    Permits,
    Replace,
    Target,
    Unowned,
    Update,
    Violation,
)
from smplan.core.plan.deletions import Deletions, refuse_loss_of_kept
from smplan.core.plan.generation_names import current_name, replacement_name
from smplan.core.plan.observed import ObservedResource, ObservedState
from smplan.core.plan.overrides import Overrides
from smplan.core.plan.recorded import recorded_spec
from smplan.core.resource_type import ResourceTypes
from smplan.core.spec import Spec
from smplan.core.spec_errors import spec_errors
from smplan.core.state.model import ResourceState, State, Status
from smplan.core.values import InvalidReference, PartialValue, decode, encode, resolve
from smplan.core.wording import same_resource


def plan_changes(
    blueprint: Blueprint,
    graph: Graph,
    resource_types: ResourceTypes,
    state: State,
    observed: ObservedState,
    *,
    moves: tuple[Move, ...] = (),
    destroy: bool = False,
    permits: Permits = NO_PERMITS,
) -> ChangeSet:
    """The changes that make what exists match ``blueprint``; what is refused is collected in them.

    ``graph`` holds the resources to have, none if all are to ``destroy``; what it does not have is deleted. ``state``
    holds each record at its address after the ``moves``.
    """
    overrides = Overrides(blueprint, state, resource_types)
    plan = ChangeSet(observed.lookups, moves)
    planner = _Planner(blueprint, graph, resource_types, state, observed, overrides, permits, plan)
    for declaration in graph.nodes.values():  # in topological order: what a resource refers to is planned before it
        planner.plan_resource(declaration)
    planner.reopen_gates()
    plan.drift.extend(drift.detect(state, observed, resource_types, overrides))
    deletions = Deletions(plan, graph.nodes, resource_types, state, observed, permits, destroy)
    plan.deletions.extend(deletions.all())
    _check_abandoned(plan, graph, permits)
    refuse_loss_of_kept(plan)
    return plan


def _check_abandoned(plan: ChangeSet, graph: Graph, permits: Permits) -> None:
    """What the blueprint has cannot be abandoned, except for its older generations: the next plan would create it."""
    abandoned = {each.resource.address for each in plan.deletions if isinstance(each, Abandon)}
    for address in sorted(permits.abandon & graph.nodes.keys() - abandoned):
        message = f"{address} cannot be abandoned: the blueprint has it, so remove it from the blueprint first"
        plan.guard_violations.append(Violation(message))


@dataclass(frozen=True)
class _Planner:
    blueprint: Blueprint
    graph: Graph
    types: ResourceTypes
    state: State
    observed: ObservedState
    overrides: Overrides
    permits: Permits
    plan: ChangeSet
    by_key: dict[tuple[str, str], str] = field(default_factory=dict)

    def plan_resource(self, declaration: Resource) -> None:
        """Plan the change of one resource. What is wrong with its spec becomes a diagnostic."""
        spec = self._spec_of(declaration)
        if spec is not None:
            self._refuse_double(declaration, spec)
            change = self._plan(Target(declaration, self.types(declaration.kind), spec))
            self.plan.changes[declaration.address] = change
            self.plan.values[declaration.address] = _known_values(change)

    def _spec_of(self, declaration: Resource) -> Spec | None:
        form, diagnostics = self.types(declaration.kind).spec, self.plan.diagnostics
        diagnostic = self.blueprint.source_map.diagnostic
        try:
            tree = resolve(declaration.spec, self.plan.value_of)
        except (KeyError, InvalidReference) as error:
            missing = "" if isinstance(error, InvalidReference) else "refers to something that does not exist: "
            message = f"{declaration.address}: {missing}{error}"
            diagnostics.append(diagnostic(declaration.path, message))
            return None
        try:
            return form.model_validate(tree)
        except ValidationError:
            for wrong in spec_errors(form, tree):
                path = (*declaration.path, "spec", *wrong.path)
                diagnostics.append(diagnostic(path, wrong.message, wrong.hint, key=wrong.key))
            return None

    def _plan(self, target: Target) -> Change:
        address = target.declaration.address
        prior = self.state.resources.get(address)
        if prior is None:
            return self._plan_create(target)
        if prior.kind != target.type.kind:
            return self._plan_replace(target, prior, (f"the kind changed from {prior.kind}",))
        target = _with_current_name(target, prior.name)
        if target.type.gate or target.type.virtual:
            return self._plan_virtual(target, prior)
        if address in self.observed.unreadable:
            return self._plan_unreadable(target, prior, self.observed.unreadable[address])
        live = self.observed.resources.get(address)
        if live is None:
            return self._plan_create(target, prior)
        return self._plan_existing(target, prior, live)

    def _plan_create(self, target: Target, gone: ResourceState | None = None) -> Change:
        """The change of a resource that is not in the state, or whose record is of what is ``gone``."""
        address, type, name = target.declaration.address, target.type, gone.name if gone else ""
        older = (each.generation for each in self.state.deposed if each.address == address)
        generation = gone.generation if gone else 1 + max(older, default=0)
        if type.gate:
            return Gate(self._resource(target, generation), ("it has not passed yet",), target)
        live = self.observed.by_natural_key.get(address)
        changes = diff.diff(target.spec, live.spec) if live else ()
        fixed = [change.path for change in changes if change.replaces]
        if live is None or self._is_leftover(target, live, bool(fixed)):
            why = _why_gone(gone) if gone else "it does not exist yet"
            return Create(self._resource(target, generation, name), (why,), target)
        holder = self._holder(target, live)
        if holder:
            self._refuse_second_address(target, live, holder)
            return NoOp(target)
        why = self._adoption_reason(target, live, fixed)
        if not why:
            return NoOp(target)
        return Adopt(self._resource(target, generation, name, id=live.id), (why,), target, live, changes)

    def _adoption_reason(self, target: Target, live: ObservedResource, fixed: list[str]) -> str:
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
        why = f"{type.kind} {live.id} exists already and {_owner(live)}{differs}"
        self.plan.unowned.append(Unowned(address, why, owner, adoptable=not fixed))
        return ""

    def _holder(self, target: Target, live: ObservedResource) -> str:
        """The address under which the state has what exists already; empty if it does not have it."""
        return next(
            (
                each.address
                for each in self.state.resources.values()
                if (each.kind, each.id) == (target.type.kind, live.id)
            ),
            "",
        )

    def _refuse_second_address(self, target: Target, live: ObservedResource, holder: str) -> None:
        """One resource has one address: nothing may be adopted that this state has under another one."""
        address, kind = target.declaration.address, target.type.kind
        message = f"{address} would be {kind} {live.id}, which this state has as {holder}"
        hint = f"to rename it, write `moved: [{{from: '{holder}', to: '{address}'}}]`"
        if holder in self.graph.nodes:
            hint = f"remove one of the two, or give {address} another name"
        self.plan.diagnostics.append(self.blueprint.source_map.diagnostic(target.declaration.path, message, hint))

    def _refuse_double(self, declaration: Resource, spec: Spec) -> None:
        """Two addresses with one natural key would be one resource: each would change it, and delete the other's."""
        address, type = declaration.address, self.types(declaration.kind)
        key = type.natural_key(spec.managed_fields())
        other = self.by_key.setdefault((type.kind, key), address) if key else address
        if other != address:
            message, hint = same_resource(address, other, type.kind, key)
            self.plan.diagnostics.append(self.blueprint.source_map.diagnostic(declaration.path, message, hint))

    def _plan_virtual(self, target: Target, prior: ResourceState) -> Change:
        """The change of a gate or virtual resource, which is compared with its record."""
        before, after = prior.spec, encode(target.spec.managed_fields())
        paths = diff.changed_paths(before, after) if before != after else ()
        changes = tuple(AttributeChange(".".join(path), was, becomes) for path, was, becomes in paths)
        reasons = (*causes(self.plan, target, prior, changes), *_protection_change(target, prior))
        if prior.status is Status.INCOMPLETE:
            reasons = ("an interrupted run began it",)
        if not reasons:
            return NoOp(target, ObservedResource(prior.id, target.spec, prior.outputs))
        live = ObservedResource(prior.id, target.type.spec.model_construct(**decode(before)), prior.outputs)
        if target.type.gate:
            return Gate(self._resource(target, prior.generation), reasons, target, live, changes)
        return Update(self._resource(target, prior.generation, id=prior.id), reasons, target, live, changes)

    def _plan_unreadable(self, target: Target, prior: ResourceState, why: str) -> Change:
        """No change: the resource is left as it was applied. A change in the blueprint is a violation."""
        address, applied = target.declaration.address, recorded_spec(target.type, prior)
        self.plan.unreadable[address] = why
        changed = ", ".join(change.path for change in diff.diff(target.spec, applied, prior.spec))
        if changed:
            message = f"{address} cannot be changed ({changed}): it is not readable now, {why}; run again when it is"
            self.plan.guard_violations.append(Violation(message))
        return NoOp(replace(target, spec=applied), ObservedResource(prior.id, applied, prior.outputs))

    def _plan_existing(self, target: Target, prior: ResourceState, live: ObservedResource) -> Change:
        """The change of a resource that the state records and that exists."""
        owned_elsewhere = live.owner is not None and live.owner[0] != self.state.lineage
        ignore = (*target.declaration.lifecycle.ignore, *self.overrides.fields(prior, live.spec))
        if ignore:
            tree = diff.apply_ignore(target.spec.managed_fields(), live.spec.managed_fields(), ignore)
            target = replace(target, spec=target.type.spec.model_validate(tree))
        changes = diff.diff(target.spec, live.spec, prior.spec)
        fixed = [change for change in changes if change.replaces]
        if owned_elsewhere and not target.declaration.lifecycle.keep:
            return self._plan_lost(target, prior, live, changes)
        if fixed:
            why = tuple(
                f"{cause}, and it cannot be changed in place" for cause in causes(self.plan, target, prior, fixed)
            )
            return self._plan_replace(target, prior, why, live, changes)
        reasons = (*causes(self.plan, target, prior, changes), *_protection_change(target, prior))
        resource = self._resource(target, prior.generation, prior.name, id=live.id)
        if prior.keep and not target.declaration.lifecycle.keep and live.owner is None:
            return self._plan_unshared(resource, target, live, changes)
        if prior.status is Status.INCOMPLETE:
            return Adopt(resource, ("an interrupted run created it; it is completed",), target, live, changes)
        return Update(resource, reasons, target, live, changes) if reasons else NoOp(target, live)

    def _plan_unshared(
        self, resource: ResourceState, target: Target, live: ObservedResource, changes: Changes
    ) -> Change:
        """What was shared and has no tags may be of others: having it alone, to be deleted some day, is an adoption."""
        was = f"{resource.kind} {resource.id} was shared (`keep`) and no tags show that this state created it"
        if target.declaration.lifecycle.may_adopt(None, self.state.lineage):
            return Adopt(resource, (f"{was}, and the blueprint says `adopt`",), target, live, changes)
        self.plan.unowned.append(Unowned(resource.address, was, None, adoptable=True))
        return NoOp(target, live)

    def _plan_lost(self, target: Target, prior: ResourceState, live: ObservedResource, changes: Changes) -> Change:
        """What another state has taken over is refused, unless it is taken back, or another one is wanted by now."""
        lineage, address = live.owner or ("", "")
        taken = f"{prior.kind} {prior.id} was taken over by {address} of state {lineage}"
        type, fixed = target.type, any(change.replaces for change in changes)
        if type.natural_key(target.spec.managed_fields()) != type.natural_key(live.spec.managed_fields()):
            return self._plan_replace(target, prior, (taken,), live, changes)
        if not fixed and target.declaration.lifecycle.may_adopt(live.owner, self.state.lineage):
            resource = self._resource(target, prior.generation, prior.name, id=live.id)
            return Adopt(resource, (f"{taken}, and the blueprint takes it back",), target, live, changes)
        self.plan.unowned.append(Unowned(prior.address, taken, live.owner, adoptable=not fixed))
        return NoOp(target, live)

    def _plan_replace(
        self,
        target: Target,
        prior: ResourceState,
        why: tuple[str, ...],
        live: ObservedResource | None = None,
        changes: Changes = (),
    ) -> Replace:
        declaration, type, generation, name = target.declaration, target.type, prior.generation + 1, ""
        protected = prior.prevent_destroy or declaration.lifecycle.prevent_destroy
        if protected and declaration.address not in self.permits.unprotect:
            message = (
                f"{declaration.address} would be replaced ({'; '.join(why)}) and is protected by `prevent_destroy`"
            )
            self.plan.guard_violations.append(Violation(message, "--unprotect", declaration.address))
        delete_before_create = not prior.keep and (
            not type.create_before_delete or self._refers_to_deleted(declaration.address)
        )
        self._refuse_beside_kept(target, prior, "; ".join(why))
        clashes = target.conflicts_with(prior) or self._name_taken(target)
        if type.name_field and target.spec.known(type.name_field) and not delete_before_create and clashes:
            written = resolve(declaration.spec[type.name_field], self.plan.value_of)
            name = replacement_name(written, type.name_limit, encode(target.spec.managed_fields()), generation)
            target = replace(target, spec=target.spec.model_copy(update={type.name_field: name}))
        other = self.observed.by_natural_key.get(declaration.address)
        if other and not name and other.id != prior.id and not self._is_leftover(target, other, differs=True):
            why_not = f"{type.kind} {other.id} exists already and {_owner(other)}"
            self.plan.unowned.append(Unowned(declaration.address, why_not, other.owner, adoptable=False))
        resource, prior_type = self._resource(target, generation, name), self.types(prior.kind)
        return Replace(resource, why, target, prior, prior_type, live, changes, delete_before_create)

    def _refuse_beside_kept(self, target: Target, prior: ResourceState, why: str) -> None:
        """A kept resource is not deleted; a new one of its natural key exists beside it only under a suffix."""
        type = target.type
        key = "" if type.name_field else type.natural_key(target.spec.managed_fields())
        if prior.keep and prior.kind == type.kind and key and key == type.natural_key(decode(prior.spec)):
            message = (
                f"{prior.address} cannot be replaced ({why}): the old one is shared (`keep`) and continues to exist"
            )
            self.plan.guard_violations.append(
                Violation(f"{message}; revert the change, or let it be another {type.kind}")
            )

    def _refers_to_deleted(self, address: str) -> bool:
        """Whether it refers to a resource whose old generation is deleted before the new one is created."""
        before = (edge.before for edge in self.graph.incoming.get(address, ()) if edge.reference)
        changes = (self.plan.changes.get(other) for other in before)
        return any(isinstance(change, Replace) and change.delete_before_create for change in changes)

    def _resource(self, target: Target, generation: int, name: str = "", *, id: str = "") -> ResourceState:
        """What the state will hold; ``id`` is that of what exists already."""
        address, protected = target.declaration.address, target.declaration.lifecycle.prevent_destroy
        dependencies = tuple(edge.before for edge in self.graph.incoming.get(address, ()))
        spec = encode(target.spec.managed_fields())
        resource = ResourceState(address, target.type.kind, id, spec, {}, dependencies)
        keep = target.declaration.lifecycle.keep
        return replace(resource, generation=generation, name=name, prevent_destroy=protected, keep=keep)

    def _name_taken(self, target: Target) -> bool:
        """Whether a deposed generation exists where the new one is to be created."""
        deposed = (each for each in self.state.deposed if each.address == target.declaration.address)
        return any(target.conflicts_with(each) for each in deposed)

    def _is_leftover(self, target: Target, live: ObservedResource, differs: bool) -> bool:
        """Whether it is deleted first: a deposed generation, or untracked and different."""
        identity, deposed = (target.type.kind, live.id), self.state.deposed
        untracked = self._untracked_at(target, live)
        return any((each.kind, each.id) == identity for each in deposed) or bool(untracked and differs)

    def _untracked_at(self, target: Target, live: ObservedResource) -> str:
        """The address for which an interrupted run created what exists; empty if none did."""
        found = (each.resource for each in self.observed.untracked)
        return next((each.address for each in found if (each.kind, each.id) == (target.type.kind, live.id)), "")

    def reopen_gates(self) -> None:
        """Plan a gate again if something that it depends on, or that depends on it, is about to change."""
        changes = self.plan.changes
        idle = {address: change for address, change in changes.items() if isinstance(change, NoOp)}
        gates = {address: change for address, change in idle.items() if change.target.type.gate}
        for edge in self.graph.edges() if gates else ():
            for address, other in ((edge.before, edge.after), (edge.after, edge.before)):
                if address in gates and other in changes and other not in idle:
                    gate, generation = gates.pop(address), self.state.resources[address].generation
                    why = f"it guards {other}, which is about to change"
                    changes[address] = Gate(self._resource(gate.target, generation), (why,), gate.target, gate.live)


def _why_gone(record: ResourceState) -> str:
    if record.status is Status.INCOMPLETE:
        return f"{record.id}, which an interrupted run created, is gone"
    return f"{record.id} is gone: it was deleted outside smplan"


def _owner(live: ObservedResource) -> str:
    return f"it belongs to {live.owner[1]} of state {live.owner[0]}" if live.owner else "no state owns it"


def _known_values(change: Change) -> dict[str, PartialValue]:
    """The attributes that others may refer to, as far as they are known before apply."""
    type, spec = change.target.type, change.target.spec
    values = spec.managed_fields()
    values |= type.compute_outputs(spec)
    live = change.live if isinstance(change, (NoOp, Update, Adopt)) else None
    if live:
        values["id"] = live.id
        volatile = {name for name, output in type.outputs.items() if output.may_change_on_update}
        stable = (name for name in live.outputs if isinstance(change, NoOp) or name not in volatile)
        values = {name: live.outputs[name] for name in stable} | values
    return values


def _with_current_name(target: Target, current: str) -> Target:
    """``target`` under the name of its current generation, where that has a suffix."""
    field = target.type.name_field
    if not field or not current or not target.spec.known(field):
        return target
    name = current_name(getattr(target.spec, field), target.type.name_limit, current)
    return replace(target, spec=target.spec.model_copy(update={field: name}))


def _protection_change(target: Target, prior: ResourceState) -> tuple[str, ...]:
    """Why the state changes although nothing else does: protection counts as the state records it."""
    wanted = target.declaration.lifecycle
    pairs = {"prevent_destroy": (wanted.prevent_destroy, prior.prevent_destroy), "keep": (wanted.keep, prior.keep)}
    return tuple(
        f"{name} is {'set' if now else 'lifted'} in the state" for name, (now, before) in pairs.items() if now != before
    )
