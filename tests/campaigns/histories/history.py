"""One history: random edits, runs, external changes and faults, with every invariant checked after each step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from hashlib import sha256
from pathlib import Path
from random import Random

from smplan.core.blueprint import Blueprint
from smplan.core.plan import model as plans
from smplan.core.plan.model import Plan
from smplan.core.state.journal import ReplayedState
from smplan.engine.apply import Applier
from smplan.engine.executor import Outcome
from smplan.engine.plan import plan
from smplan.errors import Bug, GuardRefused, SmplanError, StoreError
from smplan.stores.interface import LockHolder
from smplan.stores.local import LocalStore
from tests.campaigns.histories import invariants
from tests.campaigns.histories.cloud import Cloud
from tests.campaigns.histories.external_changes import ExternalChanges
from tests.campaigns.histories.faults import random_faults
from tests.campaigns.histories.kinds import SimWorld
from tests.campaigns.histories.process import FaultPlan, Process, SimClock, SimDisk, Trace
from tests.campaigns.histories.random_blueprints import RandomBlueprint
from tests.campaigns.histories.schedule import InvariantViolation, Killed, Runners, Schedule

BEGINNING = datetime(2026, 1, 1, tzinfo=UTC)
ROUNDS = 3
DAY = 86400.0

STEPS = {
    "edit": 30,
    "outside step": 14,
    "plan": 8,
    "apply the last plan": 10,
    "apply an old plan": 6,
    "plan and apply": 24,
    "destroy": 4,
    "wait": 3,
    "race": 6,
}


@dataclass(eq=False)
class MadePlan:
    """A plan, its mode, and when it was made: the history's moment and mark."""

    plan: Plan
    mode: str
    moment: int
    mark: object


class NoProcess:
    """The owner of threads that belong to no process."""

    dead = False


class History:
    """The history of one seed. ``run`` raises InvariantViolation; ``trace`` records every step."""

    def __init__(self, seed: int, folder: Path, runners: Runners) -> None:
        self.trace = Trace()
        self._random = random = Random(seed)
        self._schedule = Schedule(Random(seed + 1), runners, NoProcess())
        self._cloud = Cloud(self._schedule, Random(seed + 2))
        self._blueprint = RandomBlueprint(random)
        self._external = ExternalChanges(self._cloud, self._blueprint, random)
        self._path = folder / "toys.state.json"
        self._plans: list[MadePlan] = []
        self._moment = 0
        """Grows with every change of the blueprint or the cloud."""
        self._mark: object = None
        """Differs whenever the state or its pending creates do."""
        self._processes = 0
        self._folded: ReplayedState | None = None

    def run(self) -> None:
        """Run every step. Raises InvariantViolation."""
        self.trace.add(f"blueprint: {self._blueprint.shown()}")
        for _ in range(self._random.randint(5, 30)):
            (step,) = self._random.choices(list(STEPS), list(STEPS.values()))
            self._schedule.now += self._random.choice([0.0, 5.0, 600.0])
            self.trace.count("step", step)
            getattr(self, "_" + step.replace(" ", "_"))()
            self._check()

    def digest(self) -> str:
        """SHA-256 of the trace: the same for the same seed."""
        return sha256("\n".join(self.trace.lines).encode()).hexdigest()

    # The steps.

    def _edit(self) -> None:
        name, what = self._blueprint.edit()
        self._moment += 1
        self.trace.add(f"edit: {name} {what}")
        self.trace.count("edit" if what else "edit without object", name)
        self.trace.add(f"  blueprint: {self._blueprint.shown()}")

    def _outside_step(self) -> None:
        name, what = self._external.act(self._folded)
        self._moment += 1
        self.trace.add(f"outside: {name} {what}")
        self.trace.count("outside" if what else "outside without object", name)

    def _wait(self) -> None:
        days = self._random.choice([0.1, 1.0, 8.0])
        self._schedule.now += days * DAY
        self.trace.add(f"{days} days pass")

    def _plan(self) -> None:
        process = self._process(random_faults(self._random))
        self._together((process, lambda: self._make_plan(process, "apply")))

    def _plan_and_apply(self) -> None:
        process = self._process(random_faults(self._random))
        self._together((process, lambda: self._make_and_apply(process, "apply")))

    def _destroy(self) -> None:
        process = self._process(random_faults(self._random))
        self._together((process, lambda: self._make_and_apply(process, "destroy")))

    def _apply_the_last_plan(self) -> None:
        if self._plans:
            self._apply_one(self._plans[-1])

    def _apply_an_old_plan(self) -> None:
        if self._plans:
            self._apply_one(self._random.choice(self._plans))

    def _apply_one(self, made: MadePlan) -> None:
        process = self._process(random_faults(self._random))
        self._together((process, lambda: self._apply(process, made)))

    def _race(self) -> None:
        works: list[tuple[Process, Callable[[], object]]] = []
        for faults in (random_faults(self._random), FaultPlan()):
            process = self._process(faults, racing=True)
            if self._plans and self._random.random() < 0.5:
                made = self._plans[-1]
                works.append((process, partial(self._apply, process, made)))
            else:
                works.append((process, partial(self._make_and_apply, process, "apply")))
        self._together(*works)

    # What a process does.

    def _process(self, faults: FaultPlan, *, racing: bool = False) -> Process:
        self._processes += 1
        process = Process(f"p{self._processes}", self._schedule, faults, self._random, self.trace)
        process.racing = racing
        if self._folded and not racing:
            entries = (*self._folded.state.resources.values(), *self._folded.state.deposed)
            process.protected = frozenset((entry.kind, entry.id) for entry in entries if entry.prevent_destroy)
        self.trace.add(f"  {process.name}: faults {faults}")
        return process

    def _together(self, *works: tuple[Process, Callable[[], object]]) -> None:
        """Run all works concurrently, each in its process, until the last has ended or died."""
        (first, work), *others = works
        turns = [self._schedule.start(process, other) for process, other in others]
        mine = self._schedule.current
        no_process, mine.process = mine.process, first
        try:
            work()
        except Killed:
            pass
        finally:
            mine.process = no_process
        self._schedule.join(turns)
        if self._schedule.fault:
            raise self._schedule.fault
        self._moment += any(process.mutations for process, _ in works)

    def _store(self, process: Process) -> LocalStore:
        return LocalStore(self._path, clock=SimClock(process), disk=SimDisk(process))

    def _now(self) -> datetime:
        return BEGINNING + timedelta(seconds=int(self._schedule.now))

    def _make_plan(self, process: Process, mode: str, wanted: Blueprint | None = None) -> MadePlan | None:
        well, mark, moment = self._well(), self._mark, self._moment
        try:
            found = plan(
                wanted or self._blueprint.blueprint(),
                store=self._store(process),
                world=SimWorld(process, self._cloud),
                mode=mode,
                report=lambda event: None,
                now=self._now,
            )
        except SmplanError as error:
            self._refused(process, "plan", error)
            clean = well and not process.suffered and not process.racing and not process.stop.cancelled
            if clean and not isinstance(error, GuardRefused):
                raise InvariantViolation("without faults a plan can be made", f"{error!r}") from error
            return None
        if process.random.random() < 0.1:
            found = plans.from_text(plans.to_text(found))
        made = MadePlan(found, mode, moment, mark)
        self._plans.append(made)
        shown = ", ".join(step.id for step in found.steps)
        self.trace.add(f"  {process.name}: plan {len(self._plans)} ({mode}): {shown or 'nothing to do'}")
        return made

    def _applicable(self, made: MadePlan) -> bool:
        """Whether it may be applied: never begun and still current, or the last begun and not ended."""
        run = self._folded.run if self._folded else None
        if run is not None and run.plan_id == made.plan.id:
            return True
        used = self._folded.state.used_plans if self._folded else ()
        if self._folded and not used and self._folded.state.lineage == made.plan.base.lineage:
            return True  # its first apply died after saving an empty state
        return made.plan.id not in used and made.mark == self._mark

    def _make_and_apply(self, process: Process, mode: str, wanted: Blueprint | None = None) -> Outcome | None:
        made = self._make_plan(process, mode, wanted)
        return self._apply(process, made) if made else None

    def _apply(self, process: Process, made: MadePlan) -> Outcome | None:
        process.plan = made.plan
        fresh, well, expired = made.moment == self._moment, self._well(), self._now().isoformat() > made.plan.expires
        legitimate = not expired and self._applicable(made)
        self.trace.add(f"  {process.name}: applies plan {self._plans.index(made) + 1}")
        holder = LockHolder(process.name, "apply", process.name, self._now().isoformat())
        apply = Applier(
            self._store(process),
            SimWorld(process, self._cloud),
            holder,
            lambda event: self.trace.count("event", type(event).__name__),
            process.stop,
            parallel=process.random.choice([1, 2, 16]),
            now=self._now,
            wait_seconds=process.random.choice([0, 60]),
        )
        clean = fresh and well and not expired and not process.racing
        try:
            outcome = apply.run(made.plan)
        except SmplanError as error:
            self._refused(process, "apply", error)
            if clean and not process.suffered and not process.stop.cancelled and legitimate:
                raise InvariantViolation("without faults a plan can be applied", f"{error!r}") from error
            return None
        finally:
            if process.began and not legitimate and not process.racing:
                raise InvariantViolation(
                    "a used, stale or expired plan changes nothing", f"plan {self._plans.index(made) + 1}"
                )
        self._ended(process, made, outcome)
        if clean and not process.suffered and not process.stop.cancelled and outcome.outcome != "complete":
            raise InvariantViolation("without faults an apply is complete", _failures(outcome))
        return outcome

    def _ended(self, process: Process, made: MadePlan, outcome: Outcome) -> None:
        self.trace.add(f"  {process.name}: {outcome.outcome}, {outcome.done} done; {_failures(outcome)}")
        self.trace.count("apply", outcome.outcome)
        for address, error in outcome.failed:
            self.trace.count("step failed", type(error).__name__)
            if isinstance(error, Bug):
                raise InvariantViolation("smplan reports no bug", f"{address}: {error} ({error.__cause__!r})")

    def _refused(self, process: Process, doing: str, error: SmplanError) -> None:
        self.trace.add(f"  {process.name}: {doing} refused: {type(error).__name__}")
        self.trace.count(f"{doing} refused", type(error).__name__)
        if isinstance(error, Bug):
            raise InvariantViolation("smplan reports no bug", str(error)) from error
        if process.mutations and not isinstance(error, StoreError):
            raise InvariantViolation("a refused command changes nothing", f"{process.mutations} calls before {error!r}")

    def _well(self) -> bool:
        """Whether nothing blocks a run, and Describe returns all resources."""
        now = self._schedule.now
        settled = all(record.visible_at <= now and record.gone_at is None for record in self._cloud.live())
        return settled and self._external.quiet

    # The invariants.

    def _check(self) -> None:
        try:
            self._folded = LocalStore(self._path).read().folded
        except SmplanError as error:
            raise InvariantViolation("state and journal can be read", str(error)) from error
        before, self._mark = self._mark, _mark(self._folded)
        self._moment += before != self._mark
        invariants.check_world(self._folded, self._cloud, self._external.adopting)
        self._external.forget_adopted()
        changed = self._external.changed()
        if changed:
            raise InvariantViolation("resources of other owners are not changed", ", ".join(changed))


def _mark(folded: ReplayedState | None) -> object:
    return folded and (folded.state.serial, folded.digest())


def _failures(outcome: Outcome) -> str:
    return "; ".join(f"{address}: {type(error).__name__}" for address, error in outcome.failed)
