"""Auto Scaling: which SNS topics a group notifies of which events."""

from __future__ import annotations

from smplan.sandbox.aws.autoscaling._paging import page
from smplan.sandbox.aws.autoscaling.groups import refuse_deleted
from smplan.sandbox.aws.errors import AwsError, Fields
from smplan.sandbox.aws.requests import Call, handles
from smplan.sandbox.aws.state.autoscaling import invalid

NOTIFICATION_TYPES = (
    "autoscaling:EC2_INSTANCE_LAUNCH",
    "autoscaling:EC2_INSTANCE_LAUNCH_ERROR",
    "autoscaling:EC2_INSTANCE_TERMINATE",
    "autoscaling:EC2_INSTANCE_TERMINATE_ERROR",
    "autoscaling:TEST_NOTIFICATION",
)


@handles("autoscaling", "PutNotificationConfiguration")
def put_notification(call: Call) -> None:
    """Overwrites what the group had for the topic; at most 10 topics a group (API reference)."""
    account = call.account
    group = account.autoscaling.group(call["AutoScalingGroupName"])
    refuse_deleted(group)
    topic, kinds = call["TopicARN"], call["NotificationTypes"] or []
    for kind in kinds:
        if kind not in NOTIFICATION_TYPES:
            raise invalid(f'"{kind}" is not a valid Notification Type')
    try:
        account.moto.call("sns", "GetTopicAttributes", {"TopicArn": topic})
    except AwsError as error:
        raise invalid(f"An active SNS topic could not be found for {topic}") from error
    if topic not in group.notifications and len(group.notifications) >= 10:
        raise AwsError("LimitExceeded", "You can have at most 10 topics for each Auto Scaling group")
    group.notifications[topic] = list(dict.fromkeys(kinds))


@handles("autoscaling", "DescribeNotificationConfigurations")
def describe_notifications(call: Call) -> Fields:
    """One entry for each group, topic and type; unknown groups are left out."""
    names = call["AutoScalingGroupNames"]
    found = [
        {"AutoScalingGroupName": group.name, "TopicARN": topic, "NotificationType": kind}
        for group in call.account.autoscaling.groups.values()
        if not names or group.name in names
        for topic, kinds in group.notifications.items()
        for kind in kinds
    ]
    return page(call, "NotificationConfigurations", found, limit=50)


@handles("autoscaling", "DeleteNotificationConfiguration")
def delete_notification(call: Call) -> None:
    """Nothing happens if the group has none for the topic."""
    group = call.account.autoscaling.group(call["AutoScalingGroupName"])
    group.notifications.pop(call["TopicARN"], None)


@handles("autoscaling", "DescribeAutoScalingNotificationTypes")
def notification_types(_: Call) -> Fields:
    """The types a notification configuration may have."""
    return {"AutoScalingNotificationTypes": list(NOTIFICATION_TYPES)}
