"""``smplan init``: write a commented blueprint to start from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TextIO

import typer

from smplan.cli import options

STARTER = "stream-manager.yaml"


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command(epilog="Example: smplan init fleet.yaml")(init)


def starter() -> Path:
    """The path of the starter blueprint, in an installed package or in a checkout."""
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
            _write(made, file, "".join(lines).removeprefix("#\n"))
    except FileExistsError:
        raise SmplanError(f"{file} exists already", hint="choose another name: smplan init FILE") from None
    except OSError as error:
        raise SmplanError(
            f"{file} cannot be written: {error.strerror}", hint="choose another path: smplan init FILE"
        ) from None
    typer.echo(f"Wrote {file}. Read its comments and set its variables.")
    options.next_command(f"smplan validate {file}")


def _write(made: TextIO, file: Path, text: str) -> None:
    """Write ``text``; on an error delete the file, because ``init`` never overwrites one."""
    try:
        made.write(text)
        made.flush()
    except OSError:
        file.unlink()
        raise
