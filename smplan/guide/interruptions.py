"""Predictions of what clients notice of a plan: seconds without an answer at the front door, and sessions that end.

The front door is a name, a load balancer's listener, a healthy target. A rule gets what the plan does to every
resource, and yields one interruption per resource that causes one. What the plan only creates interrupts nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from ipaddress import IPv4Network

from smplan.core.risk import Effect, Interruption, PlannedEffect, Sessions, items, number
from smplan.core.values import Json

LISTENER, BALANCER, TARGETS = "aws.elbv2.listener", "aws.elbv2.load_balancer", "aws.elbv2.target_group"
GROUP, RECORD, RULE = "aws.autoscaling.group", "aws.route53.record", "aws.ec2.security_group_rule"
SECURITY_GROUP = "aws.ec2.security_group"

BETWEEN_SECONDS = 2.0
"""Between a delete and the create that waited for it: two requests."""
NEGATIVE_SECONDS = 900.0
"""How long resolvers cache that a name does not exist: the TTL of the zone's SOA record (Route 53, Developer Guide)."""
IDLE_SECONDS = 60
"""The idle time-out of a load balancer by default (API reference, LoadBalancerAttribute)."""
CHECK_SECONDS = 30
"""Between two health checks of a target by default (API reference, CreateTargetGroup)."""
ANYWHERE = "0.0.0.0/0"
FOR_GOOD = None


class _Path:
    """What exists before the plan, and what becomes of it."""

    def __init__(self, effects: Sequence[PlannedEffect]) -> None:
        self.effects = [each for each in effects if each.effect.before]
        self.planned = [each for each in effects if not each.effect.deletes]

    def of(self, kind: str) -> Iterator[PlannedEffect]:
        """Those of one kind that exist: a replaced one once for its end, and once for its successor."""
        return (each for each in self.effects if each.kind == kind)

    def ends(self, kind: str, name: str, value: Json) -> bool:
        """Whether the plan deletes the one of that kind whose attribute ``name`` has this value."""
        return any(each.effect.deletes and each.effect.before.get(name) == value for each in self.of(kind))

    def doors(self, targets: Json) -> list[PlannedEffect]:
        """The listeners that forward to a target group."""
        lasting = (each for each in self.of(LISTENER) if each.effect.op != "replace")
        return [each for each in lasting if str(targets) in str(each.effect.before.get("target_group_arn"))]

    def unused_seconds(self, listener: PlannedEffect) -> float:
        """For how long targets are checked again once nothing but this listener, which was deleted, uses them."""
        targets = listener.effect.before.get("target_group_arn")
        if any(each.address != listener.address for each in self.doors(targets)):
            return 0
        own = (each.effect.before for each in self.of(TARGETS) if each.effect.before.get("arn") == targets)
        return next((number(each.get("health_check_interval")) for each in own), None) or CHECK_SECONDS

    def fills(self, targets: Json, but: str) -> bool:
        """Whether a group other than that of address ``but`` will register its instances with a target group."""
        for each in self.planned:
            if each.kind == GROUP and each.address != but:
                kept = [*items(each.effect.after.get("target_group_arns"))]
                if targets in kept or any(self._made_by(targets, item) for item in kept):
                    return True
        return False

    def _made_by(self, targets: Json, item: Json) -> bool:
        """Whether a reference of the blueprint means this target group."""
        address = str(item.get("$ref", "")).rpartition(".")[0] if isinstance(item, dict) else ""
        return any(each.address == address and each.effect.before.get("arn") == targets for each in self.of(TARGETS))


def _of_listeners(path: _Path) -> Iterator[Interruption]:
    for each in path.of(LISTENER):
        effect, port = each.effect, each.effect.was("port")
        if path.ends(BALANCER, "arn", effect.before.get("load_balancer_arn")):
            continue
        found = partial(Interruption, each.address)
        if effect.deletes and effect.before.get("port") != effect.after.get("port"):
            yield found(FOR_GOOD, Sessions.ALL, f"port {port} has no listener any more")
        elif effect.deletes and each.deleted_first:
            seconds = BETWEEN_SECONDS + path.unused_seconds(each)
            yield found(seconds, Sessions.ALL, f"port {port} has no listener until the new one is there")
        elif effect.alters("port"):
            yield found(FOR_GOOD, Sessions.NONE, f"clients of port {port} are refused from then on")
        elif effect.alters("protocol"):
            yield found(FOR_GOOD, Sessions.NONE, f"clients that speak {effect.was('protocol')} fail from then on")


def _of_balancers(path: _Path) -> Iterator[Interruption]:
    for each in path.of(BALANCER):
        effect, found = each.effect, partial(Interruption, each.address)
        if effect.deletes:
            name = effect.before.get("dns_name")
            moved = effect.after and any(_leaves(record.effect, name) for record in path.of(RECORD))
            where = "once their name leads to the new one" if moved else "and its DNS name is not given again"
            yield found(
                0 if moved else FOR_GOOD, Sessions.ALL, f"connections through it end when it is deleted, {where}"
            )
            continue
        if lost := effect.lost("subnets"):
            yield found(0, Sessions.SOME, f"connections through its addresses in {', '.join(lost)} end")
        after = number(effect.after.get("idle_timeout")) or IDLE_SECONDS
        if effect.alters("idle_timeout") and after < (number(effect.before.get("idle_timeout")) or IDLE_SECONDS):
            yield found(0, Sessions.SOME, f"connections end that are idle for {after} s")


def _leaves(record: Effect, name: Json) -> bool:
    """Whether a record leads to ``name`` now, and elsewhere afterwards."""
    return str(name) in str(record.before) and str(name) not in str(record.after) and not record.removes


def _of_targets(path: _Path) -> Iterator[Interruption]:
    for each in path.of(TARGETS):
        doors = path.doors(each.effect.before.get("arn"))
        if each.effect.deletes and any(not door.effect.deletes for door in doors):
            yield Interruption(
                each.address, 0, Sessions.ALL, "sessions that were forwarded by it end when it is deleted"
            )


def _of_groups(path: _Path) -> Iterator[Interruption]:
    for each in path.of(GROUP):
        serving = [arn for arn in items(each.effect.before.get("target_group_arns")) if path.doors(arn)]
        if serving and number(each.effect.before.get("desired_capacity")) != 0:
            yield from _of_group(path, each, serving)


def _of_group(path: _Path, group: PlannedEffect, serving: Sequence[Json]) -> Iterator[Interruption]:
    effect, found = group.effect, partial(Interruption, group.address)
    followed = any(path.fills(arn, group.address) for arn in serving)
    if effect.deletes:
        when = " once the new group serves" if effect.after else ""
        seconds = 0 if effect.after or followed else FOR_GOOD
        yield found(seconds, Sessions.ALL, f"its instances are terminated{when}")
    if (lowered := effect.lowered("desired_capacity")) and effect.op == "scale":
        yield _of_size(found, *lowered)
    running, most = number(effect.before.get("desired_capacity")), number(effect.after.get("max_size"))
    if effect.alters("max_size") and running is not None and most is not None and most < running:
        yield _of_size(found, running, most)
    protected = effect.before.get("new_instances_protected_from_scale_in") is True
    if (lost := effect.lost("subnet_ids")) and not protected:
        yield found(0, Sessions.SOME, f"its instances in {', '.join(lost)} are replaced elsewhere")
    if effect.alters("launch_template") and _rolls(effect, protected=protected):
        yield found(0, Sessions.ALL, "each instance is terminated once its successor serves")
    yield from _of_detached(path, group, serving)


def _rolls(effect: Effect, *, protected: bool) -> bool:
    """Whether a roll-out replaces the instances."""
    roll_out = effect.after.get("roll_out")
    return isinstance(roll_out, dict) and not (protected and roll_out.get("scale_in_protected_instances") == "Ignore")


def _of_size(found: Callable[..., Interruption], before: int, after: int) -> Interruption:
    if after == 0:
        return found(FOR_GOOD, Sessions.ALL, "its last instances are terminated")
    return found(0, Sessions.SOME, f"{before - after} of {before} instances are terminated")


def _of_detached(path: _Path, group: PlannedEffect, serving: Sequence[Json]) -> Iterator[Interruption]:
    lost = [arn for arn in serving if arn in group.effect.lost("target_group_arns")]
    for arn in lost:
        if path.ends(TARGETS, "arn", arn):  # said there
            continue
        stays = [
            each for each in path.doors(arn) if not each.effect.deletes and not each.effect.alters("target_group_arn")
        ]
        seconds = FOR_GOOD if stays and not path.fills(arn, group.address) else 0
        yield Interruption(group.address, seconds, Sessions.ALL, f"its instances are deregistered from {arn}")


def _of_records(path: _Path) -> Iterator[Interruption]:
    for each in path.of(RECORD):
        effect, name = each.effect, each.effect.was("name")
        found = partial(Interruption, each.address)
        if effect.deletes and effect.before.get("name") != effect.after.get("name"):
            yield found(FOR_GOOD, Sessions.NONE, f"{name} does not resolve any more")
        elif effect.deletes and each.deleted_first:
            why = f"{name} does not resolve until the new record is there, which resolvers may remember"
            yield found(NEGATIVE_SECONDS, Sessions.NONE, why)


def _of_rules(path: _Path) -> Iterator[Interruption]:
    """Of security groups that the blueprint makes: who else may have opened others is not known."""
    owned = {each.effect.before.get("id"): each.address for each in path.of(SECURITY_GROUP)}
    for each in path.of(RULE):
        rule = each.effect.before
        group = rule.get("group")
        if not each.effect.deletes or group not in owned or rule.get("direction") == "egress":
            continue
        same = (group, {"$ref": f"{owned[group]}.id"})
        left = [
            other.effect.after
            for other in path.planned
            if other.kind == RULE and other.effect.after.get("group") in same
        ]
        if any(_covers(other, rule) for other in left):
            continue
        for balancer in path.of(BALANCER):
            if group in items(balancer.effect.before.get("security_groups")):
                yield from _of_closed(path, each, balancer)


def _of_closed(path: _Path, rule: PlannedEffect, balancer: PlannedEffect) -> Iterator[Interruption]:
    first, last = _ports(rule.effect.before)
    for listener in path.of(LISTENER):
        port = number(listener.effect.before.get("port"))
        here = listener.effect.before.get("load_balancer_arn") == balancer.effect.before.get("arn")
        if here and port is not None and first <= port <= last:
            # a rule for everyone is not tracked (EC2 User Guide, "Security group connection tracking")
            sessions = Sessions.ALL if rule.effect.before.get("cidr_ipv4") == ANYWHERE else Sessions.NONE
            yield Interruption(rule.address, FOR_GOOD, sessions, f"clients are not admitted to port {port} any more")


def _covers(rule: object, closed: object) -> bool:
    """Whether a rule admits all that another one admitted, as far as addresses and ports say."""
    if not isinstance(rule, dict) or not isinstance(closed, dict):
        return False
    (first, last), (low, high) = _ports(rule), _ports(closed)
    if not first <= low <= high <= last or rule.get("direction") == "egress":
        return False
    wide, narrow = rule.get("cidr_ipv4"), closed.get("cidr_ipv4")
    if not isinstance(wide, str) or not isinstance(narrow, str):
        return bool(rule.get("source_group")) and rule.get("source_group") == closed.get("source_group")
    return IPv4Network(narrow, strict=False).subnet_of(IPv4Network(wide, strict=False))


def _ports(rule: object) -> tuple[int, int]:
    """The range of ports; all of them if it names none."""
    members = rule if isinstance(rule, dict) else {}
    first, last = (number(members.get(name, members.get("port"))) for name in ("from_port", "to_port"))
    return (0, 65535) if first is None or last is None or first < 0 else (first, last)


RULES: tuple[Callable[[_Path], Iterator[Interruption]], ...] = (
    _of_balancers,
    _of_listeners,
    _of_targets,
    _of_groups,
    _of_records,
    _of_rules,
)


def predict(effects: Sequence[PlannedEffect]) -> tuple[Interruption, ...]:
    """What clients of the fleet will notice of these effects; empty if nothing."""
    path = _Path(effects)
    return tuple(dict.fromkeys(each for rule in RULES for each in rule(path)))
