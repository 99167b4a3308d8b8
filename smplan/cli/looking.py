"""``smplan drift``, ``output`` and ``state``: what is there, and how it differs from what was applied."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from smplan.cli import options

if TYPE_CHECKING:
    from smplan.core.state import State

DRIFT = 11


def register(app: typer.Typer, state: typer.Typer) -> None:
    """Add the commands to ``app`` and ``state``."""
    app.command(epilog="Example: smplan drift fleet.yaml")(drift)
    app.command(epilog="Example: smplan output url")(output)
    state.command("list", epilog="Example: smplan state list")(list_)
    state.command("show", epilog="Example: smplan state show load_balancer")(show)


def drift(
    blueprint: options.Blueprint,
    var: options.Variables = None,
    var_file: options.VariableFiles = None,
    as_json: options.AsJson = False,
) -> int:
    """Show what was changed outside smplan since the last apply; ends with 11 if anything was."""
    from smplan.cli import compose
    from smplan.engine.planning import drift_now
    from smplan.render import text

    wanted = compose.load(blueprint, options.assignments(var), var_file or ())
    store = compose.store_at(compose.place_of(wanted), wanted.name, wanted.region)
    found = drift_now(blueprint=wanted, store=store, world=compose.world_of(wanted.region), report=compose.aside())
    typer.echo(json.dumps([asdict(each) for each in found], indent=1) if as_json else text.drift(found).rstrip("\n"))
    if found and not as_json:
        options.next_command(f"smplan plan {blueprint}   # shows how to put it back")
    return DRIFT if found else 0


def output(
    name: Annotated[str | None, typer.Argument(help="One output; without it, all.")] = None,
    blueprint: options.OfBlueprint = None,
    as_json: options.AsJson = False,
) -> None:
    """Print the outputs of the last complete apply; a single one bare, for scripts."""
    from smplan.errors import SmplanError
    from smplan.render import text

    outputs = _state(blueprint).outputs
    if name is None:
        typer.echo(json.dumps(outputs, indent=1) if as_json else text.outputs(outputs).rstrip("\n"))
        return
    if name not in outputs:
        there = ", ".join(sorted(outputs)) or "none yet"
        raise SmplanError(f"there is no output `{name}`", hint=f"there is: {there}")
    value = outputs[name]
    typer.echo(value if isinstance(value, str) and not as_json else json.dumps(value))


def list_(blueprint: options.OfBlueprint = None, as_json: options.AsJson = False) -> None:
    """List what the state holds: address, kind, id."""
    from smplan.core.state import entry_to_json
    from smplan.render import text

    state = _state(blueprint)
    entries = [*state.resources.values(), *state.old]
    told = json.dumps([entry_to_json(entry) for entry in entries], indent=1) if as_json else text.entries(entries)
    typer.echo(told.rstrip("\n"))


def show(
    address: Annotated[str, typer.Argument(help='The address, such as load_balancer or fleet["blue"].')],
    blueprint: options.OfBlueprint = None,
    as_json: options.AsJson = False,
) -> None:
    """Show one thing of the state: its spec as applied, and what it makes known."""
    import difflib

    from smplan.core.state import entry_to_json
    from smplan.errors import SmplanError
    from smplan.render import text

    resources = _state(blueprint).resources
    if address not in resources:
        near = difflib.get_close_matches(address, resources, 1)
        hint = f"did you mean `{near[0]}`?" if near else "smplan state list shows what there is"
        raise SmplanError(f"the state has nothing at `{address}`", hint=hint)
    entry = resources[address]
    typer.echo(json.dumps(entry_to_json(entry), indent=1) if as_json else text.entry(entry).rstrip("\n"))


def _state(blueprint: options.OfBlueprint) -> State:
    from smplan.cli import compose
    from smplan.errors import SmplanError

    store = compose.found_store(blueprint)
    folded = store.read().folded
    if folded is None:
        raise SmplanError(
            f"nothing was applied yet: there is no state in {store.location}", hint="smplan plan, then apply"
        )
    return folded.state
