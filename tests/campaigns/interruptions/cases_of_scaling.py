"""Changes of policies, schedules, alarms, topics and notifications."""

from __future__ import annotations

from collections.abc import Iterator

from tests.campaigns.interruptions.case import Case, each
from tests.campaigns.interruptions.fleet import GONE, SCALING, Edits, resource

STEPS: Edits = {
    **SCALING,
    "out.policy_type": "StepScaling",
    "out.scaling_adjustment": GONE,
    "out.cooldown": GONE,
    "out.step_adjustments": [{"lower_bound": 0, "scaling_adjustment": 1}],
}
TRACKING = {"predefined_metric_type": "ASGAverageCPUUtilization", "target_value": 60}
TRACKED: Edits = {
    **SCALING,
    "out": resource(
        "aws.autoscaling.scaling_policy",
        auto_scaling_group_name="${fleet.name}",
        name="out",
        policy_type="TargetTrackingScaling",
        target_tracking=TRACKING,
    ),
    "alarm.alarm_actions": GONE,
}


def _scaling() -> Iterator[Case]:
    yield from each(
        SCALING,
        out__name="more",
        out__scaling_adjustment=2,
        out__cooldown=600,
        out__adjustment_type="ExactCapacity",
        night__name="nightly",
        night__recurrence="0 23 1 1 *",
        night__time_zone="Europe/Berlin",
        night__min_size=1,
        night__max_size=6,
        night__desired_capacity=2,
        night=GONE,
        notification__notification_types=["autoscaling:EC2_INSTANCE_TERMINATE"],
        notification=GONE,
        topic__name="front-events-2",
        topic__display_name="Front",
        topic__tags={"team": "video"},
    )
    yield Case("out.policy_type: steps", STEPS, SCALING)
    yield from each(
        STEPS,
        out__step_adjustments=[{"lower_bound": 0, "scaling_adjustment": 2}],
        out__metric_aggregation_type="Maximum",
        out__estimated_instance_warmup=300,
    )
    yield Case(
        "out.min_adjustment_magnitude",
        {"out.min_adjustment_magnitude": 2},
        {**SCALING, "out.adjustment_type": "PercentChangeInCapacity", "out.scaling_adjustment": 50},
    )
    yield Case("out.target_tracking", {"out.target_tracking": {**TRACKING, "target_value": 70}}, TRACKED)
    yield Case("out: removed", {"out": GONE, "alarm": GONE}, SCALING)
    yield Case("topic: removed", {"topic": GONE, "notification": GONE}, SCALING)
    yield Case(
        "notification.topic_arn",
        {"notification.topic_arn": "${other_topic.arn}"},
        {**SCALING, "other_topic": resource("aws.sns.topic", name="others")},
    )


def _alarms() -> Iterator[Case]:
    yield from each(
        SCALING,
        alarm__name="front-cpu-2",
        alarm__description="Busy",
        alarm__statistic="Maximum",
        alarm__comparison_operator="GreaterThanThreshold",
        alarm__threshold=80,
        alarm__period=300,
        alarm__evaluation_periods=3,
        alarm__treat_missing_data="notBreaching",
        alarm__metric_name="NetworkIn",
        alarm__namespace="Own",
        alarm__dimensions={},
        alarm__ok_actions=["${topic.arn}"],
        alarm__insufficient_data_actions=["${topic.arn}"],
        alarm__tags={"team": "video"},
        alarm=GONE,
    )
    yield Case("alarm.alarm_actions", {"alarm.alarm_actions": ["${out.arn}", "${topic.arn}"]}, SCALING)


def cases() -> Iterator[Case]:
    """All of them."""
    yield from _scaling()
    yield from _alarms()
