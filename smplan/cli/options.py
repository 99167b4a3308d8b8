"""Options, prompts and closing lines that several commands share."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO, TypeAlias

import typer

if TYPE_CHECKING:
    from smplan.core.plan.changes import Permits

Blueprint: TypeAlias = Annotated[Path, typer.Argument(help="The blueprint, YAML or JSON.", show_default=False)]
Variables: TypeAlias = Annotated[
    list[str] | None, typer.Option("--var", metavar="NAME=VALUE", help="Set a variable; may be given several times.")
]
VariableFiles: TypeAlias = Annotated[
    list[Path] | None,
    typer.Option("--var-file", help="A YAML or JSON map of variables; later files take precedence."),
]
AsJson: TypeAlias = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
Unprotect: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--unprotect",
        metavar="ADDRESS",
        help="Permit to delete this resource although it is protected: its deletion protection is removed first, in a "
        "step of its own, and `prevent_destroy` does not count. May be given several times.",
    ),
]
Abandon: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--abandon",
        metavar="ADDRESS",
        help="Forget this resource instead of deleting it; it continues to exist, and to cost. For what cannot be read "
        "or deleted. May be given several times.",
    ),
]
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


def permits(unprotect: list[str] | None, abandon: list[str] | None) -> Permits:
    """What the options permit."""
    from smplan.core.plan.changes import Permits

    return Permits(frozenset(unprotect or ()), frozenset(abandon or ()))


def typed(command: str, blueprint: Path, **given: object) -> str:
    """``command`` as a person types it, with the options that were ``given``: a list means several times."""
    words = ["smplan", command, str(blueprint)]
    for name, value in given.items():
        option = f"--{name.replace('_', '-')}"
        for each in value if isinstance(value, list) else [value]:
            words += [] if each in (None, False) else [option] if each is True else [option, str(each)]
    return shlex.join(words)


def assignments(given: list[str] | None) -> dict[str, str]:
    """``NAME=VALUE`` texts as a map. Raises typer.BadParameter."""
    found = {}
    for text in given or ():
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise typer.BadParameter(f"`{text}` is not NAME=VALUE", param_hint="--var")
        found[name] = value
    return found
