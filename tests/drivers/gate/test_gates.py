"""Gates: waits, progress and probable causes."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import count
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


def target(state: str, reason: str = "", id: str = "i-1") -> dict[str, Any]:
    health = {"State": state} | ({"Reason": reason} if reason else {})
    return {"Target": {"Id": id}, "TargetHealth": health}


def instance(id: str = "i-1", state: str = "InService", zone: str = "a", *, protected: bool = False) -> dict[str, Any]:
    place = {"AvailabilityZone": zone, "ProtectedFromScaleIn": protected}
    return {"InstanceId": id, "LifecycleState": state, **place}


class Cloud:
    """An AWS that answers from lists."""

    def __init__(self, *looks: list[dict[str, Any]]) -> None:
        self.looks = list(looks)
        self.activities: list[dict[str, Any]] = []
        self.instances = ["i-1"]
        self.groups = ["sg-1"]
        self.rules: list[dict[str, Any]] = []
        self.group: dict[str, Any] = {}
        self.target_groups: list[dict[str, Any]] = [{}]
        self.region = "us-east-1"

    def describe_target_health(self, TargetGroupArn: str) -> dict[str, Any]:  # noqa: N803 - AWS's name
        look = self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]
        return {"TargetHealthDescriptions": look}

    def describe_scaling_activities(self, **_: Any) -> dict[str, Any]:
        return {"Activities": self.activities}

    def describe_auto_scaling_groups(self, **_: Any) -> dict[str, Any]:
        known = {"MaxSize": 2, "DesiredCapacity": 1, "AvailabilityZones": ["a", "b"]}
        instances = [instance(id) for id in self.instances]
        return {"AutoScalingGroups": [{"AutoScalingGroupName": "fleet", "Instances": instances, **known, **self.group}]}

    def describe_instances(self, **_: Any) -> dict[str, Any]:
        groups = [{"GroupId": group} for group in self.groups]
        return {"Reservations": [{"Instances": [{"SecurityGroups": groups, "PrivateIpAddress": "10.0.0.7"}]}]}

    def describe_target_groups(self, **_: Any) -> dict[str, Any]:
        return {"TargetGroups": self.target_groups}

    def get_paginator(self, _: str) -> Any:
        return SimpleNamespace(paginate=lambda: [{"SecurityGroupRules": self.rules}])


def gate(cloud: Cloud, seconds: float = 1000.0) -> TargetsHealthy:
    """Whose clock shows ``seconds`` more each time it is read."""
    clients = SimpleNamespace(elbv2=cloud, autoscaling=cloud, ec2=cloud)
    ticks = count(step=seconds)
    return TargetsHealthy(Context(SimpleNamespace(read=clients), lambda: None, clock=lambda: float(next(ticks))))


def statuses(cloud: Cloud, seconds: float = 1000.0) -> list[str]:
    return [progress.status for progress in gate(cloud, seconds).wait_ready(PASSED, SPEC)]


SPEC = TargetsHealthySpec(target_group_arn="arn", auto_scaling_group_name="fleet", minimum=1)


def test_targets_must_be_healthy_in_two_polls_in_a_row() -> None:
    cloud = Cloud(
        [],
        [target("initial", "Elb.RegistrationInProgress")],
        [target("healthy")],
        [target("unhealthy")],
        [target("healthy")],
    )
    assert statuses(cloud) == [
        "0 of 1 healthy; no targets yet",
        "0 of 1 healthy; 1 initial Elb.RegistrationInProgress",
        "1 of 1 healthy; for 65 of 65 s",
        "0 of 1 healthy; 1 unhealthy",
        "1 of 1 healthy; for 65 of 65 s",
    ]


def test_targets_must_stay_healthy_for_as_long_as_their_target_group_needs_to_notice() -> None:
    cloud = Cloud(*[[target("healthy")]] * 9, [target("unhealthy")], [target("healthy")])
    cloud.target_groups = [
        {"HealthCheckIntervalSeconds": 10, "UnhealthyThresholdCount": 3, "HealthCheckTimeoutSeconds": 4}
    ]
    said = statuses(cloud, seconds=1.5)  # each poll but the first reads the clock twice
    assert said[0] == "1 of 1 healthy; for 2 of 34 s"
    assert said[9] == "0 of 1 healthy; 1 unhealthy"
    assert len(said) == 10 + 12


def test_only_instances_in_service_of_the_named_group_count() -> None:
    cloud = Cloud([target("healthy"), target("healthy", id="i-2"), target("healthy", id="i-of-another-group")])
    cloud.group = {"Instances": [instance("i-1", "Pending"), instance("i-2", "Terminating")]}
    polls = gate(cloud).wait_ready(PASSED, SPEC)
    assert next(polls).status == "0 of 1 healthy; no targets yet"
    cloud.group = {"Instances": [instance("i-1"), instance("i-2", "Terminating")]}
    assert len(list(polls)) == 1


def test_instances_in_zones_that_the_group_has_left_are_waited_out() -> None:
    cloud = Cloud([target("healthy"), target("healthy", id="i-2")])
    cloud.group = {"Instances": [instance("i-1", zone="c")]}
    polls = gate(cloud).wait_ready(PASSED, SPEC)
    assert next(polls).status == "0 of 1 healthy; no targets yet; i-1 is to leave c"
    cloud.group = {"Instances": [instance("i-1", "Terminating", zone="c"), instance("i-2")]}
    assert next(polls).status == "1 of 1 healthy; i-1 is to leave c"
    cloud.group = {"Instances": [instance("i-2")]}
    assert len(list(polls)) == 1


def test_targets_of_former_instances_are_waited_out_while_they_drain() -> None:
    drained = [target("healthy"), target("draining", id="i-3"), target("draining", id="i-2")]
    polls = gate(Cloud(drained, drained, drained, [target("healthy")])).wait_ready(PASSED, SPEC)
    first, *others = polls
    assert (first.waiting_for, first.beyond) == ("1 healthy targets", 0)
    assert {(each.waiting_for, each.beyond) for each in others} == {("i-2, i-3 to drain", 3600)}
    assert len(others) == 2


def test_targets_that_drain_are_not_waited_for_without_a_group_or_a_limit() -> None:
    drained = [target("healthy"), target("draining", id="i-2")]
    for changes in ({"auto_scaling_group_name": None}, {"draining_timeout": 0}):
        spec = SPEC.model_copy(update=changes)
        assert len(list(gate(Cloud(drained)).wait_ready(PASSED, spec))) == 1


def test_an_instance_of_the_group_that_drains_is_not_healthy_and_no_former_one() -> None:
    cloud = Cloud([target("draining"), target("healthy", id="i-2")])
    cloud.instances = ["i-1", "i-2"]
    assert len(list(gate(cloud).wait_ready(PASSED, SPEC))) == 1


def test_protected_instances_in_zones_that_the_group_has_left_are_reported_after_a_while() -> None:
    cloud = Cloud([target("healthy"), target("healthy", id="i-2")])
    cloud.group = {"Instances": [instance("i-1", zone="c", protected=True), instance("i-2")]}
    polls = gate(cloud, seconds=250).wait_ready(PASSED, SPEC)
    assert "i-1 is to leave c" in next(polls).status
    with pytest.raises(Invalid, match="i-1 of scaling group fleet in c, which the group has left, is prot") as caught:
        list(polls)
    assert "--no-protected-from-scale-in --auto-scaling-group-name fleet --instance-ids i-1`" in caught.value.hint


@pytest.mark.parametrize("process", ["AZRebalance", "Launch", "Terminate"])
def test_a_group_that_cannot_move_its_instances_is_reported_at_once(process: str) -> None:
    cloud = Cloud([target("healthy")])
    cloud.group = {"Instances": [instance(zone="c")], "SuspendedProcesses": [{"ProcessName": process}]}
    with pytest.raises(Invalid, match=f"{process} of scaling group fleet is suspended") as caught:
        next(gate(cloud).wait_ready(PASSED, SPEC))
    assert f"--scaling-processes {process}`" in caught.value.hint


def test_a_group_that_does_not_exist_has_no_targets() -> None:
    cloud: Any = Cloud([target("healthy")])
    cloud.describe_auto_scaling_groups = lambda **_: {"AutoScalingGroups": []}
    assert next(gate(cloud).wait_ready(PASSED, SPEC)).status == "0 of 1 healthy; no targets yet"


def test_without_a_group_all_targets_count() -> None:
    polls = gate(Cloud([target("healthy")])).wait_ready(PASSED, TargetsHealthySpec(target_group_arn="arn"))
    assert len(list(polls)) == 1


def test_targets_that_stay_out_of_use_will_never_be_healthy() -> None:
    polls = gate(Cloud([target("unused", "Target.NotInUse")])).wait_ready(PASSED, SPEC)
    said = {next(polls).status for _ in range(UNUSED_POLLS - 1)}
    assert said == {"0 of 1 healthy; 1 unused Target.NotInUse"}
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
        instance("i-1", "Pending:Wait"),
        instance("i-2", "Standby"),
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
    cloud.rules, cloud.target_groups = [rule], []
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
    cloud.target_groups = []

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
