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


PERMISSION = {"IpProtocol": "tcp", "FromPort": 1, "ToPort": 1, "IpRanges": [{"CidrIp": "10.0.0.0/8"}]}


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"IpRanges": [{"CidrIp": "10.0.0.0/8", "Description": "operators' laptops"}]}, "Invalid description"),
        ({"IpProtocol": "esp"}, "Unknown protocol"),
        ({"IpProtocol": "256"}, "Unknown protocol"),
        ({"IpProtocol": "icmp", "FromPort": -1, "ToPort": 4}, "ICMP code"),
        ({"ToPort": None}, "both from and to ports"),
    ],
)
def test_rules_of_a_group_are_what_ec2_documents(still: Sandbox, aws_of: Client, changes: Any, says: str) -> None:
    permission = {key: value for key, value in {**PERMISSION, **changes}.items() if value is not None}
    group = still.facts.database_security_group_id
    authorize = aws_of("ec2").authorize_security_group_ingress
    assert says in refused("InvalidParameterValue", authorize, GroupId=group, IpPermissions=[permission])


def test_a_group_has_a_description_that_ec2_accepts(aws_of: Client, name: str) -> None:
    create = aws_of("ec2").create_security_group
    refused("InvalidParameterValue", create, GroupName=name, Description="50%", VpcId="vpc-1")


def test_volumes_with_provisioned_iops_state_them(aws_of: Client, name: str) -> None:
    data = {"BlockDeviceMappings": [{"DeviceName": "/dev/sda1", "Ebs": {"VolumeType": "io1", "VolumeSize": 16}}]}
    create = aws_of("ec2").create_launch_template
    refused("MissingParameter", create, LaunchTemplateName=name, LaunchTemplateData=data)
    launch = {"ImageId": "ami-1", "InstanceType": "c5.large", "LaunchConfigurationName": name}
    refused("ValidationError", aws_of("autoscaling").create_launch_configuration, **launch, **data)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"DatapointsToAlarm": 3}, "at most EvaluationPeriods"),
        ({"Period": 70}, "multiple of 60"),
        ({"EvaluationPeriods": 1441}, "more than 1 day"),
        ({"Period": 3600, "EvaluationPeriods": 169}, "more than 7 day"),
    ],
)
def test_an_alarm_spans_what_cloudwatch_documents(aws_of: Client, name: str, changes: Any, says: str) -> None:
    alarm = {"ComparisonOperator": "GreaterThanThreshold", "EvaluationPeriods": 2, "Threshold": 1.0, "Period": 60}
    metric = {"AlarmName": name, "Namespace": "x", "MetricName": "x", "Statistic": "Sum"}
    assert says in refused("ValidationError", aws_of("cloudwatch").put_metric_alarm, **metric, **{**alarm, **changes})


@pytest.mark.parametrize(("label", "says"), [("a" * 64, "DomainLabelTooLong"), ("a..b", "DomainLabelEmpty")])
def test_the_labels_of_a_name_have_1_to_63_characters(still: Sandbox, aws_of: Client, label: str, says: str) -> None:
    record = {
        "Name": f"{label}.{still.facts.domain}",
        "Type": "A",
        "TTL": 1,
        "ResourceRecords": [{"Value": "10.0.0.1"}],
    }
    batch = {"Changes": [{"Action": "CREATE", "ResourceRecordSet": record}]}
    change = aws_of("route53").change_resource_record_sets
    assert says in refused("InvalidChangeBatch", change, HostedZoneId=still.facts.zone_id, ChangeBatch=batch)
