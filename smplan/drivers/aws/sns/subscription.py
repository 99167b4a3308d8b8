"""``aws.sns.subscription``: a subscription of an endpoint to a topic."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field, model_validator

from smplan.core.resource_type import IamActions, Output
from smplan.core.risk import Category, Effect, Risk
from smplan.core.spec import IMMUTABLE, Spec
from smplan.drivers import references
from smplan.drivers.aws import _topics
from smplan.drivers.aws.sent_as import SentAs
from smplan.drivers.base import Claim, Driver, Live
from smplan.drivers.checks import Check, PlannedResources
from smplan.errors import Invalid, NotFound

if TYPE_CHECKING:
    from typing import Self

    from mypy_boto3_sns.type_defs import SubscriptionTypeDef

PENDING = "PendingConfirmation"
DELETED = "Deleted"
"""Listed instead of an ARN before the confirmation, and after the unsubscription (ListSubscriptions)."""
_PASSWORD = re.compile(r"^[a-z]+://[^/]*@")

Protocol = Literal["http", "https", "email", "email-json", "sms", "sqs", "application", "lambda", "firehose"]


PREFIXES = {
    "http": "http://",
    "https": "https://",
    **dict.fromkeys(("sqs", "application", "lambda", "firehose"), "arn:"),
}


def _without_password(endpoint: str) -> str:
    if _PASSWORD.match(endpoint):
        raise ValueError("an endpoint with a password cannot be managed: AWS returns it without the password")
    return endpoint


class SubscriptionSpec(Spec):
    """A subscription to a topic."""

    sent_as: ClassVar = SentAs("sns:Subscribe")

    topic_arn: Annotated[str, references.TOPIC, IMMUTABLE, Field(description="The topic's ARN.", pattern="^arn:")]
    protocol: Annotated[Protocol, IMMUTABLE, Field(description="How the endpoint is reached.")]
    endpoint: Annotated[
        str,
        IMMUTABLE,
        AfterValidator(_without_password),
        Field(
            description="The address, phone number, URL or ARN, depending on the protocol.",
            min_length=1,
            max_length=2048,
        ),
    ]

    @model_validator(mode="after")
    def _endpoint_fits_the_protocol(self) -> Self:
        """API reference of Subscribe, Endpoint."""
        begin = PREFIXES.get(self.protocol) if self.known("protocol", "endpoint") else None
        if begin and not self.endpoint.startswith(begin):
            raise ValueError(f"an `endpoint` of protocol {self.protocol} begins with {begin}")
        if self.protocol in ("email", "email-json") and self.known("endpoint") and "@" not in self.endpoint:
            raise ValueError(f"an `endpoint` of protocol {self.protocol} is an e-mail address")
        return self


class Subscription(Driver[SubscriptionSpec]):
    """Identified by topic, protocol and endpoint, because an unconfirmed subscription has no ARN.

    E-mail and HTTP endpoints must confirm, which is not waited for. Until then AWS refuses to unsubscribe them;
    deleting such a one counts as success, and AWS removes it after some days.
    """

    kind = "aws.sns.subscription"
    summary = "A subscription of an endpoint to an SNS topic. E-mail addresses have to confirm it."
    spec = SubscriptionSpec
    outputs: ClassVar = {"pending_confirmation": Output("Whether the endpoint still has to confirm.", type="boolean")}
    iam_actions = IamActions(
        read=("sns:ListSubscriptionsByTopic", "sns:ListSubscriptions"),
        write=("sns:Subscribe", "sns:Unsubscribe"),
        check=(_topics.ACTION,),
    )
    taggable = False
    expected_seconds = 1
    timeout_seconds = 300

    @classmethod
    def risks(cls, effect: Effect) -> Iterator[Risk]:
        """Of a deletion: the subscriber gets no messages, and may have to confirm again."""
        if effect.deletes:
            again = ", and must confirm before it gets any again" if not effect.was("protocol").startswith("s") else ""
            yield Risk(
                Category.ALERTING,
                f"the {effect.was('protocol')} subscriber gets no more messages of {effect.was('topic_arn')}{again}",
            )

    def checks(self, planned: PlannedResources) -> Iterable[Check]:
        """The topic."""
        return _topics.checks(self.context.aws, planned, self.kind, ("topic_arn",))

    def read_many(self, ids: Collection[str]) -> dict[str, Live[SubscriptionSpec]]:
        """One call per 100 subscriptions: of the topic if it is the only one, else of all topics."""
        return {key: _live(key, found) for key, found in self._listed(ids).items()}

    def find(self, spec: SubscriptionSpec) -> Live[SubscriptionSpec] | None:
        """By topic, protocol and endpoint."""
        key = _id(spec.topic_arn, spec.protocol, spec.endpoint)
        return self.read_many([key]).get(key)

    def create(self, spec: SubscriptionSpec, claim: Claim) -> str:
        """``topic_arn|protocol|endpoint``: the same before and after the endpoint confirms."""
        self.context.aws.write.sns.subscribe(
            TopicArn=spec.topic_arn, Protocol=spec.protocol, Endpoint=spec.endpoint, ReturnSubscriptionArn=True
        )
        return _id(spec.topic_arn, spec.protocol, spec.endpoint)

    def delete(self, id: str) -> None:
        """A pending one cannot be unsubscribed; AWS removes it after some days."""
        found = self._listed([id]).get(id)
        if found is None or _arn(found) == PENDING:
            return
        try:
            self.context.aws.write.sns.unsubscribe(SubscriptionArn=_arn(found))
        except NotFound:
            return
        except Invalid as error:
            if "pending confirmation" not in error.message:
                raise

    def _listed(self, ids: Collection[str]) -> dict[str, SubscriptionTypeDef]:
        """Those of ``ids`` that exist; if AWS lists an endpoint twice, the confirmed one."""
        found: dict[str, SubscriptionTypeDef] = {}
        for each in self._described({each.partition("|")[0] for each in ids}):
            key = _id(each.get("TopicArn", ""), each.get("Protocol", ""), each.get("Endpoint", ""))
            if key in ids and _arn(each) != DELETED and (key not in found or _arn(found[key]) == PENDING):
                found[key] = each
        return found

    def _described(self, topics: Collection[str]) -> Iterator[SubscriptionTypeDef]:
        client = self.context.aws.read.sns
        if len(topics) > 1:
            pages = client.get_paginator("list_subscriptions").paginate()
            yield from (each for page in pages for each in page["Subscriptions"])
        for topic in topics if len(topics) == 1 else ():
            with suppress(NotFound):  # the topic is gone, and its subscriptions with it
                for page in client.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=topic):
                    yield from page["Subscriptions"]


def _id(topic_arn: str, protocol: str, endpoint: str) -> str:
    return f"{topic_arn}|{protocol}|{endpoint}"


def _arn(found: SubscriptionTypeDef) -> str:
    return found.get("SubscriptionArn", "")


def _live(key: str, found: SubscriptionTypeDef) -> Live[SubscriptionSpec]:
    fields: dict[str, Any] = {
        "topic_arn": found.get("TopicArn"),
        "protocol": found.get("Protocol"),
        "endpoint": found.get("Endpoint"),
    }
    return Live(key, SubscriptionSpec.model_construct(**fields), {"pending_confirmation": _arn(found) == PENDING})
