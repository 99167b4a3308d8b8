"""``smplan drift``: the differences between what was last applied and what exists."""

from __future__ import annotations

import json
from dataclasses import asdict

import typer

from smplan.cli import options

DRIFT = 11
INCOMPLETE = 12
"""The exit code of `plan` and `drift` if something could not be read."""


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command(epilog="Example: smplan drift fleet.yaml")(drift)


def drift(
    blueprint: options.Blueprint,
    var: options.Variables = None,
    var_file: options.VariableFiles = None,
    as_json: options.AsJson = False,
) -> int:
    """Show what changed outside smplan since the last apply.

    Exits with 11 if anything did, and with 12 if something could not be read.
    """
    from smplan.cli import wiring
    from smplan.engine.plan import detect_drift
    from smplan.render import text

    wanted = wiring.load(blueprint, options.assignments(var), var_file or ())
    store = wiring.store_at(wiring.backend_of(wanted), wanted.name, wanted.region)
    found = detect_drift(
        blueprint=wanted, store=store, world=wiring.providers(wanted.region), report=wiring.warning_reporter()
    )
    if as_json:
        unread = [{"address": address, "unreadable": why} for address, why in found.unreadable.items()]
        typer.echo(json.dumps([*map(asdict, found.drift), *unread], indent=1))
    else:
        typer.echo(text.drift(found.drift, found.unreadable, found.stopped).rstrip("\n"))
        if found.drift:
            options.next_command(f"smplan plan {blueprint}   # shows how to undo it")
    if found.unreadable:
        return INCOMPLETE
    return DRIFT if found.drift else 0
