"""Auto Scaling: instances in standby, which are not part of the capacity and which no scale-in terminates."""

from __future__ import annotations

from smplan.sandbox.aws.autoscaling.activities import close, record
from smplan.sandbox.aws.elbv2.targets import deregister, register
from smplan.sandbox.aws.errors import Fields
from smplan.sandbox.aws.requests import Call, handles
from smplan.sandbox.aws.state.autoscaling import GroupInstance, ScalingGroup, invalid


def _members(call: Call, lifecycle: str) -> tuple[ScalingGroup, list[GroupInstance]]:
    group = call.account.autoscaling.group(call["AutoScalingGroupName"])
    found = [member for member in group.members if member.id in (call["InstanceIds"] or [])]
    if len(found) < len(call["InstanceIds"] or []) or any(member.lifecycle != lifecycle for member in found):
        raise invalid(f"The instances of {group.name} must be in {lifecycle}")
    return group, found


@handles("autoscaling", "EnterStandby")
def enter(call: Call) -> Fields:
    """Without decrement the group launches others in their place (API reference)."""
    group, members = _members(call, "InService")
    if call["ShouldDecrementDesiredCapacity"]:
        if group.desired - len(members) < int(group.fields["MinSize"]):
            raise invalid("AutoScalingGroup cannot be below its minimum size")
        group.fields["DesiredCapacity"] = group.desired - len(members)
    for member in members:
        member.lifecycle = "Standby"
        for arn in group.fields["TargetGroupARNs"]:
            deregister(call.account, arn, member.id)
    return {"Activities": [_moved(call, group, member, "to Standby") for member in members]}


@handles("autoscaling", "ExitStandby")
def leave(call: Call) -> Fields:
    """The desired capacity grows by them (API reference)."""
    group, members = _members(call, "Standby")
    group.fields["DesiredCapacity"] = group.desired + len(members)
    for member in members:
        member.lifecycle = "InService"
        for arn in group.fields["TargetGroupARNs"]:
            register(call.account, arn, member.id, at=call.account.now())
    return {"Activities": [_moved(call, group, member, "out of Standby") for member in members]}


def _moved(call: Call, group: ScalingGroup, member: GroupInstance, where: str) -> Fields:
    activity = record(call.account, group, f"Moving EC2 instance {where}: {member.id}", "a user request was received.")
    close(call.account, activity)
    return activity
