"""Checks before anything is changed: account, clock and credentials, and whether the plan still fits what exists."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from smplan.core import diff
from smplan.core.clock_skew import FIX_CLOCK_HINT, MAX_SECONDS, WARN_SECONDS
from smplan.core.events import ClockSkewed
from smplan.core.plan import consistency
from smplan.core.plan.duration import critical_path_seconds
from smplan.core.plan.existing import owner_of
from smplan.core.plan.model import Op, Plan, Step
from smplan.core.plan.observed import ObservedResource
from smplan.core.plan.targets import target_problems
from smplan.core.state.journal import ReplayedState
from smplan.core.state.model import ResourceState, State
from smplan.core.values import encode
from smplan.drivers.base import Live
from smplan.engine import refresh
from smplan.engine.providers import Providers
from smplan.engine.refresh import Report
from smplan.errors import Denied, Expired, GuardRefused, NotOurs, Stale, Untrusted

PLAN_TTL = timedelta(days=7)
"""How long a plan may be applied after it was made."""
MAX_AHEAD = timedelta(minutes=5)
"""How far the clock that a plan was made by may be ahead of this one."""
MAX_PROBLEMS = 20
"""Contradictions of a plan that are shown."""
PLAN_AGAIN = "make a new plan with `smplan plan`"


def check_document(plan: Plan, providers: Providers, now: datetime) -> None:
    """Check what the plan alone shows, before any request.

    Raises Stale for one that is too old or of another version's kinds, and Untrusted for one that contradicts itself.
    """
    _check_times(plan, now)
    for step in plan.steps:
        try:
            providers.kind(step.kind)
        except KeyError:
            hint = f"apply with smplan {plan.smplan_version}"
            raise Stale(f"this smplan has no kind {step.kind}", hint=hint) from None
    _refuse(consistency.problems(plan, providers.kind))


def _check_times(plan: Plan, now: datetime) -> None:
    try:
        created, expires = datetime.fromisoformat(plan.created), datetime.fromisoformat(plan.expires)
        lasts = expires - created
        expired = now > expires
    except (ValueError, TypeError):
        raise Untrusted("the plan has no times that smplan writes", hint=PLAN_AGAIN) from None
    if expired:
        raise Stale(f"the plan expired at {plan.expires}", hint=PLAN_AGAIN)
    if lasts > PLAN_TTL or created > now + MAX_AHEAD:
        raise Untrusted(f"the plan was made at {plan.created} and expires at {plan.expires}", hint=PLAN_AGAIN)


def check_targets(plan: Plan, replayed: ReplayedState, providers: Providers) -> None:
    """Check what the plan does to the state, unless a run has begun it. Raises Untrusted."""
    if replayed.run is None:
        _refuse(target_problems(plan, replayed, providers.kind))


def _refuse(problems: Iterable[str]) -> None:
    found = list(islice(problems, MAX_PROBLEMS))
    if found:
        raise Untrusted("smplan has not made this plan:\n" + "\n".join(found), hint=PLAN_AGAIN)


def account(providers: Providers, report: Report) -> str:
    """The account of the credentials: the first request to AWS, whose response shows how far off this clock is.

    A clock a minute off is reported. Raises GuardRefused for one that is four minutes off, even if AWS has refused the
    request already; else Denied, Expired and so on as AWS responds.
    """
    try:
        found = providers.aws.account
    except (Denied, Expired):
        _check_clock(providers, report)
        raise
    _check_clock(providers, report)
    return found


def _check_clock(providers: Providers, report: Report) -> None:
    ahead = providers.aws.skew_seconds or 0.0
    if abs(ahead) > MAX_SECONDS:
        way = "ahead of" if ahead > 0 else "behind"
        raise GuardRefused(
            f"this machine's clock is {abs(ahead):.0f} seconds {way} AWS's, which refuses requests that are 300 off",
            hint=FIX_CLOCK_HINT,
        )
    if abs(ahead) > WARN_SECONDS:
        report(ClockSkewed(ahead))


def check_credentials(plan: Plan, done: Collection[str], providers: Providers, now: datetime) -> None:
    """Raise GuardRefused if the credentials expire before the steps that are not ``done`` are expected to be."""
    end = providers.aws.credentials_expire_at if plan.account else None
    if end is None:
        return
    left, needed = (end - now).total_seconds(), critical_path_seconds(plan.steps, done)
    if left < needed:
        raise GuardRefused(
            f"the credentials expire at {end:%H:%M:%S %Z}, in {_minutes(left)}, "
            f"and the plan is expected to take {_minutes(needed)}",
            hint="renew them (such as with `aws sso login` or `aws sts assume-role`), then run the same command again",
        )


def _minutes(seconds: float) -> str:
    return f"{max(seconds, 0) / 60:.1f} min"


def already_completed(plan: Plan, replayed: ReplayedState | None) -> bool:
    """Whether an earlier run completed this very plan, and ended before the state was saved."""
    began = replayed.completed_but_unsaved if replayed else None
    return began is not None and (began.plan_id, began.plan_digest) == (plan.id, plan.digest)


def check_base(plan: Plan, replayed: ReplayedState | None) -> ReplayedState:
    """The state to apply to; its ``run`` is an earlier run of this plan to resume, or None. Raises Stale."""
    if replayed is None:
        if plan.base.exists:
            raise Stale("the state that the plan was made from is gone", hint=PLAN_AGAIN)
        return ReplayedState(State(plan.name, plan.base.lineage, 0, {}))
    run = replayed.run
    if run is not None and run.plan_id == plan.id:
        if run.plan_digest != plan.digest:
            raise Stale("a plan of this id was begun with other content", hint=PLAN_AGAIN)
        return replayed
    if plan.id in replayed.state.used_plans:
        raise Stale("this plan was applied already, to its end", hint=PLAN_AGAIN)
    _check_state(plan, replayed)
    return replace(replayed, run=None)


def _check_state(plan: Plan, replayed: ReplayedState) -> None:
    base, state = plan.base, replayed.state
    if state.lineage != base.lineage:
        raise Stale(f"the plan is for the state {base.lineage}, and this one is {state.lineage}", hint=PLAN_AGAIN)
    if not base.exists and not state.resources and not state.used_plans:
        return  # this plan's own first apply died after it had saved the empty state, and before it began
    if not base.exists or (state.serial, replayed.digest()) != (base.serial, base.digest):
        before = f"serial {base.serial}" if base.exists else "no state"
        message = f"the state has changed since the plan was made: {before} then, serial {state.serial} now"
        raise Stale(message + _describe_state_change(plan, state), hint=PLAN_AGAIN)


def _describe_state_change(plan: Plan, state: State) -> str:
    """Up to ten addresses each that the state has and the plan did not expect, and the other way round."""
    planned, idle = {step.address for step in plan.steps}, {*plan.unchanged, *plan.unreadable, *plan.stopped}
    existed = {step.address for step in plan.steps if step.physical_id} | idle
    created = {step.address for step in plan.steps if step.op in (Op.CREATE, Op.GATE)}
    found = {
        "new": state.resources.keys() - planned - idle,
        "created since": state.resources.keys() & created,
        "gone": existed - state.resources.keys(),
    }
    parts = [f"{what}: {', '.join(sorted(addresses)[:10])}" for what, addresses in found.items() if addresses]
    parts += (f"the last plan applied is {plan_id}" for plan_id in state.used_plans[-1:])
    return "".join(f"; {part}" for part in parts)


def check_account_and_region(plan: Plan, providers: Providers, report: Report) -> None:
    """Raise GuardRefused for another account or region than planned, or a wrong clock."""
    actual = account(providers, report) if plan.account else ""
    if plan.account != actual:
        raise GuardRefused(
            f"the plan is for account {plan.account}, and the credentials are of account {actual}",
            hint="use credentials of the right account (AWS_PROFILE)",
        )
    if plan.region and plan.region != providers.aws.region:
        message = f"the plan is for region {plan.region}, and this is {providers.aws.region}"
        raise GuardRefused(message, hint="set AWS_REGION")


def check_resources(plan: Plan, replayed: ReplayedState, providers: Providers, report: Report) -> None:
    """Read again the resources that the plan relies on, except those of steps that were begun already.

    Raises Stale naming every attribute that has changed, GuardRefused naming what cannot be read now, NotOurs naming
    what belongs to nobody or to another state and may not be taken.
    """
    begun = replayed.run.done | replayed.run.open.keys() if replayed.run else frozenset()
    steps = [step for step in plan.steps if step.precondition and step.physical_id and step.id not in begun]
    records = (ResourceState(step.id, step.kind, step.physical_id, {}, {}) for step in steps)
    observed = refresh.read_resources(records, providers, report)
    unreadable = [step for step in steps if step.id in observed.unreadable]
    if unreadable:
        message = "\n".join(f"{step.address} cannot be read now: {observed.unreadable[step.id]}" for step in unreadable)
        raise GuardRefused(message, hint="run the same command again when it can be read")
    found = {step.id: observed.resources.get(step.id) for step in steps}
    changes = [change for step in steps if (change := describe_change(step, found[step.id], under_way=bool(begun)))]
    if changes:
        raise Stale("\n".join(changes), hint=PLAN_AGAIN)
    _check_owners(steps, found, replayed, providers)


def _check_owners(
    steps: Iterable[Step], found: Mapping[str, ObservedResource | None], replayed: ReplayedState, providers: Providers
) -> None:
    recorded, foreign = {(each.kind, each.id) for each in replayed.state.resources.values()}, []
    for step in steps:
        live, key = found[step.id], (step.kind, step.physical_id)
        if live is None or key in recorded or not providers.kind(step.kind).taggable:
            continue
        if not _may_take(step, live.owner, replayed.state.lineage):
            foreign.append(f"{step.address}: {step.kind} {step.physical_id} may not be taken: {owner_of(live)}")
    if foreign:
        raise NotOurs("\n".join(foreign), hint=PLAN_AGAIN)


def _may_take(step: Step, owner: tuple[str, str] | None, lineage: str) -> bool:
    """Whether a step may adopt or delete what the state does not have: it is ours, or the blueprint says so."""
    if owner is not None and owner[0] == lineage:
        return True
    if step.op is Op.ADOPT and step.adopt is not None:
        return step.adopt.keep or step.adopt.may_adopt(owner, lineage)
    return not step.pending_key  # an older generation is judged by the step itself


def describe_change(step: Step, live: ObservedResource | Live[Any] | None, *, under_way: bool) -> str:
    """How ``live`` differs from what the plan was made from, by attribute; empty if nothing is amiss.

    Once the plan is ``under_way``, an attribute that waits for another step's result may differ: the deletion of a
    scaling policy, for one, removes it from the actions of its alarm.
    """
    if live is None:
        return "" if step.op is Op.DELETE else f"{step.address} ({step.physical_id}) is gone since the plan was made"
    if not step.precondition or diff.fingerprint(live.spec) == step.precondition:
        return ""
    now = encode(diff.comparable_fields(live.spec))
    before = {name: value for name, value in (step.before or {}).items() if name in now}
    paths = [path for path, _, _ in diff.changed_paths(before, now)]
    awaited = {diff.parse_path(path)[0] for path in step.known_after_apply} if under_way else set()
    if paths and all(path and path[0] in awaited for path in paths):
        return ""
    changed = ", ".join(".".join(path) for path in paths)
    return f"{step.address} ({step.physical_id}): {changed or 'it'} changed since the plan was made"
