"""Scheduled actions: when they run, what they set, and what AWS refuses."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from smplan.sandbox.aws.autoscaling.schedules import _next
from smplan.sandbox.aws.errors import AwsError
from smplan.sandbox.sandbox import Sandbox
from tests.sandbox.conftest import Client, refused

Later = Callable[[float], None]


@pytest.fixture
def scaling(still: Sandbox, aws_of: Client, name: str) -> Any:
    """An Auto Scaling client, with a group ``name`` of sizes 0 to 4."""
    client = aws_of("autoscaling")
    client.create_launch_configuration(
        LaunchConfigurationName=name, ImageId=still.facts.image_id, InstanceType="c5.large"
    )
    client.create_auto_scaling_group(
        AutoScalingGroupName=name,
        LaunchConfigurationName=name,
        MinSize=0,
        MaxSize=4,
        VPCZoneIdentifier=still.facts.subnet_ids[0],
    )
    return client


@pytest.mark.parametrize(
    ("recurrence", "zone", "expected"),
    [
        ("0 22 * * *", "UTC", "2026-03-27 22:00"),
        ("*/20 * * * *", "UTC", "2026-03-27 12:20"),
        ("15,45 13-14 * * *", "UTC", "2026-03-27 13:15"),
        ("0 6 * * 1-5", "UTC", "2026-03-30 06:00"),
        ("0 6 * * 7", "UTC", "2026-03-29 06:00"),
        ("0 6 1 * 6", "UTC", "2026-03-28 06:00"),  # the first of the month, or a Saturday
        ("0 0 1 1 *", "UTC", "2027-01-01 00:00"),
        ("0 6 * * 6", "Europe/Berlin", "2026-03-28 05:00"),
        ("0 6 * * 0", "Europe/Berlin", "2026-03-29 04:00"),  # summer time began that night
        ("30 9 * * *", "Asia/Kolkata", "2026-03-28 04:00"),
    ],
)
def test_a_cron_expression_holds_next_at(recurrence: str, zone: str, expected: str) -> None:
    after = datetime(2026, 3, 27, 12, 0, 30, tzinfo=UTC)
    found = _next({"Recurrence": recurrence, "TimeZone": zone}, after)
    assert found is not None
    assert f"{found:%Y-%m-%d %H:%M}" == expected


def test_a_date_that_never_comes_is_none() -> None:
    assert _next({"Recurrence": "0 0 31 2 *"}, datetime(2026, 3, 27, tzinfo=UTC)) is None


@pytest.mark.parametrize("recurrence", ["0 22 * *", "60 * * * *", "5-1 * * * *", "x * * * *"])
def test_a_recurrence_that_is_no_cron_expression_is_refused(recurrence: str) -> None:
    with pytest.raises(AwsError, match="invalid"):
        _next({"Recurrence": recurrence}, datetime(2026, 3, 27, tzinfo=UTC))


def test_a_due_action_sets_the_sizes_and_the_desired_capacity_follows(scaling: Any, name: str, later: Later) -> None:
    put(scaling, name, Recurrence="0 * * * *", MinSize=2)
    later(3600)
    assert sizes(scaling, name) == (2, 2, 4)


def test_sizes_that_do_not_fit_are_a_failed_activity_and_change_nothing(scaling: Any, name: str, later: Later) -> None:
    put(scaling, name, Recurrence="0 * * * *", MinSize=5)
    later(3600)
    assert sizes(scaling, name) == (0, 0, 4)
    activity = scaling.describe_scaling_activities(AutoScalingGroupName=name)["Activities"][0]
    assert activity["StatusCode"] == "Failed"


def test_an_action_of_a_single_time_runs_and_is_deleted(scaling: Any, still: Sandbox, name: str, later: Later) -> None:
    put(scaling, name, StartTime=still.clock.utcnow() + timedelta(hours=1), DesiredCapacity=3)
    later(3700)
    assert sizes(scaling, name) == (0, 3, 4)
    assert listed(scaling, name) == []


def test_after_its_end_time_an_action_is_deleted(scaling: Any, still: Sandbox, name: str, later: Later) -> None:
    put(scaling, name, Recurrence="0 * * * *", EndTime=still.clock.utcnow() + timedelta(minutes=90), MinSize=1)
    later(3 * 3600)
    assert listed(scaling, name) == []


def test_a_suspended_process_runs_no_action(scaling: Any, name: str, later: Later) -> None:
    put(scaling, name, Recurrence="0 * * * *", MinSize=2)
    scaling.suspend_processes(AutoScalingGroupName=name, ScalingProcesses=["ScheduledActions"])
    later(3600)
    assert sizes(scaling, name) == (0, 0, 4)


def test_the_actions_of_a_deleted_group_are_deleted(scaling: Any, name: str, later: Later) -> None:
    put(scaling, name, Recurrence="0 * * * *", MinSize=2)
    scaling.delete_auto_scaling_group(AutoScalingGroupName=name, ForceDelete=True)
    later(3600)
    later(3600)
    everything = scaling.describe_scheduled_actions()["ScheduledUpdateGroupActions"]
    assert [each for each in everything if each["AutoScalingGroupName"] == name] == []


def test_what_aws_refuses(scaling: Any, still: Sandbox, name: str) -> None:
    request = {"AutoScalingGroupName": name, "ScheduledActionName": "night"}
    put_action = scaling.put_scheduled_update_group_action
    assert "at least one" in refused("ValidationError", put_action, **request, Recurrence="0 * * * *")
    past = still.clock.utcnow() - timedelta(hours=1)
    assert "in the past" in refused("ValidationError", put_action, **request, StartTime=past, MinSize=1)
    assert "StartTime" in refused("ValidationError", put_action, **request, MinSize=1)
    assert "not found" in refused("ValidationError", scaling.delete_scheduled_action, **request)


def put(scaling: Any, name: str, **fields: Any) -> None:
    scaling.put_scheduled_update_group_action(AutoScalingGroupName=name, ScheduledActionName="night", **fields)


def sizes(scaling: Any, name: str) -> tuple[int, int, int]:
    group = scaling.describe_auto_scaling_groups(AutoScalingGroupNames=[name])["AutoScalingGroups"][0]
    return group["MinSize"], group["DesiredCapacity"], group["MaxSize"]


def listed(scaling: Any, name: str) -> list[Any]:
    actions: list[Any] = scaling.describe_scheduled_actions(AutoScalingGroupName=name)["ScheduledUpdateGroupActions"]
    return actions
