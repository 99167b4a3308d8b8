"""Auto Scaling: what hangs on groups (notifications, tags, suspended processes, target groups, metrics)."""

from __future__ import annotations

from smplan.sandbox.aws.autoscaling.groups import check_target_groups, refuse_deleted, tag_of
from smplan.sandbox.aws.autoscaling.launch_configurations import page
from smplan.sandbox.aws.elbv2.targets import deregister, register, target_states
from smplan.sandbox.aws.requests import Call, Fields, Refusal, answers
from smplan.sandbox.aws.state.autoscaling import Group, invalid

NOTIFICATION_TYPES = (
    "autoscaling:EC2_INSTANCE_LAUNCH",
    "autoscaling:EC2_INSTANCE_LAUNCH_ERROR",
    "autoscaling:EC2_INSTANCE_TERMINATE",
    "autoscaling:EC2_INSTANCE_TERMINATE_ERROR",
    "autoscaling:TEST_NOTIFICATION",
)
PROCESSES = (
    "AddToLoadBalancer",
    "AlarmNotification",
    "AZRebalance",
    "HealthCheck",
    "InstanceRefresh",
    "Launch",
    "ReplaceUnhealthy",
    "ScheduledActions",
    "Terminate",
)


@answers("autoscaling", "PutNotificationConfiguration")
def put_notification(call: Call) -> None:
    """Overwrites what the group had for the topic; at most 10 topics a group (API reference)."""
    cloud = call.cloud
    group = cloud.scaling.group(call["AutoScalingGroupName"])
    refuse_deleted(group)
    topic, kinds = call["TopicARN"], call["NotificationTypes"] or []
    for kind in kinds:
        if kind not in NOTIFICATION_TYPES:
            raise invalid(f'"{kind}" is not a valid Notification Type')
    try:
        cloud.moto.ask("sns", "GetTopicAttributes", {"TopicArn": topic})
    except Refusal as refusal:
        raise invalid(f"An active SNS topic could not be found for {topic}") from refusal
    if topic not in group.notifications and len(group.notifications) >= 10:
        raise Refusal("LimitExceeded", "You can have at most 10 topics for each Auto Scaling group")
    group.notifications[topic] = list(dict.fromkeys(kinds))


@answers("autoscaling", "DescribeNotificationConfigurations")
def describe_notifications(call: Call) -> Fields:
    """One entry for each group, topic and type; unknown groups are left out."""
    names = call["AutoScalingGroupNames"]
    found = [
        {"AutoScalingGroupName": group.name, "TopicARN": topic, "NotificationType": kind}
        for group in call.cloud.scaling.groups.values()
        if not names or group.name in names
        for topic, kinds in group.notifications.items()
        for kind in kinds
    ]
    return page(call, "NotificationConfigurations", found, limit=50)


@answers("autoscaling", "DeleteNotificationConfiguration")
def delete_notification(call: Call) -> None:
    """Nothing happens if the group has none for the topic."""
    group = call.cloud.scaling.group(call["AutoScalingGroupName"])
    group.notifications.pop(call["TopicARN"], None)


@answers("autoscaling", "DescribeAutoScalingNotificationTypes")
def notification_types(_: Call) -> Fields:
    """The types a notification configuration may have."""
    return {"AutoScalingNotificationTypes": list(NOTIFICATION_TYPES)}


@answers("autoscaling", "CreateOrUpdateTags")
def put_tags(call: Call) -> None:
    """Overwrites silently (API reference)."""
    for tag in call["Tags"]:
        call.cloud.scaling.group(tag["ResourceId"]).tags[tag["Key"]] = tag_of(tag["ResourceId"], tag)


@answers("autoscaling", "DeleteTags")
def delete_tags(call: Call) -> None:
    """Tags that are not there are no fault."""
    for tag in call["Tags"]:
        call.cloud.scaling.group(tag["ResourceId"]).tags.pop(tag["Key"], None)


@answers("autoscaling", "DescribeTags")
def describe_tags(call: Call) -> Fields:
    """Filters: auto-scaling-group, key, value, propagate-at-launch."""
    found = [tag for group in call.cloud.scaling.groups.values() for tag in group.tags.values()]
    for wanted in call["Filters"] or []:
        found = [tag for tag in found if _tag_passes(tag, wanted)]
    return page(call, "Tags", found, limit=50)


def _tag_passes(tag: Fields, wanted: Fields) -> bool:
    field = {
        "auto-scaling-group": "ResourceId",
        "key": "Key",
        "value": "Value",
        "propagate-at-launch": "PropagateAtLaunch",
    }.get(wanted["Name"])
    if field is None:
        raise invalid(f"Filter type {wanted['Name']} is not correct.")
    return str(tag[field]).lower() in [value.lower() for value in wanted.get("Values") or []]


@answers("autoscaling", "SuspendProcesses")
def suspend(call: Call) -> None:
    """All processes if none is named."""
    group = call.cloud.scaling.group(call["AutoScalingGroupName"])
    for name in _processes(call):
        group.suspended[name] = f"User suspended at {call.cloud.time():%Y-%m-%dT%H:%M:%SZ}"


@answers("autoscaling", "ResumeProcesses")
def resume(call: Call) -> None:
    """All processes if none is named."""
    group = call.cloud.scaling.group(call["AutoScalingGroupName"])
    for name in _processes(call):
        group.suspended.pop(name, None)


def _processes(call: Call) -> tuple[str, ...]:
    names = tuple(call["ScalingProcesses"] or PROCESSES)
    for name in names:
        if name not in PROCESSES:
            raise invalid(f"{name} is not a valid scaling process")
    return names


@answers("autoscaling", "AttachLoadBalancerTargetGroups")
def attach(call: Call) -> None:
    """Members in service join; at most 10 target groups a call (API reference)."""
    cloud, arns = call.cloud, call["TargetGroupARNs"]
    group = cloud.scaling.group(call["AutoScalingGroupName"])
    refuse_deleted(group)
    check_target_groups(cloud, arns)
    held = group.fields["TargetGroupARNs"]
    new = [arn for arn in arns if arn not in held]
    group.fields["TargetGroupARNs"] = [*held, *new]
    join(call, group, new)


def join(call: Call, group: Group, arns: list[str]) -> None:
    """Register the group's members in service with these target groups."""
    for member in group.members:
        if member.lifecycle == "InService":
            for arn in arns:
                register(call.cloud, arn, member.id, at=call.cloud.now())


@answers("autoscaling", "DetachLoadBalancerTargetGroups")
def detach(call: Call) -> None:
    """Members drain from the target groups and stay in the group."""
    group = call.cloud.scaling.group(call["AutoScalingGroupName"])
    for arn in call["TargetGroupARNs"]:
        if arn not in group.fields["TargetGroupARNs"]:
            raise invalid(f"Trying to remove Target Groups that are not part of the group: {arn}")
        leave(call, group, [arn])
    group.fields["TargetGroupARNs"] = [
        arn for arn in group.fields["TargetGroupARNs"] if arn not in call["TargetGroupARNs"]
    ]


def leave(call: Call, group: Group, arns: list[str]) -> None:
    """Deregister the group's members from these target groups."""
    for member in group.members:
        for arn in arns:
            deregister(call.cloud, arn, member.id)


@answers("autoscaling", "DescribeLoadBalancerTargetGroups")
def describe_target_groups(call: Call) -> Fields:
    """InService once a member is healthy there, else Added (API reference, LoadBalancerTargetGroupState)."""
    group = call.cloud.scaling.group(call["AutoScalingGroupName"])
    found = []
    for arn in group.fields["TargetGroupARNs"]:
        healthy = "healthy" in target_states(call.cloud, arn).values()
        found.append({"LoadBalancerTargetGroupARN": arn, "State": "InService" if healthy else "Added"})
    return page(call, "LoadBalancerTargetGroups", found)


@answers("autoscaling", "DescribeTrafficSources")
def describe_traffic_sources(call: Call) -> Fields:
    """The same target groups in the newer API's words."""
    group = call.cloud.scaling.group(call["AutoScalingGroupName"])
    found = [{"Identifier": arn, "Type": "elbv2", "State": "InService"} for arn in group.fields["TargetGroupARNs"]]
    return page(call, "TrafficSources", found)


@answers("autoscaling", "EnableMetricsCollection")
def enable_metrics(call: Call) -> None:
    """Group metrics, all if none is named."""
    group = call.cloud.scaling.group(call["AutoScalingGroupName"])
    for name in call["Metrics"] or ["GroupDesiredCapacity", "GroupInServiceInstances"]:
        group.metrics[name] = call["Granularity"]


@answers("autoscaling", "DisableMetricsCollection")
def disable_metrics(call: Call) -> None:
    """Group metrics, all if none is named."""
    group = call.cloud.scaling.group(call["AutoScalingGroupName"])
    for name in call["Metrics"] or list(group.metrics):
        group.metrics.pop(name, None)


@answers("autoscaling", "DescribeAccountLimits")
def limits(call: Call) -> Fields:
    """The default quotas (User Guide, "quotas")."""
    scaling = call.cloud.scaling
    return {
        "MaxNumberOfAutoScalingGroups": 500,
        "MaxNumberOfLaunchConfigurations": 200,
        "NumberOfAutoScalingGroups": len(scaling.groups),
        "NumberOfLaunchConfigurations": len(scaling.configurations),
    }
