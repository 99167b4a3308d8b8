"""Checks of security groups and their rules: what they name exists, and the quotas of both."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any

from smplan.drivers.aws import _filters, _network, _quotas
from smplan.drivers.aws.requests import batched
from smplan.drivers.checks import Check, Finding, PlannedResource, PlannedResources
from smplan.drivers.context import AwsAccount

GROUP, RULE, IMAGE = "aws.ec2.security_group", "aws.ec2.security_group_rule", "aws.ec2.image"
GROUP_ACTIONS = ("ec2:DescribeVpcs", "ec2:DescribeSecurityGroups", _quotas.ACTION)
RULE_ACTIONS = (
    "ec2:DescribeSecurityGroups",
    "ec2:DescribeManagedPrefixLists",
    "ec2:DescribeSecurityGroupRules",
    _quotas.ACTION,
)
_GONE = {"shutting-down", "terminated"}


def of_images(aws: AwsAccount, planned: PlannedResources) -> Iterator[Check]:
    """The instances that images are made of."""
    new = [each for each in planned.changed(IMAGE) if each.values("instance_id")]
    if new:
        yield Check("the instances that images are made of", lambda: _check_instances(aws, new))


def _check_instances(aws: AwsAccount, new: list[PlannedResource]) -> Iterator[Finding]:
    states: dict[str, str] = {}
    for batch in batched({each.spec.instance_id for each in new}, _filters.FILTER_VALUES):
        for group in aws.read.ec2.describe_instances(Filters=_filters.by("instance-id", *batch))["Reservations"]:
            states |= {str(each["InstanceId"]): str(each["State"]["Name"]) for each in group["Instances"]}
    for each in new:
        id = each.spec.instance_id
        if states.get(id, "terminated") in _GONE:
            message = f"instance {id} is {states[id]}" if id in states else f"there is no instance {id} here"
            yield each.refuse(
                "instance_id", message, "use an instance of this account and region that is not terminated"
            )


def of_groups(aws: AwsAccount, planned: PlannedResources) -> Iterator[Check]:
    """The VPC, and the quota of security groups."""
    yield from _network.existence(planned, GROUP, ("vpc_id",), "VPC", lambda: _network.vpcs(aws, planned))
    added = [each for each in planned.changed(GROUP) if each.adds]
    if added:
        yield Check("the quota of security groups", lambda: _check_group_quota(aws, planned, added))


def _check_group_quota(aws: AwsAccount, planned: PlannedResources, added: list[PlannedResource]) -> Iterator[Finding]:
    limit = _quotas.value(aws, planned, "vpc", "L-E79EC296")
    pages = aws.read.ec2.get_paginator("describe_security_groups").paginate()
    used = sum(len(page["SecurityGroups"]) for page in pages)
    yield from _quotas.exceeded(added, used, limit, "name", "security groups per region", "vpc L-E79EC296")


def of_rules(aws: AwsAccount, planned: PlannedResources) -> Iterator[Check]:
    """The groups and prefix lists that rules name, and the quota of rules per group."""
    fields = ("group", "source_group")
    yield from _network.existence(
        planned, RULE, fields, "security group", lambda: _network.security_groups(aws, planned)
    )
    yield from _network.existence(
        planned, RULE, ("prefix_list_id",), "prefix list", lambda: _prefix_lists(aws, planned)
    )
    added = [each for each in planned.changed(RULE) if each.adds]
    if added:
        yield Check("the quota of rules per security group", lambda: _check_rule_quota(aws, planned, added))


def _prefix_lists(aws: AwsAccount, planned: PlannedResources) -> dict[str, Any]:
    pages = aws.read.ec2.get_paginator("describe_managed_prefix_lists")
    return {
        each["PrefixListId"]: each
        for batch in batched(planned.texts("pl-"), _filters.FILTER_VALUES)
        for page in pages.paginate(Filters=_filters.by("prefix-list-id", *batch))
        for each in page["PrefixLists"]
    }


def _check_rule_quota(aws: AwsAccount, planned: PlannedResources, added: list[PlannedResource]) -> Iterator[Finding]:
    """IPv4 and IPv6, in and out, count separately; a rule for a group or prefix list counts as both (VPC quotas)."""
    limit = _quotas.value(aws, planned, "vpc", "L-0EA8095F")
    used: Counter[tuple[str, bool, str]] = Counter()
    pages = aws.read.ec2.get_paginator("describe_security_group_rules")
    groups = {each.spec.group for each in added if isinstance(each.spec.group, str)}
    for batch in batched(groups, _filters.FILTER_VALUES):
        for page in pages.paginate(Filters=_filters.by("group-id", *batch)):
            for rule in page["SecurityGroupRules"]:
                for family in ("4", "6"):
                    if f"CidrIpv{10 - int(family)}" not in rule:
                        used[rule["GroupId"], rule["IsEgress"], family] += 1
    by_group: dict[tuple[str, bool, str], list[PlannedResource]] = defaultdict(list)
    for each in added:
        for family in ("4", "6"):
            if getattr(each.spec, f"cidr_ipv{10 - int(family)}") is None:
                by_group[str(each.spec.group), each.spec.direction == "egress", family].append(each)
    for key, rules in by_group.items():
        what = f"{'outgoing' if key[1] else 'incoming'} rules per security group"
        yield from _quotas.exceeded(rules, used[key], limit, "group", what, "vpc L-0EA8095F")
