"""``smplan state mv`` and ``smplan state rm``: change the addresses in the state, under the lock and journaled."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from smplan.cli import options

if TYPE_CHECKING:
    from collections.abc import Callable

    from smplan.core.plan.model import Plan
    from smplan.core.state.journal import ReplayedState
    from smplan.engine.edit_state import About


def mv(
    source: Annotated[str, typer.Argument(metavar="FROM", help='The address now, such as fleet or fleet["blue"].')],
    to: Annotated[str, typer.Argument(metavar="TO", help="The address that the blueprint has for it.")],
    blueprint: options.OfBlueprint = None,
    lock_wait: options.LockWait = 0,
) -> None:
    """Give a resource of the state another address. Only the state and its ownership tags change."""
    from smplan.engine.edit_state import plan_move

    _apply(blueprint, lock_wait, lambda replayed, about: plan_move(replayed, source, to, about))
    typer.echo(f"{source} is now {to}.")


def rm(
    addresses: Annotated[list[str], typer.Argument(metavar="ADDRESS...", help="The addresses to forget.")],
    blueprint: options.OfBlueprint = None,
    lock_wait: options.LockWait = 0,
) -> None:
    """Forget resources of the state. Nothing is deleted: what continues to exist is listed."""
    from smplan.engine.edit_state import plan_forget

    plan = _apply(blueprint, lock_wait, lambda replayed, about: plan_forget(replayed, addresses, about))
    for step in plan.steps:
        typer.echo(f"Forgotten: {step.address}. {step.kind} {step.physical_id} continues to exist.")


def _apply(blueprint: Path | None, lock_wait: float, make: Callable[[ReplayedState, About], Plan]) -> Plan:
    from smplan.cli import wiring
    from smplan.engine import preconditions
    from smplan.engine.apply import Applier
    from smplan.engine.edit_state import About
    from smplan.engine.waiter import CancelToken
    from smplan.errors import SmplanError

    located = wiring.locate_state(blueprint)
    store = located.store
    replayed = store.read().folded
    if replayed is None:
        raise wiring.no_state_error(store)
    world, report = wiring.providers(located.region), wiring.warning_reporter()
    plan = make(replayed, About(located.backend))
    if any(step.op == "move" and world.kind(step.kind).taggable for step in plan.steps):
        about = About(located.backend, preconditions.account(world, report), world.aws.region)
        plan = make(replayed, about)
    holder = wiring.holder("state")
    outcome = Applier(store, world, holder, report, CancelToken(), wait_seconds=lock_wait).run(plan)
    for _, error in outcome.failed:
        raise error
    if outcome.exit_code:
        raise SmplanError("the state was not changed", hint="run the same command again")
    return plan
