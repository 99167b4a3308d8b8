"""Target groups: defaults, health check changes, and refused deletes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import ValidationError

from smplan.core.values import Ref
from smplan.drivers.aws.client import Aws
from smplan.drivers.aws.elbv2.target_group import TargetGroup, TargetGroupSpec
from smplan.errors import InUse
from smplan.sandbox.sandbox import Sandbox
from tests.drivers.aws.autoscaling.stage import count_calls, record_writes
from tests.drivers.conformance import Case, CaseSetup, Script, context

SPEC = {"name": "tg-${run}", "protocol": "HTTP", "port": 5080, "vpc_id": "${box.vpc_id}"}
ARN = "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/tg/73e2d6bc24d8a067"


def spec(**changes: Any) -> TargetGroupSpec:
    stated = {"name": "tg", "protocol": "HTTP", "port": 5080, "vpc_id": "vpc-1"}
    return TargetGroupSpec.model_validate({**stated, **changes})


@pytest.fixture
def stage(box: Sandbox, aws: Aws) -> Iterator[CaseSetup]:
    """An empty stage whose subject is a target group."""
    with CaseSetup(box, aws, Case("aws.elbv2.target_group", "in-code", (), SPEC, {}, {})) as made:
        yield made


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"name": "t" * 33}, "at most 32 characters"),
        ({"name": "tg-"}, "match pattern"),
        ({"port": 0}, "greater than or equal to 1"),
        ({"health_check_path": "live"}, "match pattern"),
        ({"health_check_port": 65536}, "less than or equal to 65535"),
        ({"health_check_port": "any"}, "traffic-port"),
        ({"health_check_timeout": 30}, "`health_check_timeout` 30 must be below `health_check_interval` 30"),
        ({"matcher": "20x"}, "match pattern"),
        ({"matcher": "100"}, "match pattern"),
        ({"deregistration_delay": 3601}, "less than or equal to 3600"),
    ],
)
def test_a_spec_that_aws_refuses_is_refused(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        spec(**changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"health_check_timeout": 29},
        {"health_check_interval": Ref("var", path=("interval",)), "health_check_timeout": 120},
        {"matcher": "200,202,301-399"},
        {"name": "t"},
    ],
)
def test_what_aws_takes_is_let_through(changes: dict[str, Any]) -> None:
    assert spec(**changes).port == 5080


def test_every_default_of_the_console_is_sent(stage: CaseSetup) -> None:
    way, writes = record_writes(stage.box.facts.region)
    made = stage.create(stage.driver(way), stage.spec())
    [(name, sent)] = writes
    assert name == "CreateTargetGroup"
    assert {
        key: value for key, value in sent.items() if key.startswith(("Health", "Unhealth", "Matcher", "Target"))
    } == {
        "TargetType": "instance",
        "HealthCheckProtocol": "HTTP",
        "HealthCheckPath": "/",
        "HealthCheckPort": "traffic-port",
        "HealthCheckIntervalSeconds": 30,
        "HealthCheckTimeoutSeconds": 5,
        "HealthyThresholdCount": 5,
        "UnhealthyThresholdCount": 2,
        "Matcher": {"HttpCode": "200"},
    }
    assert stage.read(made).spec.health_check_port == "traffic-port"


def test_settings_that_depend_on_each_other_change_in_one_call(stage: CaseSetup) -> None:
    made = stage.create(stage.driver(), stage.spec())
    way, writes = record_writes(stage.box.facts.region)
    wanted = stage.spec({"health_check_interval": 60, "health_check_timeout": 40})
    stage.driver(way).update(stage.read(made), wanted)
    changes = {"HealthCheckIntervalSeconds": 60, "HealthCheckTimeoutSeconds": 40}
    assert writes == [("ModifyTargetGroup", {"TargetGroupArn": made, **changes})]
    writes.clear()
    stage.driver(way).update(stage.read(made), wanted)
    assert writes == []


def test_only_the_delay_is_sent_when_only_the_delay_differs(stage: CaseSetup) -> None:
    made = stage.create(stage.driver(), stage.spec({"deregistration_delay": 60}))
    way, writes = record_writes(stage.box.facts.region)
    stage.driver(way).update(stage.read(made), stage.spec({"deregistration_delay": 0}))
    attributes = [{"Key": "deregistration_delay.timeout_seconds", "Value": "0"}]
    assert writes == [("ModifyTargetGroupAttributes", {"TargetGroupArn": made, "Attributes": attributes})]


def test_one_target_group_is_read_in_three_calls(stage: CaseSetup) -> None:
    made = stage.create(stage.driver(), stage.spec())
    given, calls = count_calls(stage.box.facts.region)
    assert set(TargetGroup(given).read_many([made])) == {made}
    assert len(calls) == 3


def test_one_that_goes_while_it_is_read_is_gone() -> None:
    answers: dict[str, list[Any]] = {
        "DescribeTargetGroups": [{"TargetGroups": [{"TargetGroupArn": ARN, "TargetGroupName": "tg"}]}],
        "DescribeTags": [{"TagDescriptions": []}],
        "DescribeTargetGroupAttributes": ["TargetGroupNotFound"],
    }
    assert TargetGroup(context(Script(answers).aws())).read_many([ARN]) == {}


def test_one_of_another_kind_can_be_read() -> None:
    """Such as one for a Lambda function, made by hand under the same name: it has neither port nor VPC."""
    answers: dict[str, list[Any]] = {
        "DescribeTargetGroups": [
            {"TargetGroups": [{"TargetGroupArn": ARN, "TargetGroupName": "tg", "TargetType": "lambda"}]}
        ],
        "DescribeTags": [{"TagDescriptions": []}],
        "DescribeTargetGroupAttributes": [{"Attributes": []}],
    }
    empty = dict.fromkeys(("protocol", "vpc_id", "health_check_protocol", "health_check_path", "matcher"), "")
    live = TargetGroup(context(Script(answers).aws())).find(spec())
    assert live is not None
    assert live.spec.managed_fields() == {
        **empty,
        "name": "tg",
        "tags": {},
        "target_type": "lambda",
        "health_check_port": "traffic-port",
    }
    assert live.owner is None


def test_one_that_a_listener_forwards_to_stays(stage: CaseSetup) -> None:
    balancer = {"as": "lb", "kind": "aws.elbv2.load_balancer"}
    subnets = ["${box.subnet_ids[0]}", "${box.subnet_ids[1]}"]
    setup = (
        {"as": "tg", "kind": "aws.elbv2.target_group", "spec": SPEC},
        {**balancer, "spec": {"name": "lb-${run}", "subnets": subnets}},
    )
    listener = {"load_balancer_arn": "${lb.arn}", "port": 80, "protocol": "HTTP", "target_group_arn": "${tg.arn}"}
    with CaseSetup(stage.box, stage.aws, Case("aws.elbv2.listener", "in-code", setup, listener, {}, {})) as other:
        other.create(other.driver(), other.spec())
        with pytest.raises(InUse):
            stage.driver().delete(other.names["tg"].attributes["id"])
