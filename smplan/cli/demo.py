"""``smplan demo``: plan, apply, an empty second plan and destroy, in a temporary sandbox."""

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
    """Plan, apply, plan again and destroy in a temporary sandbox; no AWS account needed."""
    control = sandbox_process()
    since = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="smplan-demo-") as name:
        folder, user = Path(name, "fleet"), Path(name, "user")
        folder.mkdir()
        shutil.copy(starter(), folder / STARTER)
        typer.echo(f"$ smplan sandbox start --speed {speed:g}")
        running = control.start(speed, folder / ".smplan")
        try:
            before = inventory(running.env)
            tour(folder, {**running.env, "XDG_STATE_HOME": str(user), "XDG_CONFIG_HOME": str(user)})
            left = inventory(running.env) - before
        finally:
            control.stop(folder / ".smplan")
    _check_left(left)
    typer.echo(f"\nOnly the prerequisites are left. The demo took {time.monotonic() - since:.0f} s.")
    typer.echo("Next: smplan init, or smplan sandbox start to try the commands yourself", err=True)


def tour(folder: Path, env: Mapping[str, str]) -> None:
    """Run the commands of the demo, each in its own process."""
    run(folder, env, "plan", STARTER)
    run(folder, env, "apply", "--yes")
    run(folder, env, "plan", STARTER, "--detailed-exitcode")
    run(folder, env, "state", "show", "node_group")
    run(folder, env, "output")
    run(folder, env, "destroy", STARTER, "--yes")


def run(folder: Path, env: Mapping[str, str], *arguments: str) -> None:
    """Print and run one command. Raises SmplanError if it does not exit with 0."""
    from smplan.errors import SmplanError

    typer.echo(f"\n$ smplan {' '.join(arguments)}")
    sys.stdout.flush()
    done = subprocess.run(  # noqa: S603 - smplan itself, with fixed arguments
        [sys.executable, "-P", "-m", "smplan", *arguments], cwd=folder, env={**os.environ, **env}, check=False
    )
    if done.returncode:
        raise SmplanError(f"`smplan {' '.join(arguments)}` exited with {done.returncode}")


def inventory(env: Mapping[str, str]) -> set[str]:
    """The resources in the sandbox, of the kinds in the blueprint, as "kind id"."""
    from smplan.sandbox import inventory as sandbox

    return sandbox.inventory(env)


def _check_left(left: set[str]) -> None:
    from smplan.errors import SmplanError

    if left:
        raise SmplanError(
            f"left behind: {', '.join(sorted(left))}",
            hint="this is a bug in smplan; report it in the project's issue tracker",
        )
