"""``smplan schema``: JSON Schemas of blueprints, for editors."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from smplan.cli.kinds import Kind, find


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command(epilog="Example: smplan schema > blueprint.schema.json")(schema)


def schema(
    kind: Kind = None,
    write: Annotated[Path | None, typer.Option(help="Write all schemas into this folder.")] = None,
) -> None:
    """Print the JSON Schema of blueprints (or of one kind's spec), for editors."""
    from smplan.drivers import registry
    from smplan.render import schema as schemas

    if kind is not None:
        find(kind)
    made = schemas.generate(registry.drivers(), registry.lookups())
    if write is None:
        typer.echo(_schema(made, kind) if kind else made["blueprint.schema.json"], nl=False)
        return
    existing = {path for folder in ("kinds", "lookups") for path in (write / folder).glob("*.schema.json")}
    for stale in existing - {write / name for name in made}:
        stale.unlink()
    for name, text in made.items():
        path = write / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    typer.echo(f"Wrote {len(made)} schemas into {write}.")


def _schema(made: Mapping[str, str], kind: str) -> str:
    """The schema of a kind's spec; of its ``where`` if it is a lookup only."""
    return made.get(f"kinds/{kind}.schema.json") or made[f"lookups/{kind}.schema.json"]
