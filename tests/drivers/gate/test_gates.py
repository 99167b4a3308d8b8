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
from smplan.drivers.gate.targets_healthy import UNUSED_POLLS, TargetsHealthy, TargetsHealthySpec
from smplan.drivers.http import HttpClient
from smplan.errors import Denied, Invalid
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
        self.group: dict[str, Any] = {}
        self.target_groups: list[dict[str, Any]] = []
        self.region = "us-east-1"

    def describe_target_health(self, TargetGroupArn: str) -> dict[str, Any]:  # noqa: N803 - AWS's name
        look = self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]
        return {"TargetHealthDescriptions": look}

    def describe_scaling_activities(self, **_: Any) -> dict[str, Any]:
        return {"Activities": self.activities}

    def describe_auto_scaling_groups(self, **_: Any) -> dict[str, Any]:
        instances = [{"InstanceId": id, "LifecycleState": "InService"} for id in self.instances]
        sizes = {"MaxSize": 2, "DesiredCapacity": 1}
        return {"AutoScalingGroups": [{"AutoScalingGroupName": "fleet", "Instances": instances, **sizes, **self.group}]}

    def describe_instances(self, **_: Any) -> dict[str, Any]:
        groups = [{"GroupId": group} for group in self.groups]
        instance = {"SecurityGroups": groups, "PrivateIpAddress": "10.0.0.7"}
        return {"Reservations": [{"Instances": [instance]}]}

    def describe_target_groups(self, **_: Any) -> dict[str, Any]:
        return {"TargetGroups": self.target_groups}

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


def test_targets_that_stay_out_of_use_will_never_be_healthy() -> None:
    polls = gate(Cloud([target("unused", "Target.NotInUse")])).wait_ready(PASSED, SPEC)
    statuses = {next(polls).status for _ in range(UNUSED_POLLS - 1)}
    assert statuses == {"0 of 1 healthy; 1 unused Target.NotInUse"}
    with pytest.raises(Invalid, match="no listener forwards"):
        next(polls)


def test_targets_that_a_new_listener_takes_into_use_are_waited_for() -> None:
    unused = [target("unused", "Target.NotInUse")]
    polls = gate(Cloud(*[unused] * 5, [target("healthy")])).wait_ready(PASSED, SPEC)
    assert len(list(polls)) == 6


@pytest.mark.parametrize(
    ("group", "reason", "remedy"),
    [
        (
            {"Instances": [], "SuspendedProcesses": [{"ProcessName": "Launch"}]},
            "Launch of scaling group fleet is suspended",
            "--scaling-processes Launch`",
        ),
        (
            {"SuspendedProcesses": [{"ProcessName": "AddToLoadBalancer"}, {"ProcessName": "Launch"}]},
            "AddToLoadBalancer of scaling group fleet is suspended",
            "aws autoscaling resume-processes --auto-scaling-group-name fleet --scaling-processes AddToLoadBalancer`",
        ),
        ({"MaxSize": 0}, "has at most 0 instances", "`max_size`"),
    ],
)
def test_a_group_that_can_never_have_healthy_targets_is_reported_at_once(
    group: dict[str, Any], reason: str, remedy: str
) -> None:
    cloud = Cloud([])
    cloud.group = group
    with pytest.raises(Invalid) as caught:
        next(gate(cloud).wait_ready(PASSED, SPEC))
    assert reason in caught.value.message
    assert remedy in caught.value.hint


def test_progress_names_what_holds_the_group_up() -> None:
    cloud = Cloud([])
    held = [
        {"InstanceId": "i-1", "LifecycleState": "Pending:Wait"},
        {"InstanceId": "i-2", "LifecycleState": "Standby"},
    ]
    cloud.group = {"Instances": held, "DesiredCapacity": 0, "SuspendedProcesses": [{"ProcessName": "HealthCheck"}]}
    status = next(gate(cloud).wait_ready(PASSED, SPEC)).status
    assert status == (
        "0 of 1 healthy; no targets yet; HealthCheck is suspended; i-1 is Pending:Wait; i-2 is Standby; "
        "the desired capacity is 0"
    )


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
        {"IpProtocol": "tcp", "FromPort": 3306, "ToPort": 3306, "CidrIpv4": "10.0.1.0/24"},
        {"IpProtocol": "tcp", "FromPort": 3306, "ToPort": 3306, "CidrIpv6": "::/0"},
    ],
)
def test_a_database_without_a_rule_is_the_probable_cause(rule: dict[str, Any]) -> None:
    cloud = Cloud([target("unhealthy")])
    cloud.rules = [rule]
    assert "no security group allows port 3306 from sg-1" in gate(cloud).diagnose_timeout(SPEC)


@pytest.mark.parametrize(
    "rule",
    [
        admit(),
        admit(FromPort=0, ToPort=65535),
        admit(IpProtocol="-1", FromPort=-1, ToPort=-1),
        {"IpProtocol": "tcp", "FromPort": 3306, "ToPort": 3306, "CidrIpv4": "10.0.0.0/24"},
        {"IpProtocol": "tcp", "FromPort": 3306, "ToPort": 3306, "CidrIpv4": "0.0.0.0/0"},
        {"IpProtocol": "tcp", "FromPort": 3306, "ToPort": 3306, "PrefixListId": "pl-1"},
    ],
)
def test_a_database_that_allows_the_instances_is_not_a_cause(rule: dict[str, Any]) -> None:
    cloud = Cloud([target("unhealthy")])
    cloud.rules = [rule]
    assert gate(cloud).diagnose_timeout(SPEC) == "Targets: i-1 unhealthy."


def test_a_time_out_names_health_check_reasons_activities_and_quota() -> None:
    reason = target("unhealthy", "Target.ResponseCodeMismatch")
    reason["TargetHealth"]["Description"] = "Health checks failed with these codes: [503]"
    cloud = Cloud([reason, target("healthy")])
    cloud.groups = []
    check = {"HealthCheckPath": "/live", "HealthCheckProtocol": "HTTP", "HealthCheckPort": "traffic-port"}
    cloud.target_groups = [{"TargetGroupName": "sm", "Port": 5080, "Matcher": {"HttpCode": "200-299"}, **check}]
    quota = "You have requested more vCPU capacity than your current vCPU limit of 32 allows."
    cloud.activities = [
        {"StatusCode": "Failed", "StatusMessage": quota},
        {"StatusCode": "Successful", "Description": "Launching i-1"},
        {"StatusCode": "InProgress"},
        {"StatusCode": "Cancelled"},
    ]
    assert gate(cloud).diagnose_timeout(SPEC) == (
        "The health check of sm is GET /live by HTTP on port 5080, expecting 200-299. "
        "Targets: i-1 unhealthy Health checks failed with these codes: [503]. "
        f"Latest scaling activities of fleet: Failed: {quota[:-1]}; Successful: Launching i-1; "
        "InProgress: no reason given. To launch: delete what is not needed, or raise the quota "
        '"Running On-Demand instances (vCPUs) of the instance family": '
        "https://console.aws.amazon.com/servicequotas/home/services/ec2/quotas."
    )
    assert "scaling" not in gate(cloud).diagnose_timeout(TargetsHealthySpec(target_group_arn="arn"))


def test_what_cannot_be_read_hides_nothing_else() -> None:
    cloud: Any = Cloud([target("unhealthy")])

    def denied(**_: Any) -> Any:
        raise Denied("not allowed to read activities")

    cloud.describe_scaling_activities = denied
    said = gate(cloud).diagnose_timeout(SPEC)
    assert said.startswith("Targets: i-1 unhealthy. (not allowed to read activities) Probable cause:")


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
