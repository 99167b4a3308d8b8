"""Applying a plan: lock the state, check that the plan still fits, run its steps, save the state."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from smplan.core.events import ApplyEnded, ApplyStarted, Recovered
from smplan.core.plan.model import Plan
from smplan.core.resolver import Resolver
from smplan.core.state.journal import ReplayedState, RunBegan, RunEnded
from smplan.core.values import decode, resolve
from smplan.engine import preconditions
from smplan.engine.executor import PARALLEL, Executor, Outcome
from smplan.engine.operations import RunContext
from smplan.engine.plan import Now, utc_now
from smplan.engine.prepare import Preparer
from smplan.engine.providers import Providers
from smplan.engine.refresh import Report
from smplan.engine.waiter import CancelToken

if TYPE_CHECKING:
    from smplan.stores.interface import LockedState, LockHolder, Store


@dataclass(frozen=True)
class Applier:
    """Applies plans, waiting ``wait_seconds`` for the lock. ``report`` is called from several threads."""

    store: Store
    providers: Providers
    holder: LockHolder
    report: Report
    stop: CancelToken
    parallel: int = PARALLEL
    now: Now = utc_now
    wait_seconds: float = 0

    def run(self, plan: Plan) -> Outcome:
        """Apply exactly ``plan``, or resume it where an earlier run stopped, be it just before saving the state.

        Raises Stale, Untrusted, GuardRefused or Locked before anything is changed.
        """
        preconditions.check_document(plan, self.providers, self.now())
        self.providers.on_retry(self.report, self.stop.wait)
        with self.store.lock(self.holder, wait_seconds=self.wait_seconds) as held:
            if preconditions.already_completed(plan, held.snapshot.folded):
                return self._save_completed_run(plan, held)
            replayed = preconditions.check_base(plan, held.snapshot.folded)
            preconditions.check_targets(plan, replayed, self.providers)
            resolver = Resolver(plan.lookups, replayed.state.resources.values())
            self._check(plan, replayed, resolver)
            self._begin(plan, replayed, held)
            with self.providers.guard_writes(held.check):
                return self._execute(plan, replayed, held, resolver)

    def _save_completed_run(self, plan: Plan, held: LockedState) -> Outcome:
        saved = held.save(held.folded().state)
        self.report(ApplyStarted(plan.id, plan.mode, 0, True))
        self.report(ApplyEnded("complete", 0, 0, 0, 0.0))
        return Outcome("complete", 0, outputs=saved.outputs)

    def _check(self, plan: Plan, replayed: ReplayedState, resolver: Resolver) -> None:
        preconditions.check_account_and_region(plan, self.providers, self.report)
        self.providers.set_stream_manager_settings(lambda: resolve(decode(plan.stream_manager or {}), resolver))
        preconditions.check_resources(plan, replayed, self.providers, self.report)
        done = replayed.run.done if replayed.run else ()
        preconditions.check_credentials(plan, done, self.providers, self.now())

    def _begin(self, plan: Plan, replayed: ReplayedState, held: LockedState) -> None:
        if held.snapshot.stored is None:
            held.save(replayed.state)
        held.append([RunBegan(self.holder.run, plan.id, plan.digest, plan.base.serial, self.now().isoformat())])
        run = replayed.run
        steps = len(plan.steps) - (len(run.done) if run else 0)
        self.report(ApplyStarted(plan.id, plan.mode, steps, resumed=bool(run)))
        for intent in run.open.values() if run else ():
            what = f"an earlier run did not finish its {intent.op}; what it left is checked first"
            self.report(Recovered(intent.resource.address, what))

    def _execute(self, plan: Plan, replayed: ReplayedState, held: LockedState, resolver: Resolver) -> Outcome:
        since = self.now()
        runtime = self.providers.runtime
        run = RunContext(
            plan.base.lineage,
            self.report,
            self.stop,
            held.check,
            runtime,
            runtime.result_queue(),
            self.providers.inventory,
            clock=self.providers.clock,
        )
        _set_waits(run, plan, replayed, since)
        preparer = Preparer(plan, replayed, self.providers, resolver)
        preparer.take_inventory((*replayed.state.deposed, *replayed.state.resources.values()))
        outcome = Executor(run, preparer, held, parallel=self.parallel, now=lambda: self.now().isoformat()).run()
        held.append([RunEnded(self.holder.run, outcome.outcome, outcome.outputs, self.now().isoformat())])
        if outcome.outcome == "complete":
            held.save(held.folded().state)
        seconds = (self.now() - since).total_seconds()
        self.report(ApplyEnded(outcome.outcome, outcome.done, len(outcome.failed), len(outcome.skipped), seconds))
        return outcome


def _set_waits(run: RunContext, plan: Plan, replayed: ReplayedState, now: datetime) -> None:
    """Since when steps that others wait for are done, and before when others must not begin, by the run's clock."""
    for step, at in (replayed.run.done_at if replayed.run else {}).items():
        passed = (now - datetime.fromisoformat(at)).total_seconds()
        run.done_at[step] = run.clock() - max(passed, 0.0)
    age = max((now - datetime.fromisoformat(plan.created)).total_seconds(), 0.0)
    for planned in plan.steps:
        if planned.wait_seconds > age:
            run.not_before[planned.id] = run.clock() + planned.wait_seconds - age
