"""Applying: take the lock, make sure the plan still fits, run its steps, and close the journal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from smplan.core.events import ApplyEnded, ApplyStarted, Recovered
from smplan.core.plan.model import Plan
from smplan.core.state.journal import ReplayedState, RunBegan, RunEnded
from smplan.core.values import decode, resolve
from smplan.engine import preconditions, preflight
from smplan.engine.executor import PARALLEL, Executor, Outcome
from smplan.engine.plan import Now, utc_now
from smplan.engine.providers import Providers
from smplan.engine.refresh import Report
from smplan.engine.resolver import Resolver
from smplan.engine.waiter import CancelToken
from smplan.errors import Stale

if TYPE_CHECKING:
    from smplan.stores.interface import LockHolder, Store
    from smplan.stores.locked import LockedState


@dataclass(frozen=True)
class Applier:
    """How plans are carried out here: with which store and world, who holds the lock, and who hears of it."""

    store: Store
    world: Providers
    holder: LockHolder
    report: Report
    stop: CancelToken
    parallel: int = PARALLEL
    now: Now = utc_now
    wait_seconds: float = 0

    def run(self, plan: Plan) -> Outcome:
        """Carry out exactly ``plan``, or go on with it where an earlier run of it stopped: to save the state, at last.

        Raises Stale, GuardRefused or Locked before anything is changed.
        """
        if self.now().isoformat() > plan.expires:
            raise Stale(f"the plan expired at {plan.expires}", hint="make a new plan with `smplan plan`")
        self.world.attend(self.report, self.stop.wait)
        with self.store.lock(self.holder, wait_seconds=self.wait_seconds) as held:
            if preconditions.is_finished(plan, held.snapshot.folded):
                return self._save_at_last(plan, held)
            folded, resumed = preconditions.check_base(plan, held.snapshot.folded)
            preconditions.check_place(plan, self.world, self.report)
            known = Resolver(plan.lookups, folded.state.resources.values())
            self.world.reach_stream_manager_by(lambda: resolve(decode(plan.stream_manager or {}), known))
            preconditions.check_reality(plan, folded, self.world, self.report)
            preflight.check_credentials(plan, folded.run.done if folded.run and resumed else (), self.world, self.now())
            self._begin(plan, folded, held)
            self._tell_start(plan, folded, resumed)
            with self.world.guard_writes(held.check):
                return self._carry_out(plan, folded, held, known)

    def _save_at_last(self, plan: Plan, held: LockedState) -> Outcome:
        saved = held.save(held.folded().state)
        self.report(ApplyStarted(plan.id, plan.mode, 0, True))
        self.report(ApplyEnded("complete", 0, 0, 0, 0.0))
        return Outcome("complete", 0, outputs=saved.outputs)

    def _begin(self, plan: Plan, folded: ReplayedState, held: LockedState) -> None:
        if held.snapshot.stored is None:
            held.save(folded.state)
        held.append([RunBegan(self.holder.run, plan.id, plan.digest, plan.base.serial, self._time())])

    def _tell_start(self, plan: Plan, folded: ReplayedState, resumed: bool) -> None:
        run = folded.run if resumed else None
        self.report(ApplyStarted(plan.id, plan.mode, len(plan.steps) - (len(run.done) if run else 0), resumed))
        for intent in run.open.values() if run else ():
            self.report(
                Recovered(intent.resource.address, f"its {intent.op} was begun before: it is looked after first")
            )

    def _carry_out(self, plan: Plan, folded: ReplayedState, held: LockedState, known: Resolver) -> Outcome:
        since = self.now()
        outcome = Executor(
            plan,
            folded,
            held=held,
            world=self.world,
            report=self.report,
            stop=self.stop,
            parallel=self.parallel,
            now=self._time,
            known=known,
        ).go()
        held.append([RunEnded(self.holder.run, outcome.outcome, outcome.outputs, self._time())])
        if outcome.outcome == "complete":
            held.save(held.folded().state)
        seconds = (self.now() - since).total_seconds()
        self.report(ApplyEnded(outcome.outcome, outcome.done, len(outcome.failed), len(outcome.skipped), seconds))
        return outcome

    def _time(self) -> str:
        return self.now().isoformat()
