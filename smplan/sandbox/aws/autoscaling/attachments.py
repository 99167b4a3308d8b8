"""Auto Scaling: the target groups attached to a group."""

from __future__ import annotations

from smplan.sandbox.aws.autoscaling._paging import page
from smplan.sandbox.aws.autoscaling.groups import check_target_groups, refuse_deleted
from smplan.sandbox.aws.elbv2.targets import deregister, register, target_states
from smplan.sandbox.aws.errors import AwsError, Fields
from smplan.sandbox.aws.requests import Call, handles
from smplan.sandbox.aws.state.autoscaling import ScalingGroup, invalid


@handles("autoscaling", "AttachLoadBalancerTargetGroups")
def attach(call: Call) -> None:
    """Members in service join; at most 10 target groups a call; not during an instance refresh (API reference)."""
    account, arns = call.account, call["TargetGroupARNs"]
    group = account.autoscaling.group(call["AutoScalingGroupName"])
    refuse_deleted(group)
    if group.refresh:
        raise AwsError("InstanceRefreshInProgress", "An active instance refresh blocks the attachment")
    check_target_groups(account, arns)
    attached = group.fields["TargetGroupARNs"]
    new = [arn for arn in arns if arn not in attached]
    group.fields["TargetGroupARNs"] = [*attached, *new]
    register_members(call, group, new)


def register_members(call: Call, group: ScalingGroup, arns: list[str]) -> None:
    """Register the group's members in service with these target groups."""
    for member in group.members:
        if member.lifecycle == "InService":
            for arn in arns:
                register(call.account, arn, member.id, at=call.account.now())


@handles("autoscaling", "DetachLoadBalancerTargetGroups")
def detach(call: Call) -> None:
    """Members drain from the target groups and stay in the group."""
    group = call.account.autoscaling.group(call["AutoScalingGroupName"])
    for arn in call["TargetGroupARNs"]:
        if arn not in group.fields["TargetGroupARNs"]:
            raise invalid(f"Trying to remove Target Groups that are not part of the group: {arn}")
        deregister_members(call, group, [arn])
    group.fields["TargetGroupARNs"] = [
        arn for arn in group.fields["TargetGroupARNs"] if arn not in call["TargetGroupARNs"]
    ]


def deregister_members(call: Call, group: ScalingGroup, arns: list[str]) -> None:
    """Deregister the group's members from these target groups."""
    for member in group.members:
        for arn in arns:
            deregister(call.account, arn, member.id)


@handles("autoscaling", "DescribeLoadBalancerTargetGroups")
def describe_target_groups(call: Call) -> Fields:
    """InService once a member is healthy there, else Added (API reference, LoadBalancerTargetGroupState)."""
    group = call.account.autoscaling.group(call["AutoScalingGroupName"])
    found = []
    for arn in group.fields["TargetGroupARNs"]:
        healthy = "healthy" in target_states(call.account, arn).values()
        found.append({"LoadBalancerTargetGroupARN": arn, "State": "InService" if healthy else "Added"})
    return page(call, "LoadBalancerTargetGroups", found)


@handles("autoscaling", "DescribeTrafficSources")
def describe_traffic_sources(call: Call) -> Fields:
    """The same target groups in the newer API's words."""
    group = call.account.autoscaling.group(call["AutoScalingGroupName"])
    found = [{"Identifier": arn, "Type": "elbv2", "State": "InService"} for arn in group.fields["TargetGroupARNs"]]
    return page(call, "TrafficSources", found)
