"""Blueprint, state and reality in; what has to be done to each resource out. Pure: the same in gives the same out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from pydantic import ValidationError

from smplan.core import diff
from smplan.core.blueprint import Blueprint, Resource
from smplan.core.diff import AttributeChange
from smplan.core.graph import Graph
from smplan.core.plan import deletions, drift
from smplan.core.plan.changes import Decision, Verdict
from smplan.core.plan.generation_names import current_name, replacement_name
from smplan.core.plan.model import Op
from smplan.core.plan.observed import ObservedResource, ObservedState
from smplan.core.resource_type import ResourceType, ResourceTypes
from smplan.core.spec import Spec
from smplan.core.spec_errors import spec_errors
from smplan.core.state.model import ResourceState, State, Status
from smplan.core.values import InvalidReference, PartialValue, Ref, decode, encode, get_path, resolve


class Decider:
    """Walks the graph once, in order, so that every value a resource refers to has been decided before it."""

    def __init__(
        self,
        blueprint: Blueprint,
        graph: Graph,
        kinds: ResourceTypes,
        state: State,
        reality: ObservedState,
        *,
        removed: str = "it is not in the blueprint any more",
    ) -> None:
        self._blueprint = blueprint
        self._graph = graph
        self._kinds = kinds
        self._state = state
        self._reality = reality
        self._removed = removed
        self._made = Decision()

    def decide(self) -> Decision:
        """The whole decision; refusals are collected in it."""
        for resource in self._graph.nodes.values():
            spec = self._spec_of(resource)
            if spec is not None:
                self._settle(self._verdict(resource, spec))
        self._wake_gates()
        for entry in self._state.resources.values():
            self._notice_drift(entry)
        self._made.removals += deletions.of(
            self._made,
            self._graph.nodes,
            kinds=self._kinds,
            state=self._state,
            reality=self._reality,
            removed=self._removed,
        )
        return self._made

    def known(self, ref: Ref) -> PartialValue:
        """What ``ref`` stands for, as far as it is known now; the reference itself if it is not."""
        if ref.root in self._reality.lookups:
            return get_path(self._reality.lookups[ref.root], ref.path)
        values = self._made.values.get(ref.address)
        if values is None or not ref.path or ref.path[0] not in values:
            return ref
        return get_path(values, ref.path)

    # What a resource is wanted to be.

    def _spec_of(self, resource: Resource) -> Spec | None:
        form = self._kinds(resource.kind).spec
        fault = self._blueprint.marks.fault
        try:
            tree = resolve(resource.spec, self.known)
        except (KeyError, InvalidReference) as error:
            told = f"{resource.address} refers to something that is not there: {error}"
            self._made.faults.append(fault(resource.path, told))
            return None
        try:
            return form.model_validate(tree)
        except ValidationError:
            for misfit in spec_errors(form, tree):
                path = (*resource.path, "spec", *misfit.path)
                self._made.faults.append(fault(path, misfit.message, misfit.hint, key=misfit.key))
            return None

    def _named(self, kind: ResourceType, spec: Spec, current: str) -> Spec:
        if kind.name_field and current and spec.known(kind.name_field):
            name = current_name(getattr(spec, kind.name_field), kind.name_limit, current)
            return spec.model_copy(update={kind.name_field: name})
        return spec

    # What becomes of it.

    def _verdict(self, resource: Resource, spec: Spec) -> Verdict:
        kind = self._kinds(resource.kind)
        prior = self._state.resources.get(resource.address)
        if prior is not None and prior.kind != kind.name:
            why = f"the kind changed from {prior.kind}"
            other = Verdict(kind, resource, spec, Op.REPLACE, prior, reasons=(why,), prior_kind=self._kinds(prior.kind))
            return self._replacement(other, prior)
        if prior is None:
            return self._newcomer(resource, kind, spec)
        spec = self._named(kind, spec, prior.name)
        if kind.gate or kind.virtual:
            return self._remembered(resource, kind, spec, prior)
        if resource.address in self._reality.unreadable:
            return self._left_alone(resource, kind, spec, prior)
        seen = self._reality.resources.get(resource.address)
        if seen is None:
            why = f"{prior.id} is gone: it was deleted outside smplan"
            fresh = Verdict(kind, resource, spec, Op.CREATE, prior, reasons=(why,))
            return replace(fresh, generation=prior.generation, name=prior.name)
        return self._compared(resource, kind, spec, prior, seen)

    def _newcomer(self, resource: Resource, kind: ResourceType, spec: Spec) -> Verdict:
        seen = self._reality.by_natural_key.get(resource.address)
        if kind.gate:
            return Verdict(kind, resource, spec, Op.GATE, reasons=("it was never passed",))
        changes = diff.diff(spec, seen.spec) if seen else ()
        fixed = any(change.replaces for change in changes)
        if seen is None or self._is_left(kind, seen) or self._goes_astray(resource, kind, seen, fixed=fixed):
            fresh = Verdict(kind, resource, spec, Op.CREATE, reasons=("it does not exist yet",))
            return replace(fresh, generation=1 + self._last_generation(resource.address))
        why = self._claim(resource, kind, spec, seen, changes)
        if why is None:
            return Verdict(kind, resource, spec)
        return Verdict(kind, resource, spec, Op.ADOPT, seen=seen, changes=changes, reasons=(why,))

    def _claim(
        self,
        resource: Resource,
        kind: ResourceType,
        spec: Spec,
        seen: ObservedResource,
        changes: tuple[AttributeChange, ...],
    ) -> str | None:
        """Why what was found may be taken over; None (and a refusal) if it may not."""
        place = (resource.address, kind.name, kind.identity_digest(encode(spec.managed_fields())))
        begun = not kind.taggable and place in self._reality.pending
        ours = begun or seen.owner == (self._state.lineage, resource.address)
        if ours and not any(change.replaces for change in changes):
            return f"an interrupted run made {seen.id}: it is taken up and finished"
        fixed = [change.path for change in changes if change.replaces]
        if resource.lifecycle.adopt and not fixed:
            return f"{seen.id} exists already and the blueprint says `adopt`"
        owner = f"it belongs to {seen.owner[1]} of state {seen.owner[0]}" if seen.owner else "it is not ours"
        told = f"{resource.address}: {kind.name} {seen.id} exists already and {owner}"
        if fixed:
            told += f"; it also differs in what cannot be changed: {', '.join(fixed)}"
        self._made.strangers.append(told)
        return None

    def _remembered(self, resource: Resource, kind: ResourceType, spec: Spec, prior: ResourceState) -> Verdict:
        """A kind with no reality behind it is compared with what the state says."""
        after, before = encode(spec.managed_fields()), prior.spec
        changes = tuple(
            AttributeChange(".".join(path), was, becomes)
            for path, was, becomes in (diff.changed_paths(before, after) if before != after else ())
        )
        reasons = ("the blueprint changed",) if changes else _protection(resource, prior)
        if prior.status is Status.INCOMPLETE:
            reasons = ("an interrupted run began it",)
        op = (Op.GATE if kind.gate else Op.UPDATE) if reasons else None
        seen = ObservedResource(prior.id, spec, prior.outputs)
        return Verdict(kind, resource, spec, op, prior, seen, changes, reasons)

    def _left_alone(self, resource: Resource, kind: ResourceType, spec: Spec, prior: ResourceState) -> Verdict:
        why = self._reality.unreadable[resource.address]
        self._made.unreadable[resource.address] = why
        applied = kind.spec.model_validate(decode(prior.spec))
        changes = diff.diff(spec, applied, prior.spec)
        if changes:
            fields = ", ".join(change.path for change in changes)
            self._made.refusals.append(
                f"{resource.address} cannot be changed ({fields}): it is not readable now, {why}; run again when it is"
            )
        return Verdict(kind, resource, applied, None, prior, ObservedResource(prior.id, applied, prior.outputs))

    def _compared(
        self, resource: Resource, kind: ResourceType, spec: Spec, prior: ResourceState, seen: ObservedResource
    ) -> Verdict:
        ignore = resource.lifecycle.ignore
        if ignore:
            spec = kind.spec.model_validate(
                diff.apply_ignore(spec.managed_fields(), seen.spec.managed_fields(), ignore)
            )
        changes = diff.diff(spec, seen.spec, prior.spec)
        verdict = Verdict(kind, resource, spec, None, prior, seen, changes, (), prior.generation, prior.name)
        if any(change.replaces for change in changes):
            fields = ", ".join(change.path for change in changes if change.replaces)
            why = (f"{fields} cannot be changed in place",)
            return self._replacement(replace(verdict, op=Op.REPLACE, reasons=why), prior)
        if prior.status is Status.INCOMPLETE:
            return replace(verdict, op=Op.ADOPT, reasons=("an interrupted run made it: it is taken up and finished",))
        reasons = (*(self._why(change, prior) for change in changes), *_protection(resource, prior))
        return replace(verdict, op=Op.UPDATE, reasons=reasons) if reasons else verdict

    def _why(self, change: AttributeChange, prior: ResourceState) -> str:
        applied = prior.spec
        for step in change.path.split("."):
            applied = applied.get(step) if isinstance(applied, dict) else None
        who = "changed outside smplan" if applied == change.after else "the blueprint changed"
        return f"{change.path}: {who}"

    def _replacement(self, verdict: Verdict, prior: ResourceState) -> Verdict:
        kind, spec = verdict.kind, verdict.spec
        if prior.prevent_destroy or verdict.resource.lifecycle.prevent_destroy:
            self._made.refusals.append(
                f"{verdict.address} would be replaced ({verdict.reasons[0]}) and is protected by `prevent_destroy`"
            )
        before = {edge.before for edge in self._graph.incoming.get(verdict.address, ()) if edge.reference}
        forced = any(self._made.verdicts[address].delete_first for address in before if address in self._made.verdicts)
        delete_first = forced or not kind.create_before_delete
        generation, name = prior.generation + 1, ""
        clashes = prior.kind == kind.name or self._taken(verdict)
        if kind.name_field and spec.known(kind.name_field) and not delete_first and clashes:
            written = resolve(verdict.resource.spec[kind.name_field], self.known)
            name = replacement_name(written, kind.name_limit, encode(spec.managed_fields()), generation)
            spec = spec.model_copy(update={kind.name_field: name})
        return replace(verdict, spec=spec, generation=generation, name=name, delete_first=delete_first)

    # What there was before.

    def _last_generation(self, address: str) -> int:
        """The youngest of the older generations that are not gone yet."""
        return max((entry.generation for entry in self._older(address)), default=0)

    def _older(self, address: str) -> Iterator[ResourceState]:
        return (entry for entry in self._state.deposed if entry.address == address)

    def _taken(self, verdict: Verdict) -> bool:
        """Whether an older generation stands where the new one is to be made."""
        return any(deletions.in_the_way(verdict, entry) for entry in self._older(verdict.address))

    def _is_left(self, kind: ResourceType, seen: ObservedResource) -> bool:
        """Whether it is an older generation, which is on its way out."""
        return any((entry.kind, entry.id) == (kind.name, seen.id) for entry in self._state.deposed)

    def _goes_astray(self, resource: Resource, kind: ResourceType, seen: ObservedResource, *, fixed: bool) -> bool:
        """Whether an interrupted run made it, for another address or ``fixed`` to be otherwise: then it goes first."""
        return any(
            (stray.resource.kind, stray.resource.id) == (kind.name, seen.id)
            and (fixed or stray.resource.address != resource.address)
            for stray in self._reality.untracked
        )

    def _notice_drift(self, entry: ResourceState) -> None:
        kind = self._kinds(entry.kind)
        if kind.gate or kind.virtual or entry.address in self._reality.unreadable:
            return
        self._made.drift += drift.of(entry, self._reality.resources.get(entry.address), kind)

    # What others may refer to afterwards.

    def _settle(self, verdict: Verdict) -> None:
        self._made.verdicts[verdict.address] = verdict
        self._made.values[verdict.address] = self._values_of(verdict)

    def _values_of(self, verdict: Verdict) -> dict[str, PartialValue]:
        values = verdict.spec.managed_fields()
        if verdict.kind.compute_outputs:
            values |= verdict.kind.compute_outputs(verdict.spec)
        stays = verdict.op in (None, Op.UPDATE, Op.ADOPT)
        if stays and verdict.seen is not None:
            values["id"] = verdict.seen.id
            for name, value in verdict.seen.outputs.items():
                if verdict.op is None or not verdict.kind.outputs.get(name, False):
                    values.setdefault(name, value)
        return values

    def _wake_gates(self) -> None:
        """A gate is passed again when something it waits for, or something that waits for it, is about to change."""
        verdicts = self._made.verdicts
        stirred = {address for address, verdict in verdicts.items() if verdict.op is not None}
        asleep = {address for address, verdict in verdicts.items() if verdict.kind.gate and verdict.op is None}
        for edge in self._graph.edges() if asleep and stirred else ():
            for gate, other in ((edge.before, edge.after), (edge.after, edge.before)):
                if gate in asleep and other in stirred:
                    asleep.discard(gate)
                    why = (f"it guards {other}, which is about to change",)
                    verdicts[gate] = replace(verdicts[gate], op=Op.GATE, reasons=why)


def _protection(resource: Resource, prior: ResourceState) -> tuple[str, ...]:
    """Why the state must change although reality need not: protection counts as the state says, so it is put there."""
    wanted = resource.lifecycle.prevent_destroy
    return (
        () if wanted == prior.prevent_destroy else (f"prevent_destroy is {'set' if wanted else 'lifted'} in the state",)
    )
