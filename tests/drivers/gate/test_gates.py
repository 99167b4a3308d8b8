"""Gates: waits, progress and probable causes."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest

from smplan.drivers.base import Claim, Owner
from smplan.drivers.context import Context
from smplan.drivers.gate._common import PASSED
from smplan.drivers.gate.http import HttpGate, HttpSpec
from smplan.drivers.gate.targets_healthy import TargetsHealthy, TargetsHealthySpec
from smplan.drivers.http import HttpClient
from smplan.errors import Invalid
from tests.drivers.red5.server import serving


def target(state: str, reason: str = "") -> dict[str, Any]:
    health = {"State": state} | ({"Reason": reason} if reason else {})
    return {"Target": {"Id": "i-1"}, "TargetHealth": health}


class Cloud:
    """An AWS that answers from lists."""

    def __init__(self, *looks: list[dict[str, Any]]) -> None:
        self.looks = list(looks)
        self.activities: list[dict[str, Any]] = []
        self.instances = ["i-1"]
        self.groups = ["sg-1"]
        self.rules: list[dict[str, Any]] = []

    def describe_target_health(self, TargetGroupArn: str) -> dict[str, Any]:  # noqa: N803 - AWS's name
        look = self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]
        return {"TargetHealthDescriptions": look}

    def describe_scaling_activities(self, **_: Any) -> dict[str, Any]:
        return {"Activities": self.activities}

    def describe_auto_scaling_groups(self, **_: Any) -> dict[str, Any]:
        return {"AutoScalingGroups": [{"Instances": [{"InstanceId": id} for id in self.instances]}]}

    def describe_instances(self, **_: Any) -> dict[str, Any]:
        return {"Reservations": [{"Instances": [{"SecurityGroups": [{"GroupId": group} for group in self.groups]}]}]}

    def get_paginator(self, _: str) -> Any:
        return SimpleNamespace(paginate=lambda: [{"SecurityGroupRules": self.rules}])


def gate(cloud: Cloud) -> TargetsHealthy:
    clients = SimpleNamespace(elbv2=cloud, autoscaling=cloud, ec2=cloud)
    return TargetsHealthy(Context(SimpleNamespace(read=clients), lambda: None))


SPEC = TargetsHealthySpec(target_group_arn="arn", auto_scaling_group_name="fleet", minimum=1)


def test_targets_must_be_healthy_in_two_polls_in_a_row() -> None:
    cloud = Cloud(
        [],
        [target("initial", "Elb.RegistrationInProgress")],
        [target("healthy")],
        [target("unhealthy")],
        [target("healthy")],
    )
    said = [progress.status for progress in gate(cloud).wait_ready(PASSED, SPEC)]
    assert said == [
        "0 of 1 healthy; no targets yet",
        "0 of 1 healthy; 1 initial Elb.RegistrationInProgress",
        "1 of 1 healthy",
        "0 of 1 healthy; 1 unhealthy",
        "1 of 1 healthy",
    ]


def test_targets_that_are_not_in_use_will_never_be_healthy() -> None:
    with pytest.raises(Invalid, match="no listener forwards"):
        next(gate(Cloud([target("unused", "Target.NotInUse")])).wait_ready(PASSED, SPEC))


def admit(**rule: Any) -> dict[str, Any]:
    known = {"IpProtocol": "tcp", "FromPort": 3306, "ToPort": 3306, "ReferencedGroupInfo": {"GroupId": "sg-1"}}
    return known | rule


@pytest.mark.parametrize(
    "rule",
    [
        admit(IsEgress=True),
        admit(FromPort=5080, ToPort=5080),
        admit(IpProtocol="udp"),
        admit(ReferencedGroupInfo={"GroupId": "sg-2"}),
        {"IpProtocol": "tcp", "FromPort": 3306, "ToPort": 3306, "CidrIpv4": "0.0.0.0/0"},
    ],
)
def test_a_database_without_a_rule_is_the_probable_cause(rule: dict[str, Any]) -> None:
    cloud = Cloud([target("unhealthy")])
    cloud.rules = [rule]
    assert "no security group allows port 3306 from sg-1" in gate(cloud).diagnose_timeout(SPEC)


@pytest.mark.parametrize(
    "rule", [admit(), admit(FromPort=0, ToPort=65535), admit(IpProtocol="-1", FromPort=-1, ToPort=-1)]
)
def test_a_database_that_allows_the_instances_is_not_a_cause(rule: dict[str, Any]) -> None:
    cloud = Cloud([target("unhealthy")])
    cloud.rules = [rule]
    assert gate(cloud).diagnose_timeout(SPEC) == ""


def test_a_failed_launch_is_a_probable_cause() -> None:
    cloud = Cloud([])
    cloud.instances = []
    cloud.activities = [{"StatusCode": "Failed", "StatusMessage": "no capacity"}]
    assert gate(cloud).diagnose_timeout(SPEC) == "The latest scaling activity failed: no capacity."
    cloud.activities = [{"StatusCode": "Successful"}, {"StatusCode": "Failed"}]
    assert gate(cloud).diagnose_timeout(SPEC) == ""
    assert gate(cloud).diagnose_timeout(TargetsHealthySpec(target_group_arn="arn")) == ""


def test_a_gate_makes_and_deletes_nothing() -> None:
    made = gate(Cloud([]))
    assert made.create(SPEC, Claim(Owner("l", "a"), "t")) == PASSED
    assert made.read_many([PASSED]) == {}
    made.delete(PASSED)
    assert made.timeout(SPEC) == 900


def http_gate(connect_map: str = "") -> HttpGate:
    http = partial(HttpClient, connect_map=connect_map)
    return HttpGate(Context(SimpleNamespace(), lambda: None, http))


def test_the_http_gate_waits_for_the_expected_status_and_text() -> None:
    with serving() as server:
        gate = http_gate(f":5080:127.0.0.1:{server.port}")
        server.answers["GET /live"] = [(503, ""), (0, ""), (200, "starting"), (200, "ready")]
        spec = HttpSpec(url="http://sm.example.com:5080/live", contains="ready", timeout=7)
        said = [progress.status for progress in gate.wait_ready(PASSED, spec)]
    assert [said[0], said[2]] == ["HTTP 503", "HTTP 200, without `ready` in the body"]
    assert "got no response" in said[1]
    assert gate.timeout(spec) == 7


def test_the_http_gate_keeps_waiting_while_no_server_listens() -> None:
    looks: Iterator[Any] = http_gate().wait_ready(PASSED, HttpSpec(url="http://127.0.0.1:1"))
    assert "cannot be reached" in next(looks).status
