"""Eventual consistency of the sandbox: what a new thing is not yet visible to, and for how long."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from smplan.sandbox.sandbox import Sandbox
from tests.sandbox.conftest import Client, refused

Later = Callable[[float], None]


@pytest.fixture
def slow(still: Sandbox) -> Iterator[Sandbox]:
    still.aws.reads_settle_seconds = still.aws.writes_settle_seconds = 30.0
    yield still
    still.aws.reads_settle_seconds = still.aws.writes_settle_seconds = 0.0


def test_a_new_security_group_is_neither_found_nor_changed_until_it_settles(
    slow: Sandbox, aws_of: Client, name: str, later: Later
) -> None:
    ec2 = aws_of("ec2")
    group = ec2.create_security_group(GroupName=name, Description="d", VpcId=slow.facts.vpc_id)["GroupId"]
    by_id = {"Filters": [{"Name": "group-id", "Values": [group]}]}
    rule = {"IpProtocol": "tcp", "FromPort": 1, "ToPort": 1, "IpRanges": [{"CidrIp": "10.0.0.0/8"}]}
    assert ec2.describe_security_groups(**by_id)["SecurityGroups"] == []
    refused("InvalidGroup.NotFound", ec2.describe_security_groups, GroupIds=[group])
    refused("InvalidGroup.NotFound", ec2.authorize_security_group_ingress, GroupId=group, IpPermissions=[rule])
    later(30)
    assert ec2.describe_security_groups(**by_id)["SecurityGroups"] != []
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[rule])
    ec2.delete_security_group(GroupId=group)


def test_auto_scaling_has_its_own_words_for_what_is_new(slow: Sandbox, aws_of: Client, name: str, later: Later) -> None:
    ec2, elbv2, scaling = aws_of("ec2"), aws_of("elbv2"), aws_of("autoscaling")
    data = {"ImageId": slow.facts.image_id, "InstanceType": "c5.large"}
    made = ec2.create_launch_template(LaunchTemplateName=name, LaunchTemplateData=data)
    template = made["LaunchTemplate"]["LaunchTemplateId"]
    target_group = elbv2.create_target_group(Name=name, Protocol="HTTP", Port=80, VpcId=slow.facts.vpc_id)
    arn = target_group["TargetGroups"][0]["TargetGroupArn"]
    refused("TargetGroupNotFound", elbv2.describe_target_groups, TargetGroupArns=[arn])
    group = {
        "AutoScalingGroupName": name,
        "LaunchTemplate": {"LaunchTemplateId": template, "Version": "1"},
        "MinSize": 0,
        "MaxSize": 1,
        "VPCZoneIdentifier": slow.facts.subnet_ids[0],
    }
    assert template in refused("ValidationError", scaling.create_auto_scaling_group, **group)
    later(30)
    scaling.create_auto_scaling_group(**group)
    assert scaling.describe_auto_scaling_groups(AutoScalingGroupNames=[name])["AutoScalingGroups"] == []
    attach = {"AutoScalingGroupName": name, "TargetGroupARNs": [arn]}
    assert name in refused("ValidationError", scaling.attach_load_balancer_target_groups, **attach)
    later(30)
    scaling.attach_load_balancer_target_groups(**attach)
    scaling.delete_auto_scaling_group(AutoScalingGroupName=name)


def test_a_target_group_that_is_new_is_refused_by_auto_scaling(slow: Sandbox, aws_of: Client, name: str) -> None:
    elbv2, scaling = aws_of("elbv2"), aws_of("autoscaling")
    made = elbv2.create_target_group(Name=name, Protocol="HTTP", Port=80, VpcId=slow.facts.vpc_id)
    arn = made["TargetGroups"][0]["TargetGroupArn"]
    attach = {"AutoScalingGroupName": "any", "TargetGroupARNs": [arn]}
    assert "ensure they exist" in refused("ValidationError", scaling.attach_load_balancer_target_groups, **attach)


def test_the_default_version_of_a_template_is_out_of_date_for_a_while(
    slow: Sandbox, aws_of: Client, name: str, later: Later
) -> None:
    ec2 = aws_of("ec2")
    made = ec2.create_launch_template(LaunchTemplateName=name, LaunchTemplateData={"InstanceType": "c5.large"})
    template = made["LaunchTemplate"]["LaunchTemplateId"]
    later(30)
    ec2.create_launch_template_version(LaunchTemplateId=template, LaunchTemplateData={"InstanceType": "c5.xlarge"})
    ec2.modify_launch_template(LaunchTemplateId=template, DefaultVersion="2")

    def default() -> tuple[int, int]:
        versions = ec2.describe_launch_template_versions(LaunchTemplateId=template, Versions=["$Default"])
        found = ec2.describe_launch_templates(LaunchTemplateIds=[template])["LaunchTemplates"][0]
        return versions["LaunchTemplateVersions"][0]["VersionNumber"], found["DefaultVersionNumber"]

    assert default() == (1, 1)
    later(30)
    assert default() == (2, 2)
