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

WARM_POOLS = """
from smplan.sandbox.aws.autoscaling._paging import page
from smplan.sandbox.aws.requests import handles
from smplan.sandbox.aws.state.account import on_tick


@handles("autoscaling", "PutWarmPool")
def put(call):
    call.account.table("autoscaling.warm_pools")[call["AutoScalingGroupName"]] = call["MinSize"]


@handles("autoscaling", "DescribeWarmPool")
def describe(call):
    sizes = call.account.table("autoscaling.warm_pools")
    return {"WarmPoolConfiguration": {"MinSize": sizes[call["AutoScalingGroupName"]]}, "Instances": []}


@on_tick
def grow(account):
    small = [name for name, size in account.table("autoscaling.warm_pools").items() if size < 3]
    for name in small:
        account.table("autoscaling.warm_pools")[name] += 1
    return bool(small)
"""


@pytest.fixture
def new_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where a test may put one module of ``smplan.sandbox.aws``; afterwards it is unloaded again."""
    monkeypatch.setattr(aws, "__path__", [*aws.__path__, str(tmp_path)])
    table, ticks = dict(requests.HANDLERS), list(accounts.TICKS)
    yield tmp_path / "warm_pools.py"
    requests.HANDLERS.clear()
    requests.HANDLERS.update(table)
    accounts.TICKS[:] = ticks
    sys.modules.pop(f"{aws.__name__}.warm_pools", None)


def test_a_new_action_with_data_and_ticks_of_its_own_is_one_file(
    new_module: Path, still: Sandbox, aws_of: Client, name: str
) -> None:
    autoscaling = aws_of("autoscaling")
    refused("InvalidAction", autoscaling.put_warm_pool, AutoScalingGroupName=name, MinSize=1)
    new_module.write_text(WARM_POOLS)
    handlers.load()
    autoscaling.put_warm_pool(AutoScalingGroupName=name, MinSize=1)
    still.tick()
    pool = autoscaling.describe_warm_pool(AutoScalingGroupName=name)
    assert pool["WarmPoolConfiguration"]["MinSize"] == 3


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
