"""Whether a plan still fits: the state it was made from, the account, and everything in reality that it relies on."""

from __future__ import annotations

from smplan.core import diff
from smplan.core.plan.model import Op, Plan, Step
from smplan.core.plan.observed import ObservedState
from smplan.core.state.journal import ReplayedState
from smplan.core.state.model import ResourceState, State
from smplan.engine import preflight, refresh
from smplan.engine.operations import stale
from smplan.engine.providers import Providers
from smplan.engine.refresh import Report
from smplan.errors import GuardRefused, Stale


def is_finished(plan: Plan, folded: ReplayedState | None) -> bool:
    """Whether an earlier run did all of this very plan, and ended before the state was saved."""
    began = folded.completed_but_unsaved if folded else None
    return began is not None and (began.plan_id, began.plan_digest) == (plan.id, plan.digest)


def check_base(plan: Plan, folded: ReplayedState | None) -> tuple[ReplayedState, bool]:
    """The state to build upon, and whether this goes on with an earlier run of the same plan. Raises Stale."""
    if folded is None:
        if plan.base.exists:
            raise Stale("the state that the plan was made from is gone", hint=_AGAIN)
        return ReplayedState(State(plan.name, plan.base.lineage, 0, {})), False
    run = folded.run
    if run is not None and run.plan_id == plan.id:
        if run.plan_digest != plan.digest:
            raise Stale("a plan of this id was begun with other content", hint=_AGAIN)
        return folded, True
    if plan.id in folded.state.used_plans:
        raise Stale("this plan was applied already, to its end", hint=_AGAIN)
    _check_state(plan, folded)
    return folded, False


_AGAIN = "make a new plan with `smplan plan`"


def _check_state(plan: Plan, folded: ReplayedState) -> None:
    base, state = plan.base, folded.state
    if state.lineage != base.lineage:
        raise Stale(f"the plan is for the state {base.lineage}, and this one is {state.lineage}", hint=_AGAIN)
    if not base.exists and not state.resources and not state.used_plans:
        return  # this plan's own first apply died after it had made the state, and before it began
    if not base.exists or (state.serial, folded.digest()) != (base.serial, base.digest):
        was = f"serial {base.serial}" if base.exists else "no state"
        told = f"the state has moved on since the plan was made: {was} then, serial {state.serial} now"
        raise Stale(told + _moved(plan, state), hint=_AGAIN)


def _moved(plan: Plan, state: State) -> str:
    """Which addresses the state holds now that the plan did not expect, and the other way round."""
    expected = {step.address: step.physical_id for step in plan.steps} | dict.fromkeys(plan.unchanged, "")
    new = sorted(set(state.resources) - set(expected))
    made = sorted(
        address
        for address in set(state.resources) & {step.address for step in plan.steps if step.op in (Op.CREATE, Op.GATE)}
    )
    gone = sorted(
        address
        for address in {*plan.unchanged, *(step.address for step in plan.steps if step.physical_id)}
        - set(state.resources)
    )
    told = [
        f"{word}: {', '.join(found[:10])}"
        for word, found in (("new", new), ("made since", made), ("gone", gone))
        if found
    ]
    last = f"the last plan applied is {state.used_plans[-1]}" if state.used_plans else ""
    return "".join(f"; {part}" for part in [*told, last] if part)


def check_place(plan: Plan, world: Providers, report: Report) -> None:
    """Raises GuardRefused for another account or region, or a clock that AWS would not accept; Stale for new kinds."""
    account = preflight.account(world, report) if plan.account else ""
    if plan.account != account:
        raise GuardRefused(
            f"the plan is for account {plan.account}, and the credentials are of account {account}",
            hint="use credentials of the right account (AWS_PROFILE)",
        )
    if plan.region and plan.region != world.aws.region:
        raise GuardRefused(
            f"the plan is for region {plan.region}, and this is {world.aws.region}", hint="set AWS_REGION"
        )
    for step in plan.steps:
        try:
            world.kind(step.kind)
        except KeyError:
            raise Stale(
                f"this smplan has no kind {step.kind}", hint=f"apply with smplan {plan.smplan_version}"
            ) from None


def check_reality(plan: Plan, folded: ReplayedState, world: Providers, report: Report) -> None:
    """Read again what the plan relies on.

    Raises Stale naming every attribute that is not as it was, GuardRefused naming what cannot be read now.
    """
    begun = folded.run.done | set(folded.run.open) if folded.run and folded.run.plan_id == plan.id else frozenset()
    relied = [step for step in plan.steps if step.precondition and step.physical_id and step.id not in begun]
    reality = refresh.read_resources((_entry_of(step) for step in relied), world, report)
    hidden = [
        f"{step.address} cannot be read now: {reality.unreadable[step.id]}"
        for step in relied
        if step.id in reality.unreadable
    ]
    if hidden:
        raise GuardRefused("\n".join(hidden), hint="run the same command again when it can be read")
    changed = [found for step in relied if (found := _changed(step, reality))]
    if changed:
        raise Stale("\n".join(changed), hint=_AGAIN)


def _entry_of(step: Step) -> ResourceState:
    return ResourceState(step.id, step.kind, step.physical_id, {}, {})


def _changed(step: Step, reality: ObservedState) -> str:
    seen = reality.resources.get(step.id)
    if seen is None:
        return "" if step.op is Op.DELETE else f"{step.address} ({step.physical_id}) is gone since the plan was made"
    if diff.fingerprint(seen.spec) == step.precondition:
        return ""
    return stale(step, seen.spec).message
