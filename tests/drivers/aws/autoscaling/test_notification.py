"""``aws.autoscaling.notification``: what the laws of every kind do not say."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from smplan.drivers.aws.autoscaling.notification import Notification, NotificationSpec
from smplan.drivers.base import Live
from smplan.errors import NotFound
from tests.drivers.aws.autoscaling.stage import Script, scripted

LAUNCH, TERMINATE = "autoscaling:EC2_INSTANCE_LAUNCH", "autoscaling:EC2_INSTANCE_TERMINATE"
ROWS = [
    {"AutoScalingGroupName": group, "TopicARN": topic, "NotificationType": kind}
    for group, topic, kind in [
        ("g", "arn:t", TERMINATE),
        ("g", "arn:t", LAUNCH),
        ("g", "arn:u", LAUNCH),
        ("a|b", "arn:t", LAUNCH),
    ]
]


def spec(*types: str) -> NotificationSpec:
    written = {"auto_scaling_group_name": "g", "topic_arn": "arn:t", "notification_types": list(types)}
    return NotificationSpec.model_validate(written)


def describe(sent: dict[str, Any]) -> Any:
    """Rows of the groups asked for; refused as a whole when one of them is gone."""
    asked = sent.get("AutoScalingGroupNames")
    if asked and "gone" in asked:
        raise NotFound("AutoScalingGroup name not found")
    return {"NotificationConfigurations": [row for row in ROWS if not asked or row["AutoScalingGroupName"] in asked]}


def driver() -> tuple[Notification, Script]:
    script = Script(describe_notification_configurations=describe)
    return Notification(scripted(autoscaling=script)), script


def test_the_types_of_one_group_and_topic_are_gathered_in_one_call() -> None:
    subject, script = driver()
    found = subject.read_many(["g|arn:t", "a|b|arn:t", "g|arn:gone"])
    types = {key: live.spec.notification_types for key, live in found.items()}
    assert types == {"g|arn:t": [LAUNCH, TERMINATE], "a|b|arn:t": [LAUNCH]}
    assert [sent["AutoScalingGroupNames"] for _, sent in script.sent] == [["a|b", "g"]]


def test_a_group_that_is_gone_fails_nothing() -> None:
    subject, _ = driver()
    assert set(subject.read_many(["g|arn:t", "gone|arn:t"])) == {"g|arn:t"}


def test_reading_no_ids_sends_no_request() -> None:
    subject, script = driver()
    assert subject.read_many([]) == {}
    assert script.sent == []


def test_the_same_types_are_not_put_again_because_a_put_sends_a_message() -> None:
    subject, script = driver()
    subject.update(Live("g|arn:t", spec(LAUNCH, TERMINATE)), spec(TERMINATE, LAUNCH))
    assert script.sent == []
    subject.update(Live("g|arn:t", spec(LAUNCH, TERMINATE)), spec(TERMINATE))
    sent = {"AutoScalingGroupName": "g", "TopicARN": "arn:t", "NotificationTypes": [TERMINATE]}
    assert script.sent == [("put_notification_configuration", sent)]


def test_deleting_one_of_a_group_that_is_gone_succeeds() -> None:
    def gone(_: Any) -> None:
        raise NotFound("AutoScalingGroup name not found")

    script = Script(delete_notification_configuration=gone)
    Notification(scripted(autoscaling=script)).delete("a|b|arn:t")
    assert script.sent == [("delete_notification_configuration", {"AutoScalingGroupName": "a|b", "TopicARN": "arn:t"})]


@pytest.mark.parametrize("types", [[], ["autoscaling:TEST_NOTIFICATION"], ["launch"]])
def test_only_known_event_types_are_accepted(types: list[str]) -> None:
    with pytest.raises(ValidationError):
        spec(*types)
