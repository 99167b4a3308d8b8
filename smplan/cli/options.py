"""Options, prompts and closing lines that several commands share."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, TextIO, TypeAlias

import typer

Blueprint: TypeAlias = Annotated[Path, typer.Argument(help="The blueprint, YAML or JSON.", show_default=False)]
Variables: TypeAlias = Annotated[
    list[str] | None, typer.Option("--var", metavar="NAME=VALUE", help="Set a variable; may be given several times.")
]
VariableFiles: TypeAlias = Annotated[
    list[Path] | None,
    typer.Option("--var-file", help="A YAML or JSON map of variables; later files take precedence."),
]
AsJson: TypeAlias = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
Yes: TypeAlias = Annotated[bool, typer.Option("--yes", "-y", help="Do not prompt: for CI, after an approval.")]
Parallel: TypeAlias = Annotated[int, typer.Option(min=1, max=64, help="How many steps may run at once.")]
LockWait: TypeAlias = Annotated[
    float, typer.Option(min=0, metavar="SECONDS", help="How long to wait for a lock that another process holds.")
]
OfBlueprint: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--blueprint",
        "-b",
        help="Whose state; default: that of the last plan, or the only one in state/ of the workspace.",
    ),
]


def color() -> bool:
    """Whether standard output is a terminal that shows colors."""
    return sys.stdout.isatty() and "NO_COLOR" not in os.environ


def interactive() -> bool:
    """Whether a person can answer a prompt. Standard input is None if it was closed."""
    stdin: TextIO | None = sys.stdin
    return stdin is not None and stdin.isatty()


def next_command(command: str) -> None:
    """Print the command to run next, to standard error so that output can be piped."""
    typer.echo(f"\nNext: {command}", err=True)


def confirm(question: str) -> None:
    """Prompt for a yes. Raises SmplanError without a terminal, typer.Abort after a no."""
    from smplan.errors import SmplanError

    if not interactive():
        raise SmplanError("cannot prompt: standard input is not a terminal", hint="add --yes to run without a prompt")
    typer.confirm(question, abort=True, err=True)


def assignments(given: list[str] | None) -> dict[str, str]:
    """``NAME=VALUE`` texts as a map. Raises typer.BadParameter."""
    found = {}
    for text in given or ():
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise typer.BadParameter(f"`{text}` is not NAME=VALUE", param_hint="--var")
        found[name] = value
    return found
