"""One step, carried out: what a worker does between a durable intent and a durable result. Looks first, then acts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from smplan.core import diff
from smplan.core.events import StepProgress
from smplan.core.plan.model import Op, Step
from smplan.core.spec import Spec
from smplan.core.values import Json, encode
from smplan.drivers.base import Claim, Driver, Live, Owner, Progress
from smplan.engine.providers import Providers
from smplan.engine.refresh import Report
from smplan.engine.waiter import CancelToken, Waiter
from smplan.errors import Conflict, LostAnswer, NotFound, NotOurs, Stale, TimedOut, Unreachable

READ_AFTER_WRITE_TIMEOUT = 300
"""AWS may not know for a while what it just made (EC2 API reference, eventual consistency)."""


MAX_CREATE_ATTEMPTS = 2
"""How often a create is sent at the most: again only when looking has shown that the first one did nothing. Should it
have been done all the same, its name is taken, and the second one is refused."""
LOST_RESPONSE_BACKOFF = (0.5, 1.0, 2.0)
"""Seconds between looks for what a create without an answer may have made."""


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
    token: str = ""
    """What makes the request that makes something idempotent; it was journalled with the intent."""


@dataclass(frozen=True, slots=True)
class Result:
    """What came of it: the id, and what the thing makes known."""

    id: str
    outputs: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True)
class Carrier:
    """Carries out tasks. ``made`` is told the id of a new thing at once; ``check`` raises when the lock is lost."""

    world: Providers
    lineage: str
    report: Report
    stop: CancelToken
    check: Callable[[], None]
    made: Callable[[Step, str], None]

    def carry(self, task: Task) -> Result:
        """Do it to the end. Raises the SmplanError that says why not."""
        driver, step = self.world.driver(task.step.kind), task.step
        if step.op is Op.FORGET:
            return Result(step.physical_id)
        if driver.virtual:
            return self._remember(driver, task)
        if step.op is Op.DELETE:
            return self._delete(driver, step)
        if step.op is Op.GATE:
            return self._pass(driver, task)
        if step.op is Op.UPDATE:
            return self._update(driver, task)
        return self._make(driver, task)

    def looks_first(self, task: Task) -> bool:
        """Whether ``look`` comes before its intent: the thing can bear no tag, and nobody has begun it."""
        facts = self.world.kind(task.step.kind)
        nameless = not facts.taggable and not facts.virtual
        return nameless and task.step.op in (Op.CREATE, Op.REPLACE) and not task.begun and not task.made

    def look(self, task: Task) -> None:
        """Make sure that somebody else's does not stand where it is to be made: NotOurs.

        Once an intent says that we began, what is found there and equal counts as ours; so it must not be there before.
        """
        driver = self.world.driver(task.step.kind)
        found = driver.find(task.spec)
        if found is not None:
            self._taken_up(driver, task, found, ours_perhaps=False)

    def _remember(self, driver: Driver[Any], task: Task) -> Result:
        if task.step.op is Op.DELETE:
            return Result(task.step.physical_id)
        id = task.step.physical_id or task.step.address
        if task.step.op in (Op.CREATE, Op.REPLACE):
            self.made(task.step, id)
        return Result(id, encode(driver.compute_outputs(task.spec)))

    def _pass(self, driver: Driver[Any], task: Task) -> Result:
        self._settle(driver, task.step, task.step.address, task.spec)
        return Result(task.step.address)

    def _make(self, driver: Driver[Any], task: Task) -> Result:
        step, spec = task.step, task.spec
        id, anew = task.made or step.physical_id, False
        if not id:
            id, anew = self._find_or_create(driver, task)
        if not task.made:
            self.made(step, id)
        self.check()
        self._again_if_lost(lambda: driver.configure(id, spec))
        if not anew:
            self._catch_up(driver, step, self._read(driver, step, id), spec)
        self._settle(driver, step, id, spec)
        return Result(id, self._read(driver, step, id).outputs)

    def _find_or_create(self, driver: Driver[Any], task: Task) -> tuple[str, bool]:
        """The id, and whether it was made just now. Looks, then acts; an act without an answer is looked for first."""
        found, ours_perhaps, sent = driver.find(task.spec), task.begun, 0
        while found is None:
            self.check()
            sent += 1
            try:
                return driver.create(task.spec, self._claim(task)), True
            except LostAnswer:
                found, ours_perhaps = self._appeared(driver, task.spec), True
                if found is None and sent == MAX_CREATE_ATTEMPTS:
                    raise
            except Conflict:
                found = driver.find(task.spec)
                if found is None:
                    raise
        return self._taken_up(driver, task, found, ours_perhaps=ours_perhaps), False

    def _appeared(self, driver: Driver[Any], spec: Any) -> Live[Any] | None:
        """What a create without an answer made, if it made anything: AWS may take a moment to show it."""
        for pause in LOST_RESPONSE_BACKOFF:
            found = driver.find(spec)
            if found is not None:
                return found
            self.stop.wait(pause)
        return driver.find(spec)

    def _claim(self, task: Task) -> Claim:
        return Claim(Owner(self.lineage, task.step.address), task.token)

    def _taken_up(self, driver: Driver[Any], task: Task, found: Live[Any], *, ours_perhaps: bool) -> str:
        """The id of what was found, if it may be taken as the thing this step makes. Raises NotOurs."""
        step = task.step
        fixed = [change.path for change in diff.diff(task.spec, found.spec) if change.replaces]
        ours = found.owner == Owner(self.lineage, step.address)
        if not fixed and (ours or step.adopt or (not driver.taggable and ours_perhaps)):
            return found.id
        if ours:
            told = f"{driver.kind} {found.id} was made by an earlier run, with another {', '.join(fixed)}"
            raise Conflict(told, hint="plan again: it goes first, then", address=step.address)
        owner = (
            f"it belongs to {found.owner.address} of state {found.owner.lineage}" if found.owner else "it is not ours"
        )
        hint = "rename it, or write `lifecycle: {adopt: true}` to take it over; then plan again"
        raise NotOurs(f"{driver.kind} {found.id} exists already and {owner}", hint=hint, address=step.address)

    def _update(self, driver: Driver[Any], task: Task) -> Result:
        step, spec = task.step, task.spec
        live = driver.read_many([step.physical_id]).get(step.physical_id)
        if live is None:
            raise NotFound(f"{driver.kind} {step.physical_id} is gone", hint="plan again", address=step.address)
        if not task.begun:
            self._expect(step, live)
        if step.changes:
            self._bring_up_to_date(driver, step, live, spec)
        self._settle(driver, step, step.physical_id, spec)
        return Result(step.physical_id, self._read(driver, step, step.physical_id).outputs)

    def _expect(self, step: Step, live: Live[Any]) -> None:
        """Raise Stale unless ``live`` is what the plan was made from."""
        if step.precondition and diff.fingerprint(live.spec) != step.precondition:
            raise stale(step, live.spec)

    def _catch_up(self, driver: Driver[Any], step: Step, live: Live[Any], spec: Any) -> None:
        """Change what can be changed of a thing that was not made just now, if it differs: some kinds have no such.

        What cannot be read back may be of an older plan, so it counts as different.
        """
        if any(not change.replaces for change in diff.diff(spec, live.spec, applied={})):
            self._bring_up_to_date(driver, step, live, spec)

    def _bring_up_to_date(self, driver: Driver[Any], step: Step, live: Live[Any], spec: Any) -> None:
        self.check()
        try:
            driver.update(live, spec)
        except LostAnswer:
            live = self._read(driver, step, live.id)
            self.check()
            driver.update(live, spec)

    def _delete(self, driver: Driver[Any], step: Step) -> Result:
        live = driver.read_many([step.physical_id]).get(step.physical_id)
        if live is None:
            return Result(step.physical_id)
        waiter = self._waiter(step, driver.timeout_seconds)
        waiter.wait(lambda: self._checked(driver.drain(live)))

        def delete() -> None:
            self.check()
            self._again_if_lost(lambda: driver.delete(step.physical_id))

        waiter.retry_while_in_use(delete, f"{driver.kind} {step.physical_id} to be let go")
        waiter.wait(lambda: driver.wait_deleted(step.physical_id))
        return Result(step.physical_id)

    def _checked(self, draining: Iterator[Progress]) -> Iterator[Progress]:
        """``draining``, with a look at the lock before each of its moves: they may ask AWS for something."""
        self.check()
        for progress in draining:
            yield progress
            self.check()

    def _again_if_lost(self, act: Callable[[], None]) -> None:
        """Do what may be done twice, and once more if nobody knows whether it was done."""
        try:
            act()
        except LostAnswer:
            self.check()
            act()

    def _settle(self, driver: Driver[Any], step: Step, id: str, spec: Any) -> None:
        waiter = self._waiter(step, driver.timeout(spec))
        try:
            waiter.wait(lambda: driver.wait_ready(id, spec))
        except TimedOut as error:
            why = _likely(driver, spec)
            raise TimedOut(f"{error.message}{why}", hint=_GO_ON, address=step.address) from None

    def _read(self, driver: Driver[Any], step: Step, id: str) -> Live[Any]:
        """The thing as it is; waits while AWS does not know yet what it just made."""
        waiter = self._waiter(step, READ_AFTER_WRITE_TIMEOUT)
        found: list[Live[Any]] = []

        def look() -> Any:
            while not found:
                live = driver.read_many([id]).get(id)
                if live is not None:
                    found.append(live)
                else:
                    yield Progress(f"{driver.kind} {id} to appear")

        waiter.wait(look)
        return found[0]

    def _waiter(self, step: Step, patience: float) -> Waiter:
        def tell(progress: Progress, waited: float) -> None:
            said, fraction = progress.said, progress.fraction
            self.report(StepProgress(step.id, step.address, progress.waiting_for, said, fraction, waited))

        return Waiter(self.stop, patience, tell)


_GO_ON = "mend the cause, then run `smplan apply` again: it goes on from here"


def _likely(driver: Driver[Any], spec: Any) -> str:
    try:
        why = driver.diagnose_timeout(spec)
    except Unreachable as error:
        why = error.message
    return f". {why}" if why else ""


def stale(step: Step, live: Spec) -> Stale:
    """The error for something that is not any more what the plan was made from."""
    now = encode(diff.comparable_fields(live))
    before = {name: value for name, value in (step.before or {}).items() if name in now}
    changed = [".".join(path) for path, _, _ in diff.changed_paths(before, now)]
    what = f"{', '.join(changed)} changed" if changed else "it changed"
    return Stale(
        f"{step.address} ({step.physical_id}): {what} since the plan was made", hint="plan again", address=step.address
    )
