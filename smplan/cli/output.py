"""``smplan output``: the outputs of the last complete apply."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from smplan.cli import options


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command(epilog="Example: smplan output url")(output)


def output(
    name: Annotated[str | None, typer.Argument(help="One output; default: all.")] = None,
    blueprint: options.OfBlueprint = None,
    as_json: options.AsJson = False,
) -> None:
    """Print the outputs of the last complete apply; a single one without its name, for scripts."""
    from smplan.cli import wiring
    from smplan.errors import SmplanError
    from smplan.render import text

    outputs = wiring.current_state(wiring.store_of(blueprint)).outputs
    if name is None:
        typer.echo(json.dumps(outputs, indent=1) if as_json else text.outputs(outputs).rstrip("\n"))
        return
    if name not in outputs:
        known = ", ".join(sorted(outputs)) or "none yet"
        raise SmplanError(f"there is no output `{name}`", hint=f"the outputs are: {known}")
    value = outputs[name]
    typer.echo(value if isinstance(value, str) and not as_json else json.dumps(value))
