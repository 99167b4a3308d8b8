"""A scaling group as DescribeAutoScalingGroups shows it, in terms of its spec."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from smplan.core.values import Json
from smplan.drivers.aws import tags
from smplan.drivers.aws.autoscaling import _roll_record, _sources
from smplan.drivers.aws.autoscaling._group_spec import (
    CLEARED,
    GroupSpec,
    InstanceMaintenancePolicy,
    LaunchTemplateVersion,
)
from smplan.drivers.aws.autoscaling._hooks import LifecycleHook
from smplan.drivers.base import Live, Owner

if TYPE_CHECKING:
    from mypy_boto3_autoscaling.type_defs import AutoScalingGroupTypeDef


UNFINISHED = ", not on every instance yet"
"""After a source that a roll-out of smplan's own has not given to all: whatever a blueprint says, it differs."""


def live(
    group: AutoScalingGroupTypeDef, goal: tuple[str, str] | None = None, hooks: Sequence[LifecycleHook] = ()
) -> Live[GroupSpec]:
    """``goal`` is the launch template that an instance refresh under way will give it, ``hooks`` those of smplan.

    What smplan's own roll-out has raised is shown as it will be again.
    """
    own, record = tags.own(group.get("Tags")), _roll_record.of(group)
    low, high = record.shown_sizes(group) if record else (group["MinSize"], group["MaxSize"])
    part = UNFINISHED if record else ""
    suspended = sorted(process.get("ProcessName", "") for process in group.get("SuspendedProcesses", []))
    protection = group.get("DeletionProtection") or "none"
    settings: dict[str, Any] = {
        "name": group["AutoScalingGroupName"],
        "launch_template": _template(group, goal, part),
        "launch_configuration": _configuration(group, part),
        "min_size": low,
        "max_size": high,
        "desired_capacity": group["DesiredCapacity"],
        "subnet_ids": list(filter(None, group.get("VPCZoneIdentifier", "").split(","))),
        "target_group_arns": list(group.get("TargetGroupARNs", [])),
        "health_check_type": group["HealthCheckType"],
        "health_check_grace_period": group.get("HealthCheckGracePeriod", 0),
        "new_instances_protected_from_scale_in": group.get("NewInstancesProtectedFromScaleIn", False),
        "default_cooldown": group["DefaultCooldown"],
        "termination_policies": list(group.get("TerminationPolicies", [])),
        "default_instance_warmup": group.get("DefaultInstanceWarmup", CLEARED),
        "instance_maintenance_policy": _maintenance(group),
        "suspended_processes": suspended,
        "lifecycle_hooks": [*hooks],
        "deletion_protection": protection,
        "tags": own,
        "propagate_tags_at_launch": _propagated(group, own),
    }
    spec = GroupSpec.model_construct(**settings)
    owner = Owner.from_tags(tags.plain(group.get("Tags")))
    outputs: dict[str, Json] = {
        "arn": group.get("AutoScalingGroupARN", ""),
        "suspended_processes": [*suspended],
        "deletion_protection": protection,
    }
    return Live(group["AutoScalingGroupName"], spec, outputs, owner)


def _configuration(group: AutoScalingGroupTypeDef, part: str) -> str | None:
    name = group.get("LaunchConfigurationName")
    return f"{name}{part}" if name else None


def _template(group: AutoScalingGroupTypeDef, goal: tuple[str, str] | None, part: str) -> LaunchTemplateVersion | None:
    found = _sources.template_of(group)
    if found is None:
        return None
    id, version = found
    shown: Any = int(version) if version.isdigit() else version  # `$Latest`, set by hand, is kept: it is a difference
    if part:
        shown = f"{version}{part}"
    elif goal is not None and goal != found:  # it is neither: whatever the blueprint says, there is something to do
        shown = f"{version}, being replaced by {goal[1]}" + (f" of {goal[0]}" if goal[0] != id else "")
    return LaunchTemplateVersion.model_construct(id=id, version=shown)


def _maintenance(group: AutoScalingGroupTypeDef) -> InstanceMaintenancePolicy:
    found = group.get("InstanceMaintenancePolicy", {})
    return InstanceMaintenancePolicy.model_construct(
        min_healthy_percentage=found.get("MinHealthyPercentage", CLEARED),
        max_healthy_percentage=found.get("MaxHealthyPercentage", CLEARED),
    )


def _propagated(group: AutoScalingGroupTypeDef, own: Mapping[str, str]) -> bool | None:
    """The flag of all the user's tags; None, which no blueprint has, if they differ."""
    flags = {tag.get("PropagateAtLaunch", False) for tag in group.get("Tags", []) if tag.get("Key") in own}
    return None if len(flags) > 1 else next(iter(flags), True)
