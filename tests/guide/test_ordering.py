"""The ordering rules, one by one."""

from __future__ import annotations

from typing import Any

from smplan.core.blueprint import Resource
from smplan.guide import ordering
from tests.support.blueprints import (
    resource,
)

TARGETS = ["${tg.arn}"]


def pairs(*resources: Resource) -> set[tuple[str, str]]:
    return {(edge.before, edge.after) for edge in ordering.edges(resources)}


def fleet(address: str = "fleet", **spec: object) -> Resource:
    return resource(address, "aws.autoscaling.group", {"name": "f", **spec})


def template(groups: list[str], kind: str = "aws.ec2.launch_template", field: str = "security_group_ids") -> Resource:
    return resource("template", kind, {"name": "t", field: groups})


def rule(**spec: object) -> Resource:
    return resource("rule", "aws.ec2.security_group_rule", {"port": 3306, **spec})


BY_TEMPLATE: dict[str, Any] = {"launch_template": {"id": "${template.id}", "version": 1}}


def test_ports_are_opened_before_the_instances_that_need_them() -> None:
    launched = template(["${sm.id}", "sg-2"])
    database = rule(group="${db.id}", source_group="${sm.id}")
    assert pairs(database, launched, fleet(**BY_TEMPLATE)) == {("rule", "fleet")}
    assert pairs(rule(group="sg-2", cidr_ipv4="0.0.0.0/0"), launched, fleet(**BY_TEMPLATE)) == {("rule", "fleet")}
    assert pairs(rule(group="${db.id}", source_group="${other.id}"), launched, fleet(**BY_TEMPLATE)) == set()


def test_launch_configurations_count_as_templates_do() -> None:
    launched = template(["${sm.id}"], "aws.autoscaling.launch_configuration", "security_groups")
    wanted = fleet(launch_configuration="${template.name}")
    assert pairs(rule(group="d", source_group="${sm.id}"), launched, wanted) == {("rule", "fleet")}
    assert pairs(rule(group="d", source_group="${sm.id}"), launched, fleet(launch_configuration="elsewhere")) == set()


def test_ports_are_opened_before_the_load_balancer_that_has_their_group() -> None:
    balancer = resource("lb", "aws.elbv2.load_balancer", {"security_groups": ["${clients.id}"]})
    assert pairs(rule(group="${clients.id}", cidr_ipv4="0.0.0.0/0"), balancer) == {("rule", "lb")}
    assert pairs(rule(group="${nodes.id}", source_group="${clients.id}"), balancer) == {("rule", "lb")}
    assert pairs(rule(group="${nodes.id}", source_group="${other.id}"), balancer) == set()


def test_listeners_come_before_the_group_that_fills_their_targets() -> None:
    listener = resource("http", "aws.elbv2.listener", {"target_group_arn": "${tg.arn}"})
    other = resource("other", "aws.elbv2.listener", {"target_group_arn": "${tg2.arn}"})
    assert pairs(listener, other, fleet(target_group_arns=TARGETS)) == {("http", "fleet")}


def test_the_health_gate_waits_for_group_and_listeners() -> None:
    listener = resource("http", "aws.elbv2.listener", {"target_group_arn": "${tg.arn}"})
    gate = resource("gate", "gate.targets_healthy", {"target_group_arn": "${tg.arn}"})
    found = pairs(gate, fleet(target_group_arns=TARGETS), listener)
    assert found == {("fleet", "gate"), ("http", "gate"), ("http", "fleet")}


def test_a_load_balancer_listens_and_its_targets_are_healthy_before_a_name_points_to_it() -> None:
    balancer = resource("lb", "aws.elbv2.load_balancer", {"name": "lb"})
    listener = resource(
        "http", "aws.elbv2.listener", {"load_balancer_arn": "${lb.arn}", "target_group_arn": "${tg.arn}"}
    )
    gate = resource("gate", "gate.targets_healthy", {"target_group_arn": "${tg.arn}"})
    alias = resource("alias", "aws.route53.record", {"alias": {"dns_name": "${lb.dns_name}"}})
    other = resource("other", "aws.route53.record", {"values": ["192.0.2.1"]})
    elsewhere = resource("elsewhere", "aws.elbv2.listener", {"load_balancer_arn": "arn:aws:x"})
    found = pairs(balancer, listener, elsewhere, gate, alias, other)
    assert found == {("http", "gate"), ("http", "alias"), ("gate", "alias")}


def test_gates_come_before_every_red5_kind_and_the_node_group_comes_last() -> None:
    gate = resource("gate", "gate.http", {"url": "x"})
    policy = resource("policy", "red5.scale_policy", {"name": "p"})
    nodes = resource("nodes", "red5.nodegroup", {"name": "n"})
    alarm = resource("alarm", "aws.cloudwatch.alarm", {"name": "a"})
    assert pairs(nodes, policy, alarm, gate) == {("gate", "policy"), ("gate", "nodes"), ("alarm", "nodes")}


def test_instances_of_a_for_each_do_not_wait_for_each_other() -> None:
    gates = [resource(f'gate["{key}"]', "gate.http", {"url": "x"}) for key in ("a", "b")]
    nodes = [resource(f'nodes["{key}"]', "red5.nodegroup", {"name": key}) for key in ("a", "b")]
    assert pairs(*gates, *nodes) == {('gate["a"]', 'nodes["a"]'), ('gate["b"]', 'nodes["b"]')}


def test_subscribers_come_before_notifications_of_their_topic() -> None:
    subscription = resource("me", "aws.sns.subscription", {"topic_arn": "${topic.arn}"})
    other = resource("you", "aws.sns.subscription", {"topic_arn": "${topic2.arn}"})
    notification = resource("events", "aws.autoscaling.notification", {"topic_arn": "${topic.arn}"})
    assert pairs(subscription, other, notification) == {("me", "events")}


def test_every_rule_has_a_reason_and_a_source() -> None:
    assert all(each.reason and each.source for each in ordering.RULES)


def test_the_api_is_called_after_its_listeners_records_and_other_gates_and_before_what_is_behind_it() -> None:
    before = [
        resource("healthy", "gate.targets_healthy", {"target_group_arn": "tg"}),
        resource("listener", "aws.elbv2.listener", {"target_group_arn": "other"}),
        resource("record", "aws.route53.record", {"name": "n"}),
        fleet(),
    ]
    found = pairs(*before, resource("api", "gate.stream_manager", {}), resource("policy", "red5.scale_policy", {}))
    assert {(each.address, "api") for each in before} <= found
    assert ("api", "policy") in found
