"""``smplan scale``: stop, start or resize the scaling groups of a fleet, through a plan that is approved."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from smplan.cli import options
from smplan.cli.apply import PARALLEL, run_apply

if TYPE_CHECKING:
    from collections.abc import Sequence

    from smplan.core.blueprint import Blueprint

BLUEPRINT = "blueprint"

Addresses = Annotated[
    list[str] | None,
    typer.Argument(metavar="ADDRESS...", help="The groups to scale; needed if there are several.", show_default=False),
]
To = Annotated[
    str,
    typer.Option(
        "--to", metavar="N|blueprint", help="Minimum and capacity to set: 0 stops the group, `blueprint` restores it."
    ),
]
Out = Annotated[Path | None, typer.Option(help="Save the plan in this file for `smplan apply`, and change nothing.")]


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command(epilog="Examples: smplan scale fleet.yaml --to 0 · smplan scale fleet.yaml --to blueprint")(scale)


def scale(
    blueprint: options.Blueprint,
    addresses: Addresses = None,
    *,
    to: To,
    out: Out = None,
    yes: options.Yes = False,
    var: options.Variables = None,
    var_file: options.VariableFiles = None,
    parallel: options.Parallel = PARALLEL,
    lock_wait: options.LockWait = 0,
    as_json: options.AsJson = False,
) -> int:
    """Stop, start or resize scaling groups: sets minimum and capacity, as the guide stops auto scaling.

    Instances are drained and terminated by Auto Scaling, never by hand. The size is remembered: plans keep it, whatever
    the blueprint says, until `--to blueprint`, or its own minimum, is given.
    """
    from smplan.cli import origin, plan_file, wiring
    from smplan.cli.show import Format, rendered
    from smplan.cli.workspace import workspace_of

    size = _size(to)
    wanted = wiring.load(blueprint, options.assignments(var), var_file or ())
    made = wiring.plan_scale(wanted, dict.fromkeys(_chosen(wanted, addresses or ()), size))
    plans = plan_file.SavedPlans(workspace_of(blueprint.parent))
    if out is None:
        return run_apply(
            made, plans, plans.scale, new=True, yes=yes, parallel=parallel, lock_wait=lock_wait, as_json=as_json
        )
    origin.save(made, out, plans.workspace)
    typer.echo(rendered(made, Format.JSON if as_json else Format.TEXT), nl=False)
    if not made.empty:
        options.next_command(plan_file.apply_command(made, out))
    return 0


def _size(to: str) -> int | None:
    """The size in ``--to``; None for that of the blueprint. Raises typer.BadParameter."""
    if to == BLUEPRINT:
        return None
    if not to.isascii() or not to.isdigit():
        raise typer.BadParameter(f"`{to}` is neither a number of instances nor `{BLUEPRINT}`", param_hint="--to")
    return int(to)


def _chosen(blueprint: Blueprint, addresses: Sequence[str]) -> list[str]:
    """The groups to scale: those given, else the only one. Raises SmplanError."""
    from smplan.core.wording import one_of
    from smplan.drivers import registry
    from smplan.errors import SmplanError

    kinds = {each.kind: registry.driver(each.kind) for each in blueprint.resources}
    groups = [each.address for each in blueprint.resources if (found := kinds[each.kind]) and found.scaling]
    unknown = [address for address in addresses if address not in groups]
    listed = f"its scaling groups are {', '.join(groups)}" if groups else ""
    if unknown or not groups:
        what = (
            f"`{unknown[0]}` is no scaling group of the blueprint" if unknown else "the blueprint has no scaling group"
        )
        hint = one_of(unknown[0], groups) if unknown and groups else listed
        raise SmplanError(what, hint=hint or listed)
    if not addresses and len(groups) > 1:
        raise SmplanError(f"the blueprint has {len(groups)} scaling groups", hint=f"name those to scale: {listed}")
    return list(addresses) or groups
