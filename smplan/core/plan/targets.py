"""Whether the steps of a plan act on what the state knows, and as it knows it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from smplan.core.plan.model import Op, Plan, Step
from smplan.core.plan.step_consistency import RECORD_MOVES
from smplan.core.resource_type import ResourceTypes
from smplan.core.state.journal import ReplayedState, StepIntent
from smplan.core.state.model import ResourceState
from smplan.core.values import Json

_RECORD = ("spec", "outputs", "name", "prevent_destroy", "keep", "held", "status")
"""What a step that applies no spec leaves of a record as it is."""


def target_problems(plan: Plan, replayed: ReplayedState, types: ResourceTypes) -> Iterator[str]:
    """What ``plan``, not begun yet, does to anything that the state does not know, or that it protects."""
    targets = _Targets(plan, replayed, types)
    for step in plan.steps:
        yield from (f"step {step.id}: {message}" for message in targets.problems(step))


class _Targets:
    def __init__(self, plan: Plan, replayed: ReplayedState, types: ResourceTypes) -> None:
        state, self._types, self._pending = replayed.state, types, replayed.pending_creates
        records = (*state.resources.values(), *state.deposed)
        self._before = {(each.kind, each.id): each for each in records}
        self._older = {(each.kind, each.id): each for each in state.deposed}
        moves = {(step.kind, step.physical_id): step for step in plan.steps if step.op in RECORD_MOVES}
        moved = [self._moved(self._before[key], step) for key, step in moves.items() if key in self._before]
        left = [each for key, each in self._before.items() if key not in moves]
        self._records = {(each.kind, each.id): each for each in (*left, *moved)}
        """After the moves."""
        taken = {step.address for step in moves.values()}
        displaced = [each for each in left if each.address in taken]
        self._deposed = {(each.kind, each.id) for each in (*state.deposed, *displaced)}
        self._current = {**state.resources, **{each.address: each for each in moved}}
        unprotects = (step.id for step in plan.steps if step.op is Op.UNPROTECT)
        self._unprotected = {id.replace(":unprotect#", ":delete#") for id in unprotects}
        self._replaced = {step.address: step.kind for step in plan.steps if step.op is Op.REPLACE}
        self._permits = {name: frozenset(addresses) for name, addresses in plan.permits.items()}

    def _moved(self, record: ResourceState, step: Step) -> ResourceState:
        type = self._types(step.kind)
        id = step.address if type.virtual or type.gate else record.id
        return replace(record, address=step.address, generation=step.resource.generation, id=id)

    def problems(self, step: Step) -> Iterator[str]:
        """Those of one step."""
        if step.pending_key:
            yield from self._of_pending(step)
        elif step.op in RECORD_MOVES:
            yield from self._of_move(step)
        elif step.op is Op.ADOPT:
            yield from self._of_adoption(step)
        elif step.op in (Op.DELETE, Op.FORGET, Op.UNPROTECT, Op.UPDATE, Op.SCALE):
            yield from self._of_existing(step)
        elif step.op is Op.REPLACE:
            prior = self._current.get(step.address)
            if prior is None or step.resource.generation != prior.generation + 1:
                yield "resource.generation: the state has no generation before it"
        if "abandon#" in step.id and step.address not in self._permits.get("abandon", ()):
            yield "permits.abandon: nothing permits to abandon it"
        if step.op is Op.UNPROTECT and step.address not in self._permits.get("unprotect", ()):
            yield "permits.unprotect: nothing permits to remove its protection"

    def _of_existing(self, step: Step) -> Iterator[str]:
        record = self._records.get((step.kind, step.physical_id))
        if record is None or record.address != step.address:
            yield f"resource.id: the state has no {step.kind} {step.physical_id} at {step.address}"
            return
        if step.resource.generation != record.generation:
            yield "resource.generation: it is not that of the state"
        if step.op in (Op.DELETE, Op.FORGET) and _differing(step.resource, record):
            yield f"resource: it is not the record of the state: {', '.join(_differing(step.resource, record))}"
        if step.op is Op.UPDATE and (step.resource.name, step.resource.held) != (record.name, record.held):
            yield "resource: its name or the size at which it is held is not that of the state"
        if step.op in (Op.SCALE, Op.UNPROTECT):
            yield from self._of_changed_record(step, record)
        if step.op is Op.DELETE:
            yield from self._of_delete(step, record)

    def _of_changed_record(self, step: Step, record: ResourceState) -> Iterator[str]:
        """A scale changes sizes, and an unprotect the protection: nothing else of the record."""
        scaling, protection = self._types(step.kind).scaling, self._types(step.kind).protection
        own = {scaling.minimum, scaling.desired} if scaling and step.op is Op.SCALE else set()
        own |= {protection.attribute} if protection and step.op is Op.UNPROTECT else set()
        if _without(step.resource.spec, own) != _without(record.spec, own):
            yield f"resource.spec: a {step.op} changes no more than its own fields"

    def _of_delete(self, step: Step, record: ResourceState) -> Iterator[str]:
        if record.keep:
            yield "it is shared (`keep`), and never deleted"
        if record.prevent_destroy and step.address not in self._permits.get("unprotect", ()):
            yield "it is protected by `prevent_destroy`, and nothing permits to delete it"
        type = self._types(step.kind)
        another_kind = self._replaced.get(step.address, step.kind) != step.kind
        unread = (step.kind, step.physical_id) in self._deposed or another_kind or step.id in self._unprotected
        if not (step.precondition or unread or type.virtual):
            yield "precondition: it is missing"

    def _of_move(self, step: Step) -> Iterator[str]:
        records = self._older if step.op is Op.RESTORE else self._before
        record = records.get((step.kind, step.physical_id))
        if record is None or record.address != step.previous_address:
            yield f"resource.id: the state has no {step.kind} {step.physical_id} at {step.previous_address}"
        elif _differing(step.resource, record):
            yield f"resource: it is not the record of the state: {', '.join(_differing(step.resource, record))}"

    def _of_adoption(self, step: Step) -> Iterator[str]:
        """Apply reads the tags of what is adopted; where a kind has none, something else must permit it."""
        allowed = step.adopt and (step.adopt.keep or step.adopt.adopt or step.adopt.adopt_from)
        record = self._records.get((step.kind, step.physical_id))
        begun = any(each.resource.kind == step.kind for each in self._pending)
        if record is not None and record.address != step.address:
            yield f"resource.id: the state has {step.kind} {step.physical_id} at {record.address}"
        elif not (self._types(step.kind).taggable or allowed or record or begun):
            yield "adopt: nothing permits to adopt it"

    def _of_pending(self, step: Step) -> Iterator[str]:
        if (step.kind, step.physical_id) in self._records and step.op is Op.DELETE:
            yield f"pending_key: the state has {step.kind} {step.physical_id} already"
        if not any(_is_of(each, step) for each in self._pending):
            yield "pending_key: no create is pending under it"


def _is_of(intent: StepIntent, step: Step) -> bool:
    return intent.resource_key == (step.address, step.kind, step.pending_key)


def _differing(resource: ResourceState, record: ResourceState) -> list[str]:
    return [name for name in _RECORD if getattr(resource, name) != getattr(record, name)]


def _without(spec: Json, names: set[str]) -> Json:
    return {name: value for name, value in spec.items() if name not in names} if isinstance(spec, Mapping) else spec
