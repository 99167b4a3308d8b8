"""``aws.sns.subscription``: what the laws of every kind do not say."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from smplan.core.values import Ref
from smplan.drivers.aws.client import Aws
from smplan.drivers.aws.sns.subscription import PENDING, Subscription, SubscriptionSpec
from smplan.errors import Invalid, NotFound
from smplan.sandbox.sandbox import Sandbox
from tests.drivers.aws.autoscaling.stage import Script, count_calls, record_writes, scripted, staged

TOPIC = "arn:aws:sns:us-east-1:123456789012:ops"
OTHER = f"{TOPIC}-2"
MAIL = f"{TOPIC}|email|ops@example.com"


def row(arn: str, topic: str = TOPIC, endpoint: str = "ops@example.com") -> dict[str, str]:
    return {"SubscriptionArn": arn, "TopicArn": topic, "Protocol": "email", "Endpoint": endpoint}


def driver(*rows: dict[str, str], **answers: Any) -> tuple[Subscription, Script]:
    """The driver over a script that lists ``rows``."""

    def by_topic(sent: dict[str, Any]) -> Any:
        if all(each["TopicArn"] != sent["TopicArn"] for each in rows):
            raise NotFound("Topic does not exist")
        return {"Subscriptions": [each for each in rows if each["TopicArn"] == sent["TopicArn"]]}

    listed = {
        "list_subscriptions_by_topic": by_topic,
        "list_subscriptions": lambda _: {"Subscriptions": list(rows)},
    }
    script = Script(**listed, **answers)
    return Subscription(scripted(sns=script)), script


def writes(script: Script) -> list[tuple[str, dict[str, Any]]]:
    return [(name, sent) for name, sent in script.sent if not name.startswith("list_")]


@pytest.mark.parametrize(("arn", "pending"), [(PENDING, True), (f"{TOPIC}:1", False)])
def test_a_subscription_is_known_by_the_same_id_before_and_after_it_is_confirmed(arn: str, pending: bool) -> None:
    subject, _ = driver(row(arn))
    live = subject.read_many([MAIL])[MAIL]
    assert (live.id, live.outputs) == (MAIL, {"pending_confirmation": pending})


def test_a_create_does_not_wait_for_the_confirmation(box: Sandbox, aws: Aws) -> None:
    topic = {"as": "topic", "kind": "aws.sns.topic", "spec": {"name": "t-${run}"}}
    written = {"topic_arn": "${topic.arn}", "protocol": "sqs", "endpoint": "arn:aws:sqs:us-east-1:123456789012:q"}
    with staged(box, aws, "aws.sns.subscription", written, topic) as stage:
        way, sent = record_writes(aws.region)
        subject = stage.driver(way)
        made = stage.create(subject, stage.spec())
        assert [said["ReturnSubscriptionArn"] for _, said in sent] == [True]
        assert list(subject.wait_ready(made, stage.spec())) == []
        counting, calls = count_calls(aws.region)
        assert set(Subscription(counting).read_many([made])) == {made}
        assert calls == ["sns:ListSubscriptionsByTopic"]


def test_subscriptions_of_several_topics_are_one_call() -> None:
    subject, script = driver(row("arn:1"), row("arn:2", OTHER))
    other = MAIL.replace(TOPIC, OTHER)
    assert set(subject.read_many([MAIL, other, "gone|email|x"])) == {MAIL, other}
    assert [name for name, _ in script.sent] == ["list_subscriptions"]
    assert subject.read_many([]) == {}
    assert len(script.sent) == 1


def test_a_topic_that_is_gone_has_no_subscriptions() -> None:
    subject, _ = driver()
    assert subject.read_many([MAIL]) == {}
    assert subject.find(SubscriptionSpec(topic_arn=TOPIC, protocol="email", endpoint="ops@example.com")) is None


def test_a_confirmed_subscription_counts_more_than_a_pending_one_of_the_same_endpoint() -> None:
    for rows in ([row(PENDING), row("arn:1")], [row("arn:1"), row(PENDING)]):
        subject, script = driver(*rows)
        assert subject.read_many([MAIL])[MAIL].outputs == {"pending_confirmation": False}
        subject.delete(MAIL)
        assert writes(script) == [("unsubscribe", {"SubscriptionArn": "arn:1"})]


def test_one_that_was_unsubscribed_is_gone() -> None:
    subject, _ = driver(row("Deleted"))
    assert subject.read_many([MAIL]) == {}


def test_a_pending_one_is_left_to_aws() -> None:
    subject, script = driver(row(PENDING))
    subject.delete(MAIL)
    assert writes(script) == []


@pytest.mark.parametrize(
    "refusal",
    [
        NotFound("Subscription does not exist"),
        Invalid("Invalid parameter: Cannot unsubscribe a subscription that is pending confirmation"),
    ],
)
def test_deleting_one_that_cannot_be_unsubscribed_succeeds(refusal: Exception) -> None:
    def refuse(_: Any) -> None:
        raise refusal

    subject, script = driver(row("arn:1"), unsubscribe=refuse)
    subject.delete(MAIL)
    assert len(writes(script)) == 1


def test_another_refusal_to_unsubscribe_is_raised() -> None:
    def refuse(_: Any) -> None:
        raise Invalid("Invalid parameter: SubscriptionArn")

    subject, _ = driver(row("arn:1"), unsubscribe=refuse)
    with pytest.raises(Invalid):
        subject.delete(MAIL)


@pytest.mark.parametrize(
    ("protocol", "endpoint"),
    [
        ("https", "https://user:word@example.com/"),
        ("https", "http://example.com/"),
        ("mail", "ops@example.com"),
        ("email", ""),
        ("email", "ops"),
        ("sqs", "https://sqs.us-east-1.amazonaws.com/1/q"),
    ],
)
def test_a_subscription_that_cannot_be_made_or_read_back_is_refused(protocol: str, endpoint: str) -> None:
    with pytest.raises(ValidationError):
        SubscriptionSpec.model_validate({"topic_arn": TOPIC, "protocol": protocol, "endpoint": endpoint})


def test_an_address_in_a_path_is_no_password_nor_is_what_is_not_known_yet() -> None:
    spec = {"topic_arn": TOPIC, "protocol": "https", "endpoint": "https://example.com/u@v"}
    assert SubscriptionSpec.model_validate(spec).endpoint == "https://example.com/u@v"
    later: Any = Ref("var", path=("endpoint",))
    assert SubscriptionSpec.model_validate({**spec, "endpoint": later}).endpoint == later
