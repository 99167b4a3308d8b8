"""Operations: what a worker does for each op, between a durable intent and a durable result.

A request whose response was lost is sent again only if that is harmless, or after reading what it did.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from math import inf
from time import monotonic
from typing import Any

from smplan.core import diff
from smplan.core.events import StepProgress
from smplan.core.plan.model import Op, Step
from smplan.core.state.journal import ResourceCreated
from smplan.core.values import Json, encode
from smplan.drivers.base import Claim, Driver, Live, Owner, Progress
from smplan.drivers.inventory import Inventory, names_of
from smplan.engine.preconditions import PLAN_AGAIN, describe_change
from smplan.engine.prepare import PreparedStep
from smplan.engine.refresh import Report
from smplan.engine.runtime import ResultQueue, Runtime
from smplan.engine.waiter import CancelToken, Waiter
from smplan.errors import Conflict, DriverError, LostAnswer, NotFound, NotOurs, Stale, TimedOut

READ_AFTER_WRITE_TIMEOUT = 300
"""Seconds until a new resource must show in reads (EC2 API reference, eventual consistency)."""
MAX_CREATE_ATTEMPTS = 2
"""A create is sent again only if nothing was found after its response was lost. Should the first one have worked all
the same, its name is taken, and the second one is refused."""
_FIX_AND_RESUME = "fix the cause, then run `smplan apply` again to resume"
LOST_RESPONSE_BACKOFF = (0.5, 1.0, 2.0)
"""Seconds between reads for what a create whose response was lost may have created."""


@dataclass(frozen=True, slots=True)
class Result:
    """What an operation leaves: an id and outputs."""

    id: str
    outputs: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True)
class RunContext:
    """What the operations of one run share. ``check_lock`` raises Locked once the lock is lost."""

    lineage: str
    report: Report
    stop: CancelToken
    check_lock: Callable[[], None]
    runtime: Runtime
    results: ResultQueue[Any]
    inventory: Inventory = field(default_factory=Inventory)
    done_at: dict[str, float] = field(default_factory=dict)
    """Step to when it was done, by ``clock``."""
    not_before: dict[str, float] = field(default_factory=dict)
    """Step to the time before which it must not begin, by ``clock``."""
    clock: Callable[[], float] = monotonic
    """Seconds as they pass where AWS is."""

    def created(self, step: Step, id: str) -> None:
        """Have the id of a new resource journaled before the step goes on to its end."""
        self.results.put(ResourceCreated(step.id, id))
        self.inventory.add(step.address, [id], new=True)

    def waiter(self, step: Step, timeout: float) -> Waiter:
        """A wait of ``step`` that reports its progress."""

        def on_progress(at: Progress, elapsed: float) -> None:
            self.report(StepProgress(step.id, step.address, at.waiting_for, at.status, at.fraction, elapsed))

        return Waiter(self.stop, timeout, on_progress)


def apply_step(run: RunContext, prepared: PreparedStep) -> Result:
    """Apply a step to its end. Raises the SmplanError that says why it failed."""
    op = prepared.step.op
    _wait_after(run, prepared.step)
    if prepared.driver.virtual and op not in (Op.FORGET, Op.MOVE):
        return _apply_virtual(run, prepared)
    return _OPERATIONS[op](run, prepared)


def _wait_after(run: RunContext, step: Step) -> None:
    """Wait until as much time has passed since other steps as the plan says: all of it if it is not known."""
    for dependency in step.depends_on:
        if dependency.seconds:
            since = run.done_at.setdefault(dependency.step, run.clock())
            end = since + dependency.seconds
            what = f"{dependency.seconds:g} s to pass after {dependency.step}"
            run.waiter(step, inf).wait(partial(_until, run, end, what))
    if step.id in run.not_before:
        run.waiter(step, inf).wait(partial(_until, run, run.not_before[step.id], "clients to use it no longer"))


def _until(run: RunContext, end: float, what: str) -> Iterator[Progress]:
    while (left := end - run.clock()) > 0:
        yield Progress(what, f"{left:.0f} s left")


def forget(_run: RunContext, prepared: PreparedStep) -> Result:
    """Nothing: only the record goes."""
    return Result(prepared.step.physical_id)


def move(run: RunContext, prepared: PreparedStep) -> Result:
    """Write the new address into the ownership tags; the record moves when the result is journaled.

    The tags of another state stay, and what is shared gets none. The id of what is in the state only is its address.
    """
    step, driver, id = prepared.step, prepared.driver, prepared.step.physical_id
    if driver.virtual or driver.gate:
        return Result(step.address, step.resource.outputs)
    live = driver.read_many([id]).get(id) if driver.taggable else None
    if live and (live.owner.lineage == run.lineage if live.owner else not step.resource.keep):
        with suppress(NotFound):  # the next step creates it again
            _claim(run, prepared, id)
    return Result(id, step.resource.outputs)


def restore(run: RunContext, prepared: PreparedStep) -> Result:
    """Nothing is sent: an older generation that is as it was planned becomes the current one once that is journaled."""
    return Result(prepared.step.physical_id, _read_unchanged(run, prepared).outputs)


def create(run: RunContext, prepared: PreparedStep) -> Result:
    """Create the resource, unless an earlier run did, and complete it."""
    id, is_new = prepared.created_id, False
    if not id:
        id, is_new = _find_or_create(run, prepared)
        run.created(prepared.step, id)
    return _complete(run, prepared, id, is_new=is_new)


def adopt(run: RunContext, prepared: PreparedStep) -> Result:
    """Take over what exists, and complete it."""
    id, lifecycle = prepared.step.physical_id, prepared.step.adopt
    if not prepared.created_id:
        run.created(prepared.step, id)
    if not (lifecycle and lifecycle.keep):
        _claim(run, prepared, id)
    return _complete(run, prepared, id, is_new=False)


def update(run: RunContext, prepared: PreparedStep) -> Result:
    """Change the resource in place. Raises NotFound, or Stale if it is not what the plan was made from."""
    live = _read_unchanged(run, prepared)
    if live.owner is None and not prepared.step.resource.keep:
        _claim(run, prepared, live.id)  # before a change that may fail: what is ours must show as such
    if prepared.step.changes:
        _send_update(run, prepared, live)
    _wait_ready(run, prepared, live.id)
    return Result(live.id, _read(run, prepared, live.id).outputs)


def _read_unchanged(run: RunContext, prepared: PreparedStep) -> Live[Any]:
    """The resource as the plan was made from it. Raises NotFound, NotOurs, or Stale if it is another by now."""
    step, driver, id = prepared.step, prepared.driver, prepared.step.physical_id
    live = driver.read_many([id]).get(id)
    if live is None:
        raise NotFound(f"{driver.kind} {id} is gone", hint=PLAN_AGAIN, address=step.address)
    _check_owner(run, prepared, live)
    if not prepared.begun and (change := describe_change(step, live, under_way=True)):
        raise Stale(change, hint=PLAN_AGAIN, address=step.address)
    return live


def delete(run: RunContext, prepared: PreparedStep) -> Result:
    """Drain and delete the resource, as soon as nothing uses it, and wait until it is gone."""
    driver, id = prepared.driver, prepared.step.physical_id
    live = driver.read_many([id]).get(id)
    if live is None:
        return Result(id)
    _check_owner(run, prepared, live)
    run.inventory.discard(names_of(id, "", live.outputs))
    waiter = run.waiter(prepared.step, driver.delete_timeout(live))
    try:
        waiter.wait(lambda: _with_lock_checks(run, driver.drain(live)))
        send = partial(_retry_once_if_lost, run, lambda: driver.delete(id))
        waiter.retry_while_in_use(send, f"{driver.kind} {id} to be released")
        waiter.wait(lambda: driver.wait_deleted(id))
    except TimedOut as error:
        hint = (
            "fix the cause, then run the same command again to resume; or plan again with "
            f"`--abandon {prepared.step.address}`"
        )
        raise TimedOut(error.message, hint=hint, address=prepared.step.address) from None
    return Result(id)


def unprotect(run: RunContext, prepared: PreparedStep) -> Result:
    """Remove what protects the resource, which the next step deletes."""
    driver, step = prepared.driver, prepared.step
    live = driver.read_many([step.physical_id]).get(step.physical_id)
    if live is not None:
        _check_owner(run, prepared, live)
        _retry_once_if_lost(run, lambda: driver.unprotect(step.physical_id))
    return Result(step.physical_id, step.resource.outputs)


def scale(run: RunContext, prepared: PreparedStep) -> Result:
    """Give a group another size, and wait until its instances are gone, drained, or in service and healthy."""
    step, driver, id = prepared.step, prepared.driver, prepared.step.physical_id
    live = _read_unchanged(run, prepared)
    _retry_once_if_lost(run, lambda: driver.scale(id, prepared.spec))
    waiter = run.waiter(step, driver.delete_timeout(live))
    try:
        waiter.wait(lambda: _with_lock_checks(run, driver.wait_scaled(id, prepared.spec)))
    except TimedOut as error:
        raise TimedOut(error.message, hint=_FIX_AND_RESUME, address=step.address) from None
    return Result(id, _read(run, prepared, id).outputs)


def wait_gate(run: RunContext, prepared: PreparedStep) -> Result:
    """Wait until the gate's condition holds, or until a resource that was stopped is ready again."""
    step = prepared.step
    if prepared.driver.gate:
        _wait_ready(run, prepared, step.address)
        return Result(step.address)
    live = _read_unchanged(run, prepared)
    _wait_ready(run, prepared, live.id)
    return Result(live.id, _read(run, prepared, live.id).outputs)


def needs_precheck(prepared: PreparedStep) -> bool:
    """Whether ``check_unowned`` must pass before the intent: the kind cannot be tagged, and no run has begun it."""
    untagged = not (prepared.driver.taggable or prepared.driver.virtual or prepared.begun or prepared.created_id)
    return untagged and prepared.step.op in (Op.CREATE, Op.REPLACE)


def check_unowned(run: RunContext, prepared: PreparedStep) -> None:
    """Raise NotOurs if the resource to create exists already.

    Once an intent is durable, an equal resource without tags counts as ours; so it must not exist before.
    """
    found = prepared.driver.find(prepared.spec)
    if found is not None:
        _adopt_found(run, prepared, found, maybe_ours=False)


def _claim(run: RunContext, prepared: PreparedStep, id: str) -> None:
    """Write the ownership tags, where the kind has tags."""
    driver = prepared.driver
    if driver.taggable and not driver.virtual and not driver.gate:
        _retry_once_if_lost(run, lambda: driver.set_owner(id, Owner(run.lineage, prepared.step.address)))


def _apply_virtual(run: RunContext, prepared: PreparedStep) -> Result:
    """There is only a record: compute its outputs."""
    step = prepared.step
    if step.op is Op.DELETE:
        return Result(step.physical_id)
    if step.op in (Op.CREATE, Op.REPLACE):
        run.results.put(ResourceCreated(step.id, step.address))
    return Result(step.physical_id or step.address, encode(prepared.driver.compute_outputs(prepared.spec)))


def _complete(run: RunContext, prepared: PreparedStep, id: str, *, is_new: bool) -> Result:
    """Configure a resource, update it where an earlier plan may have left it different, wait until it is ready."""
    _retry_once_if_lost(run, lambda: prepared.driver.configure(id, prepared.spec))
    if not is_new:
        live = _read(run, prepared, id)  # what cannot be read back may come from an older plan: it counts as different
        if any(not change.replaces for change in diff.diff(prepared.spec, live.spec, applied={})):
            _send_update(run, prepared, live)
    _wait_ready(run, prepared, id)
    live = _read(run, prepared, id)
    _check_owner(run, prepared, live)  # a create succeeds on what another state created a moment ago, for some kinds
    return Result(id, live.outputs)


def _find_or_create(run: RunContext, prepared: PreparedStep) -> tuple[str, bool]:
    """The id, and whether it was created just now."""
    driver, spec = prepared.driver, prepared.spec
    claim = Claim(Owner(run.lineage, prepared.step.address), prepared.intent.token)
    found, maybe_ours, attempts = driver.find(spec), prepared.begun, 0
    while found is None:
        run.check_lock()
        attempts += 1
        try:
            return driver.create(spec, claim), True
        except LostAnswer:
            found, maybe_ours = _find_after_lost_response(run, driver, spec), True
            if found is None and attempts == MAX_CREATE_ATTEMPTS:
                raise
        except Conflict:
            found = driver.find(spec)
            if found is None:
                raise
    return _adopt_found(run, prepared, found, maybe_ours=maybe_ours), False


def _find_after_lost_response(run: RunContext, driver: Driver[Any], spec: Any) -> Live[Any] | None:
    """What a create whose response was lost has created, if anything: it may take a moment to show."""
    for pause in LOST_RESPONSE_BACKOFF:
        found = driver.find(spec)
        if found is not None:
            return found
        run.stop.wait(pause)
    return driver.find(spec)


def _adopt_found(run: RunContext, prepared: PreparedStep, found: Live[Any], *, maybe_ours: bool) -> str:
    """The id of ``found``, if it may count as what this step creates. Raises NotOurs, or Conflict if ours differs."""
    step, driver, owner = prepared.step, prepared.driver, found.owner
    fixed = [change.path for change in diff.diff(prepared.spec, found.spec) if change.replaces]
    ours = owner == Owner(run.lineage, step.address)
    lifecycle, whom = step.adopt, (owner.lineage, owner.address) if owner else None
    allowed = lifecycle and (lifecycle.keep or lifecycle.may_adopt(whom, run.lineage))
    if not fixed and (ours or allowed or (not driver.taggable and maybe_ours)):
        if not ours and not (lifecycle and lifecycle.keep):
            _claim(run, prepared, found.id)
        return found.id
    if ours:
        message = f"an earlier run created {driver.kind} {found.id} with another {', '.join(fixed)}"
        raise Conflict(message, hint="run `smplan plan` again; the new plan deletes it first", address=step.address)
    whose = f"it belongs to {owner.address} of state {owner.lineage}" if owner else "no state owns it"
    hint = "rename it, or write `lifecycle: {adopt: true}` to take it over; then run `smplan plan` again"
    raise NotOurs(f"{driver.kind} {found.id} exists already and {whose}", hint=hint, address=step.address)


def _send_update(run: RunContext, prepared: PreparedStep, live: Live[Any]) -> None:
    run.check_lock()
    try:
        prepared.driver.update(live, prepared.spec)
    except LostAnswer:
        live = _read(run, prepared, live.id)
        run.check_lock()
        prepared.driver.update(live, prepared.spec)


def _check_owner(run: RunContext, prepared: PreparedStep, live: Live[Any]) -> None:
    """Raise NotOurs if another state has taken the resource over: a state or plan may name what it does not own."""
    if live.owner and live.owner.lineage != run.lineage and not prepared.step.resource.keep:
        message = f"{prepared.driver.kind} {live.id} belongs to {live.owner.address} of state {live.owner.lineage}"
        raise NotOurs(message, hint=PLAN_AGAIN, address=prepared.step.address)


def _with_lock_checks(run: RunContext, polls: Iterator[Progress]) -> Iterator[Progress]:
    """``polls``, the lock checked before each of them: they may send requests."""
    run.check_lock()
    for progress in polls:
        yield progress
        run.check_lock()


def _retry_once_if_lost(run: RunContext, send: Callable[[], None]) -> None:
    """Send an idempotent request, and once more if its response was lost, while the lock is held."""
    run.check_lock()
    try:
        send()
    except LostAnswer:
        run.check_lock()
        send()


def _wait_ready(run: RunContext, prepared: PreparedStep, id: str) -> None:
    driver, spec = prepared.driver, prepared.spec
    try:
        waiter = run.waiter(prepared.step, driver.timeout(spec))
        waiter.wait(lambda: _with_lock_checks(run, driver.wait_ready(id, spec)))
    except TimedOut as error:
        parts = [error.message, _probable_cause(driver, spec)]
        raise TimedOut(". ".join(filter(None, parts)), hint=_FIX_AND_RESUME, address=prepared.step.address) from None


def _probable_cause(driver: Driver[Any], spec: Any) -> str:
    try:
        return driver.diagnose_timeout(spec)
    except DriverError as error:
        return error.message


def _read(run: RunContext, prepared: PreparedStep, id: str) -> Live[Any]:
    """The resource as it is; waits for a new one to show."""
    found: dict[str, Live[Any]] = {}

    def polls() -> Iterator[Progress]:
        while not (live := prepared.driver.read_many([id])):
            yield Progress(f"{prepared.driver.kind} {id} to appear")
        found.update(live)

    run.waiter(prepared.step, READ_AFTER_WRITE_TIMEOUT).wait(polls)
    return found[id]


_OPERATIONS: Mapping[Op, Callable[[RunContext, PreparedStep], Result]] = {
    Op.CREATE: create,
    Op.UPDATE: update,
    Op.REPLACE: create,  # the replaced generation is deleted by a step of its own
    Op.DELETE: delete,
    Op.ADOPT: adopt,
    Op.FORGET: forget,
    Op.MOVE: move,
    Op.RESTORE: restore,
    Op.GATE: wait_gate,
    Op.UNPROTECT: unprotect,
    Op.SCALE: scale,
}
