"""Replays a journal upon a saved state. Entries that could not have happened are rejected."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import NoReturn, assert_never

from smplan.core.state.journal import (
    CREATING_OPS,
    JournalEntry,
    ReplayedState,
    ResourceCreated,
    ResourceKey,
    RunBegan,
    RunEnded,
    StepFailed,
    StepIntent,
    StepSucceeded,
    UnfinishedRun,
)
from smplan.core.state.model import USED_PLANS, ResourceState, State, Status
from smplan.errors import StoreError

OPS = frozenset(
    {"create", "update", "replace", "delete", "adopt", "forget", "gate", "move", "restore", "unprotect", "scale"}
)
"""The values of ``plan.model.Op``."""
OUTCOMES = frozenset({"complete", "failed", "interrupted"})


def replay(state: State, entries: Iterable[JournalEntry]) -> ReplayedState:
    """``state`` after ``entries``, in time O(entries). Raises StoreError naming the entry that cannot follow."""
    replaying = Replay(state)
    for entry in entries:
        replaying.add(entry)
    return replaying.result()


@dataclass(slots=True)
class _Run:
    began: RunBegan
    done: set[str] = field(default_factory=set)
    failed: dict[str, str] = field(default_factory=dict)
    open: dict[str, StepIntent] = field(default_factory=dict)
    made: dict[str, str] = field(default_factory=dict)
    done_at: dict[str, str] = field(default_factory=dict)
    moved: set[str] = field(default_factory=set)
    """The addresses to which it has moved records."""
    outcome: str = ""


class Replay:
    """A replay in progress, upon ``base``: ``add`` takes O(1) per entry, ``result`` copies the outcome."""

    def __init__(self, state: State) -> None:
        self.base = state
        self._resources = dict(state.resources)
        self._deposed = {(entry.address, entry.id): entry for entry in state.deposed}
        self._used_plans = dict.fromkeys(state.used_plans)
        self._outputs = state.outputs
        self._run: _Run | None = None
        self._number = 0
        self._pending_creates: dict[ResourceKey, StepIntent] = {}

    @property
    def pending_creates(self) -> tuple[StepIntent, ...]:
        """The creates so far whose id was never journaled."""
        return tuple(self._pending_creates.values())

    def add(self, entry: JournalEntry) -> None:
        """Apply one entry. Raises StoreError if it cannot follow those before it."""
        self._number += 1
        match entry:
            case RunBegan():
                self._on_began(entry)
            case StepIntent():
                self._on_intent(entry)
            case ResourceCreated():
                self._on_created(entry)
            case StepSucceeded():
                self._on_succeeded(entry)
            case StepFailed():
                self._on_failed(entry)
            case RunEnded():
                self._on_ended(entry)
            case _:
                assert_never(entry)

    def _on_began(self, began: RunBegan) -> None:
        run = self._run
        if run is not None and run.outcome != "complete" and run.began.plan_id == began.plan_id:
            run.began, run.outcome = began, ""  # the same plan is resumed
        else:
            self._run = _Run(began)
        self._used_plans.pop(began.plan_id, None)
        self._used_plans[began.plan_id] = None

    def result(self) -> ReplayedState:
        """Everything so far, as an independent value."""
        state = replace(
            self.base,
            resources=dict(self._resources),
            deposed=tuple(
                sorted(self._deposed.values(), key=lambda entry: (entry.address, entry.generation, entry.id))
            ),
            used_plans=tuple(self._used_plans)[-USED_PLANS:],
            outputs=self._outputs,
        )
        completed = self._run.began if self._run and self._run.outcome == "complete" else None
        return ReplayedState(state, self._open_run(), self.pending_creates, completed)

    def _open_run(self) -> UnfinishedRun | None:
        run = self._run
        if run is None or run.outcome == "complete":
            return None
        began = run.began
        return UnfinishedRun(
            run=began.run,
            plan_id=began.plan_id,
            plan_digest=began.plan_digest,
            base_serial=began.base_serial,
            done=frozenset(run.done),
            failed=dict(run.failed),
            open=dict(run.open),
            made=dict(run.made),
            done_at=dict(run.done_at),
        )

    def _on_intent(self, intent: StepIntent) -> None:
        if intent.op not in OPS:
            self._reject(f"`{intent.op}` is not an op")
        if self._run is None:
            self._carry_over(intent)
            return
        run = self._running()
        if intent.step in run.done:
            self._reject(f"step {intent.step} is intended after it succeeded")
        before = run.open.get(intent.step, intent)
        if (before.op, before.resource.address) != (intent.op, intent.resource.address):
            self._reject(f"step {intent.step} is open as {before.op} {before.resource.address}")
        run.failed.pop(intent.step, None)
        run.open[intent.step] = intent
        if intent.op in CREATING_OPS and intent.step not in run.made:
            self._add_pending(intent)
        present = self._resources.get(intent.resource.address)
        if intent.op == "update" and present:  # until it succeeds, it may refer to the old dependencies or the new
            self._resources[present.address] = _merge_dependencies(present, intent.resource)

    def _carry_over(self, intent: StepIntent) -> None:
        """Take over a pending create of an earlier journal: a store puts those before the first run."""
        if intent.op not in CREATING_OPS:
            self._reject(f"{intent.op} {intent.resource.address} is intended before any run began")
        self._add_pending(intent)

    def _add_pending(self, intent: StepIntent) -> None:
        """Count ``intent`` as a pending create. An adopt does not undo that an earlier create may have been sent."""
        before = self._pending_creates.get(intent.resource_key, intent)
        op = before.op if intent.op == "adopt" else intent.op
        self._pending_creates[intent.resource_key] = replace(
            intent, op=op, resource=_merge_dependencies(intent.resource, before.resource)
        )

    def _on_created(self, made: ResourceCreated) -> None:
        run, intent = self._open_intent(made.step)
        if intent.op not in CREATING_OPS:
            self._reject(f"step {made.step} created something, but its op is {intent.op}")
        if not made.id or run.made.get(made.step, made.id) != made.id:
            self._reject(f"step {made.step} created `{made.id}` after `{run.made.get(made.step, '')}`")
        run.made[made.step] = made.id
        address = intent.resource.address
        present = self._resources.get(address)
        if intent.op == "replace" and present and present.id != made.id:
            self._deposed[address, present.id] = present
        resource = replace(intent.resource, id=made.id, status=Status.INCOMPLETE)
        pending = self._pending_creates.pop(intent.resource_key, intent).resource
        before = present if present and present.id == made.id else pending
        self._resources[address] = _merge_dependencies(resource, before)

    def _on_succeeded(self, done: StepSucceeded) -> None:
        run, intent = self._open_intent(done.step)
        resource = intent.resource
        if intent.op in ("delete", "forget"):
            self._remove(intent, done.id or resource.id)
        elif intent.op in ("move", "restore"):
            self._move(intent, done.id, run.moved)
        elif intent.op == "unprotect":
            self._unprotect(resource)
        else:
            self._check_success(run, intent, done)
            made = replace(resource, id=done.id, spec=done.spec, outputs=done.outputs, status=Status.READY)
            self._resources[resource.address] = _used(made, self._resources.get(resource.address), done.until)
        del run.open[done.step]
        run.failed.pop(done.step, None)
        run.done.add(done.step)
        if done.at:
            run.done_at[done.step] = done.at

    def _check_success(self, run: _Run, intent: StepIntent, done: StepSucceeded) -> None:
        address = intent.resource.address
        if not done.id:
            self._reject(f"step {done.step} succeeded and {address} has no id")
        if intent.op == "adopt" and done.step not in run.made:
            self._on_created(ResourceCreated(done.step, done.id))
        if intent.op in CREATING_OPS and done.step not in run.made:
            self._reject(f"step {done.step} succeeded before {address} was created")
        if intent.op in ("update", "scale") and address not in self._resources:
            self._reject(f"step {done.step} is to {intent.op} {address}, which is not in the state")

    def _remove(self, intent: StepIntent, id: str) -> None:
        address = intent.resource.address
        present = self._resources.get(address)
        if present and present.id == id:
            del self._resources[address]
        elif not self._deposed.pop((address, id), None):
            self._pending_creates.pop(intent.resource_key, None)

    def _move(self, intent: StepIntent, id: str, already: set[str]) -> None:
        """Give a record its new address, and its ``id`` where that follows from it.

        What is displaced there becomes a deposed generation, as in a swap of two, or where a deposed one is restored.
        Until they are applied again, others may depend on more than they do: after such a swap, their dependency on
        either may be on both. Those ``already`` moved by the run name what they depend on by its new address.
        """
        moved, previous = intent.resource, intent.previous_address
        present = self._resources.get(previous)
        if present and present.id == moved.id:
            record = self._resources.pop(previous)
            renamed: tuple[str, ...] = (moved.address,)
        elif (previous, moved.id) in self._deposed:
            record = self._deposed.pop((previous, moved.id))
            renamed = (previous, moved.address)
        else:
            self._reject(f"step {intent.step} moves {moved.id} from {previous}, which does not hold it")
        displaced = self._resources.get(moved.address)
        if displaced:
            self._deposed[displaced.address, displaced.id] = displaced
        self._resources = {
            at: each if at in already else _depend(each, previous, renamed) for at, each in self._resources.items()
        }
        already.add(moved.address)
        self._deposed = {key: _depend(each, previous, renamed) for key, each in self._deposed.items()}
        self._resources[moved.address] = replace(
            record,
            address=moved.address,
            generation=moved.generation,
            id=id or moved.id,
            dependencies=moved.dependencies,
        )

    def _unprotect(self, unprotected: ResourceState) -> None:
        """Record that a generation is no longer protected; it stays what it is."""
        address, id = unprotected.address, unprotected.id
        present, deposed = self._resources.get(address), self._deposed.get((address, id))
        if present and present.id == id:
            self._resources[address] = replace(present, spec=unprotected.spec)
        elif deposed:
            self._deposed[address, id] = replace(deposed, spec=unprotected.spec)

    def _on_failed(self, failed: StepFailed) -> None:
        run = self._running()
        if failed.step in run.done:
            self._reject(f"step {failed.step} failed after it succeeded")
        run.failed[failed.step] = failed.error
        if failed.never_sent:
            _, intent = self._open_intent(failed.step)
            del run.open[failed.step]
            self._pending_creates.pop(intent.resource_key, None)

    def _on_ended(self, ended: RunEnded) -> None:
        run = self._running()
        if ended.run != run.began.run:
            self._reject(f"run {ended.run} ended while run {run.began.run} was in progress")
        if ended.outcome not in OUTCOMES:
            self._reject(f"`{ended.outcome}` is not an outcome")
        if ended.outcome == "complete":
            if run.open:
                self._reject(f"run {ended.run} ended complete with step {min(run.open)} open")
            self._outputs = ended.outputs
        run.outcome = ended.outcome

    def _running(self) -> _Run:
        run = self._run
        if run is None or run.outcome:
            self._reject("no run is in progress")
        return run

    def _open_intent(self, step: str) -> tuple[_Run, StepIntent]:
        run = self._running()
        if step not in run.open:
            self._reject(f"step {step} has no open intent")
        return run, run.open[step]

    def _reject(self, why: str) -> NoReturn:
        raise StoreError(f"journal entry {self._number}: {why}")


def _used(resource: ResourceState, before: ResourceState | None, until: str) -> ResourceState:
    """``resource`` with what clients use until then: since the update that has made it, or since an earlier one."""
    if until:
        return replace(resource, used_until=until, used=before.dependencies if before else ())
    return replace(resource, used_until=before.used_until, used=before.used) if before else resource


def _depend(resource: ResourceState, before: str, after: tuple[str, ...]) -> ResourceState:
    """``resource`` with its dependency on ``before``, if it has or had one, replaced by those on ``after``."""
    if before not in (*resource.dependencies, *resource.used):
        return resource

    def found(addresses: tuple[str, ...]) -> tuple[str, ...]:
        new = dict.fromkeys(each for address in addresses for each in (after if address == before else (address,)))
        return tuple(each for each in new if each != resource.address)

    return replace(resource, dependencies=found(resource.dependencies), used=found(resource.used))


def _merge_dependencies(resource: ResourceState, other: ResourceState) -> ResourceState:
    """``resource`` with the dependencies of ``other`` too."""
    return replace(resource, dependencies=tuple(dict.fromkeys((*resource.dependencies, *other.dependencies))))
