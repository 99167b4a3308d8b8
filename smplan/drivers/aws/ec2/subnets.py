"""``aws.ec2.subnets``: a lookup of several subnets, ordered by zone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from smplan.core.resource_type import IamActions, Output
from smplan.core.values import Json
from smplan.drivers import references
from smplan.drivers.aws import _filters
from smplan.drivers.base import Lookup
from smplan.errors import Conflict

if TYPE_CHECKING:
    from mypy_boto3_ec2.type_defs import FilterTypeDef, SubnetTypeDef


class Subnets(Lookup):
    """Existing subnets. A load balancer needs one subnet per zone, in at least two zones."""

    kind = "aws.ec2.subnets"
    summary = "The subnets of the load balancer and the scaling group."
    keys: ClassVar = {
        "id": "Their ids, subnet-…: one, or a list.",
        "vpc_id": "The VPC they are in.",
        "zone": "Their availability zones: one, or a list.",
        "cidr_block": "Their IPv4 blocks: one, or a list.",
        "public_ip_on_launch": "`true`: those that assign public addresses to instances.",
        "default_for_az": "`true`: the default subnet of each zone.",
        "one_per_zone": "`true`: refuse two subnets in one zone, as a load balancer does.",
        "tag:*": "A tag of the subnets; `*` in its value matches any text.",
    }
    key_references: ClassVar = {"id": references.SUBNET, "vpc_id": references.VPC}
    outputs: ClassVar = {
        "id": Output("The ids, joined by commas."),
        "ids": Output("The ids, ordered by zone.", type="list"),
        "zones": Output("The availability zones, in the order of `ids`.", type="list"),
        "vpc_id": Output("The VPC they are in.", reference=references.VPC),
    }
    iam_actions = IamActions(read=("ec2:DescribeSubnets",))

    _FILTERS: ClassVar = {
        "id": "subnet-id",
        "vpc_id": "vpc-id",
        "zone": "availability-zone",
        "cidr_block": "cidr-block",
        "public_ip_on_launch": "map-public-ip-on-launch",
        "default_for_az": "default-for-az",
    }

    def read(self, where: Mapping[str, Json]) -> dict[str, Json]:
        """All matches. Raises Conflict if they are in several VPCs, or share a zone despite ``one_per_zone``."""
        criteria = {key: value for key, value in where.items() if key != "one_per_zone"}
        found = self._described(_filters.filters(criteria, self._FILTERS))
        if not found:
            existing = [_filters.name_or(each, each["SubnetId"]) for each in self._described([])]
            raise _filters.missing("subnet", criteria, existing)
        _check_vpc(found)
        if where.get("one_per_zone"):
            _check_zones(found)
        ordered = sorted(found, key=lambda each: (each["AvailabilityZone"], each["SubnetId"]))
        ids = [each["SubnetId"] for each in ordered]
        zones = [each["AvailabilityZone"] for each in ordered]
        return {"id": ",".join(ids), "ids": ids, "zones": zones, "vpc_id": ordered[0]["VpcId"]}

    def _described(self, filters: list[FilterTypeDef]) -> list[SubnetTypeDef]:
        pages = self.context.aws.read.ec2.get_paginator("describe_subnets").paginate(Filters=filters)
        return [subnet for page in pages for subnet in page["Subnets"]]


def _check_vpc(found: list[SubnetTypeDef]) -> None:
    vpcs = sorted({each["VpcId"] for each in found})
    if len(vpcs) > 1:
        raise Conflict(f"the subnets found are in several VPCs: {', '.join(vpcs)}", hint="add `vpc_id` to `where`")


def _check_zones(found: list[SubnetTypeDef]) -> None:
    by_zone: dict[str, list[str]] = defaultdict(list)
    for each in found:
        by_zone[each["AvailabilityZone"]].append(each["SubnetId"])
    crowded = [f"{zone}: {', '.join(sorted(ids))}" for zone, ids in sorted(by_zone.items()) if len(ids) > 1]
    if crowded:
        raise Conflict(
            f"several subnets in one zone ({'; '.join(crowded)})",
            hint="add keys to `where`, such as a tag or ids, until one subnet per zone matches",
        )
