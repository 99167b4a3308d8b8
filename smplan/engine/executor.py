"""Runs the steps of a plan in worker threads. Only the main thread writes the journal.

The laws: no mutating call before its intent is durable; no step is done before its result is durable; independent
steps overlap. All results that have arrived are journaled in one write, so the cost of a step does not grow with the
state.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from smplan.core.events import Draining, Event, StepCompleted, StepErrored, StepSkipped, StepStarted
from smplan.core.plan.model import Step
from smplan.core.state.journal import JournalEntry, ResourceCreated, StepFailed, StepSucceeded
from smplan.core.values import Json
from smplan.engine import operations
from smplan.engine.operations import Result, RunContext
from smplan.engine.prepare import PreparedStep, Preparer
from smplan.engine.runtime import WorkerPool
from smplan.engine.scheduler import Scheduler
from smplan.errors import Bug, Expired, Interrupted, NotOurs, Partial, SmplanError, TimedOut

if TYPE_CHECKING:
    from smplan.stores.interface import LockedState

PARALLEL = 16


@dataclass(frozen=True)
class Outcome:
    """How an apply ended: "complete", "failed" or "interrupted", and its steps: how many were done, which were not."""

    outcome: str
    done: int
    failed: tuple[tuple[str, SmplanError], ...] = ()
    skipped: tuple[str, ...] = ()
    outputs: Mapping[str, Json] = field(default_factory=dict)

    @property
    def exit_code(self) -> int:
        """0 complete, 9 interrupted or credentials expired, 10 a wait timed out, 1 a bug, 8 some steps failed."""
        if self.outcome == "complete":
            return 0
        for kind in (Bug, TimedOut, Expired):
            if any(isinstance(error, kind) for _, error in self.failed):
                return kind.exit_code
        return (Interrupted if self.outcome == "interrupted" else Partial).exit_code


@dataclass(frozen=True, slots=True)
class _Ended:
    """An operation returned. ``result`` is None for a precheck that passed: now the step may begin."""

    prepared: PreparedStep
    result: Result | SmplanError | None
    seconds: float
    precheck: bool


_Operation: TypeAlias = Callable[[RunContext, PreparedStep], Result | None]
_News: TypeAlias = ResourceCreated | _Ended | BaseException


class Executor:
    """One apply of one plan, under a lock that is ``held``."""

    def __init__(
        self, run: RunContext, preparer: Preparer, held: LockedState, *, parallel: int, now: Callable[[], str]
    ) -> None:
        self._run = run
        self._preparer = preparer
        self._held = held
        self._parallel = parallel
        self._now = now
        self._schedule = Scheduler(preparer.plan.steps, preparer.done_before)
        self._prechecked: dict[str, PreparedStep] = {}

    def run(self) -> Outcome:
        """Run every step that can be run. Raises if the journal cannot be written or the lock was lost."""
        schedule, stop = self._schedule, self._run.stop
        with self._run.runtime.worker_pool(self._parallel, "step") as pool:
            try:
                while not schedule.finished and not stop.cancelled:
                    self._start_ready(pool)
                    self._process_results()
                if schedule.running:
                    self._run.report(Draining(len(schedule.running)))
                while schedule.running:
                    self._process_results()
            except BaseException:
                stop.cancel()
                raise
        return self._outcome()

    def _start_ready(self, pool: WorkerPool) -> None:
        """Start as many steps as may run in parallel, once their intents are durable."""
        starting: list[PreparedStep] = []
        while self._schedule.ready and len(self._schedule.running) < self._parallel:
            step = self._schedule.start()
            try:
                prepared = self._prechecked.get(step.id) or self._preparer.prepare(step)
            except SmplanError as error:
                self._fail(step, error, 0)
                continue
            if step.id not in self._prechecked and operations.needs_precheck(prepared):
                pool.start(partial(self._work, operations.check_unowned, prepared, precheck=True))
            else:
                starting.append(prepared)
        self._held.append([prepared.intent for prepared in starting])
        for prepared in starting:
            step = prepared.step
            self._run.report(StepStarted(step.id, step.address, step.kind, step.op))
            pool.start(partial(self._work, operations.apply_step, prepared))

    def _work(self, operation: _Operation, prepared: PreparedStep, *, precheck: bool = False) -> None:
        """In a worker: run ``operation`` and queue what came of it."""
        step, since = prepared.step, self._run.runtime.now()
        result: Result | SmplanError | None
        try:
            result = operation(self._run, prepared)
        except SmplanError as error:
            result = error
        except Exception as error:  # a bug in a driver must fail its step, not lose it
            result = Bug(f"{step.address}: {type(error).__name__} in the driver of {step.kind}")
            result.__cause__ = error
        except BaseException as error:  # SystemExit: it ends the whole run
            self._run.results.put(error)
            raise
        self._run.results.put(_Ended(prepared, result, self._run.runtime.now() - since, precheck))

    def _process_results(self) -> None:
        """Wait for results if any are due, make them durable in one write, and only then act upon them."""
        results = self._run.results.take() if self._schedule.running else []
        self._held.append([entry for news in results for entry in self._to_journal(news)])
        for news in results:
            match news:
                case _Ended(PreparedStep(step) as prepared, Result(id, outputs), seconds):
                    self._preparer.learn(prepared, id, outputs)
                    self._run.done_at[step.id] = self._run.clock()
                    self._end(step, StepCompleted(step.id, step.address, step.op, id, seconds))
                case _Ended(PreparedStep(step), SmplanError() as error, seconds):
                    self._fail(step, error, seconds)
                case _Ended(prepared):
                    self._prechecked[prepared.step.id] = prepared
                    self._schedule.put_back(prepared.step.id)
                case BaseException():
                    raise news

    def _to_journal(self, news: _News) -> list[JournalEntry]:
        match news:
            case ResourceCreated():
                return [news]
            case _Ended(prepared, Result(id, outputs)):
                at, until = self._used_from(prepared.step)
                return [StepSucceeded(prepared.step.id, id, prepared.intent.resource.spec, outputs, at, until)]
            case _Ended(prepared, SmplanError() as error, precheck=precheck) if not isinstance(error, Interrupted):
                never_sent = isinstance(error, NotOurs) and not prepared.begun and not precheck
                return [StepFailed(prepared.step.id, error.message, self._now(), never_sent)]
            case _:
                return []

    def _used_from(self, step: Step) -> tuple[str, str]:
        """Now, and until when clients use what the step has changed; empty texts if they do not."""
        if not step.lingers:
            return "", ""
        at = self._now()
        return at, (datetime.fromisoformat(at) + timedelta(seconds=step.lingers)).isoformat()

    def _fail(self, step: Step, error: SmplanError, seconds: float) -> None:
        if isinstance(error, Expired):
            self._run.stop.cancel()
        self._end(step, StepErrored(step.id, step.address, step.op, error.message, error.hint, seconds), error)

    def _end(self, step: Step, event: Event, error: SmplanError | None = None) -> None:
        skipped = self._schedule.end(step.id, error)
        if not isinstance(error, Interrupted):
            self._run.report(event)
        for each in skipped:
            because = f"it needs {self._schedule.skipped[each.id]}, which was not done"
            self._run.report(StepSkipped(each.id, each.address, each.op, because))

    def _outcome(self) -> Outcome:
        schedule = self._schedule
        skipped = (*schedule.skipped, *(step.id for step in schedule.ready))
        failed = tuple((schedule.steps[id].address, error) for id, error in schedule.failed.items())
        if failed or skipped:
            return Outcome("failed" if failed else "interrupted", len(schedule.done), failed, skipped)
        return Outcome("complete", len(schedule.done), outputs=self._preparer.outputs())
