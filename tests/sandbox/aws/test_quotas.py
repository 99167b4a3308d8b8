"""Quotas and launch settings: what a plan refuses, the sandbox refuses too."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from smplan.sandbox.aws import quotas
from smplan.sandbox.sandbox import Sandbox
from tests.sandbox.conftest import Client, refused

Limit = Callable[[str, str, int], None]


@pytest.fixture
def limit(still: Sandbox) -> Iterator[Limit]:
    """Sets a quota for one test."""
    before = dict(still.aws.table("quotas"))
    yield lambda service, code, value: quotas.set_limit(still.aws, service, code, value)
    still.aws.table("quotas").clear()
    still.aws.table("quotas").update(before)


def group(still: Sandbox, aws_of: Client, name: str, *, sizes: int = 0, **data: Any) -> None:
    """A scaling group of a launch template with ``data``."""
    launch = {"ImageId": still.facts.image_id, "InstanceType": "c5.large", **data}
    aws_of("ec2").create_launch_template(LaunchTemplateName=name, LaunchTemplateData=launch)
    aws_of("autoscaling").create_auto_scaling_group(
        AutoScalingGroupName=name,
        LaunchTemplate={"LaunchTemplateName": name, "Version": "1"},
        MinSize=sizes,
        MaxSize=sizes,
        VPCZoneIdentifier=",".join(still.facts.subnet_ids),
    )


@pytest.mark.parametrize(
    "data",
    [
        {"InstanceType": "cc2.8xlarge"},
        {"InstanceType": "c7g.large"},
        {"InstanceType": "p5en.48xlarge"},
        {"KeyName": "gone"},
        {"IamInstanceProfile": {"Name": "gone"}},
        {"IamInstanceProfile": {"Arn": "arn:aws:iam::210987654321:instance-profile/gone"}},
    ],
)
def test_a_group_of_a_template_that_cannot_launch(
    still: Sandbox, aws_of: Client, name: str, data: dict[str, Any]
) -> None:
    refused("ValidationError", group, still=still, aws_of=aws_of, name=name, **data)


def test_a_group_that_starts_more_vcpus_than_the_quota(still: Sandbox, aws_of: Client, name: str, limit: Limit) -> None:
    limit("ec2", "L-1216C47A", 1)
    refused("ValidationError", group, still=still, aws_of=aws_of, name=name, sizes=1)


def test_an_existing_profile_and_key_pair_are_accepted(still: Sandbox, aws_of: Client, name: str) -> None:
    arn = aws_of("iam").create_instance_profile(InstanceProfileName=name)["InstanceProfile"]["Arn"]
    group(still, aws_of, name, KeyName="ops", IamInstanceProfile={"Arn": arn})
    aws_of("autoscaling").delete_auto_scaling_group(AutoScalingGroupName=name)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"InstanceType": "cc2.8xlarge"}, "InvalidParameterValue"),
        ({"InstanceType": "c7g.large"}, "InvalidParameterValue"),
        ({"InstanceType": "p5en.48xlarge"}, "Unsupported"),
        ({"InstanceType": "g5.xlarge"}, "VcpuLimitExceeded"),
    ],
)
def test_an_instance_that_cannot_run(
    still: Sandbox, aws_of: Client, limit: Limit, changes: dict[str, Any], code: str
) -> None:
    limit("ec2", "L-DB2E81BA", 3)
    request = {"ImageId": still.facts.image_id, "MinCount": 1, "MaxCount": 1, "SubnetId": still.facts.subnet_ids[1]}
    refused(code, aws_of("ec2").run_instances, **request, **changes)


@pytest.mark.parametrize(("field", "value"), [("InstanceType", "c5.lagre"), ("IamInstanceProfile", "gone")])
def test_a_launch_configuration_names_what_exists(
    still: Sandbox, aws_of: Client, name: str, field: str, value: str
) -> None:
    request = {"LaunchConfigurationName": name, "ImageId": still.facts.image_id, "InstanceType": "c5.large"}
    refused("ValidationError", aws_of("autoscaling").create_launch_configuration, **{**request, field: value})


@pytest.mark.parametrize(
    ("quota", "code", "service", "method"),
    [
        ("autoscaling L-CDE20ADC", "LimitExceeded", "autoscaling", "create_auto_scaling_group"),
        ("autoscaling L-6B80B8FA", "LimitExceeded", "autoscaling", "create_launch_configuration"),
        ("elasticloadbalancing L-53DA6B97", "TooManyLoadBalancers", "elbv2", "create_load_balancer"),
        ("elasticloadbalancing L-B22855CB", "TooManyTargetGroups", "elbv2", "create_target_group"),
        ("route53 L-E209CC9F", "LimitsExceeded", "route53", "change_resource_record_sets"),
        ("vpc L-0EA8095F", "RulesPerSecurityGroupLimitExceeded", "ec2", "authorize_security_group_ingress"),
        ("vpc L-0EA8095F", "RulesPerSecurityGroupLimitExceeded", "ec2", "authorize_security_group_egress"),
        ("vpc L-E79EC296", "SecurityGroupLimitExceeded", "ec2", "create_security_group"),
    ],
)
def test_one_more_than_the_quota(
    still: Sandbox, aws_of: Client, name: str, limit: Limit, quota: str, code: str, service: str, method: str
) -> None:
    facts = still.facts
    record = {"Name": "q.example.com", "Type": "A", "TTL": 1, "ResourceRecords": [{"Value": "192.0.2.1"}]}
    rule = {"IpProtocol": "tcp", "FromPort": 1, "ToPort": 1, "IpRanges": [{"CidrIp": "192.0.2.0/24"}]}
    rules = {"GroupId": facts.database_security_group_id, "IpPermissions": [rule]}
    requests: dict[str, dict[str, Any]] = {
        "create_auto_scaling_group": {"AutoScalingGroupName": name, "MinSize": 0, "MaxSize": 0},
        "create_launch_configuration": {"LaunchConfigurationName": name},
        "create_load_balancer": {"Name": name, "Subnets": list(facts.subnet_ids)},
        "create_target_group": {"Name": name, "Protocol": "HTTP", "Port": 80, "VpcId": facts.vpc_id},
        "change_resource_record_sets": {
            "HostedZoneId": facts.zone_id,
            "ChangeBatch": {"Changes": [{"Action": "CREATE", "ResourceRecordSet": record}]},
        },
        "authorize_security_group_ingress": rules,
        "authorize_security_group_egress": rules,
        "create_security_group": {"GroupName": name, "Description": "x", "VpcId": facts.vpc_id},
    }
    limit(quota.split()[0], quota.split()[1], 0)
    refused(code, getattr(aws_of(service), method), **requests[method])


def test_quotas_are_described(still: Sandbox, aws_of: Client) -> None:
    found = aws_of("service-quotas").get_service_quota(ServiceCode="vpc", QuotaCode="L-0EA8095F")["Quota"]
    assert (found["QuotaName"], found["Value"]) == ("Inbound or outbound rules per security group", 60.0)
    get = aws_of("service-quotas").get_service_quota
    refused("NoSuchResourceException", get, ServiceCode="vpc", QuotaCode="L-00000000")
    limits = aws_of("elbv2").describe_account_limits()["Limits"]
    assert {each["Name"]: each["Max"] for each in limits}["listeners-per-application-load-balancer"] == "50"
    zone = {"HostedZoneId": still.facts.zone_id}
    records = aws_of("route53").get_hosted_zone_limit(**zone, Type="MAX_RRSETS_BY_ZONE")
    assert records["Limit"]["Value"] == 10_000
    assert records["Count"] >= 2
    assert aws_of("route53").get_hosted_zone_limit(**zone, Type="MAX_VPCS_ASSOCIATED_BY_ZONE")["Count"] == 1
