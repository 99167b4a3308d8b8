"""``smplan plan``: compare a blueprint with its state and AWS, print the changes, save the plan."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from smplan.cli import options
from smplan.cli.drift import INCOMPLETE
from smplan.cli.show import Format, rendered

CHANGES = 2
"""Exit code of ``--detailed-exitcode`` if there are changes."""


Out = Annotated[Path | None, typer.Option(help="Where to save the plan; default: .smplan/plan.json in the workspace.")]


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command(epilog="Example: smplan plan fleet.yaml --out plan.json --detailed-exitcode")(plan)


def plan(
    blueprint: options.Blueprint,
    out: Out = None,
    var: options.Variables = None,
    var_file: options.VariableFiles = None,
    destroy: Annotated[bool, typer.Option("--destroy", help="Plan to delete everything.")] = False,
    unprotect: options.Unprotect = None,
    abandon: options.Abandon = None,
    detailed_exitcode: Annotated[
        bool, typer.Option("--detailed-exitcode", help="Exit with 2 if there are changes, 0 if there are none.")
    ] = False,
    as_json: options.AsJson = False,
) -> int:
    """Compare a blueprint with its state and with AWS, print the changes, and save them as a plan.

    Plan and local state are kept in the workspace: the nearest folder at or above the blueprint with smplan.toml, else
    the top of its git work tree, else the blueprint's folder. Exits with 12 if something could not be read: then the
    plan is incomplete, and another is needed later.
    """
    from smplan.cli import origin, plan_file, wiring
    from smplan.cli.workspace import workspace_of

    wanted = wiring.load(blueprint, options.assignments(var), var_file or ())
    given = {"var": var, "var_file": var_file, "unprotect": unprotect, "abandon": abandon, "out": out}
    command = options.typed("plan", blueprint, destroy=destroy, **given)
    made = wiring.plan(wanted, destroy=destroy, permits=options.permits(unprotect, abandon), command=command)
    workspace = workspace_of(blueprint.parent)
    file = out or plan_file.SavedPlans(workspace).last
    origin.save(made, file, workspace)
    typer.echo(rendered(made, Format.JSON if as_json else Format.TEXT), nl=False)
    if not made.empty:
        options.next_command(plan_file.apply_command(made, file))
    if made.unreadable:
        return INCOMPLETE
    return CHANGES if detailed_exitcode and not made.empty else 0
