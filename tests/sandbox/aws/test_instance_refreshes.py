"""Instance refreshes: what they replace, in which order, how they pause, fail and go back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from smplan.sandbox.sandbox import Sandbox
from tests.sandbox.conftest import Client, refused

Later = Callable[[float], None]
WARMUP = 180
ONE_BY_ONE = {"MinHealthyPercentage": 100, "MaxHealthyPercentage": 110, "InstanceWarmup": WARMUP}
TICK = 30.0


@dataclass
class Fleet:
    """A group of instances of version 1 of a template that has two versions."""

    scaling: Any
    cloudwatch: Any
    name: str
    template: str
    later: Later

    @property
    def group(self) -> Any:
        return self.scaling.describe_auto_scaling_groups(AutoScalingGroupNames=[self.name])["AutoScalingGroups"][0]

    @property
    def refresh(self) -> Any:
        return self.scaling.describe_instance_refreshes(AutoScalingGroupName=self.name)["InstanceRefreshes"][0]

    def versions(self, *states: str) -> list[str]:
        """The version of each instance in these lifecycle states (default: in service)."""
        wanted = states or ("InService",)
        there = [each for each in self.group["Instances"] if each["LifecycleState"] in wanted]
        return sorted(each.get("LaunchTemplate", {}).get("Version", "") for each in there)

    def start(self, version: str | None = "2", **preferences: Any) -> str:
        desired = {"LaunchTemplate": {"LaunchTemplateId": self.template, "Version": version}} if version else None
        request = {"AutoScalingGroupName": self.name, "Preferences": {**ONE_BY_ONE, **preferences}}
        if desired:
            request["DesiredConfiguration"] = desired
        started: str = self.scaling.start_instance_refresh(**request)["InstanceRefreshId"]
        return started

    def until(self, *statuses: str, least: int = 0, seconds: float = 9_000) -> list[int]:
        """Let time pass until a status is reached; how many were in service at each tick."""
        seen: list[int] = []
        for _ in range(int(seconds / TICK)):
            if self.refresh["Status"] in statuses:
                return seen
            self.later(TICK)
            seen.append(len(self.versions()))
            assert seen[-1] >= least, self.refresh
        raise AssertionError(self.refresh)

    def resize(self, count: int) -> None:
        self.scaling.update_auto_scaling_group(AutoScalingGroupName=self.name, DesiredCapacity=count)
        for _ in range(2):
            self.later(130)


@pytest.fixture
def fleet(still: Sandbox, aws_of: Client, name: str, later: Later) -> Iterator[Fleet]:
    ec2, scaling = aws_of("ec2"), aws_of("autoscaling")
    data = {"ImageId": still.facts.image_id, "InstanceType": "c5.large"}
    made = ec2.create_launch_template(LaunchTemplateName=f"refresh-{name}", LaunchTemplateData=data)
    template = made["LaunchTemplate"]["LaunchTemplateId"]
    for _ in range(2):
        ec2.create_launch_template_version(LaunchTemplateId=template, LaunchTemplateData=data)
    scaling.create_auto_scaling_group(
        AutoScalingGroupName=name,
        LaunchTemplate={"LaunchTemplateId": template, "Version": "1"},
        MinSize=0,
        MaxSize=10,
        DesiredCapacity=2,
        VPCZoneIdentifier=still.facts.subnet_ids[0],
    )
    found = Fleet(scaling, aws_of("cloudwatch"), name, template, later)
    later(2)
    later(130)
    assert found.versions() == ["1", "1"]
    yield found
    scaling.delete_auto_scaling_group(AutoScalingGroupName=name, ForceDelete=True)
    for _ in range(3):
        later(400)


def test_a_refresh_replaces_one_at_a_time_and_then_changes_the_group(fleet: Fleet) -> None:
    started = fleet.start(AutoRollback=True)
    assert fleet.refresh["PercentageComplete"] == 0
    assert fleet.group["LaunchTemplate"]["Version"] == "1"
    seen = fleet.until("Successful", least=2)
    assert fleet.versions() == ["2", "2"]
    assert fleet.group["LaunchTemplate"]["Version"] == "2"
    assert fleet.refresh["InstanceRefreshId"] == started
    assert (fleet.refresh["PercentageComplete"], fleet.refresh["InstancesToUpdate"]) == (100, 0)
    assert fleet.refresh["EndTime"] > fleet.refresh["StartTime"]
    assert max(seen) == 3, "one more at a time"
    assert len(seen) * TICK >= 2 * (120 + WARMUP) - 4 * TICK, "each successor is waited for"


def test_with_a_lower_minimum_instances_are_terminated_first(fleet: Fleet) -> None:
    fleet.start(MinHealthyPercentage=50, MaxHealthyPercentage=100)
    seen = fleet.until("Successful", least=1)
    assert (min(seen), max(seen)) == (1, 2)


def test_without_bounds_one_instance_is_still_replaced(fleet: Fleet) -> None:
    fleet.resize(1)
    fleet.scaling.start_instance_refresh(AutoScalingGroupName=fleet.name)
    assert 0 in fleet.until("Successful")
    assert fleet.versions() == ["1"], "nothing was desired: what the group has"
    assert "DesiredConfiguration" not in fleet.refresh


def test_a_wide_range_replaces_all_at_once(fleet: Fleet) -> None:
    fleet.start(MaxHealthyPercentage=200)
    assert max(fleet.until("Successful", least=2)) == 4


def test_skip_matching_leaves_what_is_of_the_version(fleet: Fleet) -> None:
    ids = {each["InstanceId"] for each in fleet.group["Instances"]}
    fleet.start("1", SkipMatching=True)
    fleet.until("Successful", seconds=60)
    assert {each["InstanceId"] for each in fleet.group["Instances"]} == ids


def test_only_one_refresh_at_a_time_and_nothing_is_attached_meanwhile(fleet: Fleet) -> None:
    fleet.start()
    refused("InstanceRefreshInProgress", fleet.start)
    request = {"AutoScalingGroupName": fleet.name, "TargetGroupARNs": []}
    refused("InstanceRefreshInProgress", fleet.scaling.attach_load_balancer_target_groups, **request)
    refused("InstanceRefreshInProgress", fleet.scaling.put_warm_pool, AutoScalingGroupName=fleet.name)


@pytest.mark.parametrize(("choice", "versions"), [("Refresh", ["2", "2"]), ("Ignore", ["1", "2"])])
def test_protected_instances_are_replaced_or_ignored(fleet: Fleet, choice: str, versions: list[str]) -> None:
    protect(fleet)
    fleet.start(ScaleInProtectedInstances=choice)
    fleet.until("Successful", least=2)
    assert fleet.versions() == versions


def protect(fleet: Fleet, *, protected: bool = True) -> None:
    ids = [fleet.group["Instances"][0]["InstanceId"]]
    fleet.scaling.set_instance_protection(
        AutoScalingGroupName=fleet.name, InstanceIds=ids, ProtectedFromScaleIn=protected
    )


def test_protected_instances_are_waited_for_an_hour(fleet: Fleet) -> None:
    protect(fleet)
    fleet.start(AutoRollback=True)
    fleet.until("RollbackInProgress", least=2)
    why = fleet.refresh["RollbackDetails"]["RollbackReason"]
    assert "Timed out after 1 hour" in why
    assert "protected from scale in" in why
    assert fleet.refresh["RollbackDetails"]["PercentageCompleteOnRollback"] == 50
    fleet.until("RollbackSuccessful", least=2)
    assert fleet.versions() == ["1", "1"]
    assert fleet.group["LaunchTemplate"]["Version"] == "1"
    assert fleet.refresh["PercentageComplete"] == 0


def test_an_instance_is_replaced_once_its_protection_is_removed(fleet: Fleet) -> None:
    protect(fleet)
    fleet.start()
    fleet.later(TICK)
    protect(fleet, protected=False)
    fleet.until("Successful", least=2)
    assert fleet.versions() == ["2", "2"]


@pytest.mark.parametrize(("choice", "left"), [("Terminate", []), ("Ignore", ["1"])])
def test_instances_in_standby_are_terminated_or_ignored(fleet: Fleet, choice: str, left: list[str]) -> None:
    stand_by(fleet)
    fleet.start(StandbyInstances=choice)
    fleet.until("Successful", least=1)
    assert (fleet.versions(), fleet.versions("Standby")) == (["2"], left)


def stand_by(fleet: Fleet) -> None:
    ids = [fleet.group["Instances"][0]["InstanceId"]]
    fleet.scaling.enter_standby(AutoScalingGroupName=fleet.name, InstanceIds=ids, ShouldDecrementDesiredCapacity=True)


def test_instances_in_standby_are_waited_for_and_then_it_fails(fleet: Fleet) -> None:
    stand_by(fleet)
    fleet.start()
    fleet.until("Failed", least=1)
    assert "in Standby" in fleet.refresh["StatusReason"]
    assert fleet.versions() == ["2"], "what was replaced stays"
    assert fleet.group["LaunchTemplate"]["Version"] == "1"


def test_a_refresh_pauses_at_its_checkpoints(fleet: Fleet) -> None:
    fleet.start(CheckpointPercentages=[50, 100], CheckpointDelay=1800)
    ticks = len(fleet.until("Successful", least=2))
    assert ticks * TICK >= 1800 + 2 * (120 + WARMUP) - 4 * TICK


def test_the_last_checkpoint_ends_the_refresh(fleet: Fleet) -> None:
    fleet.start(CheckpointPercentages=[50])
    fleet.until("Successful", least=2)
    assert fleet.versions() == ["1", "2"]


def test_a_refresh_bakes_before_it_is_successful(fleet: Fleet) -> None:
    fleet.start(BakeTime=600, AutoRollback=True)
    fleet.until("Baking", least=2)
    assert fleet.group["LaunchTemplate"]["Version"] == "1"
    assert len(fleet.until("Successful")) * TICK >= 600 - TICK


def test_a_successor_that_is_unhealthy_while_it_warms_up_is_replaced(fleet: Fleet) -> None:
    fleet.start()
    while "2" not in fleet.versions():
        fleet.later(TICK)
    (ill,) = [each["InstanceId"] for each in fleet.group["Instances"] if each["LaunchTemplate"]["Version"] == "2"]
    fleet.scaling.set_instance_health(InstanceId=ill, HealthStatus="Unhealthy")
    fleet.later(TICK)
    assert fleet.versions() == ["1", "1"], "no old one has left"
    fleet.until("Successful", least=2)
    assert fleet.versions() == ["2", "2"]
    assert ill not in [each["InstanceId"] for each in fleet.group["Instances"]]


@pytest.mark.parametrize("status", ["InProgress", "Baking"])
def test_an_alarm_ends_a_refresh(fleet: Fleet, status: str) -> None:
    fleet.cloudwatch.put_metric_alarm(
        AlarmName=fleet.name,
        Namespace="AWS/EC2",
        MetricName="CPUUtilization",
        Statistic="Average",
        ComparisonOperator="GreaterThanThreshold",
        Threshold=1,
        Period=60,
        EvaluationPeriods=1,
    )
    fleet.start(AutoRollback=True, BakeTime=600, AlarmSpecification={"Alarms": [fleet.name]})
    fleet.until(status, least=2)
    fleet.cloudwatch.set_alarm_state(AlarmName=fleet.name, StateValue="ALARM", StateReason="a test")
    fleet.until("RollbackSuccessful", least=2)
    assert fleet.name in fleet.refresh["StatusReason"]
    assert fleet.versions() == ["1", "1"]


def test_a_refresh_is_rolled_back_by_hand(fleet: Fleet) -> None:
    request = {"AutoScalingGroupName": fleet.name}
    refused("ActiveInstanceRefreshNotFound", fleet.scaling.rollback_instance_refresh, **request)
    started = fleet.start()
    for _ in range(12):
        fleet.later(TICK)
    assert "2" in fleet.versions("InService", "Pending")
    assert fleet.scaling.rollback_instance_refresh(**request)["InstanceRefreshId"] == started
    refused("ActiveInstanceRefreshNotFound", fleet.scaling.rollback_instance_refresh, **request)
    fleet.until("RollbackSuccessful", least=2)
    assert fleet.versions() == ["1", "1"]


def test_a_refresh_that_has_not_begun_is_rolled_back_at_once(fleet: Fleet) -> None:
    fleet.start()
    fleet.scaling.rollback_instance_refresh(AutoScalingGroupName=fleet.name)
    fleet.until("RollbackSuccessful", least=2, seconds=60)


def test_what_desires_nothing_cannot_be_rolled_back(fleet: Fleet) -> None:
    fleet.start(None)
    request = {"AutoScalingGroupName": fleet.name}
    refused("IrreversibleInstanceRefresh", fleet.scaling.rollback_instance_refresh, **request)


def test_a_cancelled_refresh_completes_what_it_began_and_no_more(fleet: Fleet) -> None:
    request = {"AutoScalingGroupName": fleet.name}
    refused("ActiveInstanceRefreshNotFound", fleet.scaling.cancel_instance_refresh, **request)
    fleet.start()
    fleet.later(TICK)
    fleet.later(TICK)
    fleet.scaling.cancel_instance_refresh(**request)
    assert fleet.refresh["Status"] == "Cancelling"
    fleet.until("Cancelled", least=2)
    fleet.later(600)
    assert fleet.versions() == ["1", "2"]
    assert fleet.group["LaunchTemplate"]["Version"] == "1"


def test_a_refresh_is_cancelled_without_waiting(fleet: Fleet) -> None:
    fleet.start()
    fleet.later(TICK)
    fleet.scaling.cancel_instance_refresh(AutoScalingGroupName=fleet.name, WaitForTransitioningInstances=False)
    assert fleet.refresh["Status"] == "Cancelled"


def test_launches_during_a_refresh_are_of_the_desired_configuration(fleet: Fleet) -> None:
    fleet.start()
    fleet.later(TICK)
    fleet.scaling.update_auto_scaling_group(AutoScalingGroupName=fleet.name, DesiredCapacity=4)
    fleet.until("Successful", least=2)
    assert fleet.versions() == ["2"] * 4


def test_a_refresh_without_launches_fails_and_leaves_the_old_ones(fleet: Fleet) -> None:
    fleet.scaling.suspend_processes(AutoScalingGroupName=fleet.name, ScalingProcesses=["Launch"])
    fleet.start()
    fleet.until("Failed", least=2)
    assert fleet.versions() == ["1", "1"]
    assert "launch" in fleet.refresh["StatusReason"]


def test_nothing_is_terminated_while_that_is_suspended(fleet: Fleet) -> None:
    fleet.scaling.suspend_processes(AutoScalingGroupName=fleet.name, ScalingProcesses=["Terminate"])
    fleet.start(AutoRollback=True)
    fleet.until("RollbackFailed", least=2)
    assert fleet.versions().count("1") == 2


@pytest.mark.parametrize(
    "wrong",
    [
        {"CheckpointPercentages": [100, 50]},
        {"CheckpointDelay": 10},
        {"MinHealthyPercentage": 0, "MaxHealthyPercentage": 150},
        {"AlarmSpecification": {"Alarms": ["no-such-alarm"]}},
    ],
)
def test_preferences_that_cannot_be(fleet: Fleet, wrong: dict[str, Any]) -> None:
    refused("ValidationError", fleet.start, **wrong)


def test_a_rollback_needs_a_desired_configuration_and_a_numbered_version(fleet: Fleet) -> None:
    refused("ValidationError", fleet.start, version=None, AutoRollback=True)
    request = {"AutoScalingGroupName": fleet.name, "Preferences": {"MaxHealthyPercentage": 110}}
    refused("ValidationError", fleet.scaling.start_instance_refresh, **request)
    refused(
        "ValidationError",
        fleet.scaling.start_instance_refresh,
        AutoScalingGroupName=fleet.name,
        Strategy="ReplaceRootVolume",
    )
    latest = {"LaunchTemplateId": fleet.template, "Version": "$Latest"}
    fleet.scaling.update_auto_scaling_group(AutoScalingGroupName=fleet.name, LaunchTemplate=latest)
    refused("ValidationError", fleet.start, AutoRollback=True)
    refused("ValidationError", fleet.start, version="9")


def test_a_launch_configuration_and_a_mixed_policy_are_matched_too(fleet: Fleet, still: Sandbox) -> None:
    spec = {"LaunchTemplateId": fleet.template, "Version": "1"}
    policy = {"LaunchTemplate": {"LaunchTemplateSpecification": spec}}
    fleet.scaling.update_auto_scaling_group(AutoScalingGroupName=fleet.name, MixedInstancesPolicy=policy)
    fleet.start(None, SkipMatching=True)
    fleet.until("Successful", seconds=60)
    fleet.scaling.create_launch_configuration(
        LaunchConfigurationName=fleet.name, ImageId=still.facts.image_id, InstanceType="c5.large"
    )
    fleet.scaling.update_auto_scaling_group(AutoScalingGroupName=fleet.name, LaunchConfigurationName=fleet.name)
    for _ in range(2):
        fleet.start(None, SkipMatching=True)
        fleet.until("Successful", least=2)
    configured = [
        each["LaunchConfigurationName"] for each in fleet.group["Instances"] if each["LifecycleState"] == "InService"
    ]
    assert configured == [fleet.name] * 2
