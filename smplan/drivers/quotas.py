"""The AWS quota behind an error: its name, and the page of Service Quotas where it is raised."""

from __future__ import annotations

import re

_QUOTAS: tuple[tuple[str, str, str], ...] = (
    (r"VcpuLimitExceeded|vCPU (capacity|limit)", "ec2", "Running On-Demand instances (vCPUs) of the instance family"),
    (r"MaxSpotInstanceCountExceeded", "ec2", "Spot instance requests of the instance family"),
    (r"InstanceLimitExceeded", "ec2", "Running On-Demand instances of the instance family"),
    (r"AddressLimitExceeded", "ec2", "EC2-VPC Elastic IPs"),
    (r"AMIQuotaExceeded|MaxAMI|QuotaExceeded.*AMI", "ec2", "AMIs"),
    (r"LaunchTemplateLimit|MaxLaunchTemplate", "ec2", "Launch templates per region"),
    (r"RulesPerSecurityGroupLimitExceeded", "vpc", "Inbound or outbound rules per security group"),
    (r"SecurityGroupsPer(Interface|Instance)LimitExceeded", "vpc", "Security groups per network interface"),
    (r"SecurityGroupLimitExceeded", "vpc", "VPC security groups per region"),
    (r"VpcLimitExceeded", "vpc", "VPCs per region"),
    (r"NetworkInterfaceLimitExceeded", "vpc", "Network interfaces per region"),
    (r"SnapshotLimitExceeded|ConcurrentSnapshotLimitExceeded", "ebs", "Snapshots"),
    (r"VolumeLimitExceeded|MaxIOPSLimitExceeded", "ebs", "Storage of the volume type"),
    (r"TooManyLoadBalancers", "elasticloadbalancing", "Application Load Balancers per region"),
    (r"TooManyTargetGroups", "elasticloadbalancing", "Target groups per region"),
    (r"TooManyListeners", "elasticloadbalancing", "Listeners per Application Load Balancer"),
    (r"TooManyRules", "elasticloadbalancing", "Rules per Application Load Balancer"),
    (r"TooManyCertificates", "elasticloadbalancing", "Certificates per Application Load Balancer"),
    (
        r"TooManyUniqueTargetGroupsPerLoadBalancer|TargetGroupAssociationLimit",
        "elasticloadbalancing",
        "Target groups per Application Load Balancer",
    ),
    (
        r"TooManyTargets|TooManyRegistrationsForTargetId",
        "elasticloadbalancing",
        "Targets per Application Load Balancer",
    ),
)
_CAPACITY = re.compile(
    r"InsufficientInstanceCapacity|do(es)? not (currently )?have sufficient .*capacity|Insufficient.*Capacity"
)
_ADDRESSES = re.compile(r"InsufficientFreeAddressesInSubnet|not have enough free addresses")
_TYPE = re.compile(r"not supported in your requested Availability Zone")
_LIMIT = re.compile(r"(Limits?|Quota)Exceeded|TooMany(?!Requests)|QuotaReached|MaximumLimit")
_SERVICES = {
    "autoscaling": "autoscaling",
    "cloudwatch": "monitoring",
    "ec2": "ec2",
    "elasticloadbalancing": "elasticloadbalancing",
    "route53": "route53",
    "sns": "sns",
}
"""Service of an action -> its code in Service Quotas."""
_KINDS = {
    "CreateAutoScalingGroup": "Auto Scaling groups per region",
    "CreateLaunchConfiguration": "Launch configurations per region",
    "PutScalingPolicy": "Scaling policies per Auto Scaling group",
    "PutScheduledUpdateGroupAction": "Scheduled actions per Auto Scaling group",
    "PutNotificationConfiguration": "SNS topics per Auto Scaling group",
    "PutMetricAlarm": "Alarms",
    "CreateTopic": "Topics per account",
    "Subscribe": "Subscriptions",
    "ChangeResourceRecordSets": "Records per hosted zone",
    "CreateTags": "Tags per resource (50, fixed)",
    "AddTags": "Tags per resource (50, fixed)",
    "CreateOrUpdateTags": "Tags per resource (50, fixed)",
    "CreateImage": "AMIs",
    "CreateLaunchTemplate": "Launch templates per region",
    "CreateLaunchTemplateVersion": "Versions per launch template",
}
"""Action -> the quota that its services' one code for all limits means."""


def quota_hint(action: str, error: str) -> str:
    """What to do about ``error``, a code or a message, if a quota or a lack of capacity caused it; else empty.

    ``action`` is the IAM action, where it is known.
    """
    if _CAPACITY.search(error):
        return "try again later, or use another instance type or more availability zones: AWS has no capacity left here"
    if _ADDRESSES.search(error):
        return "free addresses in the subnets, or use larger ones"
    if _TYPE.search(error):
        return "use an instance type that each availability zone of the subnets has, or other subnets"
    for pattern, service, name in _QUOTAS:
        if re.search(pattern, error):
            return _raise_it(name, service)
    if not _LIMIT.search(error):
        return ""
    service, _, operation = action.partition(":")
    return _raise_it(_KINDS.get(operation, f"the limit of {operation}"), _SERVICES.get(service, service))


def _raise_it(name: str, service: str) -> str:
    page = f"https://console.aws.amazon.com/servicequotas/home/services/{service}/quotas"
    return f'delete what is not needed, or raise the quota "{name}": {page}'
