"""Checks of subnets, security groups and VPCs that a plan names: they exist, and fit each other."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any

from smplan.drivers.aws import _filters
from smplan.drivers.aws.requests import batched
from smplan.drivers.checks import Check, Finding, PlannedResource, PlannedResources
from smplan.drivers.context import AwsAccount

Found = dict[str, Any]
"""Descriptions by id."""


def subnets(aws: AwsAccount, planned: PlannedResources) -> Found:
    """Those of the subnets in any spec that exist."""

    def read(ids: list[str]) -> Iterable[Any]:
        return aws.read.ec2.describe_subnets(Filters=_filters.by("subnet-id", *ids))["Subnets"]

    return _read(planned, "subnet-", "SubnetId", read)


def security_groups(aws: AwsAccount, planned: PlannedResources) -> Found:
    """Those of the security groups in any spec that exist."""

    def read(ids: list[str]) -> Iterable[Any]:
        return aws.read.ec2.describe_security_groups(Filters=_filters.by("group-id", *ids))["SecurityGroups"]

    return _read(planned, "sg-", "GroupId", read)


def vpcs(aws: AwsAccount, planned: PlannedResources) -> Found:
    """Those of the VPCs in any spec that exist."""

    def read(ids: list[str]) -> Iterable[Any]:
        return aws.read.ec2.describe_vpcs(Filters=_filters.by("vpc-id", *ids))["Vpcs"]

    return _read(planned, "vpc-", "VpcId", read)


def _read(planned: PlannedResources, prefix: str, id: str, read: Callable[[list[str]], Iterable[Any]]) -> Found:
    batches = batched(planned.texts(prefix), _filters.FILTER_VALUES)
    return planned.once(prefix, lambda: {each[id]: each for batch in batches for each in read(batch)})


def existence(
    planned: PlannedResources, kind: str, fields: Collection[str], what: str, found: Callable[[], Found]
) -> Iterator[Check]:
    """The check, if any of ``fields`` names one, that each ``what`` that they name exists."""
    named = [(each, field, value) for each in planned.changed(kind) for field in fields for value in each.values(field)]

    def find() -> Iterator[Finding]:
        existing = found()
        for each, field, value in named:
            if value not in existing:
                yield each.refuse(field, f"there is no {what} {value} here", f"use a {what} of this account and region")

    if named:
        yield Check(f"whether each {what} exists", find)


def vpc_of(each: PlannedResource, field: str, found: Found) -> Iterator[Finding | str]:
    """The VPC of the subnets in ``field``; a finding instead if they are in several."""
    in_vpc = {value: str(found[value]["VpcId"]) for value in each.all_values(field) if value in found}
    if len(set(in_vpc.values())) > 1:
        listed = ", ".join(f"{subnet} in {vpc}" for subnet, vpc in sorted(in_vpc.items()))
        yield each.refuse(field, f"the subnets are in several VPCs: {listed}", "use subnets of one VPC")
    else:
        yield from set(in_vpc.values())


def outside(each: PlannedResource, field: str, groups: Found, vpc: str) -> Iterator[Finding]:
    """A finding for each security group in ``field`` that is in another VPC than ``vpc``."""
    for group in each.all_values(field):
        other = groups.get(group, {}).get("VpcId", vpc)
        if other != vpc:
            message = f"security group {group} is in {other}, and the subnets are in {vpc}"
            yield each.refuse(field, message, f"use a security group of {vpc}")
