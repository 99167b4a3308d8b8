"""``smplan validate``: every error of a blueprint, found without contacting AWS."""

from __future__ import annotations

import json
from dataclasses import asdict

import typer

from smplan.cli import options


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command(epilog="Example: smplan validate fleet.yaml --var max_size=6")(validate)


def validate(
    blueprint: options.Blueprint,
    var: options.Variables = None,
    var_file: options.VariableFiles = None,
    as_json: options.AsJson = False,
) -> int:
    """Report every error and warning of a blueprint with its position and a hint; does not contact AWS."""
    from smplan.cli import wiring
    from smplan.core import graph
    from smplan.errors import BlueprintInvalid
    from smplan.guide import ordering
    from smplan.render import errors

    try:
        wanted = wiring.load(blueprint, options.assignments(var), var_file or ())
        graph.build(wanted, ordering.edges)
    except BlueprintInvalid as error:
        if not as_json:
            raise
        typer.echo(json.dumps({"valid": False, "diagnostics": [asdict(each) for each in error.diagnostics]}, indent=1))
        return error.exit_code
    if as_json:
        found = {"valid": True, "name": wanted.name, "resources": len(wanted.resources)}
        typer.echo(json.dumps({**found, "warnings": [asdict(each) for each in wanted.warnings]}, indent=1))
        return 0
    for warning in wanted.warnings:
        typer.echo("\n".join([*errors.diagnostic_lines(warning), ""]))
    typer.echo(f"{blueprint} is valid: {len(wanted.resources)} resources, {len(wanted.lookups)} lookups.")
    options.next_command(f"smplan plan {blueprint}")
    return 0
