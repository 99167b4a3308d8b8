"""``smplan init`` and ``smplan validate``: a blueprint to begin with, and whether a blueprint is right."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, TextIO

import typer

from smplan.cli import options

STARTER = "stream-manager.yaml"


def register(app: typer.Typer) -> None:
    """Add the commands to ``app``."""
    app.command(epilog="Example: smplan init fleet.yaml")(init)
    app.command(epilog="Example: smplan validate fleet.yaml --var max_size=6")(validate)


def starter() -> Path:
    """The blueprint that a new one begins as, in an installed package or in a checkout."""
    packaged = Path(__file__).parent.parent / "_blueprints" / STARTER
    return packaged if packaged.exists() else Path(__file__).parent.parent.parent / "blueprints" / STARTER


def init(
    file: Annotated[Path, typer.Argument(help="The blueprint to write; never overwritten.")] = Path("blueprint.yaml"),
) -> None:
    """Write a commented blueprint to start from: the guide, for WebRTC clients, with a launch template."""
    from smplan.errors import SmplanError

    text = starter().read_text(encoding="utf-8").replace(f"blueprints/{STARTER}", str(file))
    lines = [line for line in text.splitlines(keepends=True) if "yaml-language-server" not in line]
    try:
        with file.open("x", encoding="utf-8") as made:
            _fill(made, file, "".join(lines).removeprefix("#\n"))
    except FileExistsError:
        raise SmplanError(f"{file} exists already", hint="give another name: smplan init FILE") from None
    except OSError as error:
        raise SmplanError(f"{file} cannot be written: {error.strerror}", hint="name another place") from None
    typer.echo(f"Wrote {file}: read its comments, set its variables.")
    options.next_command(f"smplan validate {file}")


def _fill(made: TextIO, file: Path, text: str) -> None:
    """Write ``text`` whole, or leave no file: half of one would stand in the way of the next try."""
    try:
        made.write(text)
        made.flush()
    except OSError:
        file.unlink()
        raise


def validate(
    blueprint: options.Blueprint,
    var: options.Variables = None,
    var_file: options.VariableFiles = None,
    as_json: options.AsJson = False,
) -> int:
    """Tell everything that is wrong with a blueprint, each with its place and hint; asks no cloud."""
    from dataclasses import asdict

    from smplan.cli import wiring
    from smplan.core import graph
    from smplan.errors import BlueprintInvalid
    from smplan.guide import ordering

    try:
        wanted = wiring.load(blueprint, options.assignments(var), var_file or ())
        graph.build(wanted, ordering.edges)
    except BlueprintInvalid as error:
        if not as_json:
            raise
        typer.echo(json.dumps({"valid": False, "faults": [asdict(fault) for fault in error.faults]}, indent=1))
        return error.exit_code
    if as_json:
        typer.echo(json.dumps({"valid": True, "name": wanted.name, "resources": len(wanted.resources)}, indent=1))
        return 0
    typer.echo(f"{blueprint} is valid: {len(wanted.resources)} resources, {len(wanted.lookups)} lookups.")
    options.next_command(f"smplan plan {blueprint}")
    return 0
