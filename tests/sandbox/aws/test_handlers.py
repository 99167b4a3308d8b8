"""The table of handlers, and the tables that handlers keep their data in."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from smplan.sandbox import aws
from smplan.sandbox.aws import handlers, requests
from smplan.sandbox.aws.requests import handles
from smplan.sandbox.aws.state import account as accounts
from smplan.sandbox.sandbox import Sandbox
from tests.sandbox.conftest import Client, refused

TRUST_STORES = """
from smplan.sandbox.aws.requests import handles
from smplan.sandbox.aws.state.account import on_tick


@handles("elbv2", "CreateTrustStore")
def create(call):
    call.account.table("elbv2.trust_stores")[call["Name"]] = 1
    return describe(call)


@handles("elbv2", "DescribeTrustStores")
def describe(call):
    sizes = call.account.table("elbv2.trust_stores")
    return {"TrustStores": [{"Name": name, "NumberOfCaCertificates": size} for name, size in sizes.items()]}


@on_tick
def grow(account):
    small = [name for name, size in account.table("elbv2.trust_stores").items() if size < 3]
    for name in small:
        account.table("elbv2.trust_stores")[name] += 1
    return bool(small)
"""


@pytest.fixture
def new_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where a test may put one module of ``smplan.sandbox.aws``; afterwards it is unloaded again."""
    monkeypatch.setattr(aws, "__path__", [*aws.__path__, str(tmp_path)])
    table, ticks = dict(requests.HANDLERS), list(accounts.TICKS)
    yield tmp_path / "trust_stores.py"
    requests.HANDLERS.clear()
    requests.HANDLERS.update(table)
    accounts.TICKS[:] = ticks
    sys.modules.pop(f"{aws.__name__}.trust_stores", None)


def test_a_new_action_with_data_and_ticks_of_its_own_is_one_file(
    new_module: Path, still: Sandbox, aws_of: Client, name: str
) -> None:
    elbv2 = aws_of("elbv2")
    bundle = {"CaCertificatesBundleS3Bucket": "certificates", "CaCertificatesBundleS3Key": "ca.pem"}
    refused("InvalidAction", elbv2.create_trust_store, Name=name, **bundle)
    new_module.write_text(TRUST_STORES)
    handlers.load()
    elbv2.create_trust_store(Name=name, **bundle)
    still.tick()
    assert elbv2.describe_trust_stores()["TrustStores"] == [{"Name": name, "NumberOfCaCertificates": 3}]


def test_handled_actions_are_listed(still: Sandbox) -> None:
    assert {"ec2:CreateImage", "autoscaling:CreateAutoScalingGroup"} <= set(handlers.actions())
    assert handlers.actions() == sorted(set(handlers.actions()))


def test_an_action_has_one_handler(still: Sandbox) -> None:
    with pytest.raises(ValueError, match="ec2:CreateImage has two handlers"):
        handles("ec2", "CreateImage")(lambda call: None)


def test_each_account_has_tables_of_its_own(box: Sandbox, still: Sandbox, name: str) -> None:
    still.aws.table(name)["key"] = "row"
    assert still.aws.table(name) == {"key": "row"}
    assert box.aws.table(name) == {}
