"""``aws.autoscaling.schedule``: what the laws of every kind do not say."""

from __future__ import annotations

from typing import Any

import pytest

from smplan.drivers.aws.autoscaling.schedule import Schedule, ScheduleSpec
from smplan.drivers.base import Live
from tests.drivers.aws.autoscaling.stage import Script, scripted

WRITTEN = {"auto_scaling_group_name": "g", "name": "night", "recurrence": "0 22 * * *", "min_size": 1}


def spec(**changes: Any) -> ScheduleSpec:
    return ScheduleSpec.model_validate({**WRITTEN, **changes})


@pytest.mark.parametrize(
    ("changes", "kept"),
    [({"min_size": 2}, True), ({"recurrence": "0 23 * * *"}, False), ({"time_zone": "Europe/Berlin"}, False)],
)
def test_the_first_run_set_by_hand_stays_unless_the_times_change(changes: dict[str, Any], kept: bool) -> None:
    now = {
        "AutoScalingGroupName": "g",
        "ScheduledActionName": "night",
        "ScheduledActionARN": "arn",
        "StartTime": "2027",
        "Time": "2027",
    }
    script = Script(describe_scheduled_actions=lambda _: {"ScheduledUpdateGroupActions": [now]})
    Schedule(scripted(autoscaling=script)).update(Live("g/night", spec()), spec(**changes))
    _, sent = script.sent[-1]
    assert ("StartTime" in sent) == kept
    assert "Time" not in sent
