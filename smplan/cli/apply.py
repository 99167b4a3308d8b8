"""``smplan apply``, and what it shares with ``destroy``: show the plan, prompt, run it, print the outcome."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from smplan.cli import options
from smplan.cli.show import Format, rendered

if TYPE_CHECKING:
    from smplan.cli.plan_file import SavedPlans
    from smplan.core.blueprint import Blueprint
    from smplan.core.events import Event
    from smplan.core.plan.model import Plan
    from smplan.engine.executor import Outcome
    from smplan.engine.waiter import CancelToken

PARALLEL = 16
INTERRUPTED = 9
_REVIEWS = {
    "apply": "smplan plan BLUEPRINT",
    "destroy": "smplan plan BLUEPRINT --destroy",
    "scale": "smplan scale BLUEPRINT --to N --out FILE",
}
"""By mode of a plan: the command that shows such a plan and applies nothing."""


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command(epilog="Examples: smplan apply · smplan apply plan.json --yes · smplan apply fleet.yaml")(apply)


def apply(
    plan: Annotated[
        Path | None, typer.Argument(help="A plan file, or a blueprint to plan first; default: the last saved plan.")
    ] = None,
    blueprint: Annotated[
        Path | None,
        typer.Option(
            "--blueprint",
            "-b",
            help="Plan again from this blueprint, and apply the plan file only if it is the same plan: for a plan that "
            "was made elsewhere, as in CI.",
        ),
    ] = None,
    yes: options.Yes = False,
    var: options.Variables = None,
    var_file: options.VariableFiles = None,
    destroy: Annotated[
        bool, typer.Option("--destroy", help="With --blueprint: the plan is one to delete everything.")
    ] = False,
    unprotect: options.Unprotect = None,
    abandon: options.Abandon = None,
    parallel: options.Parallel = PARALLEL,
    lock_wait: options.LockWait = 0,
    as_json: options.AsJson = False,
) -> int:
    """Execute a saved plan exactly, or resume it where an earlier run stopped.

    A plan file is applied if this user made it in this workspace, or if it has the approvals that the operator demands.
    Any other must equal what --blueprint leads to, with the options that it was planned with.
    """
    from smplan.cli import approvals, plan_file
    from smplan.cli.workspace import current_workspace

    plans, given = plan_file.SavedPlans(current_workspace()), _Given(var, var_file, destroy, unprotect, abandon)
    file, new = plan or plans.last, plan is not None and not plan_file.is_plan(plan)
    if new:
        made, plans = _planned(file, blueprint, given)
        file = plans.last
    else:
        made = plan_file.read_plan(plan) if plan else plans.read_last()
        approved = approvals.check(made, file, approvals.policy_of(os.environ, plans.workspace))
        _check_origin(made, file, plans.workspace, blueprint, given, approved=approved)
    return run_apply(made, plans, file, new=new, yes=yes, parallel=parallel, lock_wait=lock_wait, as_json=as_json)


@dataclass(frozen=True)
class _Given:
    """The options that a plan is made with."""

    var: list[str] | None
    var_file: list[Path] | None
    destroy: bool
    unprotect: list[str] | None
    abandon: list[str] | None

    def load(self, blueprint: Path) -> Blueprint:
        """The blueprint with these variables."""
        from smplan.cli import wiring

        return wiring.load(blueprint, options.assignments(self.var), self.var_file or ())

    def refuse(self, *names: str) -> None:
        """Raise typer.BadParameter for each of the options ``names`` that was given."""
        for name in names:
            if getattr(self, name):
                option = f"--{name.replace('_', '-')}"
                raise typer.BadParameter("it is for a plan file that is given with --blueprint", param_hint=option)


def _planned(file: Path, blueprint: Path | None, given: _Given) -> tuple[Plan, SavedPlans]:
    """A new plan of the blueprint ``file``, and where its workspace keeps plans."""
    from smplan.cli import plan_file, wiring
    from smplan.cli.workspace import workspace_of

    if blueprint is not None:
        raise typer.BadParameter(f"{file} is a blueprint itself", param_hint="--blueprint")
    given.refuse("destroy", "unprotect", "abandon")
    command = options.typed("plan", file, var=given.var, var_file=given.var_file)
    return wiring.plan(given.load(file), command=command), plan_file.SavedPlans(workspace_of(file.parent))


def _check_origin(
    plan: Plan, file: Path, workspace: Path, blueprint: Path | None, given: _Given, *, approved: bool
) -> None:
    """Raise Untrusted unless ``plan`` is ``approved``, or this user made it; and if ``blueprint`` leads to another."""
    from smplan.cli import origin
    from smplan.cli.workspace import workspace_of

    if blueprint is None:
        given.refuse("var", "var_file", "destroy", "unprotect", "abandon")
        origin.check_place(plan, file, workspace) if approved else origin.check_made_here(plan, file, workspace)
        return
    command = options.typed("plan", blueprint, **asdict(given))
    permits = options.permits(given.unprotect, given.abandon)
    derivation = origin.Derivation(given.load(blueprint), given.destroy, permits, command)
    derivation.check(plan, file, workspace_of(blueprint.parent))


def run_apply(
    plan: Plan,
    plans: SavedPlans,
    file: Path,
    *,
    new: bool,
    yes: bool,
    parallel: int,
    lock_wait: float,
    as_json: bool,
) -> int:
    """Show ``plan``, prompt unless ``yes``, apply it and print the outcome. Returns the exit code.

    A ``new`` plan is saved in ``file`` once it is approved, so that the run can be resumed; any other is there already.
    ``plans`` are those that a decline concerns.
    """
    from smplan.cli import approvals, origin, wiring
    from smplan.engine.apply import Applier
    from smplan.engine.waiter import CancelToken

    if new:
        approvals.refuse_new(plan, approvals.policy_of(os.environ, plans.workspace))
    if not as_json:
        typer.echo(rendered(plan, Format.TEXT), nl=False)
    if not yes and not plan.empty:
        _confirm(plan, plans, new=new, as_json=as_json)
    if new:
        origin.save(plan, file, plans.workspace)
    stop = CancelToken()
    with _progress(as_json) as on_event, _signals(stop) as on_start:
        applier = Applier(
            wiring.store_of_plan(plan),
            wiring.providers(plan.region),
            wiring.holder(plan.mode),
            _serialized(on_event, on_start),
            stop,
            parallel=parallel,
            wait_seconds=lock_wait,
        )
        outcome = applier.run(plan)
    _print_outcome(plan, file, outcome, as_json=as_json)
    return outcome.exit_code


def _serialized(on_event: Callable[[Event], None], on_start: Callable[[], None]) -> Callable[[Event], None]:
    """``on_event`` for one thread at a time; calls ``on_start`` once the journal has the run."""
    from smplan.core.events import ApplyStarted

    lock = Lock()

    def handle(event: Event) -> None:
        if isinstance(event, ApplyStarted):
            on_start()
        with lock, suppress(OSError):  # a closed terminal or pipe does not end the run
            on_event(event)

    return handle


def _confirm(plan: Plan, plans: SavedPlans, *, new: bool, as_json: bool) -> None:
    """Prompt. Raises SmplanError if that is impossible, and typer.Abort after a no, Ctrl-C or end of input."""
    from smplan.errors import SmplanError
    from smplan.render.formatting import risk_summary

    destroy = plan.mode == "destroy"
    review = _REVIEWS[plan.mode] if new else "smplan show"
    hint = f"review the plan with `{review}`, then add --yes"
    if as_json:
        raise SmplanError("--json never prompts, and --yes was not given", hint=hint)
    if not options.interactive():
        raise SmplanError("cannot prompt: standard input is not a terminal", hint=hint)
    those = "this step" if len(plan.steps) == 1 else f"these {len(plan.steps)} steps"
    risks = f", with {risk_summary(plan)}" if plan.risk_counts() else ""
    try:
        typer.confirm(f"\n{'Destroy' if destroy else 'Apply'} {those}{risks}?", abort=True)
    except typer.Abort:
        declined = plans.decline(plan)
        if declined:
            typer.echo(f"\nThe declined plan is now {declined}; `smplan apply` no longer applies it.", err=True)
            options.next_command("smplan plan BLUEPRINT   # makes a new one")
        raise


@contextmanager
def _progress(as_json: bool) -> Iterator[Callable[[Event], None]]:
    from smplan.render import progress

    if as_json:
        yield progress.Json(lambda line: typer.echo(line))
    elif options.color():
        from rich.console import Console

        with progress.Live(Console()) as live:
            yield live
    else:
        yield progress.Plain(lambda line: typer.echo(line))


@contextmanager
def _signals(stop: CancelToken) -> Iterator[Callable[[], None]]:
    """Handle Ctrl-C, SIGTERM and SIGHUP.

    Before the run starts they end the command; then the first drains, the second exits. Yields a callback for the start
    of the run, from which on the journal records everything.
    """
    started = signalled = False

    def on_start() -> None:
        nonlocal started
        started = True

    def handle(_number: int, _frame: Any) -> None:
        nonlocal signalled
        if signalled:
            _exit_now()
        signalled = True
        if not started:
            stop.cancel()  # ends the pauses of threads that are about to retry a call
            raise KeyboardInterrupt
        _write("\nsmplan: stopping after the running steps; press Ctrl-C again to exit now\n")
        stop.cancel()

    numbers = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # as under nohup
        numbers.append(signal.SIGHUP)
    before = {number: signal.signal(number, handle) for number in numbers}
    try:
        yield on_start
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _write(text: str) -> None:
    """Write to standard error without Python's buffers, which the interrupted code may be using."""
    with suppress(OSError):
        os.write(2, text.encode())


def _exit_now() -> NoReturn:
    if sys.stdout.isatty():
        _write("\x1b[?25h")  # the live table hides the cursor
    os._exit(INTERRUPTED)


def _print_outcome(plan: Plan, file: Path, outcome: Outcome, *, as_json: bool) -> None:
    from smplan.cli import plan_file
    from smplan.cli.bug_report import report
    from smplan.core.wording import count
    from smplan.errors import Bug
    from smplan.render import errors, text
    from smplan.render.formatting import one_line

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
        done = "Destroyed." if plan.mode == "destroy" else "Done."
        earlier = plan.steps and not outcome.done
        steps = "An earlier run completed all steps" if earlier else f"{count(outcome.done, 'step')} completed"
        typer.echo(f"\n{done} {steps}.")
        if plan.unreadable:
            those = ", ".join(map(one_line, plan.unreadable))
            typer.echo(f"The plan was incomplete: it could not read {those}. Plan a second time.")
            options.next_command("smplan plan BLUEPRINT   # changes what this one could not read")
        return
    counts = f"{outcome.done} done, {len(outcome.skipped)} left"
    typer.echo(f"\n{_ending(outcome)}; {counts}. Everything is saved.", err=True)
    options.next_command(f"{plan_file.apply_command(plan, file)}   # resumes here")


def _ending(outcome: Outcome) -> str:
    from smplan.core.wording import count
    from smplan.errors import Expired

    if outcome.outcome == "interrupted":
        return "Interrupted"
    if any(isinstance(error, Expired) for _, error in outcome.failed):
        return "The credentials expired; renew them to resume the run"
    return f"{count(len(outcome.failed), 'step')} failed"
