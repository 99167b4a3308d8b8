"""``aws.ec2.security_group``: the group itself; its rules are resources of their own."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import AfterValidator, Field

from smplan.core.resource_type import IamActions, Output
from smplan.core.risk import Category, Effect, Risk
from smplan.core.spec import IMMUTABLE, PartialMap, Spec
from smplan.core.values import Json
from smplan.drivers import references
from smplan.drivers.aws import _filters, tags
from smplan.drivers.aws.ec2 import _checks
from smplan.drivers.aws.ec2._common import Ec2Driver
from smplan.drivers.aws.requests import batched
from smplan.drivers.aws.sent_as import SentAs
from smplan.drivers.aws.tags import ANY_TEXT
from smplan.drivers.base import Claim, Live, Lookup, Owner
from smplan.drivers.checks import Check, PlannedResources
from smplan.errors import DriverError, InUse, NotFound

if TYPE_CHECKING:
    from mypy_boto3_ec2.type_defs import FilterTypeDef, NetworkInterfaceTypeDef, SecurityGroupTypeDef

_CHARACTERS = r"^[a-zA-Z0-9 ._\-:/()#,@\[\]+=&;{}!$*]+$"


def _not_like_an_id(name: str) -> str:
    if name.startswith("sg-"):
        raise ValueError("a security group's name cannot begin with `sg-`")
    return name


class SecurityGroupSpec(Spec):
    """A security group of a VPC."""

    sent_as: ClassVar = SentAs("ec2:CreateSecurityGroup", {"name": "GroupName", "tags": "TagSpecifications[].Tags"})

    name: Annotated[
        str,
        IMMUTABLE,
        AfterValidator(_not_like_an_id),
        Field(
            description="The group's name, unique in its VPC.",
            min_length=1,
            max_length=255,
            pattern=_CHARACTERS,
        ),
    ]
    description: Annotated[
        str,
        IMMUTABLE,
        Field(
            description="What the group is for. AWS cannot change it.",
            min_length=1,
            max_length=255,
            pattern=_CHARACTERS,
        ),
    ]
    vpc_id: Annotated[str, references.VPC, IMMUTABLE, Field(description="The VPC it belongs to.", pattern="^vpc-")]
    tags: Annotated[
        PartialMap[str] | None, Field(description="Tags, besides those smplan sets.", max_length=48), ANY_TEXT
    ] = None


class SecurityGroup(Ec2Driver[SecurityGroupSpec]):
    """A new group allows all egress and no ingress: AWS adds the egress rule, which smplan does not manage."""

    kind = "aws.ec2.security_group"
    summary = "A security group. Its rules are resources of kind aws.ec2.security_group_rule."
    spec = SecurityGroupSpec
    iam_actions = IamActions(
        read=("ec2:DescribeSecurityGroups", "ec2:DescribeNetworkInterfaces"),
        write=("ec2:CreateSecurityGroup", "ec2:DeleteSecurityGroup", "ec2:CreateTags", "ec2:DeleteTags"),
        check=_checks.GROUP_ACTIONS,
    )
    name_field = "name"
    key_fields = ("vpc_id", "name")

    @classmethod
    def risks(cls, effect: Effect) -> Iterator[Risk]:
        """Of a deletion: its members lose what its rules admit."""
        if effect.removes:
            yield Risk(Category.ACCESS, f"what has {effect.was('name')} loses the access that its rules give")
        elif effect.deletes:
            reason = f"{effect.was('name')} is deleted once nothing has it: instances that run keep it until replaced"
            yield Risk(Category.ACCESS, reason)

    def checks(self, planned: PlannedResources) -> Iterable[Check]:
        """The VPC, and the quota."""
        return _checks.of_groups(self.context.aws, planned)

    def read_many(self, ids: Collection[str]) -> dict[str, Live[SecurityGroupSpec]]:
        """One call per 200 groups."""
        found = (
            group
            for batch in batched(ids, _filters.FILTER_VALUES)
            for group in self._described(_filters.by("group-id", *batch))
        )
        return {group["GroupId"]: _live(group) for group in found}

    def find(self, spec: SecurityGroupSpec) -> Live[SecurityGroupSpec] | None:
        """By VPC and name; compared again, because `*` in a filter matches any text."""
        found = self._described([*_filters.by("vpc-id", spec.vpc_id), *_filters.by("group-name", spec.name)])
        return next((_live(group) for group in found if group["GroupName"] == spec.name), None)

    def create(self, spec: SecurityGroupSpec, claim: Claim) -> str:
        """Tagged in the same call."""
        return self.context.aws.write.ec2.create_security_group(
            GroupName=spec.name,
            Description=spec.description,
            VpcId=spec.vpc_id,
            TagSpecifications=_filters.tagged(["security-group"], tags.merged(spec.tags, claim.tags)),
        )["GroupId"]

    def update(self, live: Live[SecurityGroupSpec], spec: SecurityGroupSpec) -> None:
        """Only tags."""
        _filters.retag(self.context.aws, live.id, live.spec.tags, spec.tags)

    def delete(self, id: str) -> None:
        """Raises InUse, naming the users, while an interface, or a rule of another group, refers to it."""
        try:
            self.context.aws.write.ec2.delete_security_group(GroupId=id)
        except NotFound:
            return
        except InUse as error:
            users = ", ".join(self._users(id)) or "something that cannot be read"
            raise InUse(f"{error.message}: used by {users}", code=error.code, action=error.action) from error

    def _users(self, id: str) -> list[str]:
        """Up to ten interfaces and groups that keep it."""
        users: list[str] = []
        with suppress(DriverError):
            response = self.context.aws.read.ec2.describe_network_interfaces(Filters=_filters.by("group-id", id))
            users += map(_interface, response["NetworkInterfaces"])
        with suppress(DriverError):
            groups = self._described(_filters.by("ip-permission.group-id", id))
            users += (f"a rule of {each['GroupId']}" for each in groups if each["GroupId"] != id)
        return users[:10]

    def _described(self, filters: list[FilterTypeDef]) -> list[SecurityGroupTypeDef]:
        pages = self.context.aws.read.ec2.get_paginator("describe_security_groups").paginate(Filters=filters)
        return [group for page in pages for group in page["SecurityGroups"]]


def _interface(interface: NetworkInterfaceTypeDef) -> str:
    """The instance that has it, or the interface and what AWS says it is for."""
    instance, description = interface.get("Attachment", {}).get("InstanceId"), interface.get("Description", "")
    return instance or f"{interface.get('NetworkInterfaceId', '')} ({description})"


def _live(group: SecurityGroupTypeDef) -> Live[SecurityGroupSpec]:
    spec = SecurityGroupSpec.model_construct(
        name=group["GroupName"],
        description=group["Description"],
        vpc_id=group.get("VpcId", ""),
        tags=tags.own(group.get("Tags")),
    )
    return Live(group["GroupId"], spec, owner=Owner.from_tags(tags.plain(group.get("Tags"))))


class SecurityGroupLookup(Lookup):
    """An existing security group."""

    kind = "aws.ec2.security_group"
    summary = "An existing security group, such as the database's."
    keys: ClassVar = {
        "id": "The group's id, sg-….",
        "name": "The group's name; `*` matches any text.",
        "vpc_id": "The VPC it is in.",
        "description": "The group's description.",
        "tag:*": "A tag of the group.",
    }
    key_references: ClassVar = {"id": references.SECURITY_GROUP, "vpc_id": references.VPC}
    outputs: ClassVar = {
        "id": Output("The group's id, sg-…."),
        "name": Output("The group's name."),
        "vpc_id": Output("The VPC it is in.", reference=references.VPC),
        "description": Output("The group's description."),
    }
    iam_actions = IamActions(read=("ec2:DescribeSecurityGroups",))

    _FILTERS: ClassVar = {"id": "group-id", "name": "group-name", "vpc_id": "vpc-id", "description": "description"}

    def read(self, where: Mapping[str, Json]) -> dict[str, Json]:
        """The group that matches."""
        found = self._described(_filters.filters(where, self._FILTERS))
        group = _filters.only("security group", where, found, lambda each: f"{each['GroupId']} ({each['GroupName']})")
        if group is None:
            raise _filters.missing("security group", where, [each["GroupName"] for each in self._described([])])
        return {
            "id": group["GroupId"],
            "name": group["GroupName"],
            "vpc_id": group.get("VpcId", ""),
            "description": group["Description"],
        }

    def _described(self, filters: list[FilterTypeDef]) -> list[SecurityGroupTypeDef]:
        pages = self.context.aws.read.ec2.get_paginator("describe_security_groups").paginate(Filters=filters)
        return [group for page in pages for group in page["SecurityGroups"]]
