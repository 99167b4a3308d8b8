"""``smplan lock``: show the holder of the state lock, or break the lock of a dead process."""

from __future__ import annotations

import json
from dataclasses import asdict

import typer

from smplan.cli import options


def register(lock: typer.Typer) -> None:
    """Add the commands to ``lock``."""
    lock.command("show", epilog="Example: smplan lock show -b fleet.yaml")(show)
    lock.command("break", epilog="Example: smplan lock break -b fleet.yaml")(break_)


def show(blueprint: options.OfBlueprint = None, as_json: options.AsJson = False) -> None:
    """Show who holds the lock, for which operation and run, since when and until when."""
    from smplan.cli import wiring
    from smplan.render import text

    store = wiring.store_of(blueprint)
    lock = store.lock_info()
    if as_json:
        typer.echo(
            json.dumps({"held": bool(lock and not lock.expired), "lock": asdict(lock) if lock else None}, indent=1)
        )
        return
    typer.echo(text.lock(store.location, lock).rstrip("\n"))
    if lock and not lock.expired:
        options.next_command("smplan lock break   # only if that process has died; otherwise wait")


def break_(blueprint: options.OfBlueprint = None, yes: options.Yes = False) -> None:
    """Release an S3 lock whose holder has died, without waiting for it to expire (a minute after its last renewal).

    Safe even if the holder is still alive: its next write fails. A local lock ends with its process and cannot be
    broken.
    """
    from smplan.cli import wiring
    from smplan.render import text

    store = wiring.store_of(blueprint)
    lock = store.lock_info()
    typer.echo(text.lock(store.location, lock).rstrip("\n"))
    if lock is None:
        return
    if not yes and lock.until:
        options.confirm("Break this lock? If its holder is still running, it stops at its next write.")
    store.break_lock(lock, wiring.holder("lock break"))
    typer.echo("The lock is broken. Its holder's journal is kept; the next apply resumes from it.")
    options.next_command("smplan apply   # resumes that run")
