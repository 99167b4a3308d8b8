"""``aws.sns.topic``: what the laws of every kind do not say, and its lookup."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from smplan.drivers.aws.client import Aws
from smplan.drivers.aws.sns.topic import Topic, TopicLookup, TopicSpec
from smplan.drivers.base import Live
from smplan.errors import Invalid, NotFound
from smplan.sandbox.sandbox import Sandbox
from tests.drivers.aws.autoscaling.stage import Script, count_calls, record_writes, scripted, staged
from tests.drivers.conformance import context

KIND = "aws.sns.topic"
ARN = "arn:aws:sns:us-east-1:123456789012:ops"


def test_a_topic_is_found_by_its_name_whoever_made_it(box: Sandbox, aws: Aws) -> None:
    with staged(box, aws, KIND, {"name": "t-${run}"}) as stage:
        arn = aws.write.sns.create_topic(Name=f"t-{stage.run}")["TopicArn"]
        found = stage.driver().find(stage.spec())
        assert found is not None
        assert (found.id, found.owner, found.spec.name) == (arn, None, f"t-{stage.run}")
        stage.remove(stage.driver(), arn)


def test_reading_is_two_calls_a_topic(box: Sandbox, aws: Aws) -> None:
    with staged(box, aws, KIND, {"name": "t-${run}"}) as stage:
        made = stage.create(stage.driver(), stage.spec())
        counting, calls = count_calls(aws.region)
        assert set(Topic(counting).read_many([made])) == {made}
        assert calls == ["sns:GetTopicAttributes", "sns:ListTagsForResource"]


def test_an_update_sends_only_the_attribute_that_differs(box: Sandbox, aws: Aws) -> None:
    with staged(box, aws, KIND, {"name": "t-${run}", "display_name": "Ops", "tags": {"a": "1"}}) as stage:
        way, writes = record_writes(aws.region)
        made = stage.create(stage.driver(), stage.spec())
        stage.driver(way).update(stage.read(made), stage.spec({"display_name": "Night"}))
        sent = {"TopicArn": made, "AttributeName": "DisplayName", "AttributeValue": "Night"}
        assert writes == [("SetTopicAttributes", sent)]


def test_tags_that_are_not_managed_stay() -> None:
    script = Script()
    live = Live(ARN, TopicSpec.model_validate({"name": "ops", "tags": {"a": "1"}}))
    Topic(scripted(sns=script)).update(live, TopicSpec.model_validate({"name": "ops"}))
    assert script.sent == []


def test_a_topic_that_is_gone_fails_nothing() -> None:
    def attributes(sent: dict[str, Any]) -> Any:
        if sent["TopicArn"] != ARN:
            raise NotFound("Topic does not exist")
        return {"Attributes": {}}

    driver = Topic(scripted(sns=Script(get_topic_attributes=attributes)))
    assert set(driver.read_many([ARN, f"{ARN}-gone"])) == {ARN}


@pytest.mark.parametrize("name", ["ops.fifo", "a b", "", "x" * 257])
def test_a_name_sns_refuses_is_refused(name: str) -> None:
    with pytest.raises(ValidationError):
        TopicSpec.model_validate({"name": name})


def test_the_lookup_gives_the_arn_of_a_name(box: Sandbox, aws: Aws) -> None:
    with staged(box, aws, KIND, {"name": "t-${run}"}) as stage:
        made = stage.create(stage.driver(), stage.spec())
        looked = TopicLookup(context(aws)).read({"name": f"t-{stage.run}"})
        assert looked == {"id": made, "arn": made, "name": f"t-{stage.run}"}
        assert set(looked) == set(TopicLookup.outputs)


def test_the_lookup_names_account_and_region_without_a_match(aws: Aws) -> None:
    with pytest.raises(NotFound, match="no SNS topic `nobody` in account 123456789012, us-east-1") as error:
        TopicLookup(context(aws)).read({"name": "nobody"})
    assert "aws.sns.topic" in error.value.hint


@pytest.mark.parametrize("where", [{}, {"name": 1}, {"arn": ARN}, {"name": "ops", "tag:a": "1"}])
def test_the_lookup_takes_a_name_and_nothing_else(where: dict[str, Any]) -> None:
    with pytest.raises(Invalid, match="by its name"):
        TopicLookup(scripted(sns=Script())).read(where)
