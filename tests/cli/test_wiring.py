"""How the pieces are put together: stores, the world, who holds the lock, and in which account."""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import cast

import pytest

from smplan.cli import wiring
from smplan.core.blueprint import BackendConfig
from smplan.core.values import Secret
from smplan.drivers.aws.client import Aws
from smplan.engine.providers import Providers
from smplan.errors import Invalid, SmplanError
from smplan.stores import s3
from smplan.stores.local import LocalStore
from tests.cli.conftest import Shell
from tests.drivers.conformance import no_wait_retries

WATCH = """\
smplan: 1
name: toy
aws: {region: us-east-1, account: "111111111111"}
resources:
  gate: {kind: gate.targets_healthy, spec: {target_group_arn: "arn:aws:elasticloadbalancing:x:1:targetgroup/x/1"}}
"""


class Account:
    """Credentials of an account, and no way to anything in it."""

    def __init__(self, account: str, region: str) -> None:
        self.account = account
        self.region = region
        self.retry_policy = no_wait_retries()
        self.skew_seconds = 0.0


def signed_in(monkeypatch: pytest.MonkeyPatch, account: str, region: str = "us-east-1") -> None:
    """Let the credentials be of ``account``."""

    def providers(_: str | None) -> Providers:
        return Providers(cast("Aws", Account(account, region)), connect=lambda _: pytest.fail("asked"), secrets=str)

    monkeypatch.setattr(wiring, "providers", providers)


@pytest.mark.parametrize(
    ("endpoint", "speed"),
    [("http://127.0.0.1:5000", "fast"), ("https://ec2.amazonaws.com", "600.0"), ("", "600.0"), ("http://[::1]", "-1")],
)
def test_only_the_sandboxs_clock_has_a_speed(monkeypatch: pytest.MonkeyPatch, endpoint: str, speed: str) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    monkeypatch.setenv("SMPLAN_CLOCK_SPEED", speed)
    with pytest.raises(Invalid, match=f"SMPLAN_CLOCK_SPEED is `{speed}`"):
        wiring.providers("us-east-1")
    monkeypatch.delenv("SMPLAN_CLOCK_SPEED")
    wiring.providers("us-east-1")


def test_a_blueprint_of_another_account_is_refused(smplan: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    smplan.write("toy.yaml", WATCH)
    signed_in(monkeypatch, "222222222222")
    for command in (("plan", "toy.yaml"), ("drift", "toy.yaml"), ("apply", "toy.yaml", "--yes")):
        done = smplan(*command)
        assert done.code == 6
        assert "is for account 111111111111, and the credentials are of account 222222222222" in done.err


def test_a_plan_of_another_account_or_region_is_refused(smplan: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    smplan.write("toy.yaml", WATCH)
    signed_in(monkeypatch, "111111111111")
    assert "account 111111111111 in us-east-1" in smplan.ok("plan", "toy.yaml").out
    signed_in(monkeypatch, "222222222222")
    assert smplan("apply", "--yes").code == 6
    signed_in(monkeypatch, "111111111111", "eu-west-1")
    done = smplan("apply", "--yes")
    assert done.code == 6
    assert "region" in done.err
    assert smplan("state", "list").code == 1


def test_state_may_live_in_s3(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []
    monkeypatch.setattr(s3, "connect", lambda region: asked.append(region))
    store = wiring.store_at(
        BackendConfig("s3", {"bucket": "b", "region": "eu-west-1", "key": "k/s.json"}), "toy", "us-east-1"
    )
    assert isinstance(store, s3.S3Store)
    assert "b/k/s.json" in store.location
    store = wiring.store_at(BackendConfig("s3", {"bucket": "b"}), "toy", "us-east-1")
    assert "b/toy.state.json" in store.location
    assert asked == ["eu-west-1", "us-east-1"]


def test_state_lives_in_a_folder_by_default() -> None:
    store = wiring.store_at(BackendConfig("local", {}), "toy")
    assert isinstance(store, LocalStore)
    assert store.path == Path("state/toy.state.json")


def test_the_world_fetches_secrets_and_opens_stream_managers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RED5_ADMIN_TOKEN", "hunter2")
    monkeypatch.delenv("SMPLAN_CA_FILE", raising=False)
    world = wiring.providers("us-east-1")
    assert world.secret("env:RED5_ADMIN_TOKEN") == "hunter2"
    assert world.aws.region == "us-east-1"
    settings = {"url": "https://sm.example.com", "access_token": Secret("env:RED5_ADMIN_TOKEN")}
    world.set_stream_manager_settings(lambda: dict(settings))
    first = world._context.stream_manager()
    assert world._context.stream_manager() is first
    assert "sm.example.com" in repr(first)
    assert "hunter2" not in repr(first)
    world.set_stream_manager_settings(lambda: {"url": "https://other.example.com"})
    assert "other.example.com" in repr(world._context.stream_manager())


@pytest.mark.parametrize("error", [KeyError, OSError])
def test_lock_holder_without_user_name_is_shown_by_uid(monkeypatch: pytest.MonkeyPatch, error: type[Exception]) -> None:
    def unknown_user() -> str:
        raise error

    monkeypatch.setattr(getpass, "getuser", lambda: "anna")
    assert wiring.holder("apply").who.startswith("anna@")
    monkeypatch.setattr(getpass, "getuser", unknown_user)
    assert wiring.holder("apply").who.startswith("uid ")
    assert wiring.holder("apply").run != wiring.holder("apply").run


def test_warnings_of_the_store_are_printed(smplan: Shell) -> None:
    smplan.applied()
    (smplan.folder / "state" / "toy.state.json").chmod(0o644)
    done = smplan.ok("state", "list")
    assert done.err.startswith("smplan: state/toy.state.json was readable by other users")


def test_missing_state_raises_smplan_error(smplan: Shell) -> None:
    with pytest.raises(SmplanError, match="no state here"):
        wiring.store_of(None)
