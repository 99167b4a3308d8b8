"""``smplan drift`` and ``output``: what is there, and how it differs from what was applied."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer

from smplan.cli import options

DRIFT = 11


def register(app: typer.Typer) -> None:
    """Add the commands to ``app``."""
    app.command(epilog="Example: smplan drift fleet.yaml")(drift)
    app.command(epilog="Example: smplan output url")(output)


def drift(
    blueprint: options.Blueprint,
    var: options.Variables = None,
    var_file: options.VariableFiles = None,
    as_json: options.AsJson = False,
) -> int:
    """Show what was changed outside smplan since the last apply; ends with 11 if anything was."""
    from smplan.cli import wiring
    from smplan.engine.plan import detect_drift
    from smplan.render import text

    wanted = wiring.load(blueprint, options.assignments(var), var_file or ())
    store = wiring.store_at(wiring.place_of(wanted), wanted.name, wanted.region)
    found = detect_drift(blueprint=wanted, store=store, world=wiring.world_of(wanted.region), report=wiring.aside())
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
    from smplan.cli import wiring
    from smplan.errors import SmplanError
    from smplan.render import text

    outputs = wiring.state_now(wiring.found_store(blueprint)).outputs
    if name is None:
        typer.echo(json.dumps(outputs, indent=1) if as_json else text.outputs(outputs).rstrip("\n"))
        return
    if name not in outputs:
        there = ", ".join(sorted(outputs)) or "none yet"
        raise SmplanError(f"there is no output `{name}`", hint=f"there is: {there}")
    value = outputs[name]
    typer.echo(value if isinstance(value, str) and not as_json else json.dumps(value))
