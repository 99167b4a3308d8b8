"""``smplan doctor``: what could stand in the way, and what to do about it."""

from __future__ import annotations

import json
import platform
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from smplan import __version__
from smplan.cli import options

if TYPE_CHECKING:
    from smplan.cli.wiring import Found
    from smplan.render.doctor import Check
    from smplan.stores.interface import Store
    from smplan.stores.s3 import S3Store


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command(epilog="Examples: smplan doctor fleet.yaml · smplan doctor fleet.yaml --state > policy.json")(doctor)


def doctor(
    blueprint: Annotated[
        Path | None, typer.Argument(help="Whose state; otherwise that of the last plan, or the only one in state/.")
    ] = None,
    state: Annotated[
        bool, typer.Option("--state", help="Only the state; if it is in S3, print a bucket policy for it.")
    ] = False,
    as_json: options.AsJson = False,
) -> int:
    """Check credentials, the place of the state and its lock; ends with 1 if anything is wrong.

    With --state and a state in S3, standard output is a bucket policy and nothing else: it refuses to write the state
    without a condition, and without TLS. The checks are on standard error then.
    """
    from smplan.render import doctor as render

    found, store, trouble = _found(blueprint)
    checks = [] if state else [_program(), *_access(found)]
    checks += trouble
    if store:
        checks += _of_state(store)
    s3 = _in_s3(store)
    if s3:
        checks += _of_bucket(s3)
    policy = s3.policy() if s3 and state else None
    if as_json:
        told = {"checks": [asdict(check) for check in checks], **({"policy": policy} if policy else {})}
        typer.echo(json.dumps(told, indent=1))
    else:
        typer.echo(render.text(checks).rstrip("\n"), err=policy is not None)
        if s3 and policy:
            typer.echo(json.dumps(policy, indent=1))
        _next(s3, f"{blueprint} " if blueprint else "", policy=policy is not None)
    return 1 if any(check.ok is False for check in checks) else 0


def _next(s3: S3Store | None, whose: str, *, policy: bool) -> None:
    if s3 and policy:
        options.next_command(
            f"aws s3api put-bucket-policy --bucket {s3.bucket.name} --policy file://policy.json"
            "   # replaces the bucket's policy: add the statements to the one it has"
        )
    elif s3:
        options.next_command(f"smplan doctor {whose}--state > policy.json   # a bucket policy that guards the state")


def _found(blueprint: Path | None) -> tuple[Found | None, Store | None, list[Check]]:
    """Whose state it is and the store, or what is wrong with finding them."""
    from smplan.cli import wiring
    from smplan.errors import SmplanError
    from smplan.render.doctor import Check

    try:
        found = wiring.found(blueprint)
        return found, found.store, []
    except SmplanError as error:
        hint = error.hint or f"smplan validate {blueprint} shows every fault"
        return None, None, [Check("state", False, str(error), hint)]


def _in_s3(store: Store | None) -> S3Store | None:
    from smplan.stores.local import LocalStore

    if store is None or isinstance(store, LocalStore):
        return None
    from smplan.stores.s3 import S3Store

    return store if isinstance(store, S3Store) else None


def _check(name: str, look: Callable[[], str]) -> Check:
    """How ``look`` ends: with what it found, or with an error and its hint."""
    from smplan.errors import SmplanError
    from smplan.render.doctor import Check

    try:
        return Check(name, True, look())
    except SmplanError as error:
        return Check(name, False, str(error), error.hint)


def _advice(name: str, look: Callable[[], str], hint: str) -> Check:
    """As ``_check``, but only worth a thought if ``look`` finds nothing or may not look."""
    from smplan.render.doctor import Check

    found = _check(name, look)
    if found.ok and found.found:
        return found
    return Check(name, None, found.found or "off", hint)


def _program() -> Check:
    from smplan.render.doctor import Check

    return Check("program", True, f"smplan {__version__} on Python {platform.python_version()}")


def _access(found: Found | None) -> Iterator[Check]:
    """Who signs the requests, and for which region."""
    from smplan.cli import wiring
    from smplan.errors import GuardRefused

    wanted = found.account if found else None

    def account() -> str:
        there = aws.account
        if wanted and wanted != there:
            raise GuardRefused(
                f"the credentials are of account {there}, the blueprint is for {wanted}",
                hint="set AWS_PROFILE to credentials of that account",
            )
        return f"of account {there}"

    aws = wiring.world_of(found.region if found else None).aws
    yield _check("region", lambda: aws.region)
    yield _check("credentials", account)


def _of_state(store: Store) -> Iterator[Check]:
    """Whether it can be read, is sound, and can be locked."""
    yield _check("place", lambda: f"{store.location} can be read" + ("" if store.document() else "; nothing there yet"))
    yield _check("state", lambda: _sound(store))
    free = _check("lock", lambda: _free(store))
    yield free
    if free.ok:
        yield _check("locking", lambda: _lockable(store))


def _sound(store: Store) -> str:
    found = store.read().folded
    if found is None:
        return "none yet: the first apply makes it"
    run = f"; the run of plan {found.run.plan_id} is unfinished: smplan apply goes on with it" if found.run else ""
    return f"state and journal are sound: serial {found.state.serial}, {len(found.state.resources)} resources{run}"


def _free(store: Store) -> str:
    from smplan.errors import Locked

    holder = store.holder()
    if holder:
        raise Locked(
            f"held by {holder}", hint="wait until that has ended; smplan lock show tells until when it is good"
        )
    return "free"


def _lockable(store: Store) -> str:
    from smplan.cli import wiring

    store.test_lock(wiring.holder("doctor"))
    return "the lock could be taken and given back" + (", conditional writes are honoured" if _in_s3(store) else "")


def _of_bucket(store: S3Store) -> Iterator[Check]:
    """What is wise and not needed."""
    name = store.bucket.name
    yield _advice(
        "versioning",
        lambda: "on" if store.bucket.versioned() else "",
        f"aws s3api put-bucket-versioning --bucket {name} --versioning-configuration Status=Enabled: "
        "what is deleted by mistake can be had back",
    )
    yield _advice(
        "encryption",
        store.bucket.encryption,
        "allow s3:GetEncryptionConfiguration, or name a key of your own: kms_key_id in `state`",
    )
