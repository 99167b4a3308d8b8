"""Lifecycle hooks of scaling groups: which are read, changed, deleted and left alone, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from smplan.core.risk import Effect
from smplan.drivers.aws.autoscaling import _hooks
from smplan.drivers.aws.autoscaling._group_spec import GroupSpec
from smplan.drivers.aws.autoscaling._hooks import TAG
from smplan.drivers.aws.autoscaling.group import Group
from smplan.drivers.aws.client import Aws
from smplan.drivers.base import Live
from smplan.sandbox.sandbox import Sandbox
from tests.drivers.aws.autoscaling.stage import Script, count_calls, group_stage, record_writes, scripted

LAUNCHING: dict[str, Any] = {"name": "launched", "lifecycle_transition": _hooks.LAUNCHING}
TERMINATING: dict[str, Any] = {"name": "ended", "lifecycle_transition": _hooks.TERMINATING}
TOPIC, ROLE = "arn:aws:sns:us-east-1:123456789012:t", "arn:aws:iam::123456789012:role/r"


def spec(*hooks: dict[str, Any], **changes: Any) -> GroupSpec:
    least = {"name": "g", "launch_template": {"id": "lt-1", "version": 1}, "min_size": 1, "max_size": 4}
    return GroupSpec.model_validate({**least, "subnet_ids": ["subnet-1"], "lifecycle_hooks": [*hooks], **changes})


def names(aws: Aws, group: str) -> list[str]:
    found = aws.read.autoscaling.describe_lifecycle_hooks(AutoScalingGroupName=group)["LifecycleHooks"]
    return [each["LifecycleHookName"] for each in found]


def tag(aws: Aws, name: str) -> str | None:
    (group,) = aws.read.autoscaling.describe_auto_scaling_groups(AutoScalingGroupNames=[name])["AutoScalingGroups"]
    return next((each["Value"] for each in group["Tags"] if each["Key"] == TAG), None)


def test_hooks_are_part_of_the_request_that_creates_the_group(box: Sandbox, aws: Aws) -> None:
    with group_stage(box, aws, lifecycle_hooks=[LAUNCHING, TERMINATING]) as stage:
        way, writes = record_writes(aws.region)
        made = stage.create(stage.driver(way), stage.spec())
        assert [name for name, _ in writes] == ["CreateAutoScalingGroup"]
        assert (names(aws, made), tag(aws, made)) == (["ended", "launched"], "ended launched")


def test_hooks_cost_a_call_only_where_smplan_manages_any(box: Sandbox, aws: Aws) -> None:
    with group_stage(box, aws) as stage:
        made = stage.create(stage.driver(), stage.spec())
        put = {"AutoScalingGroupName": made, "LifecycleHookName": "by-hand"}
        aws.write.autoscaling.put_lifecycle_hook(**put, LifecycleTransition=_hooks.TERMINATING)
        context, calls = count_calls(aws.region)
        driver = Group(context)
        assert driver.read_many([made])[made].spec.lifecycle_hooks == []
        assert "autoscaling:DescribeLifecycleHooks" not in calls
        stage.driver().update(stage.read(made), stage.spec({"lifecycle_hooks": [LAUNCHING]}))
        assert [hook.name for hook in driver.read_many([made])[made].spec.lifecycle_hooks or ()] == ["launched"]
        assert calls.count("autoscaling:DescribeLifecycleHooks") == 1


def test_hooks_that_others_made_stay_and_those_no_longer_wanted_go(box: Sandbox, aws: Aws) -> None:
    with group_stage(box, aws, lifecycle_hooks=[LAUNCHING, TERMINATING]) as stage:
        made = stage.create(stage.driver(), stage.spec())
        put = {"AutoScalingGroupName": made, "LifecycleHookName": "by-hand"}
        aws.write.autoscaling.put_lifecycle_hook(**put, LifecycleTransition=_hooks.TERMINATING)
        live = stage.read(made)
        for _ in range(2):
            stage.driver().update(live, stage.spec({"lifecycle_hooks": [TERMINATING]}))
            assert (names(aws, made), tag(aws, made)) == (["by-hand", "ended"], "ended")
        stage.driver().update(stage.read(made), stage.spec({"lifecycle_hooks": None}))
        assert names(aws, made) == ["by-hand", "ended"]
        stage.driver().update(stage.read(made), stage.spec({"lifecycle_hooks": []}))
        assert (names(aws, made), tag(aws, made)) == (["by-hand"], None)


def test_a_hook_that_was_deleted_by_hand_is_missing(box: Sandbox, aws: Aws) -> None:
    with group_stage(box, aws, lifecycle_hooks=[LAUNCHING]) as stage:
        made = stage.create(stage.driver(), stage.spec())
        aws.write.autoscaling.delete_lifecycle_hook(AutoScalingGroupName=made, LifecycleHookName="launched")
        assert stage.read(made).spec.lifecycle_hooks == []
        stage.driver().update(stage.read(made), stage.spec())
        assert names(aws, made) == ["launched"]


def test_names_are_remembered_from_before_the_first_put_until_after_the_last_delete() -> None:
    """Cut off anywhere in between, the next run still knows which hooks are its own."""
    script = Script(describe_lifecycle_hooks=lambda _: {"LifecycleHooks": [{"LifecycleHookName": "launched"}]})
    driver = Group(scripted(autoscaling=script))
    driver.update(Live("g", spec(LAUNCHING)), spec({**TERMINATING, "heartbeat_timeout": 60}))
    first, put, _, delete, last = script.sent
    assert [name for name, _ in (first, put, delete, last)] == [
        "create_or_update_tags",
        "put_lifecycle_hook",
        "delete_lifecycle_hook",
        "create_or_update_tags",
    ]
    assert [sent["Tags"][0]["Value"] for _, sent in (first, last)] == ["ended launched", "ended"]


def test_only_what_differs_is_put_and_only_what_is_said() -> None:
    script = Script()
    there = spec({**LAUNCHING, "heartbeat_timeout": 60, "notification_metadata": "by hand"}, TERMINATING)
    wanted = spec(LAUNCHING, {**TERMINATING, "default_result": "CONTINUE"})
    Group(scripted(autoscaling=script)).update(Live("g", there), wanted)
    ((name, sent),) = script.sent
    assert (name, sent.pop("AutoScalingGroupName")) == ("put_lifecycle_hook", "g")
    assert sent == {
        "LifecycleHookName": "ended",
        "LifecycleTransition": _hooks.TERMINATING,
        "DefaultResult": "CONTINUE",
    }


@pytest.mark.parametrize(
    ("hooks", "says"),
    [
        ([{**LAUNCHING, "heartbeat_timeout": 29}], "greater than or equal to 30"),
        ([{**LAUNCHING, "heartbeat_timeout": 7201}], "less than or equal to 7200"),
        ([{**LAUNCHING, "name": "a b"}], "match pattern"),
        ([{**LAUNCHING, "lifecycle_transition": "launch"}], "Input should be"),
        ([{**LAUNCHING, "notification_target_arn": TOPIC}], "needs `role_arn`"),
        ([{**LAUNCHING, "role_arn": ROLE}], "has no effect without"),
        ([LAUNCHING, {**TERMINATING, "name": "launched"}], "has launched twice"),
        ([{**LAUNCHING, "name": "a" * 128}, {**LAUNCHING, "name": "b" * 128}], "over 256 characters together"),
    ],
)
def test_hooks_that_aws_or_sense_refuses_are_refused(hooks: list[dict[str, Any]], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        spec(*hooks)


def test_a_target_is_removed_by_an_empty_text() -> None:
    spec({**LAUNCHING, "notification_target_arn": ""})


def test_hooks_make_every_wait_for_instances_longer() -> None:
    driver, held = Group(scripted()), spec({**LAUNCHING, "heartbeat_timeout": 60}, TERMINATING)
    assert driver.timeout(held) == driver.timeout(spec()) + 2 * 5 * (60 + 3600)


@pytest.mark.parametrize(
    ("hook", "says"),
    [
        (LAUNCHING, "once hook launched is completed; after 3600 s it is terminated"),
        (
            {**LAUNCHING, "heartbeat_timeout": 60, "default_result": "CONTINUE"},
            "after 60 s it is in service all the same",
        ),
        (TERMINATING, ""),
    ],
)
def test_a_hook_that_holds_new_instances_is_a_risk(hook: dict[str, Any], says: str) -> None:
    before: dict[str, Any] = {"lifecycle_hooks": []}
    after: dict[str, Any] = {"lifecycle_hooks": [hook]}
    risks = [risk.reason for risk in Group.risks(Effect("update", before, after, frozenset(after)))]
    assert [says in reason for reason in risks] == ([True] if says else [])
