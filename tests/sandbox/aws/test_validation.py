"""Requests that the service models or the documentation refuse, over the wire."""

from __future__ import annotations

from typing import Any

import pytest

from smplan.sandbox.aws.model import compiled
from smplan.sandbox.sandbox import Sandbox
from tests.campaigns import run_constraints as constraints
from tests.sandbox.conftest import Client, refused


@pytest.mark.parametrize("operation", constraints.operations())
def test_what_the_model_refuses_is_refused_with_a_validation_error(still: Sandbox, operation: str) -> None:
    found = [(trial.path, trial.rule, why) for _, trial, why in constraints.by_sandbox(still, [operation]) if why]
    assert [each for each in found if each[2] not in constraints.KNOWN] == []


@pytest.mark.parametrize("text", ["lb/blue", "\N{LATIN SMALL LETTER U WITH DIAERESIS} 1", ""])
def test_a_pattern_of_java_means_the_same_here(text: str) -> None:
    assert compiled(r"^([\p{L}\p{Z}\p{N}_.:/=+\-@]*)$").fullmatch(text)
    assert compiled(r"[\u0020-\uD7FF\uE000-\uFFFD\uD800\uDC00-\uDBFF\uDFFF\r\n\t]*").fullmatch(text + "\U0001f600")


@pytest.mark.parametrize(
    "tag", [{"Key": "AWS:stack", "Value": ""}, {"Key": "k" * 129, "Value": ""}, {"Key": "k", "Value": "v" * 257}]
)
def test_tags_that_no_service_accepts(aws_of: Client, name: str, tag: Any) -> None:
    refused("ValidationError", aws_of("sns").create_topic, Name=name, Tags=[tag])
    tags = [{"ResourceType": "security-group", "Tags": [tag]}]
    group = {"GroupName": name, "Description": "x", "VpcId": "vpc-1", "TagSpecifications": tags}
    refused("InvalidParameterValue", aws_of("ec2").create_security_group, **group)


def test_tags_outside_the_alphabet_of_a_service(aws_of: Client, name: str) -> None:
    tags = [{"Key": "address", "Value": 'lb["blue"]'}]
    refused("ValidationError", aws_of("sns").create_topic, Name=name, Tags=tags)
    refused("ValidationError", aws_of("elbv2").add_tags, ResourceArns=["arn:x"], Tags=tags)
    put = aws_of("cloudwatch").put_metric_alarm
    alarm = {"ComparisonOperator": "GreaterThanThreshold", "EvaluationPeriods": 1, "Threshold": 1.0, "Period": 60}
    put(AlarmName=name, Namespace="x", MetricName="x", Statistic="Sum", Tags=tags, **alarm)
