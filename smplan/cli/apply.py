"""``smplan apply`` and ``destroy``: show the plan, ask, and carry out exactly that."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from smplan.cli import options
from smplan.cli.plan import Format, rendered

if TYPE_CHECKING:
    from smplan.core.events import Event
    from smplan.core.plan.model import Plan
    from smplan.engine.executor import Outcome
    from smplan.engine.waiter import CancelToken

PARALLEL = 16
INTERRUPTED = 9


def register(app: typer.Typer) -> None:
    """Add the commands to ``app``."""
    app.command(epilog="Examples: smplan apply · smplan apply plan.json --yes · smplan apply fleet.yaml")(apply)
    app.command(epilog="Example: smplan destroy fleet.yaml")(destroy)


def apply(
    plan: Annotated[
        Path | None, typer.Argument(help="A plan file, or a blueprint to plan first; without it, the plan saved last.")
    ] = None,
    yes: options.Yes = False,
    var: options.Variables = None,
    var_file: options.VariableFiles = None,
    parallel: options.Parallel = PARALLEL,
    lock_wait: options.LockWait = 0,
    as_json: options.AsJson = False,
) -> int:
    """Carry out a saved plan exactly, or go on with it where an earlier run stopped."""
    from smplan.cli import plan_file, wiring

    if plan is None or plan_file.is_plan(plan):
        made = plan_file.read_plan(plan)
    else:
        made = wiring.plan(wiring.load(plan, options.assignments(var), var_file or ()))
        plan_file.save_plan(made, plan_file.PLAN_FILE)
    return carried_out(made, yes=yes, parallel=parallel, lock_wait=lock_wait, as_json=as_json)


def destroy(
    blueprint: options.Blueprint,
    yes: options.Yes = False,
    var: options.Variables = None,
    var_file: options.VariableFiles = None,
    parallel: options.Parallel = PARALLEL,
    lock_wait: options.LockWait = 0,
    as_json: options.AsJson = False,
) -> int:
    """Take away everything that the blueprint's state knows of, in reverse order."""
    from smplan.cli import plan_file, wiring

    made = wiring.plan(wiring.load(blueprint, options.assignments(var), var_file or ()), destroy=True)
    plan_file.save_plan(made, plan_file.PLAN_FILE)
    return carried_out(made, yes=yes, parallel=parallel, lock_wait=lock_wait, as_json=as_json)


def carried_out(plan: Plan, *, yes: bool, parallel: int, lock_wait: float, as_json: bool) -> int:
    """Show ``plan``, ask unless told not to, apply it, and tell how it ended. The exit code."""
    from smplan.cli import wiring
    from smplan.engine.apply import Applier
    from smplan.engine.waiter import CancelToken

    if not as_json:
        typer.echo(rendered(plan, Format.TEXT), nl=False)
    if not yes and not plan.empty:
        _ask(plan, as_json=as_json)
    stop = CancelToken()
    with _progress(as_json) as report, _signals(stop) as begun:
        apply = Applier(
            wiring.store_of_plan(plan),
            wiring.world_of(plan.region),
            wiring.holder(plan.mode),
            _hearing(report, begun),
            stop,
            parallel=parallel,
            wait_seconds=lock_wait,
        )
        outcome = apply.run(plan)
    _tell(plan, outcome, as_json=as_json)
    return outcome.exit_code


def _hearing(report: Callable[[Event], None], begun: Callable[[], None]) -> Callable[[Event], None]:
    """``report``, one event at a time, and ``begun`` called as soon as the journal has the run."""
    from smplan.core.events import ApplyStarted

    one = Lock()

    def hear(event: Event) -> None:
        if isinstance(event, ApplyStarted):
            begun()
        with one:
            report(event)

    return hear


def _ask(plan: Plan, *, as_json: bool) -> None:
    from smplan.errors import SmplanError

    if as_json:
        raise SmplanError(
            "with --json nobody is asked", hint="say --yes once the plan is approved (smplan show shows it)"
        )
    if not sys.stdin.isatty():
        raise SmplanError(
            "nobody can be asked: standard input is no terminal",
            hint="say --yes once the plan is approved (smplan show shows it)",
        )
    verb = "Destroy" if plan.mode == "destroy" else "Apply"
    those = "this step" if len(plan.steps) == 1 else f"these {len(plan.steps)} steps"
    typer.confirm(f"\n{verb} {those}?", abort=True)


@contextmanager
def _progress(as_json: bool) -> Iterator[Callable[[Event], None]]:
    from smplan.render import progress

    if as_json:
        yield progress.Json(lambda line: typer.echo(line))
    elif options.colour():
        from rich.console import Console

        with progress.Live(Console()) as live:
            yield live
    else:
        yield progress.Plain(lambda line: typer.echo(line))


@contextmanager
def _signals(stop: CancelToken) -> Iterator[Callable[[], None]]:
    """Ctrl-C and SIGTERM end what has not begun. Once it has, the first one drains, the second one leaves at once.

    Yields what is to be called when the run begins. From then on the journal has everything.
    """
    begun = asked = False

    def begin() -> None:
        nonlocal begun
        begun = True

    def heard(_number: int, _frame: Any) -> None:
        nonlocal asked
        if asked:
            _leave()
        asked = True
        if not begun:
            stop.cancel()  # other threads may be in a pause before a call is made again
            raise KeyboardInterrupt
        _say("\nsmplan: stopping: nothing new is started, what runs is let finish (once more: at once)\n")
        stop.cancel()

    before = {number: signal.signal(number, heard) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield begin
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _say(words: str) -> None:
    """Past Python's buffers, which the interrupted code may be just writing to."""
    with suppress(OSError):
        os.write(2, words.encode())


def _leave() -> NoReturn:
    if sys.stdout.isatty():
        _say("\x1b[?25h")  # the live table hides the cursor
    os._exit(INTERRUPTED)


def _tell(plan: Plan, outcome: Outcome, *, as_json: bool) -> None:
    from smplan.cli.bug_report import report
    from smplan.core.wording import count
    from smplan.errors import Bug
    from smplan.render import errors, text

    for _, error in outcome.failed:
        if isinstance(error, Bug):
            report(error)
        else:
            typer.echo(errors.text(error), err=True)
    if as_json:
        return
    if outcome.outcome == "complete":
        if outcome.outputs:
            typer.echo(f"\n{text.outputs(outcome.outputs)}", nl=False)
        done = "Everything is taken away." if plan.mode == "destroy" else "Done."
        earlier = plan.steps and not outcome.done
        by = "An earlier run had carried out all steps" if earlier else f"{count(outcome.done, 'step')} carried out"
        typer.echo(f"\n{done} {by}.")
        return
    counts = f"{outcome.done} done, {len(outcome.skipped)} left"
    typer.echo(f"\n{_ending(outcome)}; {counts}. Everything is saved.", err=True)
    options.next_command("smplan apply   # goes on from here")


def _ending(outcome: Outcome) -> str:
    from smplan.core.wording import count
    from smplan.errors import Expired

    if outcome.outcome == "interrupted":
        return "Stopped on request"
    if any(isinstance(error, Expired) for _, error in outcome.failed):
        return "The credentials ran out, and the run is resumable with new ones"
    return f"{count(len(outcome.failed), 'step')} failed"
