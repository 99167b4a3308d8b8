"""``smplan approve``: sign a statement about a plan, after its risks. ``smplan verify``: who has approved it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from smplan.cli import options

if TYPE_CHECKING:
    from collections.abc import Iterator

    from smplan.core.plan.model import Plan

UNAPPROVED = 5

PlanFile = Annotated[Path | None, typer.Argument(metavar="PLAN", help="The plan file; default: the last saved plan.")]


def register(app: typer.Typer) -> None:
    """Add the commands to ``app``."""
    app.command(epilog="Example: smplan approve plan.json --as ann@example.com --comment 'as discussed'")(approve)
    app.command(epilog="Example: smplan verify plan.json")(verify)


def approve(
    plan: PlanFile = None,
    who: Annotated[
        str, typer.Option("--as", help="Who you are in allowed_signers; default: SMPLAN_USER, or you.")
    ] = "",
    key: Annotated[
        Path | None,
        typer.Option("--key", help="Your SSH key: private, or public with the private one in ssh-agent."),
    ] = None,
    role: Annotated[str, typer.Option(help="In what role you approve it.")] = "",
    comment: Annotated[str, typer.Option(help="What you want to say.")] = "",
    hours: Annotated[float, typer.Option(min=0.01, max=168, help="For how long the approval counts.")] = 24,
    reject: Annotated[bool, typer.Option("--reject", help="Reject the plan instead.")] = False,
    yes: options.Yes = False,
) -> None:
    """Approve or reject a plan: shows its risks, and signs its digest with your SSH key.

    The statement is added to PLAN.approvals.jsonl beside the plan. It counts where the operator's `smplan.toml` has an
    [approval] policy whose allowed_signers has your key.
    """
    from datetime import timedelta

    from smplan.cli import approvals, plan_file, wiring
    from smplan.cli.workspace import current_workspace
    from smplan.engine.plan import utc_now

    file = plan or plan_file.SavedPlans(current_workspace()).last
    made = plan_file.read_plan(file)
    for line in _risks(made):
        typer.echo(line)
    decision = approvals.REJECT if reject else approvals.APPROVE
    if not yes:
        options.confirm(f"\n{decision.capitalize()} the plan {made.digest}?")
    now = utc_now()
    until = (now + timedelta(hours=hours)).replace(microsecond=0)
    statement = approvals.Approval(
        made.digest, who or wiring.user(), role, now.isoformat(), until.isoformat(), decision, comment
    )
    signed = approvals.sign(statement, key or Path.home() / ".ssh" / "id_ed25519")
    done = "Rejected" if reject else "Approved"
    typer.echo(f"{done} until {until.isoformat()}: {approvals.add(signed, file)}")
    options.next_command(f"smplan verify {file}   # who has approved it")


def verify(plan: PlanFile = None) -> int:
    """Show who has approved a plan, offline, and end with 5 if approvals are missing that the operator demands."""
    import os

    from smplan.cli import approvals, plan_file
    from smplan.cli.workspace import current_workspace
    from smplan.errors import SmplanError
    from smplan.render.formatting import one_line

    workspace = current_workspace()
    file = plan or plan_file.SavedPlans(workspace).last
    made = plan_file.read_plan(file)
    policy = approvals.policy_of(os.environ, workspace)
    if policy is None:
        raise SmplanError("no policy says who may approve plans", hint="see docs/security.md#approvals")
    found = approvals.review(made, approvals.read(file), policy)
    for line in found.lines():
        typer.echo(one_line(line))
    if policy.applies(made):
        typer.echo("approved" if found.enough else "not approved")
        return 0 if found.enough else UNAPPROVED
    typer.echo("it needs no approval")
    return 0


def _risks(plan: Plan) -> Iterator[str]:
    """What the plan is, and each of its risks on a line."""
    from smplan.core.wording import count
    from smplan.render.formatting import one_line

    yield one_line(f"Plan {plan.id} for {plan.name} ({plan.mode}), account {plan.account or 'none'} {plan.region}")
    ops = ", ".join(f"{number} {op}" for op, number in plan.counts().items() if number)
    yield f"{count(len(plan.steps), 'step')}: {ops}" if ops else "no steps"
    for step in plan.steps:
        yield from (one_line(f"  {step.id}: {risk.category}: {risk.reason}") for risk in step.risks)
