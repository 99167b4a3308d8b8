"""Scaling policies, alarms, and what hangs on groups, over the wire."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from smplan.sandbox.aws.autoscaling.launch_configurations import check_user_data
from smplan.sandbox.aws.errors import (
    AwsError,
)
from smplan.sandbox.sandbox import Sandbox
from tests.sandbox.conftest import Client, refused

Later = Callable[[float], None]
SIMPLE = {"AdjustmentType": "ChangeInCapacity", "ScalingAdjustment": 1, "Cooldown": 300}


class Group:
    """A group that launches nothing, so that only its numbers move."""

    def __init__(self, still: Sandbox, aws_of: Client, name: str, **changes: Any) -> None:
        self.name, self.scaling, self.watch = name, aws_of("autoscaling"), aws_of("cloudwatch")
        self.scaling.create_launch_configuration(
            LaunchConfigurationName=name, ImageId=still.facts.image_id, InstanceType="c5.large"
        )
        request = {"MinSize": 0, "MaxSize": 5, "DesiredCapacity": 2, **changes}
        self.scaling.create_auto_scaling_group(
            AutoScalingGroupName=name,
            LaunchConfigurationName=name,
            VPCZoneIdentifier=still.facts.subnet_ids[0],
            **request,
        )
        self.scaling.suspend_processes(AutoScalingGroupName=name, ScalingProcesses=["Launch", "Terminate"])

    @property
    def desired(self) -> int:
        found = self.scaling.describe_auto_scaling_groups(AutoScalingGroupNames=[self.name])["AutoScalingGroups"]
        capacity: int = found[0]["DesiredCapacity"]
        return capacity

    def put(self, policy: str, **fields: Any) -> str:
        answer = self.scaling.put_scaling_policy(AutoScalingGroupName=self.name, PolicyName=policy, **fields)
        arn: str = answer["PolicyARN"]
        return arn

    def execute(self, policy: str, **fields: Any) -> None:
        self.scaling.execute_policy(AutoScalingGroupName=self.name, PolicyName=policy, **fields)

    def policies(self) -> list[Any]:
        found: list[Any] = self.scaling.describe_policies(AutoScalingGroupName=self.name)["ScalingPolicies"]
        return found

    def alarm(self, name: str, *actions: str) -> None:
        self.watch.put_metric_alarm(
            AlarmName=name,
            Namespace="AWS/EC2",
            MetricName="CPUUtilization",
            Dimensions=[{"Name": "AutoScalingGroupName", "Value": self.name}],
            Statistic="Average",
            Period=60,
            EvaluationPeriods=2,
            Threshold=60.0,
            ComparisonOperator="GreaterThanOrEqualToThreshold",
            AlarmActions=list(actions),
        )

    def ring(self, name: str, **fields: Any) -> None:
        for state in ("OK", "ALARM"):
            self.watch.set_alarm_state(AlarmName=name, StateValue=state, StateReason="test", **fields)

    def seen(self, name: str) -> Any:
        found = self.watch.describe_alarms(AlarmNames=[name])["MetricAlarms"]
        return found[0] if found else None


@pytest.fixture
def group(still: Sandbox, aws_of: Client, name: str) -> Group:
    return Group(still, aws_of, name)


def test_a_policys_arn_survives_updates_and_not_deletion(group: Group) -> None:
    first = group.put("out", **SIMPLE)
    assert group.put("out", **{**SIMPLE, "ScalingAdjustment": 2}) == first
    assert [each["ScalingAdjustment"] for each in group.policies()] == [2]
    group.scaling.delete_policy(AutoScalingGroupName=group.name, PolicyName="out")
    assert group.policies() == []
    assert group.put("out", **SIMPLE) != first


def test_policy_names_are_per_group(still: Sandbox, aws_of: Client, group: Group) -> None:
    other = Group(still, aws_of, f"{group.name}-2")
    first, second = group.put("out", **SIMPLE), other.put("out", **SIMPLE)
    assert first != second
    assert [each["PolicyARN"] for each in group.policies()] == [first]
    found = group.scaling.describe_policies(PolicyNames=[second])["ScalingPolicies"]
    assert [each["AutoScalingGroupName"] for each in found] == [other.name]
    kinds = group.scaling.describe_policies(AutoScalingGroupName=group.name, PolicyTypes=["StepScaling"])
    assert kinds["ScalingPolicies"] == []


@pytest.mark.parametrize(
    "fields",
    [
        {"PolicyType": "Nonsense"},
        {"PolicyType": "SimpleScaling"},
        {"PolicyType": "StepScaling", "AdjustmentType": "ChangeInCapacity"},
        {"PolicyType": "StepScaling", **SIMPLE, "StepAdjustments": [{"ScalingAdjustment": 1}]},
        {"PolicyType": "TargetTrackingScaling"},
        {**SIMPLE, "MinAdjustmentMagnitude": 2},
    ],
)
def test_a_policy_that_cannot_be_is_refused(group: Group, fields: dict[str, Any]) -> None:
    refused("ValidationError", group.put, policy="x", **fields)


def test_what_is_absent_is_refused(group: Group) -> None:
    refused("ValidationError", group.scaling.describe_policies, AutoScalingGroupName="absent")
    refused("ValidationError", group.execute, policy="absent")
    refused(
        "ValidationError", group.scaling.put_scaling_policy, AutoScalingGroupName="absent", PolicyName="x", **SIMPLE
    )


def test_a_policy_stays_within_the_bounds_and_starts_a_cooldown(group: Group, later: Later) -> None:
    group.put("out", **{**SIMPLE, "ScalingAdjustment": 9})
    group.execute("out")
    assert group.desired == 5
    refused("ScalingActivityInProgress", group.execute, policy="out", HonorCooldown=True)
    set_desired = {"AutoScalingGroupName": group.name, "DesiredCapacity": 1, "HonorCooldown": True}
    refused("ScalingActivityInProgress", group.scaling.set_desired_capacity, **set_desired)
    later(301)
    group.scaling.set_desired_capacity(**set_desired)
    assert group.desired == 1


def test_a_policy_that_changes_nothing_starts_no_cooldown(group: Group) -> None:
    group.put("exact", AdjustmentType="ExactCapacity", ScalingAdjustment=2)
    group.execute("exact", HonorCooldown=True)
    group.execute("exact", HonorCooldown=True)
    assert group.desired == 2


@pytest.mark.parametrize(
    ("start", "percent", "least", "after"),
    [(4, 50, None, 6), (3, 50, None, 4), (1, 10, None, 2), (4, -30, None, 3), (2, 10, 3, 5), (8, -50, None, 4)],
)
def test_percentages_are_rounded_as_the_guide_says(
    still: Sandbox, aws_of: Client, name: str, start: int, percent: int, least: int | None, after: int
) -> None:
    group = Group(still, aws_of, name, DesiredCapacity=start, MaxSize=20)
    magnitude = {} if least is None else {"MinAdjustmentMagnitude": least}
    group.put("p", AdjustmentType="PercentChangeInCapacity", ScalingAdjustment=percent, **magnitude)
    group.execute("p")
    assert group.desired == after


def test_a_step_policy_takes_the_step_that_holds_the_breach(group: Group) -> None:
    steps = [
        {"MetricIntervalLowerBound": 0.0, "MetricIntervalUpperBound": 10.0, "ScalingAdjustment": 1},
        {"MetricIntervalLowerBound": 10.0, "ScalingAdjustment": 2},
    ]
    arn = group.put("step", PolicyType="StepScaling", AdjustmentType="ChangeInCapacity", StepAdjustments=steps)
    refused("ValidationError", group.execute, policy="step")
    group.execute("step", MetricValue=75.0, BreachThreshold=60.0)
    assert group.desired == 4
    group.execute("step", MetricValue=50.0, BreachThreshold=60.0)
    assert group.desired == 4
    group.alarm(f"{group.name}-a", arn)
    group.ring(f"{group.name}-a", StateReasonData=json.dumps({"recentDatapoints": [61.0, 65.0]}))
    assert group.desired == 5


@pytest.mark.parametrize(
    ("settings", "own", "after"),
    [
        ({"DefaultInstanceWarmup": 600}, {}, 3),
        ({"DefaultInstanceWarmup": 600}, {"EstimatedInstanceWarmup": 0}, 4),
        ({"DefaultInstanceWarmup": 0}, {}, 4),
        ({}, {}, 3),
    ],
)
def test_instances_that_warm_up_do_not_count_in_the_steps_of_a_policy(
    still: Sandbox, aws_of: Client, name: str, later: Later, settings: Any, own: Any, after: int
) -> None:
    group = Group(still, aws_of, name, **settings)
    group.scaling.resume_processes(AutoScalingGroupName=name)
    later(2)
    later(1000)
    for policy, change in (("out", 1), ("in", -1)):
        step = {"MetricIntervalLowerBound": 0.0, "ScalingAdjustment": change}
        kind = {"PolicyType": "StepScaling", "AdjustmentType": "ChangeInCapacity"}
        group.put(policy, **kind, **own, StepAdjustments=[step])
    breach = {"MetricValue": 75.0, "BreachThreshold": 60.0}
    group.execute("out", **breach)
    later(1)
    later(120)  # it is in service
    group.execute("out", **breach)
    assert group.desired == after, "the second breach of a step adds nothing while an instance warms up"
    later(1)
    later(120)
    group.execute("in", **breach)
    assert group.desired == 3, "one is taken only where none warms up"
    later(1)
    later(1000)
    group.execute("out", **breach)
    assert group.desired == 4


def test_an_alarm_starts_without_data_and_keeps_its_state_when_put_again(group: Group) -> None:
    alarm = f"{group.name}-a"
    group.alarm(alarm)
    assert group.seen(alarm)["StateValue"] == "INSUFFICIENT_DATA"
    group.ring(alarm)
    group.alarm(alarm)
    assert group.seen(alarm)["StateValue"] == "ALARM"


def test_tags_count_only_when_an_alarm_is_new(group: Group) -> None:
    request = {
        "AlarmName": f"{group.name}-a",
        "Namespace": "n",
        "MetricName": "m",
        "Statistic": "Sum",
        "Period": 60,
        "EvaluationPeriods": 1,
        "Threshold": 1.0,
        "ComparisonOperator": "GreaterThanThreshold",
    }
    for value in ("first", "second"):
        group.watch.put_metric_alarm(**request, Tags=[{"Key": "owner", "Value": value}])
    arn = group.seen(f"{group.name}-a")["AlarmArn"]
    assert group.watch.list_tags_for_resource(ResourceARN=arn)["Tags"] == [{"Key": "owner", "Value": "first"}]


def test_an_alarm_runs_its_policies_once_a_change_and_not_in_a_cooldown(group: Group, later: Later) -> None:
    alarm = f"{group.name}-a"
    group.alarm(alarm, group.put("out", **SIMPLE), "arn:aws:sns:us-east-1:1:elsewhere")
    group.ring(alarm)
    group.watch.set_alarm_state(AlarmName=alarm, StateValue="ALARM", StateReason="still")
    assert group.desired == 3
    group.ring(alarm)
    assert group.desired == 3
    later(301)
    group.ring(alarm)
    assert group.desired == 4
    later(301)
    group.scaling.suspend_processes(AutoScalingGroupName=group.name, ScalingProcesses=["AlarmNotification"])
    group.ring(alarm)
    assert group.desired == 4
    assert [each["AlarmName"] for each in group.policies()[0]["Alarms"]] == [alarm]


def test_absent_alarms_are_refused_and_the_others_deleted(group: Group) -> None:
    alarm = f"{group.name}-a"
    group.alarm(alarm)
    refused("ResourceNotFound", group.watch.delete_alarms, AlarmNames=[alarm, "absent"])
    assert group.seen(alarm) is None
    refused("ResourceNotFound", group.watch.set_alarm_state, AlarmName=alarm, StateValue="OK", StateReason="x")
    group.alarm(alarm)
    group.watch.delete_alarms(AlarmNames=[alarm])
    assert group.seen(alarm) is None


def test_deleting_a_policy_takes_its_action_and_leaves_the_alarm(group: Group) -> None:
    alarm = f"{group.name}-a"
    group.alarm(alarm, group.put("out", **SIMPLE), group.put("more", **SIMPLE))
    group.ring(alarm)
    group.scaling.delete_policy(AutoScalingGroupName=group.name, PolicyName="out")
    assert (len(group.seen(alarm)["AlarmActions"]), group.seen(alarm)["StateValue"]) == (1, "ALARM")
    group.scaling.delete_policy(AutoScalingGroupName=group.name, PolicyName="more")
    assert group.seen(alarm).get("AlarmActions", []) == []


def test_deleting_a_group_deletes_its_policies_and_alarms_left_without_action(group: Group, later: Later) -> None:
    bare, other = f"{group.name}-bare", f"{group.name}-other"
    arn = group.put("out", **SIMPLE)
    group.alarm(bare, arn)
    group.alarm(other, arn, "arn:aws:sns:us-east-1:1:topic")
    group.scaling.delete_auto_scaling_group(AutoScalingGroupName=group.name)
    later(11)
    assert group.seen(bare) is None
    assert group.seen(other)["AlarmActions"] == ["arn:aws:sns:us-east-1:1:topic"]
    assert group.scaling.describe_policies(PolicyNames=[arn])["ScalingPolicies"] == []


@pytest.mark.parametrize(("disabled", "count"), [(False, 2), (True, 1)])
def test_target_tracking_owns_its_alarms(group: Group, disabled: bool, count: int) -> None:
    tracking = {
        "PredefinedMetricSpecification": {"PredefinedMetricType": "ASGAverageCPUUtilization"},
        "TargetValue": 50.0,
        "DisableScaleIn": disabled,
    }
    fields = {"PolicyType": "TargetTrackingScaling", "TargetTrackingConfiguration": tracking}
    for _ in range(2):
        group.put("track", **fields)
    alarms = [each["AlarmName"] for each in group.policies()[0]["Alarms"]]
    assert len(alarms) == count
    refused("ValidationError", group.execute, policy="track")
    group.scaling.delete_policy(AutoScalingGroupName=group.name, PolicyName="track")
    assert group.watch.describe_alarms(AlarmNames=alarms)["MetricAlarms"] == []


def test_notifications_are_kept_per_group_topic_and_type(group: Group, aws_of: Client) -> None:
    topic = aws_of("sns").create_topic(Name=group.name)["TopicArn"]
    put = group.scaling.put_notification_configuration
    launch, failed = "autoscaling:EC2_INSTANCE_LAUNCH", "autoscaling:EC2_INSTANCE_LAUNCH_ERROR"
    target = {"AutoScalingGroupName": group.name, "TopicARN": topic}

    def kinds() -> list[str]:
        answer = group.scaling.describe_notification_configurations(AutoScalingGroupNames=[group.name])
        return [each["NotificationType"] for each in answer["NotificationConfigurations"]]

    put(**target, NotificationTypes=[launch, failed])
    assert kinds() == [launch, failed]
    put(**target, NotificationTypes=[failed])
    assert kinds() == [failed]
    refused("ValidationError", put, **target, NotificationTypes=["autoscaling:NONSENSE"])
    refused("ValidationError", put, **{**target, "TopicARN": f"{topic}-absent"}, NotificationTypes=[launch])
    for _ in range(2):
        group.scaling.delete_notification_configuration(**target)
    assert kinds() == []
    assert failed in group.scaling.describe_auto_scaling_notification_types()["AutoScalingNotificationTypes"]


def test_a_group_has_ten_topics_at_most(group: Group, aws_of: Client) -> None:
    for number in range(11):
        topic = aws_of("sns").create_topic(Name=f"{group.name}-{number}")["TopicArn"]
        request = {
            "AutoScalingGroupName": group.name,
            "TopicARN": topic,
            "NotificationTypes": ["autoscaling:TEST_NOTIFICATION"],
        }
        if number < 10:
            group.scaling.put_notification_configuration(**request)
        else:
            refused("LimitExceeded", group.scaling.put_notification_configuration, **request)


def test_tags_of_groups_come_and_go(group: Group) -> None:
    tag = {"ResourceId": group.name, "ResourceType": "auto-scaling-group", "Key": "team"}
    group.scaling.create_or_update_tags(Tags=[{**tag, "Value": "video", "PropagateAtLaunch": True}])
    filters = [
        {"Name": "auto-scaling-group", "Values": [group.name]},
        {"Name": "propagate-at-launch", "Values": ["true"]},
    ]
    (seen,) = group.scaling.describe_tags(Filters=filters)["Tags"]
    assert seen == {**tag, "Value": "video", "PropagateAtLaunch": True}
    refused("ValidationError", group.scaling.describe_tags, Filters=[{"Name": "colour", "Values": ["red"]}])
    for _ in range(2):
        group.scaling.delete_tags(Tags=[tag])
    assert group.scaling.describe_tags(Filters=filters)["Tags"] == []


def test_metrics_and_limits_are_told(group: Group) -> None:
    name = {"AutoScalingGroupName": group.name}
    group.scaling.enable_metrics_collection(**name, Granularity="1Minute")
    group.scaling.disable_metrics_collection(**name, Metrics=["GroupDesiredCapacity"])
    (seen,) = group.scaling.describe_auto_scaling_groups(AutoScalingGroupNames=[group.name])["AutoScalingGroups"]
    assert [each["Metric"] for each in seen["EnabledMetrics"]] == ["GroupInServiceInstances"]
    group.scaling.disable_metrics_collection(**name)
    assert group.scaling.describe_account_limits()["NumberOfAutoScalingGroups"] >= 1


def test_target_groups_are_attached_and_detached(still: Sandbox, group: Group, aws_of: Client, later: Later) -> None:
    elb, name = aws_of("elbv2"), {"AutoScalingGroupName": group.name}
    arn = elb.create_target_group(Name=group.name, Protocol="HTTP", Port=5080, VpcId=still.facts.vpc_id)[
        "TargetGroups"
    ][0]["TargetGroupArn"]
    group.scaling.resume_processes(**name)
    later(1)
    later(91)
    group.scaling.attach_load_balancer_target_groups(**name, TargetGroupARNs=[arn])
    assert len(elb.describe_target_health(TargetGroupArn=arn)["TargetHealthDescriptions"]) == 2
    (seen,) = group.scaling.describe_load_balancer_target_groups(**name)["LoadBalancerTargetGroups"]
    assert seen == {"LoadBalancerTargetGroupARN": arn, "State": "Added"}
    (source,) = group.scaling.describe_traffic_sources(**name)["TrafficSources"]
    assert source["Identifier"] == arn
    group.scaling.detach_load_balancer_target_groups(**name, TargetGroupARNs=[arn])
    assert elb.describe_target_health(TargetGroupArn=arn)["TargetHealthDescriptions"] == []
    refused("ValidationError", group.scaling.detach_load_balancer_target_groups, **name, TargetGroupARNs=[arn])
    group.scaling.delete_auto_scaling_group(**name, ForceDelete=True)
    later(30)


@pytest.fixture
def closed(still: Sandbox) -> Any:
    still.aws.launch_configurations = False
    yield
    still.aws.launch_configurations = True


def configuration(still: Sandbox, aws_of: Client, name: str, **changes: Any) -> None:
    request: dict[str, Any] = {"ImageId": still.facts.image_id, "InstanceType": "c5.large", **changes}
    request = {key: value for key, value in request.items() if value is not None}
    aws_of("autoscaling").create_launch_configuration(LaunchConfigurationName=name, **request)


def test_newer_accounts_cannot_make_launch_configurations(
    still: Sandbox, aws_of: Client, name: str, closed: None
) -> None:
    text = refused("UnsupportedOperation", configuration, still=still, aws_of=aws_of, name=name)
    assert "Launch Configuration creation operation is not available" in text


@pytest.mark.parametrize(
    "changes",
    [
        {"ImageId": "ami-0dead"},
        {"SecurityGroups": ["sg-0dead"]},
        {"KeyName": "absent"},
        {"UserData": "x" * 16385},
        {"InstanceType": None},
    ],
)
def test_a_launch_configuration_that_cannot_be_is_refused(
    still: Sandbox, aws_of: Client, name: str, changes: dict[str, Any]
) -> None:
    refused("ValidationError", configuration, still=still, aws_of=aws_of, name=name, **changes)


def test_user_data_of_a_launch_configuration_is_base64() -> None:
    with pytest.raises(AwsError, match="BASE64"):
        check_user_data("not base64!")


def test_a_launch_configuration_is_made_once_and_pinned_while_used(
    still: Sandbox, aws_of: Client, group: Group
) -> None:
    scaling = aws_of("autoscaling")
    refused("AlreadyExists", configuration, still=still, aws_of=aws_of, name=group.name)
    refused("ResourceInUse", scaling.delete_launch_configuration, LaunchConfigurationName=group.name)
    refused("ValidationError", scaling.delete_launch_configuration, LaunchConfigurationName="absent")
    configuration(still, aws_of, f"{group.name}-2", KeyName="red5pro", UserData="hello")
    describe = scaling.describe_launch_configurations
    (seen,) = describe(LaunchConfigurationNames=[f"{group.name}-2"])["LaunchConfigurations"]
    assert (seen["InstanceMonitoring"], seen["UserData"]) == ({"Enabled": True}, "aGVsbG8=")
    pages = scaling.get_paginator("describe_launch_configurations").paginate(PaginationConfig={"PageSize": 1})
    names = [each["LaunchConfigurationName"] for page in pages for each in page["LaunchConfigurations"]]
    assert {group.name, f"{group.name}-2"} <= set(names)
    scaling.delete_launch_configuration(LaunchConfigurationName=f"{group.name}-2")
    assert describe(LaunchConfigurationNames=[f"{group.name}-2"])["LaunchConfigurations"] == []
