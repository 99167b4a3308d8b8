"""The steps of a plan, run as soon as what they need is done. One thread owns the journal; workers only carry.

The journal's laws: no mutating call before its intent is durable; no step counts as done before its result is
durable; independent steps overlap. Whatever happened since the last look is appended in one durable write, so the
cost of a step does not grow with the state.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from graphlib import TopologicalSorter
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from smplan.core import canonical_json
from smplan.core.events import Draining, Event, StepCompleted, StepErrored, StepSkipped, StepStarted
from smplan.core.plan.model import Op, Plan, Step
from smplan.core.spec import Spec
from smplan.core.state.journal import (
    CREATING_OPS,
    JournalEntry,
    ReplayedState,
    ResourceCreated,
    StepFailed,
    StepIntent,
    StepSucceeded,
)
from smplan.core.state.model import ResourceState, Status
from smplan.core.values import InvalidReference, Json, decode, encode, refs, resolve
from smplan.engine.operations import Carrier, Result, Task
from smplan.engine.providers import Providers, resolve_secrets
from smplan.engine.refresh import Report
from smplan.engine.resolver import Resolver
from smplan.engine.runtime import ResultQueue, WorkerPool
from smplan.engine.waiter import CancelToken
from smplan.errors import Bug, Expired, Interrupted, Invalid, NotOurs, Partial, SmplanError, TimedOut

if TYPE_CHECKING:
    from smplan.stores.locked import LockedState

PARALLEL = 16


@dataclass(frozen=True)
class Outcome:
    """How an apply ended: "complete", "failed" or "interrupted", and what became of its steps."""

    outcome: str
    done: int
    failed: tuple[tuple[str, SmplanError], ...] = ()
    skipped: tuple[str, ...] = ()
    outputs: Mapping[str, Json] = field(default_factory=dict)

    @property
    def exit_code(self) -> int:
        """0 complete, 9 interrupted or credentials ran out, 10 a wait timed out, 1 a bug, 8 some steps failed."""
        if self.outcome == "complete":
            return 0
        errors = [error for _, error in self.failed]
        for told in (Bug, TimedOut, Expired):
            if any(isinstance(error, told) for error in errors):
                return told.exit_code
        return (Interrupted if self.outcome == "interrupted" else Partial).exit_code


@dataclass(frozen=True, slots=True)
class _Finished:
    """``result`` is None where the step looked first, and its place is free: now it may begin."""

    task: Task
    result: Result | SmplanError | None
    seconds: float
    looking: bool = False


@dataclass(frozen=True, slots=True)
class _Left:
    """A worker was told to leave, by something that is no error (SystemExit): the whole run leaves with it."""

    told: BaseException


class Executor:
    """One apply of one plan, under a lock that is held."""

    def __init__(
        self,
        plan: Plan,
        folded: ReplayedState,
        *,
        held: LockedState,
        world: Providers,
        report: Report,
        stop: CancelToken,
        parallel: int = PARALLEL,
        now: Callable[[], str],
        known: Resolver,
    ) -> None:
        self._plan = plan
        self._held = held
        self._world = world
        self._stop = stop
        self._parallel = parallel
        self._now = now
        self._heard: ResultQueue[ResourceCreated | _Finished | _Left] = world.runtime.result_queue()
        self._reporting = threading.Lock()
        self._report_to = report
        self._run = folded.run if folded.run and folded.run.plan_id == plan.id else None
        self._orphans = {intent.resource_key: intent for intent in folded.pending_creates}
        self.known = known
        self._carrier = Carrier(
            world,
            plan.base.lineage,
            self._report,
            stop,
            held.check,
            lambda step, id: self._heard.put(ResourceCreated(step.id, id)),
        )
        self._sorter: TopologicalSorter[str] = TopologicalSorter(
            {step.id: [need.step for need in step.depends_on] for step in plan.steps}
        )
        self._steps = {step.id: step for step in plan.steps}
        self._ready: deque[str] = deque()
        self._looked: list[Task] = []
        self._running: dict[str, Task] = {}
        self._blocked: dict[str, str] = {}
        self._done = 0
        self._failed: list[tuple[str, SmplanError]] = []
        self._skipped: list[str] = []
        self._drained = False

    def go(self) -> Outcome:
        """Carry out every step that can be. Raises only if the journal cannot be written, or the lock was lost."""
        self._sorter.prepare()
        finished_before = self._run.done if self._run else frozenset()
        with self._world.runtime.worker_pool(self._parallel, "step") as crew:
            try:
                while self._sorter.is_active():
                    self._gather(finished_before)
                    self._start(crew)
                    if self._running:
                        self._listen()
                    elif self._stop.cancelled:
                        break
            except BaseException:
                self._stop.cancel()
                raise
        return self._outcome()

    def _gather(self, finished_before: frozenset[str]) -> None:
        """Take up every step whose needs are met; go past those that are done already or can't be tried."""
        while fresh := self._sorter.get_ready():
            for id in fresh:
                because = next((need.step for need in self._steps[id].depends_on if need.step in self._blocked), None)
                if id in finished_before:
                    self._sorter.done(id)
                elif because is not None:
                    self._skip(self._steps[id], because)
                else:
                    self._ready.append(id)

    def _skip(self, step: Step, because: str) -> None:
        self._blocked[step.id] = because
        self._skipped.append(step.id)
        self._sorter.done(step.id)
        self._report(StepSkipped(step.id, step.address, step.op, f"it needs {because}, which was not done"))

    def _start(self, crew: WorkerPool) -> None:
        if self._stop.cancelled:
            if not self._drained and self._running:
                self._report(Draining(len(self._running)))
            self._drained = True
            return
        starting, self._looked = self._looked, []
        while self._ready and len(self._running) + len(starting) < self._parallel:
            step = self._steps[self._ready.popleft()]
            try:
                task = self._task(step)
            except SmplanError as error:
                self._fail(step, error, 0)
                continue
            if self._carrier.looks_first(task):
                self._running[step.id] = task
                crew.start(partial(self._work, task, looking=True))
            else:
                starting.append(task)
        self._held.append([self._intent(task) for task in starting])
        for task in starting:
            self._running[task.step.id] = task
            self._report(StepStarted(task.step.id, task.step.address, task.step.kind, task.step.op))
            crew.start(partial(self._work, task))

    def _task(self, step: Step) -> Task:
        made = self._run.made.get(step.id, "") if self._run else ""
        task = Task(step, None if step.op in (Op.DELETE, Op.FORGET) else self._complete(step), made)
        meant = self._intent(task)
        before = self._orphans.get(meant.resource_key)
        begun = bool(self._run and step.id in self._run.open) or before is not None
        return replace(task, begun=begun, token=self._token(meant, before))

    def _token(self, meant: StepIntent, before: StepIntent | None) -> str:
        """That of an earlier run that may have sent the same already; with another spec AWS refuses a token."""
        if before and before.token and before.resource.spec == meant.resource.spec:
            return before.token
        return canonical_json.digest([self._plan.base.lineage, meant.resource.address, meant.op, self._plan.id])

    def _complete(self, step: Step) -> Spec:
        """The spec with every reference and secret filled in."""
        try:
            tree = resolve(decode(step.after), self.known)
            still = next(refs(tree), None)
            if still is not None:
                raise Invalid(f"{step.address} refers to {still[1]}, which nothing made known", address=step.address)
            return self._world.kind(step.kind).spec.model_validate(resolve_secrets(tree, self._world.secret))
        except (ValidationError, InvalidReference) as error:
            told = _first(error) if isinstance(error, ValidationError) else str(error)
            raise Invalid(f"{step.address}: {told}", hint="mend the blueprint, then plan again") from None

    def _intent(self, task: Task) -> StepIntent:
        step, entry = task.step, self._entry(task)
        key = self._world.kind(step.kind).identity_digest(entry.spec) if step.op in CREATING_OPS else step.pending_key
        return StepIntent(step.id, step.op, entry, key, task.token if step.op in CREATING_OPS else "")

    def _entry(self, task: Task) -> ResourceState:
        step = task.step
        spec = step.resource.spec if task.spec is None else encode(resolve(decode(step.after), self.known))
        return replace(step.resource, id=task.made or step.physical_id, spec=spec, outputs={}, status=Status.INCOMPLETE)

    def _work(self, task: Task, *, looking: bool = False) -> None:
        since = self._world.runtime.now()
        result: Result | SmplanError | None
        act: Callable[[Task], Result | None] = self._carrier.look if looking else self._carrier.carry
        try:
            result = act(task)
        except SmplanError as error:
            result = error
        except Exception as error:  # the run must hear of it, whatever it was
            result = Bug(f"{task.step.address}: {type(error).__name__} in the driver of {task.step.kind}")
            result.__cause__ = error
        except BaseException as told:
            self._heard.put(_Left(told))
            raise
        self._heard.put(_Finished(task, result, self._world.runtime.now() - since, looking))

    def _listen(self) -> None:
        """Hear everything that happened since, make it durable in one write, and only then act upon it."""
        heard = self._heard.take()
        self._held.append([entry for news in heard for entry in self._journalled(news)])
        for news in heard:
            if isinstance(news, _Finished):
                self._finish(news)
            elif isinstance(news, _Left):
                raise news.told

    def _journalled(self, news: ResourceCreated | _Finished | _Left) -> list[JournalEntry]:
        if isinstance(news, ResourceCreated):
            return [news]
        if isinstance(news, _Left):
            return []
        step, result = news.task.step, news.result
        if result is None or isinstance(result, Interrupted):
            return []
        if isinstance(result, SmplanError):
            # somebody else's stands in its place
            never_sent = isinstance(result, NotOurs) and not news.task.begun and not news.looking
            return [StepFailed(step.id, result.message, self._now(), never_sent)]
        return [StepSucceeded(step.id, result.id, self._entry(news.task).spec, result.outputs)]

    def _finish(self, news: _Finished) -> None:
        step, result = news.task.step, news.result
        del self._running[step.id]
        if isinstance(result, SmplanError):
            self._fail(step, result, news.seconds)
            return
        if result is None:
            self._looked.append(news.task)
            return
        if step.op not in (Op.DELETE, Op.FORGET):
            entry = self._entry(news.task)
            self.known.learn(_with(entry, result))
        self._done += 1
        self._sorter.done(step.id)
        self._report(StepCompleted(step.id, step.address, step.op, result.id, news.seconds))

    def _fail(self, step: Step, error: SmplanError, seconds: float) -> None:
        self._blocked[step.id] = step.id
        self._sorter.done(step.id)
        if isinstance(error, Interrupted):
            self._skipped.append(step.id)
            return
        self._failed.append((step.address, error))
        if isinstance(error, Expired):
            self._stop.cancel()
        self._report(StepErrored(step.id, step.address, step.op, error.message, error.hint, seconds))

    def _outcome(self) -> Outcome:
        left = [*self._ready, *(task.step.id for task in self._looked)]
        if self._failed:
            outcome = "failed"
        else:
            outcome = "interrupted" if left or self._skipped or self._sorter.is_active() else "complete"
        outputs = {}
        if outcome == "complete":
            outputs = {name: encode(resolve(decode(tree), self.known)) for name, tree in self._plan.outputs.items()}
        return Outcome(outcome, self._done, tuple(self._failed), (*self._skipped, *left), outputs)

    def _report(self, event: Event) -> None:
        with self._reporting:
            self._report_to(event)


def _with(entry: ResourceState, result: Result) -> ResourceState:
    return ResourceState(entry.address, entry.kind, result.id, entry.spec, result.outputs)


def _first(error: ValidationError) -> str:
    first: Any = error.errors()[0]
    return f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"
