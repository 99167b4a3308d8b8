"""Checks of ports: who may reach the load balancer, the instances behind it, and the database."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Any

from smplan.core.values import PartialValue, Placeholder
from smplan.drivers.aws import _filters, _launches, _network
from smplan.drivers.checks import Finding, PlannedResource, PlannedResources
from smplan.drivers.context import AwsAccount
from smplan.guide import rules

GROUP, RULE = "aws.ec2.security_group", "aws.ec2.security_group_rule"
LISTENER, TARGET_GROUP, BALANCER = "aws.elbv2.listener", "aws.elbv2.target_group", "aws.elbv2.load_balancer"
DATABASE_PORT = 3306


@dataclass(frozen=True, slots=True)
class Admission:
    """Incoming traffic that a security group admits: ports, and from where (group, CIDR block or prefix list)."""

    first: int
    last: int
    peer: str

    def admits(self, port: int) -> bool:
        """Whether ``port`` is among its ports."""
        return self.first <= port <= self.last


def listener_findings(
    aws: AwsAccount, planned: PlannedResources, listeners: Collection[PlannedResource]
) -> Iterator[Finding]:
    """The listeners that no security group of their load balancer lets a viewer reach."""
    for listener in listeners:
        balancer = planned.follow(listener.spec.load_balancer_arn, BALANCER)
        groups = _keys(planned, balancer, "security_groups") if balancer else []
        port = listener.spec.port
        if balancer is None or not groups or not isinstance(port, int):
            continue
        open = [each for group in groups for each in _admissions(aws, planned, group) if each.admits(port)]
        public = balancer.spec.scheme == "internet-facing"
        if not any("/" in each.peer or each.peer.startswith("pl-") or not public for each in open):
            message = f"{', '.join(groups)} of {balancer.address} {_lets(groups)} no viewer reach port {port}"
            hint = f"add an {RULE}: ingress, tcp, port {port}, cidr_ipv4: 0.0.0.0/0"
            yield listener.refuse("port", message, hint, rules.OPEN_PORTS)


def instance_findings(
    aws: AwsAccount, planned: PlannedResources, scaling_groups: Collection[PlannedResource]
) -> Iterator[Finding]:
    """The scaling groups whose instances the load balancer cannot reach on the port of its target group."""
    for each in scaling_groups:
        groups = _instance_groups(planned, each)
        for target, balancer in _front_doors(planned, each) if groups else ():
            port, callers = target.spec.port, _keys(planned, balancer, "security_groups")
            if not callers or not isinstance(port, int):
                continue
            blocks = _blocks(aws, planned, balancer, "subnets")
            if not _reach(aws, planned, groups, port, callers, blocks):
                message = (
                    f"{', '.join(groups)} of the instances {_lets(groups)} not {balancer.address} reach port {port}"
                )
                hint = f"add an {RULE}: ingress, tcp, port {port}, source_group: {callers[0]}"
                yield each.refuse("target_group_arns", message, hint, rules.OPEN_PORTS)


def database_findings(
    aws: AwsAccount, planned: PlannedResources, scaling_groups: Collection[PlannedResource]
) -> Iterator[Finding]:
    """The scaling groups whose instances no security group of the VPC admits to the database's port."""
    subnets = _network.subnets(aws, planned)
    for each in scaling_groups:
        callers = _instance_groups(planned, each)
        vpcs = [vpc for vpc in _network.vpc_of(each, "subnet_ids", subnets) if isinstance(vpc, str)]
        if not callers or not vpcs or not list(_front_doors(planned, each)):
            continue
        blocks = _blocks(aws, planned, each, "subnet_ids")
        groups = _groups_of_vpc(aws, planned, vpcs[0])
        named = {_key(planned, one.spec.group) for one in planned.of(RULE)}
        if not _reach(aws, planned, sorted(groups | named), DATABASE_PORT, callers, blocks):
            message = f"no security group in {vpcs[0]} admits {', '.join(callers)} to port {DATABASE_PORT}"
            hint = (
                f"add an {RULE} to the database's group: ingress, tcp, port {DATABASE_PORT}, source_group: {callers[0]}"
            )
            yield each.refuse("subnet_ids", message, hint, rules.DATABASE_ACCESS)


def _lets(groups: list[str]) -> str:
    return "lets" if len(groups) == 1 else "let"


def _reach(
    aws: AwsAccount,
    planned: PlannedResources,
    groups: Collection[str],
    port: int,
    callers: Collection[str],
    blocks: Collection[str],
) -> bool:
    """Whether one of ``groups`` admits members of ``callers``, or all of ``blocks``, to ``port``."""
    peers = {each.peer for group in groups for each in _admissions(aws, planned, group) if each.admits(port)}
    networks = [ip_network(peer, strict=False) for peer in peers if "/" in peer]
    covered = [any(_within(block, network) for network in networks) for block in blocks]
    return not peers.isdisjoint(callers) or (bool(covered) and all(covered))


def _within(block: str, network: Any) -> bool:
    mine = ip_network(block)
    return mine.version == network.version and mine.subnet_of(network)


def _front_doors(
    planned: PlannedResources, scaling_group: PlannedResource
) -> Iterator[tuple[PlannedResource, PlannedResource]]:
    """The target groups that a scaling group fills, each with the load balancers that forward to it."""
    arns = scaling_group.spec.target_group_arns
    targets = [planned.follow(arn, TARGET_GROUP) for arn in arns] if isinstance(arns, list) else []
    found: dict[tuple[str, str], tuple[PlannedResource, PlannedResource]] = {}
    for listener in planned.of(LISTENER):
        target = planned.follow(listener.spec.target_group_arn, TARGET_GROUP)
        balancer = planned.follow(listener.spec.load_balancer_arn, BALANCER)
        if target is not None and balancer is not None and target in targets:
            found[target.address, balancer.address] = target, balancer
    yield from found.values()


def _instance_groups(planned: PlannedResources, scaling_group: PlannedResource) -> list[str]:
    """The security groups of the instances, if the blueprint has what they are launched from."""
    source = _launches.source_of(planned, scaling_group)
    field = "security_groups" if source and source.kind == _launches.KINDS[1] else "security_group_ids"
    return _keys(planned, source, field) if source else []


def _keys(planned: PlannedResources, each: PlannedResource, field: str) -> list[str]:
    value = getattr(each.spec, field)
    return sorted(_key(planned, one) for one in value) if isinstance(value, list) else []


def _key(planned: PlannedResources, group: PartialValue) -> str:
    """The id of a security group, or the address of the resource that will be one."""
    found = planned.follow(group, GROUP)
    if found and not found.id:
        return found.address
    return found.id if found else str(group)


def _admissions(aws: AwsAccount, planned: PlannedResources, group: str) -> Iterator[Admission]:
    """What a security group admits now, and by the rules of the blueprint."""
    for one in planned.of(RULE):
        spec = one.spec
        if (
            _key(planned, spec.group) == group
            and spec.direction == "ingress"
            and spec.protocol in ("tcp", "6", "-1", "all")
        ):
            first, last = _ports(spec)
            for peer in (spec.cidr_ipv4, spec.cidr_ipv6, spec.prefix_list_id, spec.source_group):
                if peer is not None:
                    yield Admission(first, last, _key(planned, peer))
    for permission in _described(aws, planned).get(group, {}).get("IpPermissions", ()):
        if permission["IpProtocol"] in ("tcp", "-1"):
            first, last = permission.get("FromPort", 0), permission.get("ToPort", 65535)
            for peer in _peers(permission):
                yield Admission(first, last, peer)


def _ports(spec: Any) -> tuple[int, int]:
    """The ports of a rule; none if they are not known yet, all if it has none."""
    if isinstance(spec.port, int):
        return spec.port, spec.port
    if any(isinstance(value, Placeholder) for value in (spec.port, spec.from_port, spec.to_port)):
        return 0, -1
    return spec.from_port or 0, 65535 if spec.to_port is None else spec.to_port


def _peers(permission: Any) -> Iterator[str]:
    for name, member in (
        ("IpRanges", "CidrIp"),
        ("Ipv6Ranges", "CidrIpv6"),
        ("PrefixListIds", "PrefixListId"),
        ("UserIdGroupPairs", "GroupId"),
    ):
        yield from (each[member] for each in permission.get(name, ()) if member in each)


def _described(aws: AwsAccount, planned: PlannedResources) -> _network.Found:
    """The security groups of the blueprint, and those of VPCs that were read."""
    return _network.security_groups(aws, planned) | planned.once("groups of VPCs", dict[str, Any])


def _groups_of_vpc(aws: AwsAccount, planned: PlannedResources, vpc: str) -> set[str]:
    pages = aws.read.ec2.get_paginator("describe_security_groups")

    def read() -> dict[str, Any]:
        found = pages.paginate(Filters=_filters.by("vpc-id", vpc))
        return {each["GroupId"]: each for page in found for each in page["SecurityGroups"]}

    groups = planned.once(f"groups of {vpc}", read)
    planned.once("groups of VPCs", dict[str, Any]).update(groups)
    return set(groups)


def _blocks(aws: AwsAccount, planned: PlannedResources, each: PlannedResource, field: str) -> list[str]:
    subnets = _network.subnets(aws, planned)
    return [subnets[id]["CidrBlock"] for id in each.all_values(field) if id in subnets]
