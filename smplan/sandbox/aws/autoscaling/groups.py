"""Auto Scaling: groups, made, described, changed and deleted."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from smplan.sandbox.aws.autoscaling._paging import page
from smplan.sandbox.aws.autoscaling.holds import set_hook
from smplan.sandbox.aws.autoscaling.launch_checks import check_group
from smplan.sandbox.aws.autoscaling.launch_sources import check_source
from smplan.sandbox.aws.autoscaling.maintenance import check as check_settings
from smplan.sandbox.aws.autoscaling.warm_pools import POOL
from smplan.sandbox.aws.errors import AwsError, Fields
from smplan.sandbox.aws.requests import Call, handles
from smplan.sandbox.aws.state.account import Account, new_id
from smplan.sandbox.aws.state.autoscaling import GroupInstance, ScalingGroup, invalid

FIRST_LAUNCH_SECONDS = 1.0
"""How long a new group is empty."""
_ROLE = "aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling"
_SIZES = ("MinSize", "MaxSize", "DesiredCapacity")
_PLAIN = (
    "MinSize",
    "MaxSize",
    "DefaultCooldown",
    "HealthCheckType",
    "HealthCheckGracePeriod",
    "PlacementGroup",
    "VPCZoneIdentifier",
    "TerminationPolicies",
    "NewInstancesProtectedFromScaleIn",
    "ServiceLinkedRoleARN",
    "MaxInstanceLifetime",
    "CapacityRebalance",
    "DesiredCapacityType",
    "DefaultInstanceWarmup",
    "InstanceMaintenancePolicy",
    "AvailabilityZoneDistribution",
    "AvailabilityZoneImpairmentPolicy",
    "CapacityReservationSpecification",
    "Context",
    "DeletionProtection",
    "InstanceLifecyclePolicy",
)


@handles("autoscaling", "CreateAutoScalingGroup")
def create(call: Call) -> None:
    """Defaults are the API's, not the console's: grace period 0, cooldown 300, health checks of EC2 (API reference)."""
    account, name = call.account, call["AutoScalingGroupName"]
    if name in account.autoscaling.groups:
        raise AwsError(
            "AlreadyExists",
            f"AutoScalingGroup by this name already exists - A group with the name {name} already exists",
        )
    if not name or ":" in name:
        raise invalid("The name of a group must not contain a colon")
    fields = _first_fields(account, call)
    set_source(account, fields, call.params, required=True)
    check_sizes(fields)
    check_settings(fields)
    _check_places(account, fields)
    check_group(account, fields, starts=int(fields["DesiredCapacity"]))
    arn = account.arn("autoscaling", f"autoScalingGroup:{new_id()}:autoScalingGroupName/{name}")
    first = account.now() + FIRST_LAUNCH_SECONDS
    group = ScalingGroup(name=name, arn=arn, fields=fields, created_at=account.time(), retry_at=first)
    for tag in call["Tags"] or []:
        group.tags[tag["Key"]] = tag_of(group.name, tag)
    for hook in call["LifecycleHookSpecificationList"] or []:
        set_hook(group, hook)
    account.autoscaling.groups[name] = group


def _first_fields(account: Account, call: Call) -> Fields:
    """What the request says, and AWS's defaults for the rest."""
    return {
        "DefaultCooldown": 300,
        "HealthCheckType": "EC2",
        "HealthCheckGracePeriod": 0,
        "TerminationPolicies": ["Default"],
        "NewInstancesProtectedFromScaleIn": False,
        "CapacityRebalance": False,
        "VPCZoneIdentifier": "",
        "ServiceLinkedRoleARN": f"arn:aws:iam::{account.id}:role/{_ROLE}",
        "LoadBalancerNames": [],
        "TargetGroupARNs": list(call["TargetGroupARNs"] or []),
        **{key: call.params[key] for key in _PLAIN if key in call.params},
        "DesiredCapacity": call.params.get("DesiredCapacity", call["MinSize"]),
    }


def tag_of(group: str, tag: Fields) -> Fields:
    """A tag as Auto Scaling keeps it."""
    return {
        "ResourceId": group,
        "ResourceType": "auto-scaling-group",
        "Key": tag["Key"],
        "Value": tag.get("Value", ""),
        "PropagateAtLaunch": bool(tag.get("PropagateAtLaunch", False)),
    }


def set_source(account: Account, fields: Fields, params: Fields, *, required: bool) -> None:
    """A launch configuration or a launch template, never both (API reference, CreateAutoScalingGroup)."""
    configuration, template = params.get("LaunchConfigurationName"), params.get("LaunchTemplate")
    mixed = params.get("MixedInstancesPolicy")
    if mixed and not (configuration or template):
        _set_mixed(account, fields, mixed)
        return
    if configuration and template:
        raise invalid(
            "Valid requests must contain either LaunchTemplate, LaunchConfigurationName or InstanceId parameter."
        )
    if not configuration and not template:
        if required:
            raise invalid(
                "Valid requests must contain either LaunchTemplate, LaunchConfigurationName, InstanceId or "
                "MixedInstancesPolicy parameter."
            )
        return
    source = check_source(account, configuration, template)
    fields.pop("LaunchConfigurationName", None)
    fields.pop("LaunchTemplate", None)
    fields.pop("MixedInstancesPolicy", None)
    fields.update(source)


def _set_mixed(account: Account, fields: Fields, policy: Fields) -> None:
    """A template inside a policy; what the policy leaves out stays (API reference, MixedInstancesPolicy)."""
    before = fields.pop("MixedInstancesPolicy", {})
    launch = {**before.get("LaunchTemplate", {}), **policy.get("LaunchTemplate", {})}
    checked = check_source(account, None, launch.get("LaunchTemplateSpecification"))
    launch["LaunchTemplateSpecification"] = checked["LaunchTemplate"]
    fields.pop("LaunchConfigurationName", None)
    fields.pop("LaunchTemplate", None)
    fields["MixedInstancesPolicy"] = {**before, **policy, "LaunchTemplate": launch}


def check_sizes(fields: Fields) -> None:
    """Raises AwsError (ValidationError) unless MinSize <= DesiredCapacity <= MaxSize."""
    low, high, desired = int(fields["MinSize"]), int(fields["MaxSize"]), int(fields["DesiredCapacity"])
    if low > high:
        raise invalid(f"Max bound, {high}, must be greater than or equal to min bound, {low}")
    if desired < low:
        raise invalid(f"Desired capacity:{desired} must be above min size:{low}")
    if desired > high:
        raise invalid(f"Desired capacity:{desired} must be below max size:{high}")


def _check_places(account: Account, fields: Fields) -> None:
    """Zones are those of the subnets; unknown subnets and target groups are refused."""
    ids = subnet_ids(fields)
    if not ids:
        raise invalid("At least one Availability Zone or VPC Subnet is required.")
    zones = []
    for subnet in ids:
        found = account.describe_ec2("DescribeSubnets", SubnetIds=[subnet])
        if not found:
            raise invalid(f"The subnet ID '{subnet}' does not exist")
        zones.append(found["Subnets"][0]["AvailabilityZone"])
    fields["AvailabilityZones"] = sorted(set(zones))
    check_target_groups(account, fields["TargetGroupARNs"])


def subnet_ids(fields: Fields) -> list[str]:
    """The subnets of a group, from the comma-separated text."""
    return [subnet.strip() for subnet in fields["VPCZoneIdentifier"].split(",") if subnet.strip()]


def check_target_groups(account: Account, arns: Iterable[str]) -> None:
    """Refused as Auto Scaling does, with its own code, if a target group does not exist."""
    for arn in arns:
        try:
            account.moto.call("elbv2", "DescribeTargetGroups", {"TargetGroupArns": [arn]})
        except AwsError as error:
            raise invalid(
                f"Provided Target Groups may not be valid. Please ensure they exist and try again. ({arn})"
            ) from error


@handles("autoscaling", "UpdateAutoScalingGroup")
def update(call: Call) -> None:
    """Only what is sent changes. Raising Min or lowering Max moves the desired capacity (API reference)."""
    account = call.account
    group = account.autoscaling.group(call["AutoScalingGroupName"])
    refuse_deleted(group)
    fields = resized(group, call.params)
    fields.update({key: call.params[key] for key in _PLAIN if key in call.params})
    set_source(account, fields, call.params, required=False)
    check_sizes(fields)
    check_settings(fields)
    _check_places(account, fields)
    if call["LaunchTemplate"] or call["VPCZoneIdentifier"]:
        check_group(account, fields)
    group.fields = fields


def resized(group: ScalingGroup, sizes: Fields) -> Fields:
    """The group's fields with the MinSize, MaxSize and DesiredCapacity of ``sizes``, each optional.

    Without a DesiredCapacity, the present one moves into the new bounds. ``check_sizes`` has not been called.
    """
    fields = {**group.fields, **{key: sizes[key] for key in _SIZES if key in sizes}}
    if "DesiredCapacity" not in sizes and int(fields["MinSize"]) <= int(fields["MaxSize"]):
        fields["DesiredCapacity"] = min(max(group.desired, int(fields["MinSize"])), int(fields["MaxSize"]))
    return fields


def refuse_deleted(group: ScalingGroup) -> None:
    """Nothing can be changed on a group that is being deleted."""
    if group.deleted_at is not None:
        raise invalid(f"AutoScalingGroup {group.name} is pending delete; you cannot perform this operation on it")


@handles("autoscaling", "SetDesiredCapacity")
def set_desired(call: Call) -> None:
    """Outside Min and Max: refused. HonorCooldown refuses during a cooldown (API reference)."""
    group = call.account.autoscaling.group(call["AutoScalingGroupName"])
    refuse_deleted(group)
    wanted = int(call["DesiredCapacity"])
    if wanted > int(group.fields["MaxSize"]):
        raise invalid(
            f"New SetDesiredCapacity value {wanted} is above max value {group.fields['MaxSize']} "
            "for the AutoScalingGroup."
        )
    if wanted < int(group.fields["MinSize"]):
        raise invalid(
            f"New SetDesiredCapacity value {wanted} is below min value {group.fields['MinSize']} "
            "for the AutoScalingGroup."
        )
    if call["HonorCooldown"] and call.account.now() < group.cooldown_until:
        raise in_cooldown(group)
    group.fields["DesiredCapacity"] = wanted


def in_cooldown(group: ScalingGroup) -> AwsError:
    """The refusal while a group cools down."""
    return AwsError(
        "ScalingActivityInProgress", f"Scaling activity is in progress: {group.name} is in its cooldown period"
    )


@handles("autoscaling", "DeleteAutoScalingGroup")
def delete(call: Call) -> None:
    """ResourceInUse with instances and no ForceDelete (API reference); its policies go, and their alarms' actions."""
    group = call.account.autoscaling.group(call["AutoScalingGroupName"])
    protection = group.fields.get("DeletionProtection", "none")
    if protection == "prevent-all-deletion" or (protection == "prevent-force-deletion" and call["ForceDelete"]):
        raise invalid(f"The deletion protection of {group.name} is {protection}")
    if group.members and not call["ForceDelete"]:
        if all(member.termination is not None for member in group.members):
            raise AwsError(
                "ScalingActivityInProgress",
                "You cannot delete an AutoScalingGroup while there are scaling activities in progress for that group.",
            )
        raise AwsError(
            "ResourceInUse",
            "You cannot delete an AutoScalingGroup while there are instances or pending Spot instance request(s) "
            "still in the group.",
        )
    if POOL in group.fields and not call["ForceDelete"]:
        raise AwsError("ResourceInUse", "You cannot delete an AutoScalingGroup while it has a warm pool.")
    if group.deleted_at is None:
        group.deleted_at = call.account.now()


@handles("autoscaling", "DescribeAutoScalingGroups")
def describe(call: Call) -> Fields:
    """Unknown names are left out, not refused."""
    names, filters = call["AutoScalingGroupNames"], call["Filters"] or []
    found = [
        described(group, instances=call.params.get("IncludeInstances", True))
        for name, group in sorted(call.account.autoscaling.groups.items())
        if (not names or name in names) and all(_passes(group, each) for each in filters)
    ]
    return page(call, "AutoScalingGroups", found, limit=50)


def _passes(group: ScalingGroup, wanted: Fields) -> bool:
    name, values = wanted["Name"], wanted.get("Values") or []
    if name == "tag-key":
        return any(key in values for key in group.tags)
    if name == "tag-value":
        return any(tag["Value"] in values for tag in group.tags.values())
    if name.startswith("tag:"):
        tag = group.tags.get(name.removeprefix("tag:"))
        return tag is not None and tag["Value"] in values
    raise invalid(f"Filter type {name} is not correct. Allowed types are: tag-key, tag-value, tag:<key>")


def described(group: ScalingGroup, *, instances: bool = True) -> Fields:
    """The group as DescribeAutoScalingGroups returns it."""
    response: Fields = {
        **group.fields,
        "AutoScalingGroupName": group.name,
        "AutoScalingGroupARN": group.arn,
        "CreatedTime": group.created_at,
        "Instances": [described_member(member) for member in group.members if instances],
        "SuspendedProcesses": [
            {"ProcessName": name, "SuspensionReason": reason} for name, reason in sorted(group.suspended.items())
        ],
        "EnabledMetrics": [{"Metric": name, "Granularity": size} for name, size in sorted(group.metrics.items())],
        "Tags": [group.tags[key] for key in sorted(group.tags)],
        "TrafficSources": [{"Identifier": arn, "Type": "elbv2"} for arn in group.fields["TargetGroupARNs"]],
    }
    if group.deleted_at is not None:
        response["Status"] = "Delete in progress"
    return response


def described_member(member: GroupInstance) -> Fields:
    """An instance as its group describes it, with what it was launched from."""
    response: dict[str, Any] = {
        "InstanceId": member.id,
        "InstanceType": member.instance_type,
        "AvailabilityZone": member.zone,
        "LifecycleState": member.lifecycle,
        "HealthStatus": member.health,
        "ProtectedFromScaleIn": member.protected,
    }
    if member.launch_configuration:
        response["LaunchConfigurationName"] = member.launch_configuration
    if member.launch_template:
        response["LaunchTemplate"] = member.launch_template
    return response
