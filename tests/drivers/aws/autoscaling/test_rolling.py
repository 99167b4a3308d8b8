"""smplan's own roll-out: one instance at a time, what it restores, and what it leaves when it fails."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from smplan.drivers.aws.autoscaling import _roll_record
from smplan.drivers.aws.autoscaling._roll_record import Record
from smplan.drivers.aws.client import Aws
from smplan.errors import Invalid
from smplan.sandbox.sandbox import Sandbox
from tests.drivers.aws.autoscaling.stage import group_stage, record_writes
from tests.support.rate_limits import unlimited

CONFIGURATIONS = [
    {
        "as": name,
        "kind": "aws.autoscaling.launch_configuration",
        "spec": {
            "name": f"{name}-${{run}}",
            "image_id": "${box.image_id}",
            "instance_type": "c5.large",
            "security_groups": ["${box.stream_manager_security_group_id}"],
        },
    }
    for name in ("one", "two")
]


@pytest.fixture
def stage(box: Sandbox, aws: Aws) -> Iterator[Any]:
    """A group of two instances in service, of a launch configuration, that cannot grow."""
    sizes = {"min_size": 1, "desired_capacity": 2, "max_size": 2}
    source = {"launch_template": None, "launch_configuration": "${one.name}"}
    with group_stage(box, aws, *CONFIGURATIONS, **sizes, **source, roll_out={"instance_warmup": 60}) as found:
        found.id = found.create(found.driver(), found.spec())
        while [each["LifecycleState"] for each in group(found)["Instances"]] != ["InService"] * 2:
            found.pass_time()
        yield found


def driver_of(stage: Any, way: Any = None) -> Any:
    """The group's driver, for which time passes as in the sandbox."""
    found = stage.driver(way)
    found.context = replace(found.context, clock=stage.box.clock.now)
    return found


def group(stage: Any) -> Any:
    name = stage.spec().name
    return stage.aws.read.autoscaling.describe_auto_scaling_groups(AutoScalingGroupNames=[name])["AutoScalingGroups"][0]


def sizes(stage: Any) -> tuple[int, int, int]:
    found = group(stage)
    return found["MinSize"], found["DesiredCapacity"], found["MaxSize"]


def sources(stage: Any) -> set[str]:
    """What the instances in service were launched from."""
    running = [each for each in group(stage)["Instances"] if each["LifecycleState"] == "InService"]
    return {each["LaunchConfigurationName"].partition("-")[0] for each in running}


def second(stage: Any, **changes: Any) -> Any:
    return stage.spec({"launch_configuration": "${two.name}", **changes})


def roll(stage: Any, driver: Any, wanted: Any) -> list[int]:
    """Update to the end; how many were in service at each poll."""
    driver.update(stage.read(stage.id), wanted)
    seen = []
    for _ in driver.wait_ready(stage.id, wanted):
        seen.append(sum(each["LifecycleState"] == "InService" for each in group(stage)["Instances"]))
        stage.pass_time()
    return seen


def test_instances_are_replaced_one_at_a_time_and_every_size_is_restored(stage: Any) -> None:
    way, writes = record_writes(stage.aws.region)
    seen = roll(stage, driver_of(stage, way), second(stage))
    assert min(seen) == 2
    assert sources(stage) == {"two"}
    assert sizes(stage) == (1, 2, 2)
    assert stage.read(stage.id).spec.launch_configuration == second(stage).launch_configuration
    names = [name for name, _ in writes]
    assert names[0] == "CreateOrUpdateTags", "what is to be restored is recorded before anything changes"
    assert names.count("TerminateInstanceInAutoScalingGroup") == 2
    assert not [sent for name, sent in writes if name == "UpdateAutoScalingGroup" and "DesiredCapacity" in sent]


def test_a_group_half_way_differs_from_both_blueprints_and_another_run_goes_on_or_back(stage: Any) -> None:
    driver = driver_of(stage)
    driver.update(stage.read(stage.id), second(stage))
    polls = driver.wait_ready(stage.id, second(stage))
    while sources(stage) != {"one", "two"}:
        next(polls)
        stage.pass_time()
    found = stage.read(stage.id).spec
    assert found.launch_configuration == f"{second(stage).launch_configuration}, not on every instance yet"
    assert (found.min_size, found.max_size) == (1, 2), "what was raised is shown as it will be again"
    assert min(roll(stage, driver_of(stage), stage.spec())) == 2
    assert sources(stage) == {"one"}
    assert sizes(stage) == (1, 2, 2)
    assert stage.read(stage.id).spec.launch_configuration == stage.spec().launch_configuration


def test_a_roll_out_whose_launches_fail_goes_back_and_restores_everything(stage: Any) -> None:
    stage.box.aws.autoscaling.refused_launches = 1_000
    try:
        with pytest.raises(Invalid, match=r"\d launches failed.*The others serve: .*launched from one-") as failed:
            roll(stage, driver_of(stage), second(stage))
    finally:
        stage.box.aws.autoscaling.refused_launches = 0
    assert "apply the former blueprint to go back" in str(failed.value.hint)
    assert sources(stage) == {"one"}
    assert sizes(stage) == (1, 2, 2)
    assert stage.read(stage.id).spec.launch_configuration == stage.spec().launch_configuration


class Killed(BaseException):
    """The process ended."""


def killed_before_an_instance_is_terminated(stage: Any) -> None:
    """Roll out until the minimum is lowered again and the instance that goes for it is not terminated yet."""

    def kill(call: str) -> None:
        if call == "autoscaling:TerminateInstanceInAutoScalingGroup":
            raise Killed

    with pytest.raises(Killed):
        roll(
            stage,
            driver_of(stage, Aws(stage.aws.region, on_call=kill, rate_limiter=unlimited())),
            second(stage, max_size=6),
        )
    assert sizes(stage) == (2, 3, 6)


def test_one_that_was_killed_as_an_instance_was_to_go_still_knows_its_extra_one_when_it_fails(stage: Any) -> None:
    killed_before_an_instance_is_terminated(stage)
    driver = driver_of(stage)
    driver.update(stage.read(stage.id), second(stage, max_size=6))
    former = stage.spec().launch_configuration
    stage.aws.write.autoscaling.update_auto_scaling_group(AutoScalingGroupName=stage.id, LaunchConfigurationName=former)
    with pytest.raises(Invalid, match="changed outside smplan"):
        stage.wait(driver.wait_ready(stage.id, second(stage, max_size=6)))
    assert sizes(stage) == (1, 2, 6)


def test_one_that_loses_a_response_while_it_goes_back_still_ends_its_extra_instance(stage: Any) -> None:
    lost: list[str] = []

    def lose(call: str) -> None:
        if call == "autoscaling:TerminateInstanceInAutoScalingGroup" and not lost:
            lost.append(call)
            raise Killed

    driver, wanted = (
        driver_of(stage, Aws(stage.aws.region, on_call=lose, rate_limiter=unlimited())),
        second(stage, max_size=6),
    )
    driver.update(stage.read(stage.id), wanted)
    polls = driver.wait_ready(stage.id, wanted)
    while len(group(stage)["Instances"]) < 3:
        next(polls)
        stage.pass_time()
    former = stage.spec().launch_configuration
    stage.aws.write.autoscaling.update_auto_scaling_group(AutoScalingGroupName=stage.id, LaunchConfigurationName=former)
    with pytest.raises(Killed):
        stage.wait(polls)
    with pytest.raises(Invalid, match="changed outside smplan"):
        stage.wait(driver.wait_ready(stage.id, wanted))
    assert sizes(stage) == (1, 2, 6)


def test_one_that_was_killed_as_an_instance_was_to_go_ends_at_the_size_of_before(stage: Any) -> None:
    killed_before_an_instance_is_terminated(stage)
    assert min(roll(stage, driver_of(stage), second(stage, max_size=6))) >= 2
    assert sources(stage) == {"two"}
    assert sizes(stage) == (1, 2, 6)


def test_a_policy_that_scales_out_meanwhile_is_not_undone(stage: Any) -> None:
    driver, wanted = driver_of(stage), second(stage, max_size=6)
    driver.update(stage.read(stage.id), wanted)
    polls = driver.wait_ready(stage.id, wanted)
    while sizes(stage)[1] < 3:
        next(polls)
        stage.pass_time()
    stage.aws.write.autoscaling.set_desired_capacity(AutoScalingGroupName=stage.id, DesiredCapacity=5)
    stage.wait(polls)
    assert sources(stage) == {"two"}
    assert sizes(stage) == (1, 4, 6)


def test_without_roll_out_one_under_way_is_ended_where_it_is(stage: Any) -> None:
    driver = driver_of(stage)
    driver.update(stage.read(stage.id), second(stage))
    next(driver.wait_ready(stage.id, second(stage)))
    plain = second(stage, roll_out=None)
    driver_of(stage).update(stage.read(stage.id), plain)
    assert sizes(stage)[0::2] == (1, 2)
    assert stage.read(stage.id).spec.launch_configuration == plain.launch_configuration


def test_a_drained_instance_is_in_standby_before_it_is_terminated(stage: Any) -> None:
    way, writes = record_writes(stage.aws.region)
    wanted = second(stage, roll_out={"instance_warmup": 60, "drain": {"timeout": 600}})
    assert min(roll(stage, driver_of(stage, way), wanted)) == 2
    ends = [name for name, _ in writes if name in ("EnterStandby", "TerminateInstanceInAutoScalingGroup")]
    assert ends == ["EnterStandby", "TerminateInstanceInAutoScalingGroup"] * 2
    assert sources(stage) == {"two"}
    assert sizes(stage) == (1, 2, 2)


def test_protection_moves_to_the_successor(stage: Any) -> None:
    stage.aws.write.autoscaling.set_instance_protection(
        AutoScalingGroupName=stage.id,
        InstanceIds=[each["InstanceId"] for each in group(stage)["Instances"]],
        ProtectedFromScaleIn=True,
    )
    refreshed = {"instance_warmup": 60, "scale_in_protected_instances": "Refresh"}
    roll(stage, driver_of(stage), second(stage, roll_out=refreshed))
    running = [each for each in group(stage)["Instances"] if each["LifecycleState"] == "InService"]
    assert [each["ProtectedFromScaleIn"] for each in running] == [True, True]


def test_protected_instances_are_kept_or_waited_for_as_chosen(stage: Any) -> None:
    stage.aws.write.autoscaling.set_instance_protection(
        AutoScalingGroupName=stage.id,
        InstanceIds=[group(stage)["Instances"][0]["InstanceId"]],
        ProtectedFromScaleIn=True,
    )
    kept = {"instance_warmup": 60, "scale_in_protected_instances": "Ignore"}
    roll(stage, driver_of(stage), second(stage, roll_out=kept))
    assert sources(stage) == {"one", "two"}


@pytest.mark.parametrize("process", ["Launch", "Terminate"])
def test_nothing_begins_while_instances_cannot_come_or_go(stage: Any, process: str) -> None:
    stage.aws.write.autoscaling.suspend_processes(AutoScalingGroupName=stage.id, ScalingProcesses=[process])
    with pytest.raises(Invalid, match=f"cannot be rolled out: its {process} process is suspended"):
        driver_of(stage).update(stage.read(stage.id), second(stage))
    assert _roll_record.of(group(stage)) is None
    stage.aws.write.autoscaling.resume_processes(AutoScalingGroupName=stage.id, ScalingProcesses=[process])


def test_the_record_shows_only_what_it_raised() -> None:
    record = Record(1, 2, 2, "one")
    assert record.shown_sizes({"MinSize": 3, "MaxSize": 3}) == (1, 2)
    assert record.shown_sizes({"MinSize": 0, "MaxSize": 9}) == (0, 9), "changed by hand"
    assert Record(1, 2, 0, "one").shown_sizes({"MinSize": 1, "MaxSize": 3}) == (1, 3), "it has failed"
    assert _roll_record.of({"Tags": [{"Key": _roll_record.TAG, "Value": "written by hand"}]}) is None
