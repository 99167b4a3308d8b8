"""What holds instances and groups: standby, warm pools, lifecycle hooks, deletion protection."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from smplan.sandbox.sandbox import Sandbox
from tests.sandbox.conftest import Client, refused

Later = Callable[[float], None]
BOOT = 120.0


@pytest.fixture
def scaling(still: Sandbox, aws_of: Client, name: str, later: Later) -> Any:
    """An Auto Scaling client, with a group ``name`` of one instance in service."""
    client = aws_of("autoscaling")
    client.create_launch_configuration(
        LaunchConfigurationName=name, ImageId=still.facts.image_id, InstanceType="c5.large"
    )
    client.create_auto_scaling_group(
        AutoScalingGroupName=name,
        LaunchConfigurationName=name,
        MinSize=0,
        MaxSize=4,
        DesiredCapacity=1,
        VPCZoneIdentifier=still.facts.subnet_ids[0],
    )
    later(2)
    later(BOOT)
    return client


def group(scaling: Any, name: str) -> Any:
    return scaling.describe_auto_scaling_groups(AutoScalingGroupNames=[name])["AutoScalingGroups"][0]


def states(scaling: Any, name: str) -> list[str]:
    return [each["LifecycleState"] for each in group(scaling, name)["Instances"]]


def empty(scaling: Any, name: str) -> None:
    scaling.update_auto_scaling_group(AutoScalingGroupName=name, MinSize=0, MaxSize=0, DesiredCapacity=0)


def test_an_instance_in_standby_outlives_a_group_without_capacity(scaling: Any, name: str, later: Later) -> None:
    standby = {
        "AutoScalingGroupName": name,
        "InstanceIds": [group(scaling, name)["Instances"][0]["InstanceId"]],
    }
    refused("ValidationError", scaling.exit_standby, **standby)
    scaling.enter_standby(**standby, ShouldDecrementDesiredCapacity=True)
    assert group(scaling, name)["DesiredCapacity"] == 0
    empty(scaling, name)
    later(1)
    later(600)
    assert states(scaling, name) == ["Standby"]
    refused("ResourceInUse", scaling.delete_auto_scaling_group, AutoScalingGroupName=name)
    scaling.exit_standby(**standby)
    assert group(scaling, name)["DesiredCapacity"] == 1
    empty(scaling, name)
    later(1)
    later(600)
    assert states(scaling, name) == []


def test_an_instance_in_standby_is_replaced_unless_the_capacity_falls(scaling: Any, name: str, later: Later) -> None:
    ids = [group(scaling, name)["Instances"][0]["InstanceId"]]
    scaling.enter_standby(AutoScalingGroupName=name, InstanceIds=ids, ShouldDecrementDesiredCapacity=False)
    later(BOOT)
    later(BOOT)
    assert sorted(states(scaling, name)) == ["InService", "Standby"]


def test_the_capacity_does_not_fall_below_the_minimum(scaling: Any, name: str) -> None:
    ids = [group(scaling, name)["Instances"][0]["InstanceId"]]
    scaling.update_auto_scaling_group(AutoScalingGroupName=name, MinSize=1)
    request = {"AutoScalingGroupName": name, "InstanceIds": ids, "ShouldDecrementDesiredCapacity": True}
    refused("ValidationError", scaling.enter_standby, **request)


def test_a_warm_pool_keeps_its_group(scaling: Any, name: str, later: Later) -> None:
    scaling.put_warm_pool(AutoScalingGroupName=name, MinSize=1)
    assert scaling.describe_warm_pool(AutoScalingGroupName=name)["WarmPoolConfiguration"]["PoolState"] == "Stopped"
    empty(scaling, name)
    later(1)
    later(600)
    refused("ResourceInUse", scaling.delete_auto_scaling_group, AutoScalingGroupName=name)
    scaling.delete_warm_pool(AutoScalingGroupName=name, ForceDelete=True)
    assert "WarmPoolConfiguration" not in scaling.describe_warm_pool(AutoScalingGroupName=name)
    scaling.delete_auto_scaling_group(AutoScalingGroupName=name)


def test_a_hook_holds_an_instance_until_its_action_is_completed(scaling: Any, name: str, later: Later) -> None:
    hook = {"AutoScalingGroupName": name, "LifecycleHookName": "hook"}
    refused("ValidationError", scaling.put_lifecycle_hook, **hook)
    scaling.put_lifecycle_hook(**hook, LifecycleTransition="autoscaling:EC2_INSTANCE_TERMINATING")
    [shown] = scaling.describe_lifecycle_hooks(AutoScalingGroupName=name)["LifecycleHooks"]
    assert (shown["HeartbeatTimeout"], shown["DefaultResult"]) == (3600, "ABANDON")
    instance = group(scaling, name)["Instances"][0]["InstanceId"]
    action = {**hook, "InstanceId": instance, "LifecycleActionResult": "CONTINUE"}
    refused("ValidationError", scaling.complete_lifecycle_action, **action)
    empty(scaling, name)
    later(1)
    later(600)
    assert states(scaling, name) == ["Terminating:Wait"]
    scaling.complete_lifecycle_action(**action)
    later(60)
    assert states(scaling, name) == []
    scaling.delete_lifecycle_hook(**hook)
    refused("ValidationError", scaling.delete_lifecycle_hook, **hook)


def test_a_hook_ends_by_itself(scaling: Any, name: str, later: Later) -> None:
    transition = "autoscaling:EC2_INSTANCE_TERMINATING"
    scaling.put_lifecycle_hook(
        AutoScalingGroupName=name, LifecycleHookName="h", LifecycleTransition=transition, HeartbeatTimeout=300
    )
    empty(scaling, name)
    later(1)
    later(200)
    assert states(scaling, name) == ["Terminating:Wait"]
    later(200)
    assert states(scaling, name) == []


LAUNCHING = "autoscaling:EC2_INSTANCE_LAUNCHING"


def launch(scaling: Any, name: str, later: Later, **hook: Any) -> str:
    """Empty the group, and launch an instance that a hook holds."""
    empty(scaling, name)
    later(1)
    later(600)
    hook = {"LifecycleTransition": LAUNCHING, "HeartbeatTimeout": 300, **hook}
    scaling.put_lifecycle_hook(AutoScalingGroupName=name, LifecycleHookName="hook", **hook)
    scaling.update_auto_scaling_group(AutoScalingGroupName=name, MinSize=1, MaxSize=1, DesiredCapacity=1)
    later(1)
    later(BOOT)
    assert states(scaling, name) == ["Pending:Wait"]
    return str(group(scaling, name)["Instances"][0]["InstanceId"])


def test_a_launched_instance_serves_once_its_hooks_are_completed(scaling: Any, name: str, later: Later) -> None:
    instance = launch(scaling, name, later)
    hook = {"AutoScalingGroupName": name, "InstanceId": instance, "LifecycleActionResult": "CONTINUE"}
    refused("ValidationError", scaling.complete_lifecycle_action, LifecycleHookName="another", **hook)
    scaling.complete_lifecycle_action(LifecycleHookName="hook", **hook)
    later(1)
    assert states(scaling, name) == ["InService"]


def test_a_launched_instance_that_nothing_completes_serves_or_is_replaced(
    scaling: Any, name: str, later: Later
) -> None:
    launch(scaling, name, later, DefaultResult="CONTINUE")
    later(300)
    assert states(scaling, name) == ["InService"]
    abandoned = launch(scaling, name, later, DefaultResult="ABANDON")
    later(300)
    found = {each["InstanceId"]: each["LifecycleState"] for each in group(scaling, name)["Instances"]}
    assert found.pop(abandoned, "Terminating") == "Terminating"
    assert "InService" not in found.values()
    scaling.delete_lifecycle_hook(AutoScalingGroupName=name, LifecycleHookName="hook")
    later(1)
    later(600)
    assert states(scaling, name) == ["InService"]


def test_hooks_of_a_create_hold_the_first_instance(scaling: Any, name: str, later: Later) -> None:
    hook = {"LifecycleHookName": "first", "LifecycleTransition": LAUNCHING}
    scaling.create_auto_scaling_group(
        AutoScalingGroupName=f"{name}-hooked",
        LaunchConfigurationName=name,
        VPCZoneIdentifier=group(scaling, name)["VPCZoneIdentifier"],
        MinSize=1,
        MaxSize=1,
        LifecycleHookSpecificationList=[hook],
    )
    later(1)
    later(BOOT)
    assert states(scaling, f"{name}-hooked") == ["Pending:Wait"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"HeartbeatTimeout": 29},
        {"HeartbeatTimeout": 7201},
        {"DefaultResult": "RETRY"},
        {"NotificationTargetARN": "arn:aws:sns:us-east-1:123456789012:t"},
        {"LifecycleTransition": "autoscaling:EC2_INSTANCE_LAUNCH"},
    ],
)
def test_a_hook_that_aws_refuses_is_refused(scaling: Any, name: str, wrong: dict[str, Any]) -> None:
    hook = {"AutoScalingGroupName": name, "LifecycleHookName": "h", "LifecycleTransition": LAUNCHING, **wrong}
    refused("ValidationError", scaling.put_lifecycle_hook, **hook)


def test_a_group_that_is_protected_from_deletion_is_not_deleted(scaling: Any, name: str) -> None:
    scaling.update_auto_scaling_group(AutoScalingGroupName=name, DeletionProtection="prevent-all-deletion")
    refused("ValidationError", scaling.delete_auto_scaling_group, AutoScalingGroupName=name)
    scaling.update_auto_scaling_group(AutoScalingGroupName=name, DeletionProtection="prevent-force-deletion")
    delete = {"AutoScalingGroupName": name, "ForceDelete": True}
    refused("ValidationError", scaling.delete_auto_scaling_group, **delete)
