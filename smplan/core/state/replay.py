"""How the entries of a journal replay into the state as it is now; what could not have happened is refused."""

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

OPS = frozenset({"create", "update", "replace", "delete", "adopt", "forget", "gate", "refresh"})
OUTCOMES = frozenset({"complete", "failed", "interrupted"})


def replay(state: State, entries: Iterable[JournalEntry]) -> ReplayedState:
    """``state`` with ``entries`` carried out, in time O(entries). Raises StoreError naming the entry that cannot be."""
    folding = Replay(state)
    for entry in entries:
        folding.add(entry)
    return folding.result()


@dataclass(slots=True)
class _Run:
    began: RunBegan
    done: set[str] = field(default_factory=set)
    failed: dict[str, str] = field(default_factory=dict)
    open: dict[str, StepIntent] = field(default_factory=dict)
    made: dict[str, str] = field(default_factory=dict)
    outcome: str = ""


class Replay:
    """A replay under way, upon ``base``: entries go in one at a time, each in O(1); ``result`` copies the outcome."""

    def __init__(self, state: State) -> None:
        self.base = state
        self._resources = dict(state.resources)
        self._old = {(entry.address, entry.id): entry for entry in state.deposed}
        self._used_plans = dict.fromkeys(state.used_plans)
        self._outputs = state.outputs
        self._run: _Run | None = None
        self._number = 0
        self._orphans: dict[ResourceKey, StepIntent] = {}

    @property
    def pending_creates(self) -> tuple[StepIntent, ...]:
        """The pending creates so far."""
        return tuple(self._orphans.values())

    def add(self, entry: JournalEntry) -> None:
        """Carry out one entry. Raises StoreError if it cannot follow those before it."""
        self._number += 1
        match entry:
            case RunBegan():
                self._begin(entry)
            case StepIntent():
                self._intend(entry)
            case ResourceCreated():
                self._make(entry)
            case StepSucceeded():
                self._finish(entry)
            case StepFailed():
                self._fail(entry)
            case RunEnded():
                self._end(entry)
            case _:
                assert_never(entry)

    def _begin(self, began: RunBegan) -> None:
        run = self._run
        if run is not None and run.outcome != "complete" and run.began.plan_id == began.plan_id:
            run.began, run.outcome = began, ""  # the same plan goes on where it stopped
        else:
            self._run = _Run(began)
        self._used_plans.pop(began.plan_id, None)
        self._used_plans[began.plan_id] = None

    def result(self) -> ReplayedState:
        """Everything so far, as a value of its own."""
        state = replace(
            self.base,
            resources=dict(self._resources),
            deposed=tuple(sorted(self._old.values(), key=lambda entry: (entry.address, entry.generation, entry.id))),
            used_plans=tuple(self._used_plans)[-USED_PLANS:],
            outputs=self._outputs,
        )
        finished = self._run.began if self._run and self._run.outcome == "complete" else None
        return ReplayedState(state, self._open_run(), self.pending_creates, finished)

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
        )

    def _intend(self, intent: StepIntent) -> None:
        if intent.op not in OPS:
            self._refuse(f"`{intent.op}` is not an op")
        if self._run is None:
            self._carry(intent)
            return
        run = self._running()
        if intent.step in run.done:
            self._refuse(f"step {intent.step} is intended after it was done")
        before = run.open.get(intent.step, intent)
        if (before.op, before.resource.address) != (intent.op, intent.resource.address):
            self._refuse(f"step {intent.step} is open as {before.op} {before.resource.address}")
        run.failed.pop(intent.step, None)
        run.open[intent.step] = intent
        if intent.op in CREATING_OPS and intent.step not in run.made:
            self._suspect(intent)
        present = self._resources.get(intent.resource.address)
        if intent.op == "update" and present:  # until it is done, nobody knows which of both it points at
            self._resources[present.address] = _needing(present, intent.resource)

    def _carry(self, intent: StepIntent) -> None:
        """Take over an orphan of an earlier journal: a store puts those before the first run."""
        if intent.op not in CREATING_OPS:
            self._refuse(f"{intent.op} {intent.resource.address} is intended before any run began")
        self._suspect(intent)

    def _suspect(self, intent: StepIntent) -> None:
        """Count what ``intent`` may make as an orphan; that one is adopted does not undo that it may have been made."""
        before = self._orphans.get(intent.place, intent)
        op = before.op if intent.op == "adopt" else intent.op
        self._orphans[intent.place] = replace(intent, op=op, resource=_needing(intent.resource, before.resource))

    def _make(self, made: ResourceCreated) -> None:
        run, intent = self._opened(made.step)
        if intent.op not in CREATING_OPS:
            self._refuse(f"step {made.step} made something, but its op is {intent.op}")
        if not made.id or run.made.get(made.step, made.id) != made.id:
            self._refuse(f"step {made.step} made `{made.id}` after `{run.made.get(made.step, '')}`")
        run.made[made.step] = made.id
        address = intent.resource.address
        present = self._resources.get(address)
        if intent.op == "replace" and present and present.id != made.id:
            self._old[address, present.id] = present
        entry = replace(intent.resource, id=made.id, status=Status.INCOMPLETE)
        begun = self._orphans.pop(intent.place, intent).resource
        self._resources[address] = _needing(entry, present if present and present.id == made.id else begun)

    def _finish(self, done: StepSucceeded) -> None:
        run, intent = self._opened(done.step)
        entry = intent.resource
        if intent.op in ("delete", "forget"):
            self._remove(intent, done.id or entry.id)
        else:
            self._check_finish(run, intent, done)
            self._resources[entry.address] = replace(
                entry, id=done.id, spec=done.spec, outputs=done.outputs, status=Status.READY
            )
        del run.open[done.step]
        run.failed.pop(done.step, None)
        run.done.add(done.step)

    def _check_finish(self, run: _Run, intent: StepIntent, done: StepSucceeded) -> None:
        address = intent.resource.address
        if not done.id:
            self._refuse(f"step {done.step} is done and {address} has no id")
        if intent.op == "adopt" and done.step not in run.made:
            self._make(ResourceCreated(done.step, done.id))
        if intent.op in CREATING_OPS and done.step not in run.made:
            self._refuse(f"step {done.step} is done before {address} was made")
        if intent.op in ("update", "refresh") and address not in self._resources:
            self._refuse(f"step {done.step} is an {intent.op} of {address}, which is not in the state")

    def _remove(self, intent: StepIntent, id: str) -> None:
        address = intent.resource.address
        present = self._resources.get(address)
        if present and present.id == id:
            del self._resources[address]
        elif not self._old.pop((address, id), None):
            self._orphans.pop(intent.place, None)

    def _fail(self, failed: StepFailed) -> None:
        run = self._running()
        if failed.step in run.done:
            self._refuse(f"step {failed.step} failed after it was done")
        run.failed[failed.step] = failed.error
        if failed.never_sent:
            _, intent = self._opened(failed.step)
            del run.open[failed.step]
            self._orphans.pop(intent.place, None)

    def _end(self, ended: RunEnded) -> None:
        run = self._running()
        if ended.run != run.began.run:
            self._refuse(f"run {ended.run} ended while run {run.began.run} was going on")
        if ended.outcome not in OUTCOMES:
            self._refuse(f"`{ended.outcome}` is not an outcome")
        if ended.outcome == "complete":
            if run.open:
                self._refuse(f"run {ended.run} ended complete with step {min(run.open)} open")
            self._outputs = ended.outputs
        run.outcome = ended.outcome

    def _running(self) -> _Run:
        run = self._run
        if run is None or run.outcome:
            self._refuse("no run is going on")
        return run

    def _opened(self, step: str) -> tuple[_Run, StepIntent]:
        run = self._running()
        if step not in run.open:
            self._refuse(f"step {step} has no open intent")
        return run, run.open[step]

    def _refuse(self, why: str) -> NoReturn:
        raise StoreError(f"journal entry {self._number}: {why}")


def _needing(entry: ResourceState, other: ResourceState) -> ResourceState:
    """``entry``, made after what ``other`` was made after too."""
    return replace(entry, dependencies=tuple(dict.fromkeys((*entry.dependencies, *other.dependencies))))
