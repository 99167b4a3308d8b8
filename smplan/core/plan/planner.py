"""Plans the changes that make what exists match a blueprint. Pure: equal input gives equal output."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from pydantic import ValidationError

from smplan.core import diff
from smplan.core.blueprint import Blueprint, Resource
from smplan.core.diff import AttributeChange
from smplan.core.graph import Graph
from smplan.core.plan import drift, replacement
from smplan.core.plan.causes import causes
from smplan.core.plan.changes import (
    NO_PERMITS,
    Adopt,
    Change,
    Changes,
    ChangeSet,
    Create,
    Gate,
    Move,
    NoOp,
    Permits,
    Target,
    Unowned,
    Update,
    Violation,
)
from smplan.core.plan.deletions import Deletions, refuse_abandoned, refuse_loss_of_kept
from smplan.core.plan.existing import Existing, why_gone, with_current_name, with_ignored
from smplan.core.plan.generations import Generations
from smplan.core.plan.observed import ObservedResource, ObservedState
from smplan.core.plan.overrides import Overrides
from smplan.core.plan.recorded import recorded_spec
from smplan.core.plan.replacement import Replacements
from smplan.core.plan.scaling import START_AGAIN, held_fields
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

    def planned(renewed: Mapping[str, str]) -> _Planner:
        plan = ChangeSet(observed.lookups, state, moves)
        existing = Existing(blueprint, graph, state, observed, plan)
        planner = _Planner(
            blueprint, graph, resource_types, state, observed, overrides, permits, plan, existing, renewed
        )
        for declaration in graph.nodes.values():  # in topological order: what a resource refers to is planned first
            planner.plan_resource(declaration)
        return planner

    planner = planned({})
    if renewed := replacement.renewed(planner.plan, permits):
        planner = planned(renewed)
    plan, generations = planner.plan, Generations(graph, resource_types, state, observed)
    if older := generations.wanted_again(plan):  # what depends on it may have been, too
        state, observed, restores = generations.restored(older)
        moves = (*moves, *restores)
        return plan_changes(
            blueprint, graph, resource_types, state, observed, moves=moves, destroy=destroy, permits=permits
        )
    planner.reopen_gates()
    plan.drift.extend(drift.detect(state, observed, resource_types, overrides))
    plan.kept.extend(generations.kept(plan, permits))
    deletions = Deletions(plan, graph.nodes, resource_types, state, observed, permits, destroy, plan.kept)
    plan.deletions.extend(deletions.all())
    refuse_abandoned(plan, graph.nodes.keys(), permits)
    refuse_loss_of_kept(plan)
    return plan


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
    existing: Existing
    renewed: Mapping[str, str]
    """By address: why a resource is replaced although it could stay as it is."""
    by_key: dict[tuple[str, str], str] = field(default_factory=dict)

    @property
    def _replacements(self) -> Replacements:
        return Replacements(
            self.graph, self.types, self.state, self.observed, self.permits, self.plan, self.existing, self._resource
        )

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
        held = held_fields(self.types, declaration, self.state)
        diagnostic = self.blueprint.source_map.diagnostic
        try:
            tree = resolve(declaration.spec, self.plan.value_of)
        except (KeyError, InvalidReference) as error:
            missing = "" if isinstance(error, InvalidReference) else "refers to something that does not exist: "
            message = f"{declaration.address}: {missing}{error}"
            diagnostics.append(diagnostic(declaration.path, message))
            return None
        try:
            return form.model_validate({**tree, **held} if held else tree)
        except ValidationError:
            errors = list(spec_errors(form, tree))
            if not errors:
                sizes = ", ".join(f"`{name}` {value}" for name, value in held.items())
                message = f"{declaration.address} is held at {sizes} by `smplan scale`, which this spec does not allow"
                diagnostics.append(diagnostic(declaration.path, message, START_AGAIN))
            for wrong in errors:
                path = (*declaration.path, "spec", *wrong.path)
                diagnostics.append(diagnostic(path, wrong.message, wrong.hint, key=wrong.key))
            return None

    def _plan(self, target: Target) -> Change:
        address = target.declaration.address
        prior = self.state.resources.get(address)
        if address in self.observed.stopped:
            return self._plan_stopped(target, prior, self.observed.stopped[address])
        if prior is None:
            return self._plan_create(target)
        if prior.kind != target.type.kind:
            return self._replacements.plan(target, prior, (f"the kind changed from {prior.kind}",))
        target = with_current_name(target, prior.name)
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
        if live is None or self.existing.is_leftover(target, live, bool(fixed)):
            why = why_gone(gone) if gone else "it does not exist yet"
            return Create(self._resource(target, generation, name), (why,), target)
        holder = self.existing.holder(target, live)
        if holder:
            self.existing.refuse_second_address(target, live, holder)
            return NoOp(target)
        why = self.existing.adoption_reason(target, live, fixed)
        if not why:
            return NoOp(target)
        return Adopt(self._resource(target, generation, name, id=live.id), (why,), target, live, changes)

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

    def _plan_stopped(self, target: Target, prior: ResourceState | None, why: str) -> Change:
        """No change while what it is behind is scaled down; a change in the blueprint is made afterwards."""
        address = target.declaration.address
        if prior is None or prior.kind != target.type.kind:
            self.plan.stopped[address] = f"{why}; it is created when that is started again"
            return NoOp(target)
        applied = recorded_spec(target.type, prior)
        changed = ", ".join(change.path for change in diff.diff(target.spec, applied, prior.spec))
        self.plan.stopped[address] = f"{why}; {changed} is changed when that is started again" if changed else why
        return NoOp(replace(target, spec=applied), ObservedResource(prior.id, applied, prior.outputs))

    def _plan_existing(self, target: Target, prior: ResourceState, live: ObservedResource) -> Change:
        """The change of a resource that the state records and that exists."""
        owned_elsewhere = live.owner is not None and live.owner[0] != self.state.lineage
        target = with_ignored(target, live, self.overrides.fields(prior, live.spec))
        changes = diff.diff(target.spec, live.spec, prior.spec)
        fixed = [change for change in changes if change.replaces]
        if owned_elsewhere and not target.declaration.lifecycle.keep:
            return self._plan_lost(target, prior, live, changes)
        renewed = self.renewed.get(target.declaration.address)
        if fixed or renewed:
            why = tuple(
                f"{cause}, and it cannot be changed in place" for cause in causes(self.plan, target, prior, fixed)
            )
            why = (*why, renewed) if renewed else why
            return self._replacements.plan(target, prior, why, live, changes)
        reasons = (*causes(self.plan, target, prior, changes), *_protection_change(target, prior))
        if drift.lost_owner(target.type, target.declaration.lifecycle.keep, live.owner):
            reasons = (*reasons, "its ownership tags were removed outside smplan")
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
        self.plan.unowned.append(Unowned(resource.address, was, None, target.type.name_field))
        return NoOp(target, live)

    def _plan_lost(self, target: Target, prior: ResourceState, live: ObservedResource, changes: Changes) -> Change:
        """What another state has taken over is refused, unless it is taken back, or another one is wanted by now."""
        lineage, address = live.owner or ("", "")
        taken = f"{prior.kind} {prior.id} was taken over by {address} of state {lineage}"
        type, fixed = target.type, any(change.replaces for change in changes)
        if type.natural_key(target.spec.managed_fields()) != type.natural_key(live.spec.managed_fields()):
            return self._replacements.plan(target, prior, (taken,), live, changes)
        if not fixed and target.declaration.lifecycle.may_adopt(live.owner, self.state.lineage):
            resource = self._resource(target, prior.generation, prior.name, id=live.id)
            return Adopt(resource, (f"{taken}, and the blueprint takes it back",), target, live, changes)
        self.plan.unowned.append(Unowned(prior.address, taken, live.owner, target.type.name_field, adoptable=not fixed))
        return NoOp(target, live)

    def _resource(self, target: Target, generation: int, name: str = "", *, id: str = "") -> ResourceState:
        """What the state will hold; ``id`` is that of what exists already."""
        address, protected = target.declaration.address, target.declaration.lifecycle.prevent_destroy
        dependencies = tuple(edge.before for edge in self.graph.incoming.get(address, ()))
        spec = encode(target.spec.managed_fields())
        resource = ResourceState(address, target.type.kind, id, spec, {}, dependencies)
        keep, held = target.declaration.lifecycle.keep, held_fields(self.types, target.declaration, self.state)
        return replace(resource, generation=generation, name=name, prevent_destroy=protected, keep=keep, held=held)

    def reopen_gates(self) -> None:
        """Plan a gate again if something that it depends on, or that depends on it, is about to change."""
        changes = self.plan.changes
        idle = {address: change for address, change in changes.items() if isinstance(change, NoOp)}
        gates = {
            address: change
            for address, change in idle.items()
            if change.target.type.gate and address not in self.observed.stopped
        }
        for edge in self.graph.edges() if gates else ():
            for address, other in ((edge.before, edge.after), (edge.after, edge.before)):
                if address in gates and other in changes and other not in idle:
                    gate, generation = gates.pop(address), self.state.resources[address].generation
                    why = f"it guards {other}, which is about to change"
                    changes[address] = Gate(self._resource(gate.target, generation), (why,), gate.target, gate.live)


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


def _protection_change(target: Target, prior: ResourceState) -> tuple[str, ...]:
    """Why the state changes although nothing else does: protection counts as the state records it."""
    wanted = target.declaration.lifecycle
    pairs = {"prevent_destroy": (wanted.prevent_destroy, prior.prevent_destroy), "keep": (wanted.keep, prior.keep)}
    return tuple(
        f"{name} is {'set' if now else 'lifted'} in the state" for name, (now, before) in pairs.items() if now != before
    )
