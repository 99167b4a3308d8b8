"""Auto Scaling: the instances of groups, and what happened to them."""

from __future__ import annotations

from smplan.sandbox.aws.autoscaling._paging import page
from smplan.sandbox.aws.autoscaling.control_loop import terminate
from smplan.sandbox.aws.autoscaling.groups import described_member
from smplan.sandbox.aws.errors import Fields
from smplan.sandbox.aws.requests import Call, handles
from smplan.sandbox.aws.state.autoscaling import GroupInstance, ScalingGroup, invalid

PROTECTION_LIMIT = 50


@handles("autoscaling", "DescribeAutoScalingInstances")
def describe(call: Call) -> Fields:
    """Instances of every group; unknown ids are left out."""
    ids = call["InstanceIds"]
    found = [
        {**described_member(member), "AutoScalingGroupName": group.name, "HealthStatus": member.health.upper()}
        for group in call.account.autoscaling.groups.values()
        for member in group.members
        if not ids or member.id in ids
    ]
    return page(call, "AutoScalingInstances", found, limit=50)


@handles("autoscaling", "DescribeScalingActivities")
def activities(call: Call) -> Fields:
    """Newest first; of deleted groups nothing is kept."""
    name, ids = call["AutoScalingGroupName"], call["ActivityIds"]
    groups = [call.account.autoscaling.group(name)] if name else list(call.account.autoscaling.groups.values())
    found = [each for group in groups for each in group.activities if not ids or each["ActivityId"] in ids]
    return page(call, "Activities", sorted(found, key=lambda each: each["StartTime"], reverse=True))


def _member(call: Call) -> tuple[ScalingGroup, GroupInstance]:
    found = call.account.autoscaling.group_of(call["InstanceId"])
    if found is None:
        raise invalid(f"Instance Id not found - No managed instance found for instance ID: {call['InstanceId']}")
    return found


@handles("autoscaling", "TerminateInstanceInAutoScalingGroup")
def terminate_instance(call: Call) -> Fields:
    """With decrement the capacity falls, never below Min; without, the instance is replaced (API reference)."""
    group, member = _member(call)
    if call["ShouldDecrementDesiredCapacity"]:
        if group.desired - 1 < int(group.fields["MinSize"]):
            raise invalid(
                "Currently, desiredSize equals minSize. Terminating instance without replacement will violate "
                "group's min size constraint."
            )
        group.fields["DesiredCapacity"] = group.desired - 1
    if member.termination is not None:
        return {"Activity": member.termination}
    return {
        "Activity": terminate(
            call.account, group, member, "instance was taken out of service in response to a user request."
        )
    }


@handles("autoscaling", "SetInstanceProtection")
def protect(call: Call) -> None:
    """At most 50 instances a call, all of the group (API reference, SetInstanceProtection)."""
    group = call.account.autoscaling.group(call["AutoScalingGroupName"])
    ids = call["InstanceIds"]
    if len(ids) > PROTECTION_LIMIT:
        raise invalid(f"Member must have length less than or equal to {PROTECTION_LIMIT}")
    members = []
    for instance_id in ids:
        member = group.member(instance_id)
        if member is None:
            raise invalid(f"The instance {instance_id} is not part of Auto Scaling group {group.name}.")
        if member.lifecycle.startswith("Terminating"):
            raise invalid(f"The instance {instance_id} is not in InService or EnteringStandby or Standby.")
        members.append(member)
    for member in members:
        member.protected = bool(call["ProtectedFromScaleIn"])


@handles("autoscaling", "SetInstanceHealth")
def set_health(call: Call) -> None:
    """Within the grace period only if ShouldRespectGracePeriod is false (API reference)."""
    group, member = _member(call)
    grace = member.in_service_at + int(group.fields["HealthCheckGracePeriod"])
    if call.params.get("ShouldRespectGracePeriod", True) and call.account.now() < grace:
        return
    member.health = call["HealthStatus"]
