"""``smplan sandbox``: simulated AWS and Stream Managers on this machine."""

from __future__ import annotations

import importlib.util
import json
import shlex
from pathlib import Path
from types import ModuleType
from typing import Annotated

import typer

from smplan.cli import options
from smplan.cli.streams import unredacted
from smplan.cli.workspace import current_workspace, shown

SPEED = 60.0

app = typer.Typer(help="Run simulated AWS and Stream Managers on this machine.", no_args_is_help=True)
Speed = Annotated[float, typer.Option(min=1, help="How many times faster than real time the sandbox runs.")]


def sandbox_process() -> ModuleType:
    """The process control of the sandbox. Raises SmplanError if its extra is not installed."""
    from smplan.errors import SmplanError

    if importlib.util.find_spec("moto") is None:
        raise SmplanError("the sandbox is not installed", hint="install it with: pip install 'smplan[sandbox]'")

    from smplan.sandbox import process

    return process


def _folder() -> Path:
    """Where the sandbox of this workspace keeps its files."""
    return shown(current_workspace() / ".smplan")


@app.command(epilog="Example: smplan sandbox start --speed 120")
def start(speed: Speed = SPEED) -> None:
    """Start a sandbox in the background, on 127.0.0.1 only; it already holds the guide's prerequisites."""
    running = sandbox_process().start(speed, _folder())
    typer.echo(f"The sandbox is running at {running.env['AWS_ENDPOINT_URL']}, {speed:g} times faster than real time.")
    options.next_command('eval "$(smplan sandbox env)"')


@app.command(epilog="Example: smplan sandbox stop")
def stop() -> None:
    """Stop the sandbox and discard everything in it."""
    typer.echo("The sandbox is stopped." if sandbox_process().stop(_folder()) else "No sandbox was running.")


@app.command(epilog="Example: smplan sandbox status")
def status(as_json: options.AsJson = False) -> int:
    """Show whether a sandbox is running; exits with 1 if none is."""
    running = sandbox_process().status(_folder())
    if as_json:
        typer.echo(json.dumps({"running": running is not None, "pid": running.pid if running else None}))
    elif running:
        typer.echo(f"The sandbox is running at {running.env['AWS_ENDPOINT_URL']} (pid {running.pid}).")
    else:
        typer.echo("No sandbox is running here.")
        options.next_command("smplan sandbox start")
    return 0 if running else 1


@app.command(epilog='Example: eval "$(smplan sandbox env)"')
def env() -> None:
    """Print the variables that point smplan, boto3 and the AWS CLI to the sandbox."""
    from smplan.errors import SmplanError

    running = sandbox_process().status(_folder())
    if running is None:
        raise SmplanError("no sandbox is running here", hint="start one with `smplan sandbox start`")
    for name, value in sorted(running.env.items()):
        typer.echo(f"export {name}={shlex.quote(value)}", file=unredacted())  # the sandbox's own secrets


@app.command(epilog="Example: smplan sandbox reset")
def reset() -> None:
    """Replace the sandbox with a new one that holds only the guide's prerequisites."""
    running = sandbox_process().reset(_folder())
    typer.echo(f"A new sandbox is running at {running.env['AWS_ENDPOINT_URL']}.")
    options.next_command('eval "$(smplan sandbox env)"')
