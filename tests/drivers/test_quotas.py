"""Quotas: which one an error means, and where it is raised."""

from __future__ import annotations

import pytest

from smplan.drivers.quotas import quota_hint


@pytest.mark.parametrize(
    ("action", "error", "expected"),
    [
        ("elasticloadbalancing:CreateLoadBalancer", "TooManyLoadBalancers", ("Application Load Balancers", "elasticl")),
        ("elasticloadbalancing:CreateTargetGroup", "TooManyTargetGroups", ("Target groups per region", "elasticload")),
        ("ec2:RunInstances", "VcpuLimitExceeded", ("Running On-Demand instances (vCPUs)", "services/ec2/quotas")),
        ("ec2:RunInstances", "MaxSpotInstanceCountExceeded", ("Spot instance requests", "services/ec2/quotas")),
        ("ec2:AllocateAddress", "AddressLimitExceeded", ("EC2-VPC Elastic IPs", "services/ec2/quotas")),
        ("ec2:AuthorizeSecurityGroupIngress", "RulesPerSecurityGroupLimitExceeded", ("rules per security", "/vpc/")),
        ("ec2:CreateSecurityGroup", "SecurityGroupLimitExceeded", ("VPC security groups per region", "/vpc/")),
        ("autoscaling:CreateAutoScalingGroup", "LimitExceeded", ("Auto Scaling groups per region", "/autoscaling/")),
        ("autoscaling:CreateLaunchConfiguration", "LimitExceeded", ("Launch configurations", "/autoscaling/")),
        ("cloudwatch:PutMetricAlarm", "LimitExceeded", ("Alarms", "/monitoring/")),
        ("sns:CreateTopic", "TopicLimitExceeded", ("Topics per account", "/sns/")),
        ("route53:ChangeResourceRecordSets", "LimitsExceeded", ("Records per hosted zone", "/route53/")),
        ("new:CreateThing", "TooManyThings", ("the limit of CreateThing", "/new/")),
        ("ec2:RunInstances", "InsufficientInstanceCapacity", ("another instance type", "no capacity left")),
        ("", "We currently do not have sufficient c5.large capacity in the zone", ("another instance type", "zones")),
        (
            "",
            "There are not enough free addresses in subnet: does not have enough free addresses",
            ("subnets", "larger"),
        ),
        ("", "Your requested instance type is not supported in your requested Availability Zone", ("zone", "type")),
        ("", "You have requested more vCPU capacity than your current vCPU limit", ("vCPUs", "/ec2/")),
    ],
)
def test_a_quota_is_named_with_its_page(action: str, error: str, expected: tuple[str, str]) -> None:
    hint = quota_hint(action, error)
    assert all(part in hint for part in expected), hint


@pytest.mark.parametrize("error", ["ValidationError", "TooManyRequestsException", "InvalidParameterValue"])
def test_another_error_has_no_quota(error: str) -> None:
    assert quota_hint("ec2:CreateImage", error) == ""
