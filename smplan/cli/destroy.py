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
    parallel: options.Parallel = PARALLEL,
    lock_wait: options.LockWait = 0,
    as_json: options.AsJson = False,
) -> int:
    """Delete everything recorded in the blueprint's state, in reverse order."""
    from smplan.cli import plan_file, wiring
    from smplan.cli.workspace import workspace_of

    made = wiring.plan(wiring.load(blueprint, options.assignments(var), var_file or ()), destroy=True)
    plans = plan_file.SavedPlans(workspace_of(blueprint.parent))
    return run_apply(
        made, plans, plans.destroy, new=True, yes=yes, parallel=parallel, lock_wait=lock_wait, as_json=as_json
    )
