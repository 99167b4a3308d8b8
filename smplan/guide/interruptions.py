"""Predictions of what clients notice of a plan: seconds without an answer at the front door, and sessions that end.

The front door is a name, a load balancer's listener, a healthy target. A rule gets what the plan does to every
resource, and yields one interruption per resource that causes one. What the plan only creates interrupts nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial

from smplan.core.risk import Effect, Interruption, PlannedEffect, Sessions, items, number
from smplan.core.values import Json
from smplan.guide.interruptions_of_ports import of_ports
from smplan.guide.serving_path import BALANCER, FOR_GOOD, GROUP, LISTENER, RECORD, TARGETS, ServingPath

BETWEEN_SECONDS = 2.0
"""Between a delete and the create that waited for it: two requests."""
NEGATIVE_SECONDS = 900.0
"""How long resolvers cache that a name does not exist: the TTL of the zone's SOA record (Route 53, Developer Guide)."""
START_SECONDS = 180
"""What an instance takes to serve (Red5 Pro guide, 4 and Tips: "approximate warmup time")."""
_ALL = 100
IDLE_SECONDS = 60
"""The idle time-out of a load balancer by default (API reference, LoadBalancerAttribute)."""


def _of_listeners(path: ServingPath) -> Iterator[Interruption]:
    for each in path.of(LISTENER):
        effect, port = each.effect, each.effect.was("port")
        if path.ends(BALANCER, "arn", effect.before.get("load_balancer_arn")):
            continue
        found = partial(Interruption, each.address)
        if effect.deletes and effect.before.get("port") != effect.after.get("port"):
            yield found(FOR_GOOD, Sessions.ALL, f"port {port} has no listener any more")
        elif effect.deletes and (left := _left_by(path, effect)):
            yield found(*left)
        elif effect.deletes and each.deleted_first:
            seconds = BETWEEN_SECONDS + path.unused_seconds(each)
            yield found(seconds, Sessions.ALL, f"port {port} has no listener until the new one is there")
        elif effect.alters("port"):
            yield found(FOR_GOOD, Sessions.NONE, f"clients of port {port} are refused from then on")
        elif effect.alters("protocol"):
            yield found(FOR_GOOD, Sessions.NONE, f"clients that speak {effect.was('protocol')} fail from then on")


def _left_by(path: ServingPath, listener: Effect) -> tuple[float | None, Sessions, str] | None:
    """What clients notice of a listener that goes to another load balancer; None if it stays."""
    arn = listener.before.get("load_balancer_arn")
    if not listener.after or listener.after.get("load_balancer_arn") == arn:
        return None
    port, names = listener.was("port"), [each for each in path.of(BALANCER) if each.effect.before.get("arn") == arn]
    if any(_leaves(each.effect, one.effect.before.get("dns_name")) for each in path.of(RECORD) for one in names):
        return (
            0,
            Sessions.ALL,
            f"connections through port {port} end when it is deleted, once their name leads elsewhere",
        )
    return FOR_GOOD, Sessions.ALL, f"port {port} has no listener any more, which is on another load balancer"


def _of_balancers(path: ServingPath) -> Iterator[Interruption]:
    for each in path.of(BALANCER):
        effect, found = each.effect, partial(Interruption, each.address)
        if effect.deletes:
            yield found(*_of_end(path, effect))
            continue
        if lost := effect.lost("subnets"):
            yield found(0, Sessions.SOME, f"connections through its addresses in {', '.join(lost)} end")
        after = number(effect.after.get("idle_timeout")) or IDLE_SECONDS
        if effect.alters("idle_timeout") and after < (number(effect.before.get("idle_timeout")) or IDLE_SECONDS):
            yield found(0, Sessions.SOME, f"connections end that are idle for {after} s")


def _of_end(path: ServingPath, effect: Effect) -> tuple[float | None, Sessions, str]:
    """What clients notice when a load balancer is deleted."""
    ends = "connections through it end when it is deleted"
    name = effect.before.get("dns_name")
    if not any(_leaves(record.effect, name) for record in path.of(RECORD)):
        return FOR_GOOD, Sessions.ALL, f"{ends}, and its DNS name is not given again"
    if effect.after.get("scheme") == "internal" != effect.before.get("scheme"):
        return (
            FOR_GOOD,
            Sessions.ALL,
            f"{ends}, and clients on the internet do not reach the new one, which is internal",
        )
    return 0, Sessions.ALL, f"{ends}, once their name leads {'to the new one' if effect.after else 'elsewhere'}"


def _leaves(record: Effect, name: Json) -> bool:
    """Whether a record leads to ``name`` now, and elsewhere afterwards."""
    return str(name) in str(record.before) and str(name) not in str(record.after) and not record.removes


def _of_targets(path: ServingPath) -> Iterator[Interruption]:
    for each in path.of(TARGETS):
        doors = path.doors(each.effect.before.get("arn"))
        if each.effect.deletes and any(not door.effect.deletes for door in doors):
            yield Interruption(
                each.address, 0, Sessions.ALL, "sessions that were forwarded by it end when it is deleted"
            )


def _of_groups(path: ServingPath) -> Iterator[Interruption]:
    for each in path.of(GROUP):
        serving = path.serving(each)
        for found in _of_group(path, each, serving) if serving else ():
            shared = found.sessions is Sessions.ALL and path.shares(each, serving)
            yield replace(found, sessions=Sessions.SOME) if shared else found


def _of_group(path: ServingPath, group: PlannedEffect, serving: Sequence[Json]) -> Iterator[Interruption]:
    effect, found = group.effect, partial(Interruption, group.address)
    followed = any(path.fills(arn, group.address) for arn in serving)
    if effect.deletes:
        when = " once the new group serves" if effect.after else ""
        seconds = 0 if effect.after or followed else FOR_GOOD
        yield found(seconds, Sessions.ALL, f"its instances are terminated{when}")
    if (lowered := effect.lowered("desired_capacity")) and effect.op == "scale":
        yield _of_size(found, *lowered, followed=followed)
    running, most = number(effect.before.get("desired_capacity")), number(effect.after.get("max_size"))
    protected = effect.before.get("new_instances_protected_from_scale_in") is True
    if effect.alters("max_size") and running is not None and most is not None and most < running and not protected:
        yield _of_size(found, running, most, followed=followed)
    if (lost := effect.lost("subnet_ids")) and not protected:
        yield found(*_of_zones(effect, lost, followed=followed))
    if effect.alters("launch_template", "launch_configuration") and _rolls(effect, protected=protected):
        seconds = START_SECONDS if _empties(effect, running) and not followed else 0
        when = "before its successor serves" if seconds else "once its successor serves"
        yield found(seconds, Sessions.ALL, f"each instance is terminated {when}")
    yield from _of_detached(path, group, serving)


def _of_zones(effect: Effect, lost: Sequence[str], *, followed: bool) -> tuple[float, Sessions, str]:
    """What clients notice of zones that a group leaves: AWS ends an instance once its replacement has started."""
    running, policy = number(effect.before.get("desired_capacity")), effect.after.get("instance_maintenance_policy")
    waits = isinstance(policy, dict) and (number(policy.get("min_healthy_percentage")) or 0) == _ALL
    every = running == 1 or len(lost) == len(items(effect.before.get("subnet_ids")))
    seconds = START_SECONDS if running == 1 and not waits and not followed else 0
    sessions = Sessions.ALL if every else Sessions.SOME
    return seconds, sessions, f"its instances in {', '.join(lost)} are replaced elsewhere"


def _empties(effect: Effect, running: int | None) -> bool:
    """Whether AWS may end all instances of a group at the same time in a roll-out."""
    roll_out, own = effect.after.get("roll_out"), effect.after.get("launch_configuration")
    low = number(roll_out.get("min_healthy_percentage")) if isinstance(roll_out, dict) and own is None else None
    return low is not None and running is not None and running * low == 0


def _rolls(effect: Effect, *, protected: bool) -> bool:
    """Whether a roll-out replaces the instances."""
    roll_out = effect.after.get("roll_out")
    return isinstance(roll_out, dict) and not (protected and roll_out.get("scale_in_protected_instances") == "Ignore")


def _of_size(found: Callable[..., Interruption], before: int, after: int, *, followed: bool) -> Interruption:
    if after == 0:
        return found(0 if followed else FOR_GOOD, Sessions.ALL, "its last instances are terminated")
    return found(0, Sessions.SOME, f"{before - after} of {before} instances are terminated")


def _of_detached(path: ServingPath, group: PlannedEffect, serving: Sequence[Json]) -> Iterator[Interruption]:
    lost = [arn for arn in serving if arn in group.effect.lost("target_group_arns")]
    for arn in lost:
        if path.ends(TARGETS, "arn", arn):  # said there
            continue
        stays = [
            each for each in path.doors(arn) if not each.effect.deletes and not each.effect.alters("target_group_arn")
        ]
        seconds = FOR_GOOD if stays and not path.fills(arn, group.address) else 0
        yield Interruption(group.address, seconds, Sessions.ALL, f"its instances are deregistered from {arn}")


def _of_records(path: ServingPath) -> Iterator[Interruption]:
    for each in path.of(RECORD):
        effect, name = each.effect, each.effect.was("name")
        found = partial(Interruption, each.address)
        if effect.deletes and effect.before.get("name") != effect.after.get("name"):
            yield found(FOR_GOOD, Sessions.NONE, f"{name} does not resolve any more")
        elif effect.deletes and each.deleted_first:
            why = f"{name} does not resolve until the new record is there, which resolvers may remember"
            yield found(NEGATIVE_SECONDS, Sessions.NONE, why)


RULES: tuple[Callable[[ServingPath], Iterator[Interruption]], ...] = (
    _of_balancers,
    _of_listeners,
    _of_targets,
    _of_groups,
    _of_records,
    of_ports,
)


def predict(effects: Sequence[PlannedEffect]) -> tuple[Interruption, ...]:
    """What clients of the fleet will notice of these effects; empty if nothing."""
    path = ServingPath(effects)
    return tuple(dict.fromkeys(each for rule in RULES for each in rule(path)))
