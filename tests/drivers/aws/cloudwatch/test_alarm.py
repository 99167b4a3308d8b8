"""``aws.cloudwatch.alarm``: what the laws of every kind do not say."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from smplan.core.values import Ref
from smplan.drivers.aws.client import Aws
from smplan.drivers.aws.cloudwatch.alarm import Alarm, AlarmSpec
from smplan.drivers.base import Live
from smplan.errors import NotFound
from smplan.sandbox.sandbox import Sandbox
from tests.drivers.aws.autoscaling.stage import Script, count_calls, record_writes, scripted, staged

WRITTEN = {
    "name": "alarm-${run}",
    "namespace": "AWS/EC2",
    "metric_name": "CPUUtilization",
    "statistic": "Average",
    "comparison_operator": "GreaterThanOrEqualToThreshold",
    "threshold": 70,
    "period": 60,
    "evaluation_periods": 2,
}
ACTION = "arn:aws:sns:us-east-1:123456789012:ops"


def spec(**changes: Any) -> AlarmSpec:
    return AlarmSpec.model_validate({**WRITTEN, "name": "a", **changes})


def test_an_update_puts_the_whole_alarm_and_keeps_what_was_set_by_hand(box: Sandbox, aws: Aws) -> None:
    with staged(box, aws, "aws.cloudwatch.alarm", {**WRITTEN, "alarm_actions": [ACTION]}) as stage:
        made = stage.create(stage.driver(), stage.spec())
        aws.write.cloudwatch.disable_alarm_actions(AlarmNames=[made])
        stage.driver().update(stage.read(made), stage.spec({"threshold": 80, "alarm_actions": None}))
        alarm: Any = aws.read.cloudwatch.describe_alarms(AlarmNames=[made])["MetricAlarms"][0]
        assert (alarm["ActionsEnabled"], alarm["Threshold"], alarm["AlarmActions"]) == (False, 80, [ACTION])
        assert stage.read(made).outputs["actions_enabled"] is False


def test_tags_alone_do_not_put_the_alarm_again(box: Sandbox, aws: Aws) -> None:
    with staged(box, aws, "aws.cloudwatch.alarm", {**WRITTEN, "tags": {"a": "1", "b": "2"}}) as stage:
        way, writes = record_writes(aws.region)
        made = stage.create(stage.driver(), stage.spec())
        stage.driver(way).update(stage.read(made), stage.spec({"tags": {"a": "1", "c": "3"}}))
        assert [name for name, _ in writes] == ["TagResource", "UntagResource"]
        assert stage.read(made).owner is not None


def test_reading_is_one_call_and_one_for_the_tags_of_each(box: Sandbox, aws: Aws) -> None:
    with staged(box, aws, "aws.cloudwatch.alarm", WRITTEN) as stage:
        made = stage.create(stage.driver(), stage.spec())
        context, calls = count_calls(aws.region)
        assert set(Alarm(context).read_many([made, "gone"])) == {made}
        assert calls == ["cloudwatch:DescribeAlarms", "cloudwatch:ListTagsForResource"]


def test_a_hundred_alarms_are_described_in_one_call() -> None:
    script = Script(describe_alarms=lambda _: {"MetricAlarms": []})
    Alarm(scripted(cloudwatch=script)).read_many([f"a-{number}" for number in range(101)])
    assert [len(sent["AlarmNames"]) for _, sent in script.sent] == [100, 1]


def test_an_alarm_deleted_while_it_is_read_is_gone() -> None:
    def gone(_: Any) -> None:
        raise NotFound("no such alarm")

    found = {"AlarmName": "a", "AlarmArn": "arn:a"}
    script = Script(describe_alarms=lambda _: {"MetricAlarms": [found]}, list_tags_for_resource=gone)
    assert Alarm(scripted(cloudwatch=script)).read_many(["a"]) == {}


def test_an_alarm_without_the_usual_parts_can_be_read() -> None:
    """Such as one on an expression, made by hand under the same name."""
    found = {"AlarmName": "a", "AlarmArn": "arn:a", "Metrics": [{"Id": "e1"}]}
    script = Script(describe_alarms=lambda _: {"MetricAlarms": [found]}, list_tags_for_resource=lambda _: {"Tags": []})
    live = Alarm(scripted(cloudwatch=script)).read_many(["a"])["a"]
    read: Any = live.spec
    assert (read.metric_name, read.treat_missing_data, live.owner) == (None, "missing", None)


def test_an_alarm_that_went_with_its_group_is_updated_by_putting_it_whole() -> None:
    script = Script(describe_alarms=lambda _: {"MetricAlarms": []})
    live = Live("a", spec(dimensions={"b": "2", "a": "1"}), {"arn": "arn:a"})
    Alarm(scripted(cloudwatch=script)).update(live, spec(threshold=1))
    name, sent = script.sent[-1]
    assert (name, sent["Threshold"]) == ("put_metric_alarm", 1)
    assert sent["Dimensions"] == [{"Name": "a", "Value": "1"}, {"Name": "b", "Value": "2"}]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"period": 45}, "10, 20, 30 or a multiple of 60"),
        ({"period": 5}, "greater than or equal to 10"),
        ({"period": 60, "evaluation_periods": 1441}, "allows at most 1 d"),
        ({"period": 3600, "evaluation_periods": 169}, "allows at most 7 d"),
        ({"alarm_actions": [ACTION] * 6}, "at most 5 items"),
        ({"comparison_operator": ">="}, "Input should be"),
        ({"namespace": ":x"}, "match pattern"),
    ],
)
def test_a_spec_that_cloudwatch_refuses_is_refused(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        spec(**changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"period": 30},
        {"period": 60, "evaluation_periods": 1440},
        {"period": 3600, "evaluation_periods": 168},
        {"period": Ref("var", path=("period",)), "evaluation_periods": 9999},
    ],
)
def test_what_cloudwatch_takes_is_let_through(changes: dict[str, Any]) -> None:
    assert spec(**changes).name == "a"


def test_a_deleted_alarm_has_no_owner_to_set(box: Sandbox, aws: Aws) -> None:
    with staged(box, aws, "aws.cloudwatch.alarm", WRITTEN) as stage, pytest.raises(NotFound, match="no alarm gone"):
        stage.driver().set_owner("gone", stage.claim().owner)


@pytest.mark.parametrize(("periods", "sent"), [(5, 3), (3, 3), (2, 2)])
def test_m_of_n_is_kept_and_never_above_n(box: Sandbox, aws: Aws, periods: int, sent: int) -> None:
    with staged(box, aws, "aws.cloudwatch.alarm", {**WRITTEN, "evaluation_periods": 4}) as stage:
        made = stage.create(stage.driver(), stage.spec())
        alarm: Any = aws.read.cloudwatch.describe_alarms(AlarmNames=[made])["MetricAlarms"][0]
        members = [name for name in alarm if not name.startswith(("State", "AlarmArn", "AlarmConf", "Tags"))]
        by_hand = {name: alarm[name] for name in members} | {"DatapointsToAlarm": 3}
        aws.write.cloudwatch.put_metric_alarm(**by_hand)
        stage.driver().update(stage.read(made), stage.spec({"evaluation_periods": periods}))
        alarm = aws.read.cloudwatch.describe_alarms(AlarmNames=[made])["MetricAlarms"][0]
        assert (alarm["DatapointsToAlarm"], alarm["EvaluationPeriods"]) == (sent, periods)


def test_what_stands_in_place_of_a_metric_is_replaced_by_the_metric() -> None:
    """As the plan shows it: metric and statistic are managed."""
    now = {"AlarmName": "a", "Metrics": [{"Id": "e1"}], "ThresholdMetricId": "e1", "ExtendedStatistic": "p99"}
    script = Script(describe_alarms=lambda _: {"MetricAlarms": [now]})
    Alarm(scripted(cloudwatch=script)).update(Live("a", spec(), {"arn": "arn:a"}), spec(threshold=1))
    _, sent = script.sent[-1]
    assert not {"Metrics", "ThresholdMetricId", "ExtendedStatistic"} & sent.keys()
