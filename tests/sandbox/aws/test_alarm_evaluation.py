"""Alarms on the CPU of a scaling group under a load: when they change, and what their policies do meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
from botocore.exceptions import ClientError

from smplan.sandbox.sandbox import Sandbox
from tests.sandbox.conftest import Client

Later = Callable[[float], None]
MINUTE = 60.0


class Group:
    """One instance in service, a policy that adds another, and an alarm for 70 % of CPU over two minutes."""

    def __init__(self, still: Sandbox, aws_of: Client, name: str, later: Later, **alarm: Any) -> None:
        self.still, self.name, self.later = still, name, later
        self.scaling, self.watch = aws_of("autoscaling"), aws_of("cloudwatch")
        self.scaling.create_launch_configuration(
            LaunchConfigurationName=name, ImageId=still.facts.image_id, InstanceType="c5.large"
        )
        self.scaling.create_auto_scaling_group(
            AutoScalingGroupName=name,
            LaunchConfigurationName=name,
            VPCZoneIdentifier=still.facts.subnet_ids[0],
            MinSize=1,
            MaxSize=4,
        )
        later(2)
        later(130)
        assert self.sizes == (1, 1)
        put = self.scaling.put_scaling_policy(
            AutoScalingGroupName=name,
            PolicyName="out",
            AdjustmentType="ChangeInCapacity",
            ScalingAdjustment=1,
            Cooldown=300,
        )
        self.put_alarm(**{"AlarmActions": [put["PolicyARN"]], **alarm})

    def put_alarm(self, **changes: Any) -> None:
        request: dict[str, Any] = {
            "AlarmName": self.name,
            "Namespace": "AWS/EC2",
            "MetricName": "CPUUtilization",
            "Dimensions": [{"Name": "AutoScalingGroupName", "Value": self.name}],
            "Statistic": "Average",
            "Period": 60,
            "EvaluationPeriods": 2,
            "Threshold": 70.0,
            "ComparisonOperator": "GreaterThanOrEqualToThreshold",
        }
        self.watch.put_metric_alarm(**{**request, **changes})

    @property
    def sizes(self) -> tuple[int, int]:
        """The desired capacity, and how many instances are in service."""
        (found,) = self.scaling.describe_auto_scaling_groups(AutoScalingGroupNames=[self.name])["AutoScalingGroups"]
        return found["DesiredCapacity"], sum(each["LifecycleState"] == "InService" for each in found["Instances"])

    @property
    def state(self) -> str:
        (found,) = self.watch.describe_alarms(AlarmNames=[self.name])["MetricAlarms"]
        return str(found["StateValue"])

    def states(self, minutes: int) -> list[str]:
        """The alarm's state after each minute."""
        found = []
        for _ in range(minutes):
            self.later(MINUTE)
            found.append(self.state)
        return found

    def delete(self) -> None:
        with suppress(ClientError):
            self.scaling.delete_auto_scaling_group(AutoScalingGroupName=self.name, ForceDelete=True)
        self.later(60)


Make = Callable[..., Group]


@pytest.fixture
def make(still: Sandbox, aws_of: Client, name: str, later: Later) -> Iterator[Make]:
    made: list[Group] = []

    def new(**alarm: Any) -> Group:
        made.append(Group(still, aws_of, name, later, **alarm))
        return made[-1]

    yield new
    for each in made:
        each.delete()


def test_without_a_load_an_alarm_keeps_its_state(make: Make) -> None:
    assert make().states(3) == ["INSUFFICIENT_DATA"] * 3


def test_an_alarm_goes_off_after_as_many_periods_as_it_wants(make: Make) -> None:
    group = make()
    group.still.put_load(group.name, 50)
    assert group.states(3) == ["OK"] * 3
    group.still.put_load(group.name, 80)
    assert group.states(3)[-2:] == ["ALARM"] * 2
    assert group.sizes[0] == 2


def test_the_load_is_shared_and_a_policy_does_not_run_in_its_cooldown(make: Make) -> None:
    group = make()
    group.still.put_load(group.name, 160)
    assert group.states(4)[-1] == "ALARM"
    assert group.sizes[0] == 2
    assert group.states(2)[-1] == "ALARM", "80 % each is too much"
    assert group.sizes == (2, 2), "the cooldown is not over"
    group.states(3)
    assert group.sizes[0] == 3
    assert group.states(4)[-1] == "OK", "three have 53 % each"
    assert group.sizes == (3, 3)


def test_one_of_three_datapoints_is_enough_for_an_alarm_that_wants_one(make: Make) -> None:
    group = make(EvaluationPeriods=3, DatapointsToAlarm=1, ActionsEnabled=False)
    group.still.put_load(group.name, 90)
    group.states(1)
    group.still.put_load(group.name, 10)
    assert "ALARM" in group.states(2)
    assert group.states(3)[-1] == "OK"
    assert group.sizes[0] == 1, "its actions are not enabled"


@pytest.mark.parametrize(
    ("missing", "state"),
    [("missing", "INSUFFICIENT_DATA"), ("ignore", "OK"), ("breaching", "ALARM"), ("notBreaching", "OK")],
)
def test_a_group_without_instances_has_no_datapoints(make: Make, missing: str, state: str) -> None:
    group = make(TreatMissingData=missing, ActionsEnabled=False)
    group.still.put_load(group.name, 10)
    assert group.states(2)[-1] == "OK"
    group.scaling.update_auto_scaling_group(AutoScalingGroupName=group.name, MinSize=0, DesiredCapacity=0)
    assert group.states(4)[-1] == state


def test_instances_that_warm_up_do_not_count(make: Make) -> None:
    group = make(ActionsEnabled=False)
    group.scaling.update_auto_scaling_group(AutoScalingGroupName=group.name, DefaultInstanceWarmup=600)
    group.later(600)
    group.still.put_load(group.name, 120)
    group.scaling.set_desired_capacity(AutoScalingGroupName=group.name, DesiredCapacity=2)
    assert group.states(8)[-1] == "ALARM", "the new one has not warmed up: the first has 100 %"
    assert group.sizes == (2, 2)
    assert group.states(8)[-1] == "OK"


def test_a_period_of_five_minutes_is_their_average(make: Make) -> None:
    group = make(Period=300, EvaluationPeriods=1, ActionsEnabled=False)
    group.still.put_load(group.name, 100)
    group.states(3)
    group.still.put_load(group.name, 0)
    assert group.states(2)[-1] == "OK", "60 % on average"
    group.still.put_load(group.name, 90)
    assert group.states(5)[-1] == "ALARM"


def test_the_load_of_a_deleted_group_is_nothing(make: Make) -> None:
    group = make()
    group.still.put_load(group.name, 90)
    group.delete()
    group.later(MINUTE)
    assert group.watch.describe_alarms(AlarmNames=[group.name])["MetricAlarms"] == []


def test_datapoints_are_kept_for_a_day(make: Make) -> None:
    group = make(ActionsEnabled=False)
    group.still.put_load(group.name, 10)
    group.states(1)
    group.later(25 * 3600)
    group.states(1)
    assert len(group.still.aws.table("cloudwatch.load")[group.name].datapoints) == 24 * 60
