"""``smplan doctor``: check credentials, state and lock before a run, and a fleet against the guide."""

from __future__ import annotations

import json
import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from smplan import __version__
from smplan.cli import options

if TYPE_CHECKING:
    from smplan.cli.wiring import LocatedState
    from smplan.render.doctor import Check
    from smplan.stores.interface import Store
    from smplan.stores.s3 import S3Store


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command(epilog="Examples: smplan doctor fleet.yaml · smplan doctor fleet.yaml --state > policy.json")(doctor)


def doctor(
    blueprint: Annotated[
        Path | None, typer.Argument(help="Whose state; default: that of the last plan, or the only one in state/.")
    ] = None,
    state: Annotated[
        bool, typer.Option("--state", help="Check only the state; if it is in S3, print a bucket policy.")
    ] = False,
    var: options.Variables = None,
    var_file: options.VariableFiles = None,
    as_json: options.AsJson = False,
) -> int:
    """Check credentials, state and lock, and a blueprint's fleet against the guide; exits with 1 if any check fails.

    With --state and a state in S3, standard output is a bucket policy that refuses unconditional writes and requests
    without TLS, and the checks are on standard error.
    """
    from smplan.render import doctor as render

    found, store, failures = _locate(blueprint)
    checks = [] if state else [_program(), *_access(found)]
    checks += failures
    if store:
        checks += _of_state(store)
    s3 = _in_s3(store)
    if s3:
        checks += _of_bucket(s3)
    if blueprint and store and not state and all(check.ok is not False for check in checks):
        checks += _of_fleet(blueprint, options.assignments(var), var_file or (), store)
    policy = s3.policy() if s3 and state else None
    if as_json:
        report = {"checks": [asdict(check) for check in checks], **({"policy": policy} if policy else {})}
        typer.echo(json.dumps(report, indent=1))
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
            "   # replaces the bucket's policy; keep its other statements"
        )
    elif s3:
        options.next_command(f"smplan doctor {whose}--state > policy.json   # a bucket policy that protects the state")


def _locate(blueprint: Path | None) -> tuple[LocatedState | None, Store | None, list[Check]]:
    """The state and its store, or a failed check."""
    from smplan.cli import wiring
    from smplan.errors import SmplanError
    from smplan.render.doctor import Check

    try:
        found = wiring.locate_state(blueprint)
        return found, found.store, []
    except SmplanError as error:
        hint = error.hint or f"run `smplan validate {blueprint}` to see every error"
        return None, None, [Check("state", False, str(error), hint)]


def _in_s3(store: Store | None) -> S3Store | None:
    from smplan.stores.local import LocalStore

    if store is None or isinstance(store, LocalStore):
        return None
    from smplan.stores.s3 import S3Store

    return store if isinstance(store, S3Store) else None


def _check(name: str, probe: Callable[[], str]) -> Check:
    """The result of ``probe``, or its error and hint."""
    from smplan.errors import SmplanError
    from smplan.render.doctor import Check

    try:
        return Check(name, True, probe())
    except SmplanError as error:
        return Check(name, False, str(error), error.hint)


def _advice(name: str, probe: Callable[[], str], hint: str) -> Check:
    """As ``_check``, but advice instead of a failure if ``probe`` returns nothing or is denied."""
    from smplan.render.doctor import Check

    found = _check(name, probe)
    if found.ok and found.found:
        return found
    return Check(name, None, found.found or "off", hint)


def _program() -> Check:
    from smplan.render.doctor import Check

    return Check("program", True, f"smplan {__version__} on Python {platform.python_version()}")


def _access(found: LocatedState | None) -> Iterator[Check]:
    """Checks of region and account."""
    from smplan.cli import wiring
    from smplan.errors import GuardRefused

    wanted = found.account if found else None

    def account() -> str:
        actual = aws.account
        if wanted and wanted != actual:
            raise GuardRefused(
                f"the credentials are for account {actual}, the blueprint is for {wanted}",
                hint="set AWS_PROFILE to a profile of that account",
            )
        return f"for account {actual}"

    aws = wiring.providers(found.region if found else None).aws
    yield _check("region", lambda: aws.region)
    yield _check("credentials", account)


def _of_state(store: Store) -> Iterator[Check]:
    """Checks that the state can be read, is intact, and can be locked."""
    yield _check("location", lambda: f"{store.location} can be read" + ("" if store.document() else "; empty so far"))
    yield _check("state", lambda: _intact(store))
    free = _check("lock", lambda: _free(store))
    yield free
    if free.ok:
        yield _check("locking", lambda: _lockable(store))


def _intact(store: Store) -> str:
    found = store.read().folded
    if found is None:
        return "none yet; the first apply creates it"
    run = f"; the run of plan {found.run.plan_id} is unfinished; `smplan apply` resumes it" if found.run else ""
    return f"state and journal are intact: serial {found.state.serial}, {len(found.state.resources)} resources{run}"


def _free(store: Store) -> str:
    from smplan.errors import Locked

    holder = store.holder()
    if holder:
        raise Locked(f"held by {holder}", hint="wait until it ends; `smplan lock show` shows when the lock expires")
    return "free"


def _lockable(store: Store) -> str:
    from smplan.cli import wiring

    store.test_lock(wiring.holder("doctor"))
    return "acquired and released" + ("; conditional writes are honored" if _in_s3(store) else "")


def _of_bucket(store: S3Store) -> Iterator[Check]:
    """Advice on the bucket."""
    name = store.bucket.name
    yield _advice(
        "versioning",
        lambda: "on" if store.bucket.versioned() else "",
        f"run `aws s3api put-bucket-versioning --bucket {name} --versioning-configuration Status=Enabled`: "
        "makes deletions recoverable",
    )
    yield _advice(
        "encryption",
        store.bucket.encryption,
        "allow s3:GetEncryptionConfiguration, or set `kms_key_id` in `state`",
    )


def _of_fleet(blueprint: Path, variables: Mapping[str, str], files: Sequence[Path], store: Store) -> Iterator[Check]:
    """The rules of the guide on what exists; nothing for a blueprint without resources of AWS."""
    from smplan.cli import fleet_rules, wiring
    from smplan.errors import BlueprintInvalid, SmplanError
    from smplan.guide.rules import RULES
    from smplan.render.doctor import Check

    try:
        wanted = wiring.load(blueprint, variables, files)
        if not any(each.kind.startswith("aws.") for each in wanted.resources):
            return
        folded = store.read().folded
        report = fleet_rules.inspect(wanted, folded.state if folded else None, wiring.providers(wanted.region))
    except BlueprintInvalid as error:
        hint = f"run `smplan validate {blueprint}` to see every error with its line"
        yield Check("blueprint", False, "; ".join(each.message for each in error.diagnostics[:3]), hint)
        return
    except SmplanError as error:
        yield Check("fleet", False, str(error), error.hint)
        return
    for found in report.findings:
        ok = None if found.advice else False
        yield Check(found.name, ok, f"{found.address}: {found.message}", found.hint)
    if report.missing:
        hint = f"run `smplan plan {blueprint}` to see what would be created"
        yield Check("missing", None, f"there is no {', '.join(report.missing)}", hint)
    for what, why in report.not_checked.items():
        yield Check("not checked", None, f"{what}: {why}")
    broken = {found.name for found in report.findings} & RULES.keys()
    kept = (
        f"{len(report.existing)} resources were read; {len(RULES) - len(broken)} of {len(RULES)} rules are not broken"
    )
    yield Check("guide", True, kept)
