"""``aws.autoscaling.notification``: the events of a scaling group that are sent to an SNS topic."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from smplan.core.resource_type import IamActions
from smplan.core.risk import Category, Effect, Risk
from smplan.core.spec import IMMUTABLE, UNORDERED, PartialList, Spec
from smplan.drivers import references
from smplan.drivers.aws import _topics
from smplan.drivers.aws.autoscaling import _common
from smplan.drivers.aws.requests import batched
from smplan.drivers.aws.sent_as import SentAs
from smplan.drivers.base import Claim, Driver, Live
from smplan.drivers.checks import Check, PlannedResources
from smplan.errors import NotFound

if TYPE_CHECKING:
    from mypy_boto3_autoscaling.type_defs import NotificationConfigurationTypeDef

NotificationType = Literal[
    "autoscaling:EC2_INSTANCE_LAUNCH",
    "autoscaling:EC2_INSTANCE_LAUNCH_ERROR",
    "autoscaling:EC2_INSTANCE_TERMINATE",
    "autoscaling:EC2_INSTANCE_TERMINATE_ERROR",
]


class NotificationSpec(Spec):
    """The notifications of one scaling group to one topic."""

    sent_as: ClassVar = SentAs("autoscaling:PutNotificationConfiguration", {"topic_arn": "TopicARN"})

    auto_scaling_group_name: Annotated[
        str,
        references.SCALING_GROUP,
        IMMUTABLE,
        Field(description="The scaling group.", min_length=1, max_length=255, pattern=_common.GROUP_NAME),
    ]
    topic_arn: Annotated[str, references.TOPIC, IMMUTABLE, Field(description="The SNS topic's ARN.", pattern="^arn:")]
    notification_types: Annotated[
        PartialList[NotificationType],
        UNORDERED,
        Field(description="The events: successful and failed launches and terminations.", min_length=1),
    ]


class Notification(Driver[NotificationSpec]):
    """Identified by group and topic. A put sends a test message to the topic, so it is sent only for a change."""

    kind = "aws.autoscaling.notification"
    summary = "Notifications: the events of a scaling group that are sent to an SNS topic."
    spec = NotificationSpec
    iam_actions = IamActions(
        read=("autoscaling:DescribeNotificationConfigurations",),
        write=("autoscaling:PutNotificationConfiguration", "autoscaling:DeleteNotificationConfiguration"),
        check=(_topics.ACTION,),
    )
    taggable = False
    expected_seconds = 1
    timeout_seconds = 300

    @classmethod
    def risks(cls, effect: Effect) -> Iterator[Risk]:
        """Of a deletion, and of fewer events: what is no longer sent to the topic."""
        group, topic = effect.was("auto_scaling_group_name"), effect.was("topic_arn")
        if effect.removes:
            yield Risk(Category.ALERTING, f"events of {group} are no longer sent to {topic}")
        if lost := effect.lost("notification_types"):
            yield Risk(Category.ALERTING, f"{topic} no longer gets {', '.join(lost)} of {group}")

    def checks(self, planned: PlannedResources) -> Iterable[Check]:
        """The topic."""
        return _topics.checks(self.context.aws, planned, self.kind, ("topic_arn",))

    def read_many(self, ids: Collection[str]) -> dict[str, Live[NotificationSpec]]:
        """One call per 50 groups, for all their topics."""
        types: dict[str, list[str]] = {}
        for row in self._described({_parts(each)[0] for each in ids}):
            key = _id(row.get("AutoScalingGroupName", ""), row.get("TopicARN", ""))
            types.setdefault(key, []).append(row.get("NotificationType", ""))
        return {key: _live(key, found) for key, found in types.items() if key in ids}

    def find(self, spec: NotificationSpec) -> Live[NotificationSpec] | None:
        """By group and topic."""
        key = _id(spec.auto_scaling_group_name, spec.topic_arn)
        return self.read_many([key]).get(key)

    def create(self, spec: NotificationSpec, claim: Claim) -> str:
        """``group|topic_arn``."""
        self._put(spec)
        return _id(spec.auto_scaling_group_name, spec.topic_arn)

    def update(self, live: Live[NotificationSpec], spec: NotificationSpec) -> None:
        """A put overwrites the types; none is sent if they are equal."""
        if set(live.spec.notification_types) != set(spec.notification_types):
            self._put(spec)

    def delete(self, id: str) -> None:
        """Also success if the group, and this with it, is gone."""
        group, topic = _parts(id)
        with suppress(NotFound):
            self.context.aws.write.autoscaling.delete_notification_configuration(
                AutoScalingGroupName=group, TopicARN=topic
            )

    def _put(self, spec: NotificationSpec) -> None:
        self.context.aws.write.autoscaling.put_notification_configuration(
            AutoScalingGroupName=spec.auto_scaling_group_name,
            TopicARN=spec.topic_arn,
            NotificationTypes=sorted(spec.notification_types),
        )

    def _described(self, groups: Collection[str]) -> Iterator[NotificationConfigurationTypeDef]:
        for names in batched(groups, _common.NAMES):
            try:
                yield from self._pages(AutoScalingGroupNames=names)
            except NotFound:
                # the API reference does not say whether one group that is gone fails the call for the others
                yield from self._pages()

    def _pages(self, **where: Any) -> list[NotificationConfigurationTypeDef]:
        describe = self.context.aws.read.autoscaling.get_paginator("describe_notification_configurations")
        pages = describe.paginate(**where, PaginationConfig={"PageSize": _common.PAGE})
        return [row for page in pages for row in page["NotificationConfigurations"]]


def _id(group: str, topic_arn: str) -> str:
    return f"{group}|{topic_arn}"


def _parts(id: str) -> tuple[str, str]:
    group, _, topic_arn = id.rpartition("|")
    return group, topic_arn


def _live(id: str, types: Collection[str]) -> Live[NotificationSpec]:
    group, topic_arn = _parts(id)
    fields: dict[str, Any] = {
        "auto_scaling_group_name": group,
        "topic_arn": topic_arn,
        "notification_types": sorted(set(types)),
    }
    return Live(id, NotificationSpec.model_construct(**fields))
