"""Roll-outs of scaling groups: what is started, waited for, ended, refused, and said when they fail."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import ValidationError

from smplan.core.risk import Effect
from smplan.core.values import Ref
from smplan.drivers.aws.autoscaling import _refresh
from smplan.drivers.aws.autoscaling._group_spec import GroupSpec
from smplan.drivers.aws.autoscaling._roll_out import RollOut
from smplan.drivers.aws.autoscaling.group import Group
from smplan.drivers.aws.client import Aws
from smplan.drivers.base import Live
from smplan.errors import Invalid
from smplan.sandbox.sandbox import Sandbox
from tests.drivers.aws.autoscaling.stage import Script, group_stage, record_writes, scripted

VERSION_1, VERSION_2 = ("lt-1", "1"), ("lt-1", "2")


@pytest.fixture
def stage(box: Sandbox, aws: Aws) -> Iterator[Any]:
    """A group with one instance in service, and a second version of its template."""
    with group_stage(box, aws, desired_capacity=1, roll_out={"instance_warmup": 900}) as found:
        found.id = found.create(found.driver(), found.spec())
        aws.write.ec2.create_launch_template_version(
            LaunchTemplateId=template(found), SourceVersion="1", LaunchTemplateData={"InstanceType": "c5.xlarge"}
        )
        while [each["LifecycleState"] for each in group(found)["Instances"]] != ["InService"]:
            found.pass_time()
        yield found


def template(stage: Any) -> str:
    found: str = stage.names["template"].attributes["id"]
    return found


def group(stage: Any) -> Any:
    name = stage.spec().name
    return stage.aws.read.autoscaling.describe_auto_scaling_groups(AutoScalingGroupNames=[name])["AutoScalingGroups"][0]


def version(stage: Any, number: int) -> Any:
    return stage.spec({"launch_template": {"id": template(stage), "version": number}})


def start(stage: Any) -> None:
    preferences: Any = {"MinHealthyPercentage": 100, "InstanceWarmup": 900}
    stage.aws.write.autoscaling.start_instance_refresh(AutoScalingGroupName=stage.id, Preferences=preferences)
    stage.pass_time()


def test_a_roll_out_is_the_last_request_and_the_group_is_changed_by_it_alone(stage: Any) -> None:
    way, writes = record_writes(stage.aws.region)
    driver, live = stage.driver(way), stage.read(stage.id)
    wanted = stage.spec({"launch_template": {"id": template(stage), "version": 2}, "max_size": 3})
    driver.update(live, wanted)
    assert [name for name, _ in writes] == ["UpdateAutoScalingGroup", "StartInstanceRefresh"]
    assert writes[0][1] == {"AutoScalingGroupName": stage.id, "MaxSize": 3}
    assert writes[1][1]["Preferences"] == {
        "MinHealthyPercentage": 100,
        "MaxHealthyPercentage": 110,
        "InstanceWarmup": 900,
        "SkipMatching": True,
        "AutoRollback": True,
    }
    stage.pass_time()
    assert stage.read(stage.id).spec.launch_template.version == "1, being replaced by 2"
    driver.update(stage.read(stage.id), wanted)
    assert len(writes) == 2, "it is found again"
    progress = list(looked(stage, driver, wanted))
    assert any("of version 2" in each.status for each in progress)
    assert progress[0].waiting_for == f"instances of version 2 of {template(stage)}"
    assert stage.read(stage.id).spec.launch_template.version == 2
    assert list(driver.wait_ready(stage.id, wanted)) == []


def looked(stage: Any, driver: Any, wanted: Any) -> Iterator[Any]:
    for progress in driver.wait_ready(stage.id, wanted):
        yield progress
        stage.pass_time()


def test_a_roll_out_under_way_is_rolled_back_where_the_group_is_to_keep_its_version(stage: Any) -> None:
    driver = stage.driver()
    driver.update(stage.read(stage.id), version(stage, 2))
    stage.pass_time()
    way, writes = record_writes(stage.aws.region)
    back = stage.driver(way)
    back.update(stage.read(stage.id), version(stage, 1))
    stage.wait(back.wait_ready(stage.id, version(stage, 1)))
    assert [name for name, _ in writes] == ["RollbackInstanceRefresh"]
    assert stage.read(stage.id).spec.launch_template.version == 1
    assert [each["LaunchTemplate"]["Version"] for each in group(stage)["Instances"]][:1] == ["1"]


def test_a_refresh_of_someone_else_is_refused(stage: Any) -> None:
    start(stage)
    assert stage.read(stage.id).spec.launch_template.version == 1
    with pytest.raises(Invalid, match=r"instance refresh \S+ of what the group has is under way") as refused:
        stage.driver().update(stage.read(stage.id), version(stage, 2))
    assert "cancel-instance-refresh" in str(refused.value.hint)


def test_without_roll_out_a_refresh_of_someone_else_is_not_overtaken(stage: Any) -> None:
    start(stage)
    wanted = stage.spec({"roll_out": None, "launch_template": {"id": template(stage), "version": 2}})
    with pytest.raises(Invalid, match="under way"):
        stage.driver().update(stage.read(stage.id), wanted)


def test_a_cancelled_roll_out_fails_and_says_what_runs(stage: Any) -> None:
    driver = stage.driver()
    driver.update(stage.read(stage.id), version(stage, 2))
    stage.aws.write.autoscaling.cancel_instance_refresh(AutoScalingGroupName=stage.id)
    with pytest.raises(Invalid, match=r"is Cancelled: .*it was not rolled back: i-\w+ of version") as failed:
        stage.wait(driver.wait_ready(stage.id, version(stage, 2)))
    assert "start-instance-refresh" in str(failed.value.hint)


def test_the_latest_version_set_by_hand_cannot_be_gone_back_to(stage: Any) -> None:
    latest = {"LaunchTemplateId": template(stage), "Version": "$Latest"}
    stage.aws.write.autoscaling.update_auto_scaling_group(AutoScalingGroupName=stage.id, LaunchTemplate=latest)
    way, writes = record_writes(stage.aws.region)
    stage.driver(way).update(stage.read(stage.id), version(stage, 2))
    assert writes[0][1]["Preferences"]["AutoRollback"] is False


def scripted_group(refreshes: list[Any], *groups: Any) -> tuple[Group, Script]:
    """A driver of a group whose refreshes and descriptions, one after the other, are these."""
    shown = iter(groups)
    script = Script(
        describe_instance_refreshes=lambda _: {"InstanceRefreshes": refreshes[:1] and [refreshes.pop(0)]},
        describe_auto_scaling_groups=lambda _: {"AutoScalingGroups": [next(shown)]},
        describe_scaling_activities=lambda _: {"Activities": []},
    )
    return Group(scripted(autoscaling=script)), script


def described(number: str) -> Any:
    template = {"LaunchTemplateId": "lt-1", "Version": number}
    return {"AutoScalingGroupName": "g", "Instances": [], "LaunchTemplate": template}


def spec(**changes: Any) -> GroupSpec:
    least = {
        "name": "g",
        "launch_template": {"id": "lt-1", "version": 2},
        "min_size": 1,
        "max_size": 4,
        "subnet_ids": ["s"],
    }
    return GroupSpec.model_validate({**least, **changes})


def test_a_refresh_that_ends_meanwhile_leaves_the_update_to_do() -> None:
    driver, script = scripted_group([{"Status": "InProgress"}], *[described("1")] * 3)
    driver.update(Live("g", spec(launch_template={"id": "lt-1", "version": 1})), spec())
    [update] = [sent for name, sent in script.sent if name == "update_auto_scaling_group"]
    assert update["LaunchTemplate"] == {"LaunchTemplateId": "lt-1", "Version": "2"}


def test_a_refresh_is_waited_for_until_it_shows_and_the_group_follows() -> None:
    done = {"Status": "Successful", "PercentageComplete": 100}
    driver, _ = scripted_group([], described("1"))
    waiting = _refresh.ended(driver.context.aws, "g", "r", VERSION_2)
    assert next(waiting).status == "Pending, 0 %"
    driver, _ = scripted_group([done, done], described("1"), described("2"))
    assert len(list(_refresh.ended(driver.context.aws, "g", "r", VERSION_2))) == 1


def test_a_failure_without_a_reason_says_so() -> None:
    driver, _ = scripted_group([{"Status": "Failed"}], described("1"))
    with pytest.raises(Invalid, match=r"is Failed: AWS gives no reason. it was not rolled back: no instance"):
        list(_refresh.ended(driver.context.aws, "g", "r", VERSION_2))


def test_instances_are_named_with_what_they_were_launched_from() -> None:
    by_configuration = {"InstanceId": "i-1", "LifecycleState": "InService", "LaunchConfigurationName": "lc"}
    unknown = {"InstanceId": "i-2", "LifecycleState": "Pending"}
    assert _refresh.listed({"Instances": [unknown, by_configuration]}) == [
        "i-2 of an unknown source Pending",
        "i-1 of lc InService",
    ]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"min_healthy_percentage": 0, "max_healthy_percentage": 110}, "differ by over 100"),
        ({"checkpoint_delay": 60}, "no effect without"),
        ({"checkpoint_percentages": [100, 50]}, "must ascend"),
        ({"checkpoint_percentages": [50]}, "end with 100"),
    ],
)
def test_choices_that_cannot_be(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        RollOut.model_validate(fields)


def test_choices_that_are_known_later_pass() -> None:
    ref: Any = Ref("other", "size")
    RollOut(min_healthy_percentage=ref, checkpoint_percentages=[ref, 100])
    assert spec(roll_out=ref).roll_out is ref


def test_a_roll_out_needs_a_choice_for_protected_instances_and_fields_that_its_way_understands() -> None:
    by_configuration = {"launch_template": None, "launch_configuration": "lc"}
    spec(**by_configuration, roll_out={"drain": {}})
    with pytest.raises(ValidationError, match="`max_healthy_percentage`, `bake_time` in `roll_out` needs `launch_temp"):
        spec(**by_configuration, roll_out={"max_healthy_percentage": 200, "bake_time": 1})
    with pytest.raises(ValidationError, match="`alarms` cannot go with `drain`"):
        spec(roll_out={"alarms": ["a"], "drain": {}})
    with pytest.raises(ValidationError, match="`roll_out` needs `scale_in_protected_instances`"):
        spec(new_instances_protected_from_scale_in=True, roll_out={})
    spec(new_instances_protected_from_scale_in=True, roll_out={"scale_in_protected_instances": "Ignore"})


def test_the_time_limit_covers_every_instance_pause_and_a_rollback() -> None:
    driver, _ = scripted_group([])
    assert RollOut(instance_warmup=0).timeout(1) == 2 * (600 + 3600)
    assert RollOut(instance_warmup=0, checkpoint_percentages=[100]).timeout(0) == 2 * 7200
    assert RollOut(checkpoint_percentages=[100], checkpoint_delay=0, bake_time=50).timeout(0) == 2 * 3650
    assert driver.timeout(spec(roll_out={})) == RollOut().own_timeout(5, 300)
    assert driver.timeout(spec()) == RollOut().timeout(5)
    assert driver.timeout(spec(launch_template=None, launch_configuration="lc")) == 1800


def test_the_template_of_another_goal_is_named() -> None:
    going = {
        "Status": "InProgress",
        "DesiredConfiguration": {"LaunchTemplate": {"LaunchTemplateId": "lt-2", "Version": "7"}},
    }
    assert _refresh.goal(going) == ("lt-2", "7")  # type: ignore[arg-type]
    assert _refresh.goal({**going, "Status": "RollbackInProgress"}) is None  # type: ignore[arg-type]


FOUR = {"desired_capacity": 4, "launch_template": {"id": "lt-1", "version": 1}, "subnet_ids": ["a", "b"]}
NEXT = {**FOUR, "launch_template": {"id": "lt-1", "version": 2}}
OWN = {"desired_capacity": 4, "launch_configuration": "two"}


@pytest.mark.parametrize(
    ("before", "after", "seconds"),
    [
        (FOUR, NEXT, 0),
        (FOUR, {**NEXT, "roll_out": {"instance_warmup": 180}}, 4 * 360),
        (FOUR, {**NEXT, "roll_out": {"instance_warmup": 60, "max_healthy_percentage": 200}}, 240),
        ({**FOUR, "desired_capacity": 0}, {**NEXT, "roll_out": {"instance_warmup": 180}}, 0),
        (OWN, {**OWN, "launch_configuration": "x", "roll_out": {"instance_warmup": 0, "drain": {}}}, 4 * 180),
        (FOUR, {**FOUR, "subnet_ids": ["a"]}, 2 * 180),
        (FOUR, {**FOUR, "subnet_ids": ["a", "b", "c"]}, 0),
        (FOUR, {**FOUR, "max_size": 3}, 0),
    ],
)
def test_a_step_is_expected_to_take_as_long_as_instances_are_replaced(before: Any, after: Any, seconds: float) -> None:
    changed = frozenset(name for name in after if before.get(name) != after[name])
    assert Group.duration(Effect("update", before, after, changed)) == Group.expected_seconds + seconds
    assert Group.duration(Effect("create", {}, after)) == Group.expected_seconds
