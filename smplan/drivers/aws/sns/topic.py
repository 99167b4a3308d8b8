"""``aws.sns.topic``: an SNS topic for alarms and scaling events, and its lookup."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from typing import Annotated, Any, ClassVar

from pydantic import Field

from smplan.core.resource_type import IamActions, Output
from smplan.core.risk import Category, Effect, Risk
from smplan.core.spec import IMMUTABLE, PartialMap, Spec
from smplan.core.values import Json
from smplan.drivers import references
from smplan.drivers.aws import tags
from smplan.drivers.aws.sent_as import SentAs
from smplan.drivers.aws.tags import PLAIN_TEXT
from smplan.drivers.base import Claim, Driver, Live, Lookup, Owner
from smplan.drivers.context import AwsAccount
from smplan.errors import Invalid, NotFound

ATTRIBUTES = {"DisplayName": "display_name", "KmsMasterKeyId": "kms_master_key_id"}


class TopicSpec(Spec):
    """A standard SNS topic."""

    sent_as: ClassVar = SentAs(
        "sns:CreateTopic",
        not_bound={
            "display_name": "an attribute: the model knows its value as any text",
            "kms_master_key_id": "an attribute: the model knows its value as any text",
        },
    )

    name: Annotated[
        str,
        IMMUTABLE,
        Field(
            description="The name, unique in account and region: letters, digits, `_` and `-`.",
            min_length=1,
            max_length=256,
            pattern="^[A-Za-z0-9_-]+$",
        ),
    ]
    display_name: Annotated[
        str | None, Field(description="The sender shown in e-mail and SMS; empty for none.", max_length=100)
    ] = None
    kms_master_key_id: Annotated[
        str | None,
        references.KMS_KEY,
        Field(
            description="The key to encrypt with; empty for none. Its policy must allow Auto Scaling and CloudWatch, "
            "which that of alias/aws/sns does not.",
            max_length=2048,
        ),
    ] = None
    tags: Annotated[
        PartialMap[str] | None, Field(description="Tags, besides those smplan sets.", max_length=48), PLAIN_TEXT
    ] = None


class Topic(Driver[TopicSpec]):
    """Its ARN follows from its name, so ``find`` lists no topics."""

    kind = "aws.sns.topic"
    summary = "An SNS topic for alarms and scaling events."
    spec = TopicSpec
    outputs: ClassVar = {"arn": Output("The topic's ARN.")}
    iam_actions = IamActions(
        read=("sns:GetTopicAttributes", "sns:ListTagsForResource", "sts:GetCallerIdentity"),
        write=(
            "sns:CreateTopic",
            "sns:DeleteTopic",
            "sns:SetTopicAttributes",
            "sns:TagResource",
            "sns:UntagResource",
        ),
    )
    name_field = "name"
    name_limit = 256
    expected_seconds = 1
    timeout_seconds = 300

    @classmethod
    def risks(cls, effect: Effect) -> Iterator[Risk]:
        """Of a deletion, and of another key: who no longer gets messages."""
        name = effect.was("name")
        if effect.deletes:
            yield Risk(Category.ALERTING, f"{name} is deleted with every subscription, also those not made by smplan")
        if effect.alters("kms_master_key_id") and effect.after.get("kms_master_key_id"):
            key = effect.becomes("kms_master_key_id")
            yield Risk(Category.ALERTING, f"messages of services that may not use the key {key} are lost")

    def read_many(self, ids: Collection[str]) -> dict[str, Live[TopicSpec]]:
        """Two calls per topic; neither has a batch."""
        found: dict[str, Live[TopicSpec]] = {}
        for arn in sorted(ids):
            with suppress(NotFound):
                found[arn] = self._read(arn)
        return found

    def _read(self, arn: str) -> Live[TopicSpec]:
        client = self.context.aws.read.sns
        attributes = client.get_topic_attributes(TopicArn=arn)["Attributes"]
        listed = client.list_tags_for_resource(ResourceArn=arn).get("Tags")
        settings: dict[str, Any] = {field: attributes.get(name, "") for name, field in ATTRIBUTES.items()}
        spec = TopicSpec.model_construct(name=_name(arn), tags=tags.own(listed), **settings)
        return Live(arn, spec, {"arn": arn}, Owner.from_tags(tags.plain(listed)))

    def find(self, spec: TopicSpec) -> Live[TopicSpec] | None:
        """By name."""
        arn = _arn(self.context.aws, spec.name)
        return self.read_many([arn]).get(arn)

    def create(self, spec: TopicSpec, claim: Claim) -> str:
        """The ARN. AWS would return an existing topic of that name, so the engine calls ``find`` first."""
        attributes = {name: getattr(spec, field) for name, field in ATTRIBUTES.items()}
        return self.context.aws.write.sns.create_topic(
            Name=spec.name,
            Attributes={name: value for name, value in attributes.items() if value},
            Tags=tags.listed(tags.merged(spec.tags, claim.tags)),
        )["TopicArn"]

    def update(self, live: Live[TopicSpec], spec: TopicSpec) -> None:
        """One call for each attribute that differs, and tags."""
        client = self.context.aws.write.sns
        for name, field in ATTRIBUTES.items():
            value = getattr(spec, field)
            if value is not None and value != getattr(live.spec, field):
                client.set_topic_attributes(TopicArn=live.id, AttributeName=name, AttributeValue=value)
        if spec.tags is None:
            return
        to_set, to_remove = tags.changed(live.spec.tags or {}, spec.tags)
        if to_set:
            client.tag_resource(ResourceArn=live.id, Tags=tags.listed(to_set))
        if to_remove:
            client.untag_resource(ResourceArn=live.id, TagKeys=to_remove)

    def set_owner(self, id: str, owner: Owner) -> None:
        """One call. Raises NotFound if it is gone."""
        self.context.aws.write.sns.tag_resource(ResourceArn=id, Tags=tags.listed(owner.tags))

    def delete(self, id: str) -> None:
        """With its subscriptions; already gone is success for AWS too."""
        with suppress(NotFound):
            self.context.aws.write.sns.delete_topic(TopicArn=id)


class TopicLookup(Lookup):
    """An existing topic in this account and region."""

    kind = "aws.sns.topic"
    summary = "An existing SNS topic, such as the one of the on-call team."
    keys: ClassVar = {"name": "The topic's name."}
    outputs: ClassVar = {
        "id": Output("The topic's ARN."),
        "arn": Output("The topic's ARN."),
        "name": Output("The topic's name."),
    }
    iam_actions = IamActions(read=("sns:GetTopicAttributes", "sts:GetCallerIdentity"))

    def read(self, where: Mapping[str, Json]) -> dict[str, Json]:
        """The topic of that name. Raises NotFound."""
        name = where.get("name")
        if set(where) != {"name"} or not isinstance(name, str):
            raise Invalid("an SNS topic is looked up by its name and nothing else", hint="write `where: {name: …}`")
        arn = _arn(self.context.aws, name)
        try:
            self.context.aws.read.sns.get_topic_attributes(TopicArn=arn)
        except NotFound as error:
            raise NotFound(
                f"there is no SNS topic `{name}` in account {self.context.aws.account}, {self.context.aws.region}",
                hint="correct the name, or create the topic with a resource of kind aws.sns.topic",
                code=error.code,
                action=error.action,
            ) from error
        return {"id": arn, "arn": arn, "name": name}


def _arn(aws: AwsAccount, name: str) -> str:
    return f"arn:{aws.read.sns.meta.partition}:sns:{aws.region}:{aws.account}:{name}"


def _name(arn: str) -> str:
    return arn.rpartition(":")[2]
