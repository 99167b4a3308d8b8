"""``smplan demo``: the whole job on a sandbox of its own: plan, apply, an empty second plan, destroy."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import typer

from smplan.cli.init import STARTER, starter
from smplan.cli.sandbox import Speed, sandbox_process

SPEED = 60.0


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command(epilog="Example: smplan demo")(demo)


def demo(speed: Speed = SPEED) -> None:
    """Show the whole job on a sandbox of its own: plan, apply, an empty second plan, destroy. No AWS account needed."""
    control = sandbox_process()
    since = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="smplan-demo-") as name:
        folder = Path(name)
        shutil.copy(starter(), folder / STARTER)
        typer.echo(f"$ smplan sandbox start --speed {speed:g}")
        running = control.start(speed, folder / ".smplan")
        try:
            before = inventory(running.env)
            tour(folder, running.env)
            left = inventory(running.env) - before
        finally:
            control.stop(folder / ".smplan")
    _check_left(left)
    typer.echo(f"\nOnly the prerequisites are left. The demo took {time.monotonic() - since:.0f} s.")
    typer.echo("Next: smplan init, or do it by hand: smplan sandbox start", err=True)


def tour(folder: Path, env: Mapping[str, str]) -> None:
    """The commands of the demo, each in a process of its own as a person would type it."""
    run(folder, env, "plan", STARTER)
    run(folder, env, "apply", "--yes")
    run(folder, env, "plan", STARTER, "--detailed-exitcode")
    run(folder, env, "state", "show", "node_group")
    run(folder, env, "output")
    run(folder, env, "destroy", STARTER, "--yes")


def run(folder: Path, env: Mapping[str, str], *arguments: str) -> None:
    """One command, shown as it would be typed. Raises SmplanError if it does not end with 0."""
    from smplan.errors import SmplanError

    typer.echo(f"\n$ smplan {' '.join(arguments)}")
    sys.stdout.flush()
    done = subprocess.run(  # noqa: S603 - smplan itself, with fixed words
        [sys.executable, "-m", "smplan", *arguments], cwd=folder, env={**os.environ, **env}, check=False
    )
    if done.returncode:
        raise SmplanError(f"`smplan {' '.join(arguments)}` ended with {done.returncode}")


def inventory(env: Mapping[str, str]) -> set[str]:
    """What stands in the sandbox of the kinds that the blueprint makes, as "kind id"."""
    from smplan.sandbox import inventory as there

    return there.inventory(env)


def _check_left(left: set[str]) -> None:
    from smplan.errors import SmplanError

    if left:
        raise SmplanError(f"left behind: {', '.join(sorted(left))}", hint="this is a bug in smplan: please report it")
