"""``smplan destroy``: plan the deletion of everything in the state, then run that plan as ``apply`` does."""

from __future__ import annotations

import typer

from smplan.cli import options
from smplan.cli.apply import PARALLEL, run_apply


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command(epilog="Example: smplan destroy fleet.yaml")(destroy)


def destroy(
    blueprint: options.Blueprint,
    yes: options.Yes = False,
    var: options.Variables = None,
    var_file: options.VariableFiles = None,
    unprotect: options.Unprotect = None,
    abandon: options.Abandon = None,
    parallel: options.Parallel = PARALLEL,
    lock_wait: options.LockWait = 0,
    as_json: options.AsJson = False,
) -> int:
    """Delete everything recorded in the blueprint's state, in reverse order.

    What is protected, or cannot be read, is named before anything is deleted, with the option that permits it.
    """
    from smplan.cli import plan_file, wiring
    from smplan.cli.workspace import workspace_of

    wanted = wiring.load(blueprint, options.assignments(var), var_file or ())
    given = {"var": var, "var_file": var_file, "unprotect": unprotect, "abandon": abandon}
    command = options.typed("destroy", blueprint, **given)
    made = wiring.plan(wanted, destroy=True, permits=options.permits(unprotect, abandon), command=command)
    plans = plan_file.SavedPlans(workspace_of(blueprint.parent))
    return run_apply(
        made, plans, plans.destroy, new=True, yes=yes, parallel=parallel, lock_wait=lock_wait, as_json=as_json
    )
