"""Ordering rules of the Red5 Pro guide and of AWS beyond references, each with its reason and source.

A rule gets all resources and yields pairs of addresses (before, after). A new rule is one more entry of ``RULES``.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

from smplan.core.blueprint import Resource
from smplan.core.graph import Edge
from smplan.core.values import PartialValue, encode, refs
from smplan.guide.index import BlueprintIndex

GUIDE = "Red5 Pro guide: Autoscaling Stream Manager on AWS"

Pair: TypeAlias = tuple[str, str]


@dataclass(frozen=True, slots=True)
class OrderingRule:
    """One ordering rule."""

    reason: str
    source: str
    pairs: Callable[[BlueprintIndex], Iterable[Pair]]
    turned: str = ""
    """Why the order is the other way round where the first one exists and is updated in place; empty if it is not."""
    droppable: bool = False
    """It gives way where the blueprint has the opposite order."""


def _key(value: PartialValue) -> str:
    """A text that is equal for equal values, references included."""
    return repr(encode(value))


def _keys(values: Any) -> set[str]:
    return {_key(value) for value in values} if isinstance(values, list) else set()


def _launch_groups(index: BlueprintIndex, group: Resource) -> set[str]:
    """The security groups that instances of a scaling group are launched into, as far as the blueprint says."""
    template = group.spec.get("launch_template")
    reference = template.get("id") if isinstance(template, dict) else group.spec.get("launch_configuration")
    launched = index.target_of(reference)
    if launched is None:
        return set()
    return _keys(launched.spec.get("security_group_ids")) | _keys(launched.spec.get("security_groups"))


def _rules_by_group(index: BlueprintIndex) -> dict[str, list[str]]:
    """By security group, the rules that it has, and those that admit its members."""
    rules: dict[str, list[str]] = defaultdict(list)
    for rule in index.of("aws.ec2.security_group_rule"):
        for name in ("source_group", "group"):
            if name in rule.spec:
                rules[_key(rule.spec[name])].append(rule.address)
    return rules


def _ports_before_instances(index: BlueprintIndex) -> Iterator[Pair]:
    rules = _rules_by_group(index)
    for group in index.of("aws.autoscaling.group"):
        for used in sorted(_launch_groups(index, group)):
            yield from ((rule, group.address) for rule in rules[used])


def _ports_before_load_balancers(index: BlueprintIndex) -> Iterator[Pair]:
    rules = _rules_by_group(index)
    for balancer in index.of("aws.elbv2.load_balancer"):
        for used in sorted(_keys(balancer.spec.get("security_groups"))):
            yield from ((rule, balancer.address) for rule in rules[used])


def _listeners_before(kind: str, index: BlueprintIndex) -> Iterator[Pair]:
    listeners: dict[str, list[str]] = defaultdict(list)
    for listener in index.of("aws.elbv2.listener"):
        listeners[_key(listener.spec.get("target_group_arn"))].append(listener.address)
    for user in index.of(kind):
        for used in sorted(_targets(user)):
            yield from ((listener, user.address) for listener in listeners[used])


def _targets(resource: Resource) -> set[str]:
    """The target groups that a scaling group fills or a gate watches."""
    if "target_group_arn" in resource.spec:
        return {_key(resource.spec["target_group_arn"])}
    return _keys(resource.spec.get("target_group_arns"))


def _group_before_gate(index: BlueprintIndex) -> Iterator[Pair]:
    groups: dict[str, list[str]] = defaultdict(list)
    for group in index.of("aws.autoscaling.group"):
        for used in _targets(group):
            groups[used].append(group.address)
    for gate in index.of("gate.targets_healthy"):
        for used in _targets(gate):
            yield from ((group, gate.address) for group in groups[used])


def _front_door_before_its_name(index: BlueprintIndex) -> Iterator[Pair]:
    """The listeners of a load balancer, and the gates of their targets, before the records that point to it."""
    listeners: dict[str, list[Resource]] = defaultdict(list)
    for listener in index.of("aws.elbv2.listener"):
        balancer = index.target_of(listener.spec.get("load_balancer_arn"))
        if balancer:
            listeners[balancer.address].append(listener)
    gates: dict[str, list[str]] = defaultdict(list)
    for gate in index.of("gate.targets_healthy"):
        for used in _targets(gate):
            gates[used].append(gate.address)
    for record in index.of("aws.route53.record"):
        for address in {ref.address for _, ref in refs(record.spec)}:
            for listener in listeners[address]:
                yield listener.address, record.address
                target_group = _key(listener.spec.get("target_group_arn"))
                yield from ((gate, record.address) for gate in gates[target_group])


def _gates_before_stream_manager(index: BlueprintIndex) -> Iterator[Pair]:
    return _same_instance(index.of("gate."), index.of("red5."))


def _responds_last(index: BlueprintIndex) -> Iterator[Pair]:
    """Other gates, and what leads to the Stream Managers, before the gate that calls their API."""
    gates = index.of("gate.stream_manager")
    others = [gate for gate in index.of("gate.") if gate.kind != "gate.stream_manager"]
    leads = index.of("aws.elbv2.listener", "aws.autoscaling.group", "aws.route53.record")
    return _same_instance([*others, *leads], gates)


def _node_group_last(index: BlueprintIndex) -> Iterator[Pair]:
    before = index.of(
        "aws.autoscaling.scaling_policy", "aws.cloudwatch.alarm", "aws.autoscaling.notification", "aws.route53.record"
    )
    return _same_instance(before, index.of("red5.nodegroup"))


def _subscribers_before_notifications(index: BlueprintIndex) -> Iterator[Pair]:
    subscriptions: dict[str, list[str]] = defaultdict(list)
    for subscription in index.of("aws.sns.subscription"):
        subscriptions[_key(subscription.spec.get("topic_arn"))].append(subscription.address)
    for notification in index.of("aws.autoscaling.notification"):
        used = _key(notification.spec.get("topic_arn"))
        yield from ((subscription, notification.address) for subscription in subscriptions[used])


def _same_instance(before: Sequence[Resource], after: Sequence[Resource]) -> Iterator[Pair]:
    """The pairs of one ``for_each`` instance, and those where one side belongs to no instance."""
    for first in before:
        for second in after:
            if first.key is None or second.key is None or first.key == second.key:
                yield first.address, second.address


_UNUSED = "targets stay unused, and never become healthy, until a listener forwards to their target group"
_UNUSED_SOURCE = f"{GUIDE}, 3 before 4; Elastic Load Balancing API, TargetHealth: Target.NotInUse"
RULES: tuple[OrderingRule, ...] = (
    OrderingRule(
        "instances need their ports open before they start, the database's 3306 above all",
        f"{GUIDE}, DB ACCESS",
        _ports_before_instances,
    ),
    OrderingRule(
        "a load balancer that has a security group lets viewers in, and reaches its targets, by the rules of the group",
        "Elastic Load Balancing, Application Load Balancers: Security groups",
        _ports_before_load_balancers,
    ),
    OrderingRule(
        _UNUSED,
        _UNUSED_SOURCE,
        partial(_listeners_before, "aws.autoscaling.group"),
        turned="a listener that serves forwards to another target group once that has healthy targets",
    ),
    OrderingRule(_UNUSED, _UNUSED_SOURCE, partial(_listeners_before, "gate.targets_healthy")),
    OrderingRule("the scaling group registers the targets", f"{GUIDE}, 4", _group_before_gate),
    OrderingRule(
        "the name points to a load balancer once that listens and its targets are healthy",
        "Elastic Load Balancing: a load balancer without a listener refuses connections, and one without healthy"
        " targets responds with 503",
        _front_door_before_its_name,
        droppable=True,
    ),
    OrderingRule(
        "Stream Manager answers only once instances are in service and healthy",
        f"{GUIDE}, 5",
        _gates_before_stream_manager,
    ),
    OrderingRule(
        "the API is called once the load balancer listens and has healthy targets: a page on `/` proves neither the web"
        " app nor its cloud controller",
        f"{GUIDE}, 5; Red5 Pro, API basics: the active cloud controller",
        _responds_last,
        droppable=True,
    ),
    OrderingRule("the node group comes last, when the fleet is complete", f"{GUIDE}, 5", _node_group_last),
    OrderingRule(
        "a later subscriber would miss the first notifications",
        f"{GUIDE}, Configure Notifications",
        _subscribers_before_notifications,
    ),
)


def edges(resources: Sequence[Resource]) -> list[Edge]:
    """The edges between these resources that the rules demand."""
    index = BlueprintIndex(resources)
    return [
        Edge(before, after, rule.reason, rule.source, droppable=rule.droppable, turned=rule.turned)
        for rule in RULES
        for before, after in rule.pairs(index)
        if before != after
    ]
