"""One step, carried out: what a worker does between a durable intent and a durable result. Looks first, then acts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from smplan.core import diff, ids
from smplan.core.events import StepProgress
from smplan.core.plan import Op, Step
from smplan.core.spec import Spec
from smplan.core.values import Json, encode
from smplan.drivers.base import Claim, Driver, Live, Owner, Progress
from smplan.engine.observe import Report
from smplan.engine.waits import Stop, Waiter
from smplan.engine.world import World
from smplan.errors import Conflict, LostAnswer, NotFound, NotOurs, Stale, TimedOut, Unreachable

LAG_SECONDS = 300
"""AWS may not know for a while what it just made (EC2 API reference, eventual consistency)."""


@dataclass(frozen=True, slots=True)
class Task:
    """A step ready to go: its spec complete, and what an earlier run left of it."""

    step: Step
    spec: Any
    """The complete spec, of the kind's own type; None for what goes."""
    made: str = ""
    """The id that an earlier run journalled for it."""
    begun: bool = False
    """Whether an earlier run had begun it, so that what is found may be its doing."""


@dataclass(frozen=True, slots=True)
class Result:
    """What came of it: the id, and what the thing makes known."""

    id: str
    outputs: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True)
class Carrier:
    """Carries out tasks. ``made`` is told the id of a new thing at once; ``check`` raises when the lock is lost."""

    world: World
    lineage: str
    plan_id: str
    report: Report
    stop: Stop
    check: Callable[[], None]
    made: Callable[[Step, str], None]

    def carry(self, task: Task) -> Result:
        """Do it to the end. Raises the SmplanError that says why not."""
        driver, step = self.world.driver(task.step.kind), task.step
        if step.op is Op.FORGET:
            return Result(step.target)
        if driver.in_state_only:
            return self._remember(driver, task)
        if step.op is Op.DELETE:
            return self._delete(driver, step)
        if step.op is Op.GATE:
            return self._pass(driver, task)
        if step.op is Op.UPDATE:
            return self._update(driver, task)
        return self._make(driver, task)

    def _remember(self, driver: Driver[Any], task: Task) -> Result:
        if task.step.op is Op.DELETE:
            return Result(task.step.target)
        id = task.step.target or task.step.address
        if task.step.op in (Op.CREATE, Op.REPLACE):
            self.made(task.step, id)
        return Result(id, encode(driver.derive(task.spec)))

    def _pass(self, driver: Driver[Any], task: Task) -> Result:
        self._settle(driver, task.step, task.step.address, task.spec)
        return Result(task.step.address)

    def _make(self, driver: Driver[Any], task: Task) -> Result:
        step, spec = task.step, task.spec
        id = task.made or step.target or self._find_or_create(driver, task)
        if not task.made:
            self.made(step, id)
        self.check()
        driver.configure(id, spec)
        if step.op is Op.ADOPT:
            self._bring_up_to_date(driver, step, self._read(driver, step, id), spec)
        self._settle(driver, step, id, spec)
        return Result(id, self._read(driver, step, id).outputs)

    def _find_or_create(self, driver: Driver[Any], task: Task) -> str:
        """Look, then act, then look again if nobody can tell whether the act was done."""
        found = driver.find(task.spec)
        if found is not None:
            return self._taken_up(driver, task, found, ours_perhaps=task.begun)
        self.check()
        try:
            return driver.create(task.spec, self._claim(task.step))
        except (LostAnswer, Conflict) as error:
            found = driver.find(task.spec)
            if found is None:
                raise
            return self._taken_up(driver, task, found, ours_perhaps=isinstance(error, LostAnswer) or task.begun)

    def _claim(self, step: Step) -> Claim:
        token = ids.digest([self.lineage, step.address, step.op, self.plan_id])
        return Claim(Owner(self.lineage, step.address), token)

    def _taken_up(self, driver: Driver[Any], task: Task, found: Live[Any], *, ours_perhaps: bool) -> str:
        """The id of what was found, if it may be taken as the thing this step makes. Raises NotOurs."""
        step = task.step
        if found.owner == Owner(self.lineage, step.address) or step.adopt:
            return found.id
        equal = not any(change.replaces for change in diff.diff(task.spec, found.spec))
        if not driver.taggable and ours_perhaps and equal:
            return found.id
        owner = (
            f"it belongs to {found.owner.address} of state {found.owner.lineage}" if found.owner else "it is not ours"
        )
        hint = "rename it, or write `lifecycle: {adopt: true}` to take it over; then plan again"
        raise NotOurs(f"{driver.kind} {found.id} exists already and {owner}", hint=hint, address=step.address)

    def _update(self, driver: Driver[Any], task: Task) -> Result:
        step, spec = task.step, task.spec
        live = driver.read_many([step.target]).get(step.target)
        if live is None:
            raise NotFound(f"{driver.kind} {step.target} is gone", hint="plan again", address=step.address)
        if not task.begun:
            self._expect(step, live)
        if step.changes:
            self._bring_up_to_date(driver, step, live, spec)
        self._settle(driver, step, step.target, spec)
        return Result(step.target, self._read(driver, step, step.target).outputs)

    def _expect(self, step: Step, live: Live[Any]) -> None:
        """Raise Stale unless ``live`` is what the plan was made from."""
        if step.precondition and diff.fingerprint(live.spec) != step.precondition:
            raise stale(step, live.spec)

    def _bring_up_to_date(self, driver: Driver[Any], step: Step, live: Live[Any], spec: Any) -> None:
        self.check()
        try:
            driver.update(live, spec)
        except LostAnswer:
            live = self._read(driver, step, live.id)
            self.check()
            driver.update(live, spec)

    def _delete(self, driver: Driver[Any], step: Step) -> Result:
        live = driver.read_many([step.target]).get(step.target)
        if live is None:
            return Result(step.target)
        waiter = self._waiter(step, driver.patience_seconds)
        waiter.follow(lambda: self._checked(driver.drain(live)))

        def delete() -> None:
            self.check()
            try:
                driver.delete(step.target)
            except LostAnswer:
                self.check()
                driver.delete(step.target)

        waiter.until_free(delete, f"{driver.kind} {step.target} to be let go")
        waiter.follow(lambda: driver.vanish(step.target))
        return Result(step.target)

    def _checked(self, draining: Iterator[Progress]) -> Iterator[Progress]:
        """``draining``, with a look at the lock before each of its moves: they may ask AWS for something."""
        self.check()
        for progress in draining:
            yield progress
            self.check()

    def _settle(self, driver: Driver[Any], step: Step, id: str, spec: Any) -> None:
        waiter = self._waiter(step, driver.patience(spec))
        try:
            waiter.follow(lambda: driver.settle(id, spec))
        except TimedOut as error:
            why = _likely(driver, spec)
            raise TimedOut(f"{error.message}{why}", hint=_GO_ON, address=step.address) from None

    def _read(self, driver: Driver[Any], step: Step, id: str) -> Live[Any]:
        """The thing as it is; waits while AWS does not know yet what it just made."""
        waiter = self._waiter(step, LAG_SECONDS)
        found: list[Live[Any]] = []

        def look() -> Any:
            while not found:
                live = driver.read_many([id]).get(id)
                if live is not None:
                    found.append(live)
                else:
                    yield Progress(f"{driver.kind} {id} to appear")

        waiter.follow(look)
        return found[0]

    def _waiter(self, step: Step, patience: float) -> Waiter:
        def tell(progress: Progress, waited: float) -> None:
            said, fraction = progress.said, progress.fraction
            self.report(StepProgress(step.id, step.address, progress.waiting_for, said, fraction, waited))

        return Waiter(self.stop, patience, tell)


_GO_ON = "mend the cause, then run `smplan apply` again: it goes on from here"


def _likely(driver: Driver[Any], spec: Any) -> str:
    try:
        why = driver.explain(spec)
    except Unreachable as error:
        why = error.message
    return f". {why}" if why else ""


def stale(step: Step, live: Spec) -> Stale:
    """The error for something that is not any more what the plan was made from."""
    now = encode(diff.relied_on(live))
    before = {name: value for name, value in (step.before or {}).items() if name in now}
    changed = [".".join(path) for path, _, _ in diff.leaves(before, now)]
    what = f"{', '.join(changed)} changed" if changed else "it changed"
    return Stale(
        f"{step.address} ({step.target}): {what} since the plan was made", hint="plan again", address=step.address
    )
