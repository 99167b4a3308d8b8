"""``smplan drift``: the differences between what was last applied and what exists."""

from __future__ import annotations

import json
from dataclasses import asdict

import typer

from smplan.cli import options

DRIFT = 11


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command(epilog="Example: smplan drift fleet.yaml")(drift)


def drift(
    blueprint: options.Blueprint,
    var: options.Variables = None,
    var_file: options.VariableFiles = None,
    as_json: options.AsJson = False,
) -> int:
    """Show what changed outside smplan since the last apply; exits with 11 if anything did."""
    from smplan.cli import wiring
    from smplan.engine.plan import detect_drift
    from smplan.render import text

    wanted = wiring.load(blueprint, options.assignments(var), var_file or ())
    store = wiring.store_at(wiring.backend_of(wanted), wanted.name, wanted.region)
    found = detect_drift(
        blueprint=wanted, store=store, world=wiring.providers(wanted.region), report=wiring.warning_reporter()
    )
    typer.echo(json.dumps([asdict(each) for each in found], indent=1) if as_json else text.drift(found).rstrip("\n"))
    if found and not as_json:
        options.next_command(f"smplan plan {blueprint}   # shows how to undo it")
    return DRIFT if found else 0
