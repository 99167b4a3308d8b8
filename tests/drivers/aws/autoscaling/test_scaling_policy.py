"""``aws.autoscaling.scaling_policy``: what the laws of every kind do not say."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from smplan.core.diff import diff
from smplan.core.values import Ref
from smplan.drivers.aws.autoscaling.scaling_policy import ScalingPolicy, ScalingPolicySpec
from smplan.drivers.aws.client import Aws
from smplan.drivers.base import Live
from smplan.errors import NotFound
from smplan.sandbox.sandbox import Sandbox
from tests.drivers.aws.autoscaling.stage import GROUP, Script, count_calls, scripted, staged

SIMPLE = {"policy_type": "SimpleScaling", "adjustment_type": "ChangeInCapacity", "scaling_adjustment": 1}
STEP = {
    "policy_type": "StepScaling",
    "adjustment_type": "PercentChangeInCapacity",
    "step_adjustments": [{"lower_bound": 0, "scaling_adjustment": 10}],
}
TRACKING: dict[str, Any] = {
    "policy_type": "TargetTrackingScaling",
    "target_tracking": {"predefined_metric_type": "ASGAverageCPUUtilization", "target_value": 50},
}


def spec(base: dict[str, Any], **changes: Any) -> ScalingPolicySpec:
    key = {"auto_scaling_group_name": "g", "name": "Increase Group Size"}
    return ScalingPolicySpec.model_validate({**key, **base, **changes})


def policies(**groups: list[str]) -> Script:
    """Policies that DescribePolicies gives, of all groups or of the one asked for."""
    plain = {"PolicyType": "SimpleScaling", "AdjustmentType": "ChangeInCapacity", "ScalingAdjustment": 1}

    def describe(sent: dict[str, Any]) -> Any:
        asked = sent.get("AutoScalingGroupName")
        if asked and asked not in groups:
            raise NotFound(f"Group {asked} not found")
        return {
            "ScalingPolicies": [
                {"AutoScalingGroupName": group, "PolicyName": name, "PolicyARN": f"arn:{group}:{name}", **plain}
                for group, names in groups.items()
                for name in names
                if asked in (None, group)
            ]
        }

    return Script(describe_policies=describe)


def test_an_update_leaves_the_arn_that_alarms_point_at(box: Sandbox, aws: Aws) -> None:
    group = {"as": "group", "kind": "aws.autoscaling.group", "spec": GROUP}
    written = {"auto_scaling_group_name": "${group.name}", "name": "Increase Group Size", **SIMPLE, "cooldown": 300}
    with staged(box, aws, "aws.autoscaling.scaling_policy", written, group) as stage:
        driver, made = stage.driver(), stage.create(stage.driver(), stage.spec())
        before = stage.read(made)
        assert before.outputs["arn"].startswith("arn:aws:autoscaling:")
        driver.update(before, stage.spec({"scaling_adjustment": 2}))
        after = stage.read(made)
        assert (after.outputs, after.spec.scaling_adjustment) == (before.outputs, 2)
        heard, calls = count_calls(aws.region)
        assert set(ScalingPolicy(heard).read_many([made])) == {made}
        assert calls == ["autoscaling:DescribePolicies"]


def test_a_policy_becomes_one_of_another_type_and_keeps_its_arn_and_alarms(box: Sandbox, aws: Aws) -> None:
    group = {"as": "group", "kind": "aws.autoscaling.group", "spec": GROUP}
    written = {"auto_scaling_group_name": "${group.name}", "name": "Increase Group Size", **SIMPLE, "cooldown": 300}
    with staged(box, aws, "aws.autoscaling.scaling_policy", written, group) as stage:
        driver, made = stage.driver(), stage.create(stage.driver(), stage.spec())
        before = stage.read(made)
        alarm: Any = {
            "AlarmName": f"busy-{stage.run}",
            "Namespace": "AWS/EC2",
            "MetricName": "CPUUtilization",
            "Statistic": "Average",
            "Period": 60,
            "EvaluationPeriods": 2,
            "Threshold": 60.0,
            "ComparisonOperator": "GreaterThanThreshold",
            "AlarmActions": [before.outputs["arn"]],
        }
        aws.write.cloudwatch.put_metric_alarm(**alarm)
        gone: dict[str, Any] = dict.fromkeys(("adjustment_type", "scaling_adjustment", "cooldown", "step_adjustments"))
        for other, own_alarms in ((TRACKING, 2), (STEP, 0), (SIMPLE, 0)):
            wanted = stage.spec({**gone, "min_adjustment_magnitude": None, "target_tracking": None, **other})
            driver.update(stage.read(made), wanted)
            driver.update(stage.read(made), wanted)
            after = stage.read(made)
            assert after.spec.policy_type == other["policy_type"]
            assert not diff(wanted, after.spec)
            assert after.outputs == before.outputs
            (policy,) = aws.read.autoscaling.describe_policies(AutoScalingGroupName=made.partition("/")[0])[
                "ScalingPolicies"
            ]
            assert len(policy["Alarms"]) == 1 + own_alarms
        aws.write.cloudwatch.delete_alarms(AlarmNames=[f"busy-{stage.run}"])


@pytest.mark.parametrize(("stated", "read"), [({"Enabled": False}, False), ({"Enabled": True}, True), ({}, True)])
def test_a_policy_that_was_disabled_reads_as_that(stated: dict[str, Any], read: bool) -> None:
    policy = {"AutoScalingGroupName": "g", "PolicyName": "p", "PolicyARN": "arn", **stated}
    script = Script(describe_policies=lambda _: {"ScalingPolicies": [policy]})
    live = ScalingPolicy(scripted(autoscaling=script)).read_many(["g/p"])["g/p"]
    assert live.outputs == {"arn": "arn", "enabled": read}


def test_policies_of_one_group_are_read_by_group() -> None:
    script = policies(g=["a", "b"], h=["a"])
    driver = ScalingPolicy(scripted(autoscaling=script))
    assert set(driver.read_many(["g/a", "g/gone"])) == {"g/a"}
    assert [sent.get("AutoScalingGroupName") for _, sent in script.sent] == ["g"]


def test_policies_of_several_groups_are_one_call_even_if_a_group_is_gone() -> None:
    script = policies(g=["a", "b"], h=["a"])
    driver = ScalingPolicy(scripted(autoscaling=script))
    found = driver.read_many(["g/a", "h/a", "gone/a"])
    assert {key: live.outputs["arn"] for key, live in found.items()} == {"g/a": "arn:g:a", "h/a": "arn:h:a"}
    assert len(script.sent) == 1
    assert driver.read_many([]) == {}
    assert len(script.sent) == 1


def test_a_group_that_is_gone_has_no_policies() -> None:
    driver = ScalingPolicy(scripted(autoscaling=policies()))
    assert driver.read_many(["g/a"]) == {}
    assert driver.find(spec(SIMPLE)) is None


def test_a_name_may_hold_spaces_and_slashes() -> None:
    script = policies(g=["cpu / 70 %"])
    driver = ScalingPolicy(scripted(autoscaling=script))
    assert set(driver.read_many(["g/cpu / 70 %"])) == {"g/cpu / 70 %"}
    driver.delete("g/cpu / 70 %")
    assert script.sent[-1] == ("delete_policy", {"AutoScalingGroupName": "g", "PolicyName": "cpu / 70 %"})


def test_an_update_sends_what_is_not_managed_as_it_is() -> None:
    script = policies()
    live = Live("g/Increase Group Size", spec(SIMPLE, cooldown=240))
    ScalingPolicy(scripted(autoscaling=script)).update(live, spec(SIMPLE, scaling_adjustment=2))
    _, sent = script.sent[-1]
    assert (sent["Cooldown"], sent["ScalingAdjustment"]) == (240, 2)


def test_a_magnitude_is_left_out_once_the_adjustment_is_no_percentage() -> None:
    script = policies()
    live = Live("g/Increase Group Size", spec(STEP, min_adjustment_magnitude=2))
    ScalingPolicy(scripted(autoscaling=script)).update(live, spec(STEP, adjustment_type="ChangeInCapacity"))
    _, sent = script.sent[-1]
    assert "MinAdjustmentMagnitude" not in sent


@pytest.mark.parametrize(
    ("base", "changes", "says"),
    [
        (SIMPLE, {"adjustment_type": None}, "it needs `adjustment_type`"),
        (SIMPLE, {"scaling_adjustment": None}, "it needs `scaling_adjustment`"),
        (SIMPLE, {"metric_aggregation_type": "Average"}, "`metric_aggregation_type` does not go with it"),
        (SIMPLE, {"min_adjustment_magnitude": 1}, "PercentChangeInCapacity only"),
        (STEP, {"step_adjustments": None}, "it needs `step_adjustments`"),
        (STEP, {"cooldown": 300}, "`cooldown` does not go with it"),
        (STEP, {"scaling_adjustment": 1}, "`scaling_adjustment` does not go with it"),
        (STEP, {"step_adjustments": [{"scaling_adjustment": 1}]}, "needs `lower_bound` or `upper_bound`"),
        (STEP, {"step_adjustments": [{"lower_bound": 5, "upper_bound": 0, "scaling_adjustment": 1}]}, "is not below"),
        (TRACKING, {"target_tracking": None}, "it needs `target_tracking`"),
        (TRACKING, {"adjustment_type": "ExactCapacity"}, "`adjustment_type` does not go with it"),
        (
            TRACKING,
            {"target_tracking": {"predefined_metric_type": "ALBRequestCountPerTarget", "target_value": 1}},
            "needs `resource_label`",
        ),
        (
            TRACKING,
            {"target_tracking": {**TRACKING["target_tracking"], "resource_label": "app/x/1"}},
            "ALBRequestCountPerTarget only",
        ),
        (SIMPLE, {"auto_scaling_group_name": "g/h"}, "match pattern"),
    ],
)
def test_fields_that_do_not_go_together_are_refused(base: dict[str, Any], changes: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        spec(base, **changes)


def test_all_errors_of_a_policy_are_reported_at_once() -> None:
    with pytest.raises(ValidationError, match=r"`cooldown` does not go with it, it needs `step_adjustments`"):
        spec(STEP, cooldown=300, step_adjustments=None)


@pytest.mark.parametrize(
    "changes",
    [
        {"cooldown": 60},
        {"adjustment_type": Ref("var", path=("type",)), "min_adjustment_magnitude": 1},
        {"policy_type": Ref("var", path=("type",)), "step_adjustments": None, "cooldown": 300},
        {"cooldown": Ref("var", path=("wait",))},
    ],
)
def test_what_is_sensible_or_not_known_yet_is_let_through(changes: dict[str, Any]) -> None:
    assert spec(SIMPLE, **changes).name == "Increase Group Size"


def test_a_metric_of_ones_own_reads_as_no_metric() -> None:
    found = {
        "AutoScalingGroupName": "g",
        "PolicyName": "p",
        "PolicyType": "TargetTrackingScaling",
        "TargetTrackingConfiguration": {"TargetValue": 1.0, "CustomizedMetricSpecification": {"MetricName": "m"}},
    }
    script = Script(describe_policies=lambda _: {"ScalingPolicies": [found]})
    live = ScalingPolicy(scripted(autoscaling=script)).read_many(["g/p"])["g/p"]
    assert live.spec.managed_fields()["target_tracking"] == {"target_value": 1.0, "disable_scale_in": False}
