"""Options that several commands share, and the ends of what they print."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, TypeAlias

import typer

Blueprint: TypeAlias = Annotated[Path, typer.Argument(help="The blueprint, YAML or JSON.", show_default=False)]
Variables: TypeAlias = Annotated[
    list[str] | None, typer.Option("--var", metavar="NAME=VALUE", help="Set a variable; may be given several times.")
]
VariableFiles: TypeAlias = Annotated[
    list[Path] | None,
    typer.Option("--var-file", help="A YAML or JSON map of variables; the last one that has it wins."),
]
AsJson: TypeAlias = Annotated[bool, typer.Option("--json", help="JSON for programs, in place of text for people.")]
Yes: TypeAlias = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask: for CI, after an approval.")]
Parallel: TypeAlias = Annotated[int, typer.Option(min=1, max=64, help="How many steps may run at once.")]
LockWait: TypeAlias = Annotated[
    float, typer.Option(min=0, metavar="SECONDS", help="How long to wait for a lock that somebody else holds.")
]
OfBlueprint: TypeAlias = Annotated[
    Path | None,
    typer.Option("--blueprint", "-b", help="Whose state; otherwise that of the last plan, or the only one in state/."),
]


def colour() -> bool:
    """Whether standard output is a terminal that wants colours."""
    return sys.stdout.isatty() and "NO_COLOR" not in os.environ


def next_command(command: str) -> None:
    """Tell what to type next; on standard error, so that output can be piped."""
    typer.echo(f"\nNext: {command}", err=True)


def ask(question: str) -> None:
    """Go on only after a yes. Raises SmplanError where nobody can be asked, typer.Abort after a no."""
    from smplan.errors import SmplanError

    if not sys.stdin.isatty():
        raise SmplanError(
            "nobody can be asked: standard input is no terminal", hint="say --yes if that is what you want"
        )
    typer.confirm(question, abort=True, err=True)


def assignments(given: list[str] | None) -> dict[str, str]:
    """``NAME=VALUE`` texts as a map. Raises typer.BadParameter for a text that is none."""
    found = {}
    for text in given or ():
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise typer.BadParameter(f"`{text}` is not NAME=VALUE", param_hint="--var")
        found[name] = value
    return found
