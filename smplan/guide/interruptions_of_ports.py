"""Predictions of what clients notice when a way through security groups closes.

The ways are those of viewers to a load balancer, of a load balancer to the instances, and of these to their database.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, collapse_addresses

from smplan.core.risk import Effect, Interruption, PlannedEffect, Sessions, items, number
from smplan.core.values import Json
from smplan.guide.serving_path import (
    BALANCER,
    CONFIGURATION,
    FOR_GOOD,
    GROUP,
    LISTENER,
    RULE,
    SECURITY_GROUP,
    TARGETS,
    TEMPLATE,
    ServingPath,
)

ANYWHERE = IPv4Network("0.0.0.0/0")
DATABASE_PORT = 3306
_NO_REPLACEMENT = frozenset({"HealthCheck", "ReplaceUnhealthy", "Terminate"})


@dataclass(frozen=True, slots=True)
class _Rule:
    """Incoming traffic that a rule admits."""

    address: str
    group: Json
    first: int
    last: int
    network: IPv4Network | None
    peer: Json
    """What else it admits: a security group, a prefix list, an IPv6 block."""

    def admits(self, callers: Sequence[Json]) -> bool:
        """Whether it admits members of ``callers``, whose addresses in the VPC are not known while planning."""
        return self.peer in callers or (self.network is not None and (self.network == ANYWHERE or _private(self)))


def _private(rule: _Rule) -> bool:
    return rule.network is not None and rule.network.is_private


class _Ways:
    """The rules of security groups before the plan, and after it."""

    def __init__(self, path: ServingPath) -> None:
        groups = path.staying(SECURITY_GROUP)
        self._ids: dict[str, Json] = {f"{each.address}.id": each.effect.before.get("id") for each in groups}
        self._own = {*map(repr, self._ids.values())}
        last = (each for each in path.of(RULE) if each.effect.op != "replace")
        self.before = [self._rule(each.address, each.effect.before) for each in last if _is_ingress(each.effect.before)]
        planned = (each for each in path.planned if each.kind == RULE and _is_ingress(each.effect.after))
        self.after = [self._rule(each.address, each.effect.after) for each in planned]

    def _rule(self, address: str, spec: object) -> _Rule:
        members = spec if isinstance(spec, dict) else {}
        cidr = members.get("cidr_ipv4")
        network = IPv4Network(cidr, strict=False) if isinstance(cidr, str) else None
        others = (members.get(name) for name in ("source_group", "prefix_list_id", "cidr_ipv6"))
        peer = next((each for each in others if each is not None), None)
        return _Rule(address, self.plain(members.get("group")), *_ports(members), network, self.plain(peer))

    def plain(self, group: Json) -> Json:
        """The id of a security group that exists already, where it is referred to."""
        return self._ids.get(str(group.get("$ref")), group) if isinstance(group, dict) else group

    def groups(self, spec: object, name: str) -> list[Json]:
        """The security groups in a field of an encoded spec."""
        return [self.plain(each) for each in items(spec.get(name) if isinstance(spec, dict) else None)]

    def is_own(self, groups: Sequence[Json]) -> bool:
        """Whether the blueprint makes all of them: who has opened others is not known."""
        return bool(groups) and all(isinstance(each, dict) or repr(each) in self._own for each in groups)

    def through(self, rules: Sequence[_Rule], groups: Sequence[Json], port: int) -> list[_Rule]:
        """The rules of these groups that admit somebody to a port."""
        return [each for each in rules if each.group in groups and each.first <= port <= each.last]


def _is_ingress(spec: object) -> bool:
    members = spec if isinstance(spec, dict) else {}
    tcp = str(members.get("protocol", "tcp")).lower() in ("tcp", "6", "-1", "all")
    return bool(members) and tcp and members.get("direction") != "egress"


def _ports(rule: object) -> tuple[int, int]:
    """The range of ports; all of them if it names none."""
    members = rule if isinstance(rule, dict) else {}
    first, last = (number(members.get(name, members.get("port"))) for name in ("from_port", "to_port"))
    return (0, 65535) if first is None or last is None or first < 0 else (first, last)


def of_ports(path: ServingPath) -> Iterator[Interruption]:
    """What closes: viewers before a listener, a load balancer before instances, instances before a database."""
    ways = _Ways(path)
    for balancer in path.staying(BALANCER):
        yield from _of_viewers(path, ways, balancer)
    for group in path.staying(GROUP):
        yield from _of_instances(path, ways, group)


def _of_viewers(path: ServingPath, ways: _Ways, balancer: PlannedEffect) -> Iterator[Interruption]:
    before = ways.groups(balancer.effect.before, "security_groups")
    after = ways.groups(balancer.effect.after, "security_groups") or before
    if not ways.is_own(after):
        return
    for port in _listened(path, balancer):
        left = ways.through(ways.after, after, port)
        for rule in ways.through(ways.before, before, port):
            if not _covered(rule, left):
                where = balancer.address if rule in ways.after else rule.address
                # a rule for everyone is not tracked (EC2 User Guide, "Security group connection tracking")
                sessions = Sessions.ALL if rule.network == ANYWHERE else Sessions.NONE
                yield Interruption(where, FOR_GOOD, sessions, f"clients are not admitted to port {port} any more")


def _listened(path: ServingPath, balancer: PlannedEffect) -> Iterator[int]:
    """The ports of a load balancer that are listened on before the plan and after it."""
    for listener in path.staying(LISTENER):
        here = listener.effect.before.get("load_balancer_arn") == balancer.effect.before.get("arn")
        port = number(listener.effect.before.get("port"))
        if here and port is not None and not listener.effect.alters("port"):
            yield port


def _covered(rule: _Rule, left: Sequence[_Rule]) -> bool:
    """Whether the rules that are left admit all that ``rule`` admitted."""
    if rule.network is None:
        return any(each.peer == rule.peer for each in left if each.peer is not None)
    networks = collapse_addresses(each.network for each in left if each.network is not None)
    return any(rule.network.subnet_of(each) for each in networks)


def _of_instances(path: ServingPath, ways: _Ways, group: PlannedEffect) -> Iterator[Interruption]:
    before, after = _instance_groups(path, ways, group)
    serving = path.serving(group)
    for balancer, port in _in_front(path, serving) if ways.is_own(after) else ():
        old = ways.groups(balancer.effect.before, "security_groups")
        new = ways.groups(balancer.effect.after, "security_groups") or old
        why = f"{balancer.address} does not reach port {port} of the instances any more"
        for rule in _closed(ways, (before, after), (old, new), port):
            yield Interruption(rule.address, FOR_GOOD, _ended(group.effect, rule), why)
    why = f"the instances do not reach port {DATABASE_PORT} of their database any more"
    for database in ([each.group] for each in ways.before if serving and each.peer in before):
        for rule in _closed(ways, (database, database), (before, after), DATABASE_PORT):
            yield Interruption(rule.address, FOR_GOOD, _ended(group.effect, None), why)


def _instance_groups(path: ServingPath, ways: _Ways, group: PlannedEffect) -> tuple[list[Json], list[Json]]:
    """The security groups of the instances that run, and of those that will."""
    before, after = group.effect.before, group.effect.after
    source = before.get("launch_template")
    template = source.get("id") if isinstance(source, dict) else None
    kinds = (
        (TEMPLATE, "id", template, "security_group_ids"),
        (CONFIGURATION, "name", before.get("launch_configuration"), "security_groups"),
    )
    for kind, key, value, name in kinds:
        for each in path.of(kind):
            if value is not None and each.effect.before.get(key) == value:
                own = ways.groups(each.effect.before, name)
                rolls = isinstance(after.get("roll_out"), dict)
                return own, (ways.groups(each.effect.after, name) if rolls else []) or own
    return [], []


def _in_front(path: ServingPath, serving: Sequence[Json]) -> Iterator[tuple[PlannedEffect, int]]:
    """The load balancers that stay and forward to one of these target groups, if that stays too, with its port."""
    for targets in path.staying(TARGETS):
        arn, port = targets.effect.before.get("arn"), number(targets.effect.before.get("port"))
        doors = path.doors(arn) if arn in serving else []
        used = {str(each.effect.before.get("load_balancer_arn")) for each in doors if not each.effect.deletes}
        for balancer in path.staying(BALANCER):
            if port is not None and balancer.effect.before.get("arn") in used:
                yield balancer, port


def _closed(
    ways: _Ways,
    groups: tuple[Sequence[Json], Sequence[Json]],
    callers: tuple[Sequence[Json], Sequence[Json]],
    port: int,
) -> list[_Rule]:
    """The rules that admit the callers to a port before the plan, if none does after it."""
    admitting = [each for each in ways.through(ways.before, groups[0], port) if each.admits(callers[0])]
    left = any(each.admits(callers[1]) for each in ways.through(ways.after, groups[1], port))
    return [] if left else admitting


def _ended(effect: Effect, rule: _Rule | None) -> Sessions:
    """Sessions on instances that are unhealthy from then on: all, if the group replaces these."""
    suspended = {str(each) for each in items(effect.after.get("suspended_processes"))}
    policy = effect.after.get("instance_maintenance_policy")
    stay = isinstance(policy, dict) and (number(policy.get("min_healthy_percentage")) or 0) > 0
    counts = "ELB" in str(effect.after.get("health_check_type")).split(",")
    if counts and not stay and not suspended & _NO_REPLACEMENT:
        return Sessions.ALL
    return Sessions.ALL if rule is not None and rule.network == ANYWHERE else Sessions.NONE
