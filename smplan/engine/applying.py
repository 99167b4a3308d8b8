"""Applying: take the lock, make sure the plan still fits, run its steps, and close the journal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from smplan.core.events import Recovered, RunEnded, RunStarted
from smplan.core.journal import Began, Ended, Folded
from smplan.core.plan import Plan
from smplan.core.values import decode, resolve
from smplan.engine import fresh, preflight
from smplan.engine.known import Known
from smplan.engine.observe import Report
from smplan.engine.planning import Now, utc_now
from smplan.engine.run import PARALLEL, Outcome, Run
from smplan.engine.waits import Stop
from smplan.engine.world import World
from smplan.errors import Stale

if TYPE_CHECKING:
    from smplan.stores.base import Held, Holder, Store


@dataclass(frozen=True)
class Apply:
    """How plans are carried out here: with which store and world, who holds the lock, and who hears of it."""

    store: Store
    world: World
    holder: Holder
    report: Report
    stop: Stop
    parallel: int = PARALLEL
    now: Now = utc_now
    wait_seconds: float = 0

    def run(self, plan: Plan) -> Outcome:
        """Carry out exactly ``plan``, or go on with it where an earlier run of it stopped: to save the state, at last.

        Raises Stale, GuardRefused or Locked before anything is changed.
        """
        if self.now().isoformat() > plan.expires:
            raise Stale(f"the plan expired at {plan.expires}", hint="make a new plan with `smplan plan`")
        self.world.attend(self.report, self.stop.pause)
        with self.store.lock(self.holder, wait_seconds=self.wait_seconds) as held:
            if fresh.is_finished(plan, held.snapshot.folded):
                return self._save_at_last(plan, held)
            folded, resumed = fresh.check_base(plan, held.snapshot.folded)
            fresh.check_place(plan, self.world, self.report)
            known = Known(plan.lookups, folded.state.resources.values())
            self.world.reach_stream_manager_by(lambda: resolve(decode(plan.stream_manager or {}), known))
            fresh.check_reality(plan, folded, self.world, self.report)
            preflight.check_credentials(plan, folded.run.done if folded.run and resumed else (), self.world, self.now())
            self._begin(plan, folded, held)
            self._tell_start(plan, folded, resumed)
            with self.world.written_under(held.check):
                return self._carry_out(plan, folded, held, known)

    def _save_at_last(self, plan: Plan, held: Held) -> Outcome:
        saved = held.save(held.folded().state)
        self.report(RunStarted(plan.id, plan.mode, 0, True))
        self.report(RunEnded("complete", 0, 0, 0, 0.0))
        return Outcome("complete", 0, outputs=saved.outputs)

    def _begin(self, plan: Plan, folded: Folded, held: Held) -> None:
        if held.snapshot.stored is None:
            held.save(folded.state)
        held.append([Began(self.holder.run, plan.id, plan.digest, plan.base.serial, self._time())])

    def _tell_start(self, plan: Plan, folded: Folded, resumed: bool) -> None:
        run = folded.run if resumed else None
        self.report(RunStarted(plan.id, plan.mode, len(plan.steps) - (len(run.done) if run else 0), resumed))
        for intent in run.open.values() if run else ():
            self.report(Recovered(intent.entry.address, f"its {intent.op} was begun before: it is looked after first"))

    def _carry_out(self, plan: Plan, folded: Folded, held: Held, known: Known) -> Outcome:
        since = self.now()
        outcome = Run(
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
        held.append([Ended(self.holder.run, outcome.outcome, outcome.outputs, self._time())])
        if outcome.outcome == "complete":
            held.save(held.folded().state)
        seconds = (self.now() - since).total_seconds()
        self.report(RunEnded(outcome.outcome, outcome.done, len(outcome.failed), len(outcome.skipped), seconds))
        return outcome

    def _time(self) -> str:
        return self.now().isoformat()
