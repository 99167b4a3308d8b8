"""``aws.ec2.vpc``: a lookup of the fleet's VPC."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from smplan.core.resource_type import IamActions, Output
from smplan.core.values import Json
from smplan.drivers import references
from smplan.drivers.aws import _filters
from smplan.drivers.base import Lookup

if TYPE_CHECKING:
    from mypy_boto3_ec2.type_defs import FilterTypeDef, VpcTypeDef


class Vpc(Lookup):
    """An existing VPC."""

    kind = "aws.ec2.vpc"
    summary = "The VPC that the fleet runs in."
    keys: ClassVar = {
        "id": "The VPC's id, vpc-….",
        "cidr_block": "Its primary IPv4 block.",
        "is_default": "`true` for the account's default VPC.",
        "tag:*": "A tag of the VPC, such as `tag:Name`.",
    }
    key_references: ClassVar = {"id": references.VPC}
    outputs: ClassVar = {
        "id": Output("The VPC's id, vpc-…."),
        "cidr_block": Output("Its primary IPv4 block."),
        "is_default": Output("Whether it is the account's default VPC.", type="boolean"),
    }
    iam_actions = IamActions(read=("ec2:DescribeVpcs",))

    _FILTERS: ClassVar = {"id": "vpc-id", "cidr_block": "cidr", "is_default": "is-default"}

    def read(self, where: Mapping[str, Json]) -> dict[str, Json]:
        """The VPC that matches."""
        found = self._described(_filters.filters(where, self._FILTERS))
        vpc = _filters.only("VPC", where, found, lambda each: f"{each['VpcId']} ({each['CidrBlock']})")
        if vpc is None:
            raise _filters.missing(
                "VPC", where, [_filters.name_or(each, each["VpcId"]) for each in self._described([])]
            )
        return {"id": vpc["VpcId"], "cidr_block": vpc["CidrBlock"], "is_default": vpc["IsDefault"]}

    def _described(self, filters: list[FilterTypeDef]) -> list[VpcTypeDef]:
        pages = self.context.aws.read.ec2.get_paginator("describe_vpcs").paginate(Filters=filters)
        return [vpc for page in pages for vpc in page["Vpcs"]]
