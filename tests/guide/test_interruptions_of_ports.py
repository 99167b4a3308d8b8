"""What a plan says that clients will notice when a way through security groups closes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from smplan.core.risk import Effect, PlannedEffect
from smplan.guide import interruptions

LB, TG = "arn:lb/1", "arn:tg/1"
RULE, GROUP, SECURITY_GROUP = "aws.ec2.security_group_rule", "aws.autoscaling.group", "aws.ec2.security_group"
ANYWHERE = "0.0.0.0/0"
INGRESS: dict[str, Any] = {"direction": "ingress", "protocol": "tcp"}
FLEET: dict[str, tuple[str, dict[str, Any]]] = {
    "clients": (SECURITY_GROUP, {"id": "sg-1"}),
    "nodes": (SECURITY_GROUP, {"id": "sg-2"}),
    "other": (SECURITY_GROUP, {"id": "sg-3"}),
    "viewers": (RULE, {**INGRESS, "group": "sg-1", "port": 443, "cidr_ipv4": ANYWHERE}),
    "inner": (RULE, {**INGRESS, "group": "sg-2", "port": 5080, "source_group": "sg-1"}),
    "database": (RULE, {**INGRESS, "group": "sg-9", "port": 3306, "source_group": "sg-2"}),
    "alb": ("aws.elbv2.load_balancer", {"arn": LB, "security_groups": ["sg-1"]}),
    "https": ("aws.elbv2.listener", {"load_balancer_arn": LB, "port": 443, "target_group_arn": TG}),
    "targets": ("aws.elbv2.target_group", {"arn": TG, "port": 5080}),
    "template": ("aws.ec2.launch_template", {"id": "lt-1", "security_group_ids": ["sg-2"]}),
    "fleet": (
        GROUP,
        {
            "target_group_arns": [TG],
            "desired_capacity": 2,
            "launch_template": {"id": "lt-1", "version": 1},
            "health_check_type": "ELB",
        },
    ),
}
Changes = Mapping[str, dict[str, Any] | None]
"""By address what differs afterwards; None for what is removed."""


def noticed(changes: Changes, before: Mapping[str, dict[str, Any] | None] = {}) -> dict[str, tuple[float | None, str]]:
    """Of a fleet that differs by ``before``: by address, the seconds and sessions of what is predicted."""
    fleet = {address: (kind, {**spec, **(before.get(address) or {})}) for address, (kind, spec) in FLEET.items()}
    effects = [effect for address in fleet for effect in _effects(address, *fleet[address], changes)]
    effects += [
        PlannedEffect(address, RULE, Effect("create", {}, spec))
        for address, spec in changes.items()
        if spec and address not in fleet
    ]
    return {each.address: (each.seconds, str(each.sessions)) for each in interruptions.predict(effects)}


def _effects(address: str, kind: str, spec: dict[str, Any], changes: Changes) -> list[PlannedEffect]:
    if address not in changes:
        return [PlannedEffect(address, kind, Effect("", spec, spec))]
    change = changes[address]
    if change is None:
        return [PlannedEffect(address, kind, Effect("delete", spec))]
    after = {name: value for name, value in {**spec, **change}.items() if value is not None}
    if kind in (RULE, SECURITY_GROUP):
        replaced = Effect("replace", spec, after, frozenset(change))
        return [PlannedEffect(address, kind, replaced), PlannedEffect(address, kind, Effect("delete", spec, after))]
    return [PlannedEffect(address, kind, Effect("update", spec, after, frozenset(change)))]


def rule(**spec: Any) -> dict[str, Any]:
    return {**INGRESS, **spec}


GOOD = None
HALVES: Changes = {
    "viewers": {"cidr_ipv4": "0.0.0.0/1"},
    "rest": rule(group="sg-1", port=443, cidr_ipv4="128.0.0.0/1"),
}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, {}),
        ({"viewers": None}, {"viewers": (GOOD, "all")}),
        ({"viewers": {"cidr_ipv4": "198.51.100.0/24"}}, {"viewers": (GOOD, "all")}),
        ({"viewers": {"protocol": "-1", "port": None}}, {}),
        (HALVES, {}),
        ({"viewers": {"group": "sg-3"}}, {"viewers": (GOOD, "all")}),
        ({"viewers": {"group": "sg-3"}, "alb": {"security_groups": ["sg-1", "sg-3"]}}, {}),
        ({"viewers": {"direction": "egress"}}, {"viewers": (GOOD, "all")}),
        ({"viewers": {"protocol": "udp"}}, {"viewers": (GOOD, "all")}),
        (
            {"alb": {"security_groups": ["sg-3"]}, "inner": {"source_group": "sg-3"}},
            {"alb": (GOOD, "all")},
        ),
        ({"viewers": None, "https": {"port": 8443}}, {"https": (GOOD, "none")}),
        ({"inner": None}, {"inner": (GOOD, "all")}),
        ({"inner": {"port": 5081}}, {"inner": (GOOD, "all")}),
        ({"inner": {"source_group": "sg-3"}}, {"inner": (GOOD, "all")}),
        ({"inner": {"source_group": None, "cidr_ipv4": ANYWHERE}}, {}),
        ({"inner": {"source_group": None, "cidr_ipv4": "10.0.0.0/16"}}, {}),
        ({"inner": {"source_group": None, "cidr_ipv4": "8.8.8.0/24"}}, {"inner": (GOOD, "all")}),
        ({"inner": None, "second": rule(group={"$ref": "nodes.id"}, port=5080, source_group="sg-1")}, {}),
        ({"database": None}, {"database": (GOOD, "all")}),
        ({"database": None, "vpc": rule(group="sg-9", port=3306, cidr_ipv4="10.0.0.0/16")}, {}),
        (
            {"database": None, "vpc": rule(group="sg-8", port=3306, cidr_ipv4="10.0.0.0/16")},
            {"database": (GOOD, "all")},
        ),
    ],
)
def test_a_way_that_closes_is_noticed_and_one_that_stays_open_is_not(
    changes: Changes, expected: dict[str, tuple[float | None, str]]
) -> None:
    assert noticed(changes) == expected


@pytest.mark.parametrize(
    ("how", "sessions"),
    [
        ({"health_check_type": "EC2"}, "none"),
        ({"suspended_processes": ["ReplaceUnhealthy"]}, "none"),
        ({"instance_maintenance_policy": {"min_healthy_percentage": 100, "max_healthy_percentage": 150}}, "none"),
        ({"instance_maintenance_policy": {"min_healthy_percentage": 0, "max_healthy_percentage": 100}}, "all"),
    ],
)
def test_instances_that_nobody_replaces_keep_the_sessions_whose_flows_are_tracked(
    how: dict[str, Any], sessions: str
) -> None:
    assert noticed({"inner": None}, {"fleet": how}) == {"inner": (GOOD, sessions)}
    assert noticed({"database": None}, {"fleet": how}) == {"database": (GOOD, sessions)}


def test_a_rule_for_everyone_is_not_tracked() -> None:
    open: Changes = {"fleet": {"health_check_type": "EC2"}, "inner": {"source_group": None, "cidr_ipv4": ANYWHERE}}
    assert noticed({"inner": None}, open) == {"inner": (GOOD, "all")}


def test_of_groups_that_the_blueprint_only_looks_up_nothing_is_said() -> None:
    looked_up: Changes = {"alb": {"security_groups": ["sg-1", "sg-8"]}, "template": {"security_group_ids": ["sg-8"]}}
    assert noticed({"viewers": None, "inner": None}, looked_up) == {}


def test_new_instances_of_a_roll_out_are_in_the_new_groups() -> None:
    moved: Changes = {
        "template": {"security_group_ids": ["sg-3"]},
        "inner": {"group": "sg-3"},
        "database": {"source_group": "sg-3"},
    }
    assert noticed(moved).keys() == {"inner", "database"}
    assert noticed(moved, {"fleet": {"roll_out": {}}}) == {}
