"""Checks of scaling groups: where they launch, what they launch from, and how many there may be."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from smplan.core.values import Placeholder
from smplan.drivers.aws import _filters, _launches, _network, _ports, _quotas
from smplan.drivers.aws.requests import batched
from smplan.drivers.checks import Check, Finding, PlannedResource, PlannedResources
from smplan.drivers.context import AwsAccount
from smplan.errors import NotFound
from smplan.guide import rules

GROUP = "aws.autoscaling.group"
TEMPLATE, CONFIGURATION = _launches.KINDS
ACTIONS = (
    "ec2:DescribeSubnets",
    "ec2:DescribeSecurityGroups",
    "ec2:DescribeInstanceTypeOfferings",
    "ec2:DescribeInstanceTypes",
    "ec2:DescribeInstances",
    "ec2:DescribeLaunchTemplateVersions",
    "autoscaling:DescribeLaunchConfigurations",
    "autoscaling:DescribeAccountLimits",
    "autoscaling:DescribeAutoScalingInstances",
    "elasticloadbalancing:DescribeTargetGroups",
    "elasticloadbalancing:DescribeTargetHealth",
    _quotas.ACTION,
)
CONFIGURATION_ACTIONS = (*_launches.ACTIONS, "autoscaling:DescribeAccountLimits")
_SOURCE = frozenset({"launch_template", "launch_configuration"})
_VCPU_QUOTAS = {
    **dict.fromkeys(("a", "c", "d", "h", "i", "im", "is", "m", "r", "t", "z"), "L-1216C47A"),
    "f": "L-74FC7D96",
    **dict.fromkeys(("g", "gr", "vt"), "L-DB2E81BA"),
    "inf": "L-1945791B",
    "p": "L-417A185B",
    "x": "L-7295265B",
}
"""Families of instance types to the quota of their running on-demand vCPUs (EC2 User Guide, "On-Demand quotas")."""


def checks(aws: AwsAccount, planned: PlannedResources) -> Iterator[Check]:
    """The checks of groups."""
    changed = planned.changed(GROUP)
    yield from _network.existence(planned, GROUP, ("subnet_ids",), "subnet", lambda: _network.subnets(aws, planned))
    if any(each.changed & {"subnet_ids", *_SOURCE} for each in changed):
        yield Check("instance types per availability zone", lambda: _check_zones(aws, planned, changed))
        yield Check("VPCs of subnets and security groups", lambda: _check_vpcs(aws, planned, changed))
    if any(_outsiders(planned, each, "target_group_arns") for each in changed):
        yield Check("target groups", lambda: _check_target_groups(aws, planned, changed))
    behind = [each for each in changed if each.spec.target_group_arns]
    if behind:
        yield Check("the ports of instances", lambda: _ports.instance_findings(aws, planned, behind))
        yield Check("access to the database", lambda: _ports.database_findings(aws, planned, behind))
    if any(_existing_targets(planned, each) for each in behind):
        yield Check("registered targets", lambda: _check_targets(aws, planned, behind))
    added = [each for each in changed if each.adds]
    if added:
        yield Check("the quota of scaling groups", lambda: _check_groups_quota(aws, planned, added))
    if any(_instances_wanted(each) for each in added):
        yield Check("the quota of running vCPUs", lambda: _check_vcpus(aws, planned, added))


def _launch(aws: AwsAccount, planned: PlannedResources, group: PlannedResource) -> tuple[str, PlannedResource, str]:
    """The instance type (empty: not known), and where a finding about it belongs: resource and field."""
    source = _launches.source_of(planned, group)
    field = "launch_template" if group.spec.launch_template is not None else "launch_configuration"
    if source is not None:
        place = (source, "instance_type") if "instance_type" in source.changed else (group, "subnet_ids")
        return next(iter(source.all_values("instance_type")), ""), *place
    return str(_outside_source(aws, planned, group).get("InstanceType", "")), group, field


def _outside_source(aws: AwsAccount, planned: PlannedResources, group: PlannedResource) -> Mapping[str, Any]:
    """The data of a template or configuration that the blueprint does not have; empty if it is not known yet."""
    template, name = group.spec.launch_template, group.spec.launch_configuration
    if isinstance(name, str):
        return planned.once(f"configuration {name}", lambda: _configuration(aws, name))
    if isinstance(template, Placeholder) or template is None or not template.known("id", "version"):
        return {}
    id, version = str(template.id), str(template.version)
    return planned.once(f"template {id} {version}", lambda: _template(aws, id, version))


def _configuration(aws: AwsAccount, name: str) -> Mapping[str, Any]:
    found = aws.read.autoscaling.describe_launch_configurations(LaunchConfigurationNames=[name])
    configurations: list[Any] = [*found["LaunchConfigurations"]]
    return configurations[0] if configurations else {"missing": f"launch configuration {name}"}


def _template(aws: AwsAccount, id: str, version: str) -> Mapping[str, Any]:
    try:
        found = aws.read.ec2.describe_launch_template_versions(LaunchTemplateId=id, Versions=[version])
        versions: list[Any] = [*found["LaunchTemplateVersions"]]
    except NotFound:
        versions = []
    return versions[0]["LaunchTemplateData"] if versions else {"missing": f"version {version} of launch template {id}"}


def _check_zones(aws: AwsAccount, planned: PlannedResources, changed: list[PlannedResource]) -> Iterator[Finding]:
    subnets = _network.subnets(aws, planned)
    for group in changed:
        missing = {} if _launches.source_of(planned, group) else _outside_source(aws, planned, group)
        if "missing" in missing:
            field = "launch_template" if group.spec.launch_template is not None else "launch_configuration"
            yield group.refuse(field, f"there is no {missing['missing']} here", "use one of this account and region")
            continue
        type, place, field = _launch(aws, planned, group)
        offered = _zones_of(aws, planned).get(type)
        zones = {subnets[each]["AvailabilityZone"]: each for each in group.all_values("subnet_ids") if each in subnets}
        for zone, subnet in sorted(zones.items()) if offered else ():
            if zone not in (offered or ()):
                hint = f"choose another type, or subnets in {', '.join(sorted(offered or ()))}"
                yield place.refuse(field, f"instance type {type} is not offered in {zone} (subnet {subnet})", hint)


def _zones_of(aws: AwsAccount, planned: PlannedResources) -> Mapping[str, set[str]]:
    """The zones that offer each instance type; a type that no zone offers is absent, and reported as such."""

    def read() -> dict[str, set[str]]:
        types = {_launch(aws, planned, group)[0] for group in planned.changed(GROUP)} - {""}
        pages = aws.read.ec2.get_paginator("describe_instance_type_offerings")
        found: dict[str, set[str]] = {}
        for batch in batched(types, _filters.FILTER_VALUES):
            for page in pages.paginate(LocationType="availability-zone", Filters=_filters.by("instance-type", *batch)):
                for offer in page["InstanceTypeOfferings"]:
                    found.setdefault(offer["InstanceType"], set()).add(offer["Location"])
        return found

    return planned.once("offerings", read)


def _check_vpcs(aws: AwsAccount, planned: PlannedResources, changed: list[PlannedResource]) -> Iterator[Finding]:
    subnets = _network.subnets(aws, planned)
    for group in changed:
        source = _launches.source_of(planned, group)
        for vpc in _network.vpc_of(group, "subnet_ids", subnets):
            if isinstance(vpc, Finding):
                yield vpc
                continue
            if source is not None:
                field = "security_group_ids" if source.kind == TEMPLATE else "security_groups"
                yield from _network.outside(source, field, _network.security_groups(aws, planned), vpc)
            yield from _targets_outside(planned, group, vpc)


def _targets_outside(planned: PlannedResources, group: PlannedResource, vpc: str) -> Iterator[Finding]:
    arns = group.spec.target_group_arns
    for arn in arns if isinstance(arns, list) else ():
        target_group = planned.follow(arn, "aws.elbv2.target_group")
        for other in target_group.all_values("vpc_id") if target_group else ():
            if other != vpc:
                message = f"the targets of {target_group and target_group.address} are in {other}, the subnets in {vpc}"
                yield group.refuse("target_group_arns", message, f"use a target group of {vpc}")


def _outsiders(planned: PlannedResources, each: PlannedResource, field: str) -> list[str]:
    """The target groups in ``field`` that the blueprint does not have."""
    return [arn for arn in each.values(field) if not planned.follow(arn, "aws.elbv2.target_group")]


def _check_target_groups(
    aws: AwsAccount, planned: PlannedResources, changed: list[PlannedResource]
) -> Iterator[Finding]:
    for group in changed:
        for arn in _outsiders(planned, group, "target_group_arns"):
            try:
                aws.read.elbv2.describe_target_groups(TargetGroupArns=[arn])
            except NotFound:
                hint = "use a target group of this account and region"
                yield group.refuse("target_group_arns", f"there is no target group {arn} here", hint)


def _existing_targets(planned: PlannedResources, group: PlannedResource) -> list[str]:
    """The ARNs of its target groups, as far as they exist."""
    arns = group.spec.target_group_arns
    followed = [
        (arn, planned.follow(arn, "aws.elbv2.target_group")) for arn in (arns if isinstance(arns, list) else [])
    ]
    return [id for arn, each in followed if (id := each.id if each else arn) and isinstance(id, str)]


def _check_targets(aws: AwsAccount, planned: PlannedResources, behind: list[PlannedResource]) -> Iterator[Finding]:
    """Targets that no scaling group registered."""
    for group in behind:
        for arn in _existing_targets(planned, group):
            ids = _registered(aws, arn)
            pages = aws.read.autoscaling.get_paginator("describe_auto_scaling_instances").paginate() if ids else ()
            scaled = {each["InstanceId"] for page in pages for each in page["AutoScalingInstances"]}
            fixed = [id for id in ids if id not in scaled]
            if fixed:
                message = (
                    f"{', '.join(fixed)} in {arn.split('/')[-2]} belong to no scaling group: they are never replaced"
                )
                hint = f"run `aws elbv2 deregister-targets --target-group-arn {arn} --targets Id={fixed[0]}`"
                yield group.refuse("target_group_arns", message, hint, rules.NO_FIXED_TARGETS)


def _registered(aws: AwsAccount, arn: str) -> list[str]:
    try:
        health = aws.read.elbv2.describe_target_health(TargetGroupArn=arn)["TargetHealthDescriptions"]
    except NotFound:
        return []  # a finding of its own
    return sorted({each["Target"]["Id"] for each in health if each["TargetHealth"]["State"] != "draining"})


def limits(aws: AwsAccount, planned: PlannedResources) -> Mapping[str, Any]:
    """The limits of Auto Scaling, and how much of them is used."""
    return planned.once("autoscaling limits", lambda: dict(aws.read.autoscaling.describe_account_limits()))


def _check_groups_quota(aws: AwsAccount, planned: PlannedResources, added: list[PlannedResource]) -> Iterator[Finding]:
    found = limits(aws, planned)
    used, limit = found["NumberOfAutoScalingGroups"], found["MaxNumberOfAutoScalingGroups"]
    yield from _quotas.exceeded(added, used, limit, "name", "scaling groups", "autoscaling L-CDE20ADC")


def of_configurations(aws: AwsAccount, planned: PlannedResources) -> Iterator[Check]:
    """The checks of launch configurations."""
    yield from _launches.checks(aws, planned, CONFIGURATION, "security_groups")
    added = [each for each in planned.changed(CONFIGURATION) if each.adds]
    if added:
        yield Check("the quota of launch configurations", lambda: _check_configuration_quota(aws, planned, added))


def _check_configuration_quota(
    aws: AwsAccount, planned: PlannedResources, added: list[PlannedResource]
) -> Iterator[Finding]:
    found = limits(aws, planned)
    used, limit = found["NumberOfLaunchConfigurations"], found["MaxNumberOfLaunchConfigurations"]
    yield from _quotas.exceeded(added, used, limit, "name", "launch configurations", "autoscaling L-6B80B8FA")


def _instances_wanted(group: PlannedResource) -> int:
    """How many instances a new group starts at once."""
    sizes = (group.spec.desired_capacity, group.spec.min_size)
    return next((size for size in sizes if isinstance(size, int)), 0)


def _check_vcpus(aws: AwsAccount, planned: PlannedResources, added: list[PlannedResource]) -> Iterator[Finding]:
    """What new groups start at once, against the quota of each family of instance types."""
    wanted = [(each, *_launch(aws, planned, each)[:1], _instances_wanted(each)) for each in added]
    known = _launches.types(aws, planned, *(type for _, type, _ in wanted if type))
    codes = {_quota_of(type) for type in known}
    for code in sorted(filter(None, codes)):
        mine = [(each, known[type], count) for each, type, count in wanted if _quota_of(type) == code and type in known]
        adds = sum(type["VCpuInfo"]["DefaultVCpus"] * count for _, type, count in mine)
        limit, used = _quotas.value(aws, planned, "ec2", code), _running(aws, planned, code)
        if used + adds > limit:
            message = f"the plan starts {adds} vCPUs, {used} are running, and the quota of their family is {limit}"
            yield mine[-1][0].refuse("min_size", message, _quotas.hint(f"ec2 {code}"))


def _quota_of(type: str) -> str:
    family = re.match("[a-z]+", type)
    return _VCPU_QUOTAS.get(family[0], "") if family else ""


def _running(aws: AwsAccount, planned: PlannedResources, code: str) -> int:
    """The vCPUs of running on-demand instances that count to a quota."""
    filters = _filters.by("instance-state-name", "pending", "running")
    pages = aws.read.ec2.get_paginator("describe_instances").paginate(Filters=filters)
    instances = [one for page in pages for group in page["Reservations"] for one in group["Instances"]]
    types = [
        str(one["InstanceType"])
        for one in instances
        if "InstanceLifecycle" not in one and _quota_of(one["InstanceType"]) == code
    ]
    known = _launches.types(aws, planned, *types)
    return sum(known[type]["VCpuInfo"]["DefaultVCpus"] for type in types if type in known)
