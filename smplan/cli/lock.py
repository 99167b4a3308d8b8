"""``smplan lock``: who may write the state now, and how to take that from somebody who is gone."""

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
    """Show who holds the lock, for which operation and run, since when and until when, or that it is free."""
    from smplan.cli import wiring
    from smplan.render import text

    store = wiring.found_store(blueprint)
    grip = store.lock_info()
    if as_json:
        typer.echo(
            json.dumps({"held": bool(grip and not grip.expired), "lock": asdict(grip) if grip else None}, indent=1)
        )
        return
    typer.echo(text.grip(store.location, grip).rstrip("\n"))
    if grip and not grip.expired:
        options.next_command("smplan lock break   # only if that process is gone; otherwise wait")


def break_(blueprint: options.OfBlueprint = None, yes: options.Yes = False) -> None:
    """Take the lock in S3 from somebody who is gone, before it runs out by itself (a minute after the last renewal).

    Safe even if the holder is still there: it is shut out at once, and its next write fails. A local lock goes with its
    process and cannot be broken.
    """
    from smplan.cli import wiring
    from smplan.render import text

    store = wiring.found_store(blueprint)
    grip = store.lock_info()
    typer.echo(text.grip(store.location, grip).rstrip("\n"))
    if grip is None:
        return
    if not yes and grip.until:
        options.ask("Break this lock? Whoever still holds it cannot write any more, and stops at its next write.")
    store.break_lock(grip, wiring.holder("lock break"))
    typer.echo("The lock is broken. What its holder journalled is kept, and looked after by the next apply.")
    options.next_command("smplan apply   # goes on where that run stopped")
