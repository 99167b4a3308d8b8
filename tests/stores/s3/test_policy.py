"""The bucket policy: every write that smplan makes passes, none without a condition does. KMS goes with each."""

from __future__ import annotations

import fnmatch
import re
from pathlib import Path
from typing import Any

import pytest

from smplan.core.blueprint import BackendConfig as Spot
from smplan.stores.local import LocalStore
from smplan.stores.move import Endpoint, Move
from smplan.stores.s3 import S3Store
from smplan.stores.s3.policy import policy
from tests.stores.samples import (
    BEGAN,
    HOLDER,
    OTHER,
    HandClock,
    S3Place,
    create,
    state,
)
from tests.support.s3 import (
    MemoryS3,
)
from tests.support.s3_client import (
    Wire,
)

KEY = "team/fleet.json"
ACTIONS = {
    "put_object": "s3:PutObject",
    "delete_object": "s3:DeleteObject",
    "delete_objects": "s3:DeleteObject",
    "get_object": "s3:GetObject",
    "head_object": "s3:GetObject",
}


def denied(document: Any, action: str, resource: str, context: dict[str, str]) -> list[str]:
    """The statements of ``document`` that deny a request: as IAM reads them, as far as these policies go."""
    return [
        statement["Sid"]
        for statement in document["Statement"]
        if statement["Effect"] == "Deny"
        and fnmatch.fnmatchcase(action, statement["Action"])
        and any(_matches(resource, pattern) for pattern in statement["Resource"])
        and _holds(statement["Condition"], context)
    ]


def _matches(resource: str, pattern: str) -> bool:
    meant = {"*": ".*", "?": ".", "${*}": r"\*", "${?}": r"\?", "${$}": r"\$"}
    parts = re.split(r"(\$\{[*?$]\}|\*|\?)", pattern)
    return bool(re.fullmatch("".join(meant.get(part, re.escape(part)) for part in parts), resource))


def _holds(condition: dict[str, dict[str, str]], context: dict[str, str]) -> bool:
    null = all((name not in context) == (value == "true") for name, value in condition.get("Null", {}).items())
    return null and all(context.get(name) == value for name, value in condition.get("Bool", {}).items())


def context(arguments: dict[str, Any], *, tls: bool = True) -> dict[str, str]:
    found = {"aws:SecureTransport": str(tls).lower(), "s3:ObjectCreationOperation": "true"}
    if "IfMatch" in arguments:
        found["s3:if-match"] = arguments["IfMatch"]
    if "IfNoneMatch" in arguments:
        found["s3:if-none-match"] = arguments["IfNoneMatch"]
    return found


def a_whole_life(folder: Path) -> list[tuple[str, dict[str, Any]]]:
    """Every call for an object that smplan makes from the first lock to the marker that a move leaves."""
    seen: list[tuple[str, dict[str, Any]]] = []
    wire = Wire(MemoryS3(), HandClock())
    wire.before = lambda name, arguments: seen.append((name, dict(arguments)))

    def store(key: str = KEY) -> S3Store:
        return S3Store("b", key, client=wire, clock=HandClock(), kms_key_id="alias/state")  # type: ignore[arg-type]  # a client in all but type

    store().test_lock(HOLDER)
    with store().lock(HOLDER) as held:
        kept = held.save(state("a"))
        held.append([BEGAN, *create("b")])
        for serial in range(2, 24):
            held.put_version(serial, b"earlier")
        held.put_version(2, b"another")
        held.save(held.folded().state)
        assert kept.serial == 1
    with store().lock(OTHER) as held:
        held.append([BEGAN])
        info = store().lock_info()
        assert info is not None
        store().break_lock(info, OTHER)
    local = Endpoint(LocalStore(folder / "x.state.json"), Spot("local", {"path": "x.state.json"}))
    there = Endpoint(store(), Spot("s3", {"bucket": "b", "key": KEY}))
    Move(there, local, HOLDER, "", lambda _: None).run()
    Move(local, there, HOLDER, "", lambda _: None).run()
    return [(name, arguments) for name, arguments in seen if name in ACTIONS]


@pytest.fixture
def life(tmp_path: Path) -> list[tuple[str, dict[str, Any]]]:
    return a_whole_life(tmp_path)


def keys(name: str, arguments: dict[str, Any]) -> list[str]:
    return [each["Key"] for each in arguments["Delete"]["Objects"]] if name == "delete_objects" else [arguments["Key"]]


def test_everything_that_smplan_requests_is_allowed(life: list[tuple[str, dict[str, Any]]]) -> None:
    document = policy("b", KEY, "aws")
    written = set()
    for name, arguments in life:
        for key in keys(name, arguments):
            resource = f"arn:aws:s3:::b/{key}"
            assert denied(document, ACTIONS[name], resource, context(arguments)) == [], (name, key)
            written.add((name, key.removeprefix(KEY).partition("/")[0]))
    assert {part for name, part in written if name == "put_object"} == {"", ".lock", ".journal", ".history", ".moved"}
    assert {name for name, _ in written} == set(ACTIONS)


def test_nothing_of_the_state_is_written_without_a_condition(life: list[tuple[str, dict[str, Any]]]) -> None:
    document = policy("b", KEY, "aws")
    for name, arguments in life:
        if name == "put_object":
            resource = f"arn:aws:s3:::b/{arguments['Key']}"
            assert denied(document, "s3:PutObject", resource, context({})) == ["StateIsWrittenConditionally"]


def test_every_object_of_the_state_is_encrypted_with_the_key_given(life: list[tuple[str, dict[str, Any]]]) -> None:
    puts = [arguments for name, arguments in life if name == "put_object"]
    assert len(puts) > 20
    for arguments in puts:
        assert (arguments["ServerSideEncryption"], arguments["SSEKMSKeyId"]) == ("aws:kms", "alias/state")


def test_parts_of_an_upload_pass_and_its_completion_needs_a_condition() -> None:
    document = policy("b", "fleet", "aws")
    part = {"aws:SecureTransport": "true", "s3:ObjectCreationOperation": "false"}
    assert denied(document, "s3:PutObject", "arn:aws:s3:::b/fleet", part) == []


def test_nothing_passes_without_tls() -> None:
    document = policy("b", "fleet", "aws")
    for action, resource in (("s3:GetObject", "b/fleet"), ("s3:PutObject", "b/fleet.lock"), ("s3:ListBucket", "b")):
        found = denied(document, action, f"arn:aws:s3:::{resource}", context({"IfMatch": "x"}, tls=False))
        assert found == ["StateTravelsEncrypted"]


@pytest.mark.parametrize("other", ["fleet2", "fleet.prod", "x/fleet", "fleetx.lock"])
def test_other_objects_of_the_bucket_are_left_alone(other: str) -> None:
    document = policy("b", "fleet", "aws")
    assert denied(document, "s3:PutObject", f"arn:aws:s3:::b/{other}", context({}, tls=False)) == []


def test_a_key_is_no_pattern() -> None:
    document = policy("b", "a*b?c$", "aws-cn")
    assert denied(document, "s3:PutObject", "arn:aws-cn:s3:::b/a*b?c$", context({})) != []
    assert denied(document, "s3:PutObject", "arn:aws-cn:s3:::b/axxbyc$", context({})) == []


def test_a_store_knows_its_policy(s3_place: S3Place) -> None:
    assert s3_place.store().policy() == policy(s3_place.bucket, "fleet", "aws")
