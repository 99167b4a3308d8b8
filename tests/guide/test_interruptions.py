"""What a plan says that clients will notice: seconds without an answer, and sessions that end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from smplan.core.risk import Effect, PlannedEffect, Sessions
from smplan.guide import interruptions

LB, TG, OTHER = "arn:lb/1", "arn:tg/1", "arn:tg/2"
BEFORE: dict[str, tuple[str, dict[str, Any]]] = {
    "alb": (
        "aws.elbv2.load_balancer",
        {
            "arn": LB,
            "dns_name": "one.elb",
            "subnets": ["subnet-a", "subnet-b"],
            "security_groups": ["sg-1"],
            "idle_timeout": 60,
        },
    ),
    "https": (
        "aws.elbv2.listener",
        {"load_balancer_arn": LB, "port": 443, "protocol": "HTTPS", "target_group_arn": TG},
    ),
    "targets": ("aws.elbv2.target_group", {"arn": TG, "name": "targets", "health_check_interval": 15}),
    "fleet": (
        "aws.autoscaling.group",
        {
            "target_group_arns": [TG],
            "desired_capacity": 2,
            "max_size": 4,
            "subnet_ids": ["subnet-a", "subnet-b"],
            "launch_template": {"id": "lt-1", "version": 1},
            "new_instances_protected_from_scale_in": False,
        },
    ),
    "record": ("aws.route53.record", {"name": "sm.example.com", "values": ["one.elb"], "ttl": 60}),
    "clients": ("aws.ec2.security_group", {"id": "sg-1"}),
    "viewers": (
        "aws.ec2.security_group_rule",
        {"group": "sg-1", "direction": "ingress", "port": 443, "cidr_ipv4": "0.0.0.0/0"},
    ),
}
NEW = {"$ref": "new.arn"}


def unchanged(address: str) -> PlannedEffect:
    kind, spec = BEFORE[address]
    return PlannedEffect(address, kind, Effect("", spec, spec))


def updated(address: str, op: str = "update", **to: Any) -> list[PlannedEffect]:
    kind, spec = BEFORE[address]
    return [PlannedEffect(address, kind, Effect(op, spec, {**spec, **to}, frozenset(to)))]


def replaced(address: str, *, deleted_first: bool = False, **to: Any) -> list[PlannedEffect]:
    kind, spec = BEFORE[address]
    after = {**spec, **to}
    return [
        PlannedEffect(address, kind, Effect("replace", spec, after, frozenset(to))),
        PlannedEffect(address, kind, Effect("delete", spec, after), deleted_first),
    ]


def removed(address: str) -> list[PlannedEffect]:
    kind, spec = BEFORE[address]
    return [PlannedEffect(address, kind, Effect("delete", spec))]


def created(address: str, kind: str, **spec: Any) -> list[PlannedEffect]:
    return [PlannedEffect(address, kind, Effect("create", {}, spec))]


def noticed(*changes: list[PlannedEffect]) -> dict[str, tuple[float | None, str]]:
    """By address, of a fleet of which all else stays as it is."""
    planned = [each for change in changes for each in change]
    rest = [unchanged(each) for each in BEFORE.keys() - {each.address for each in planned}]
    return {each.address: (each.seconds, str(each.sessions)) for each in interruptions.predict([*rest, *planned])}


GOOD = None
ROLL: Mapping[str, Any] = {"launch_template": {"id": "lt-1", "version": 2}}
SG_RULE = "aws.ec2.security_group_rule"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ([], {}),
        ([updated("https", ssl_policy="new", target_group_arn=NEW)], {}),
        ([updated("https", port=8443)], {"https": (GOOD, "none")}),
        ([updated("https", protocol="HTTP")], {"https": (GOOD, "none")}),
        ([replaced("https", deleted_first=True, tags={})], {"https": (17, "all")}),
        (
            [
                replaced("https", deleted_first=True, tags={}),
                [PlannedEffect("http", "aws.elbv2.listener", Effect("", {**BEFORE["https"][1], "port": 80}))],
            ],
            {"https": (2, "all")},
        ),
        ([replaced("https", deleted_first=True, port=8443)], {"https": (GOOD, "all")}),
        ([removed("https")], {"https": (GOOD, "all")}),
        ([removed("alb"), removed("https")], {"alb": (GOOD, "all")}),
        ([removed("alb"), removed("https"), updated("record", values=["two.elb"])], {"alb": (0, "all")}),
        ([replaced("https", load_balancer_arn="arn:lb/2")], {"https": (GOOD, "all")}),
        (
            [replaced("https", load_balancer_arn="arn:lb/2"), updated("record", values=["two.elb"])],
            {"https": (0, "all")},
        ),
        ([replaced("alb", name="b")], {"alb": (GOOD, "all")}),
        (
            [replaced("alb", name="b"), replaced("https"), updated("record", values=[{"$ref": "alb.dns_name"}])],
            {"alb": (0, "all")},
        ),
        (
            [replaced("alb", scheme="internal"), updated("record", values=[{"$ref": "alb.dns_name"}])],
            {"alb": (GOOD, "all")},
        ),
        ([updated("alb", subnets=["subnet-a", "subnet-c"])], {"alb": (0, "some")}),
        ([updated("alb", idle_timeout=30)], {"alb": (0, "some")}),
        ([updated("alb", idle_timeout=600)], {}),
        ([replaced("targets", port=80), updated("https", target_group_arn=NEW)], {"targets": (0, "all")}),
        ([removed("targets"), removed("https")], {"https": (GOOD, "all")}),
        ([replaced("fleet", name="b")], {"fleet": (0, "all")}),
        ([removed("fleet")], {"fleet": (GOOD, "all")}),
        ([removed("fleet"), created("blue", "aws.autoscaling.group", target_group_arns=[TG])], {"fleet": (0, "all")}),
        (
            [removed("fleet"), created("b", "aws.autoscaling.group", target_group_arns=[{"$ref": "targets.arn"}])],
            {"fleet": (0, "all")},
        ),
        ([updated("fleet", subnet_ids=["subnet-a"])], {"fleet": (0, "some")}),
        ([updated("fleet", subnet_ids=["subnet-c"])], {"fleet": (0, "all")}),
        ([updated("fleet", max_size=1)], {"fleet": (0, "some")}),
        ([updated("fleet", max_size=0)], {"fleet": (GOOD, "all")}),
        ([updated("fleet", max_size=9, health_check_grace_period=600)], {}),
        ([updated("fleet", "scale", desired_capacity=1)], {"fleet": (0, "some")}),
        ([updated("fleet", "scale", desired_capacity=0)], {"fleet": (GOOD, "all")}),
        ([updated("fleet", **ROLL)], {}),
        ([updated("fleet", **ROLL, roll_out={})], {"fleet": (0, "all")}),
        ([updated("fleet", **ROLL, roll_out={"min_healthy_percentage": 0})], {"fleet": (180, "all")}),
        ([updated("fleet", **ROLL, roll_out={"min_healthy_percentage": 50})], {"fleet": (0, "all")}),
        ([updated("fleet", launch_configuration="lc-2", roll_out={})], {"fleet": (0, "all")}),
        ([updated("fleet", target_group_arns=[OTHER])], {"fleet": (GOOD, "all")}),
        (
            [updated("fleet", target_group_arns=[OTHER]), updated("https", target_group_arn=OTHER)],
            {"fleet": (0, "all")},
        ),
        (
            [
                replaced("targets", port=80),
                updated("fleet", target_group_arns=[NEW]),
                updated("https", target_group_arn=NEW),
            ],
            {"targets": (0, "all")},
        ),
        ([updated("record", ttl=300)], {}),
        ([replaced("record", deleted_first=True, type="A")], {"record": (900, "none")}),
        ([replaced("record", deleted_first=True, name="b")], {"record": (GOOD, "none")}),
        ([removed("record")], {"record": (GOOD, "none")}),
        ([removed("viewers")], {"viewers": (GOOD, "all")}),
        ([replaced("viewers", cidr_ipv4="10.0.0.0/8")], {"viewers": (GOOD, "all")}),
        ([replaced("viewers", port=None, from_port=400, to_port=500)], {}),
        ([removed("viewers"), created("b", SG_RULE, group={"$ref": "clients.id"}, cidr_ipv4="0.0.0.0/0")], {}),
        ([removed("viewers"), created("b", SG_RULE, group="sg-1", source_group="sg-2")], {"viewers": (GOOD, "all")}),
        (
            [removed("viewers"), created("b", SG_RULE, group="sg-1", direction="egress", cidr_ipv4="0.0.0.0/0")],
            {"viewers": (GOOD, "all")},
        ),
    ],
)
def test_clients_notice(changes: list[list[PlannedEffect]], expected: dict[str, tuple[float | None, str]]) -> None:
    assert noticed(*changes) == expected


def test_protected_instances_stay_in_a_zone_that_is_left_and_in_a_roll_out_that_ignores_them() -> None:
    kind, spec = BEFORE["fleet"]
    protected = {**spec, "new_instances_protected_from_scale_in": True}
    for to in ({"subnet_ids": ["subnet-a"]}, {**ROLL, "roll_out": {"scale_in_protected_instances": "Ignore"}}):
        effect = Effect("update", protected, {**protected, **to}, frozenset(to))
        assert noticed([PlannedEffect("fleet", kind, effect)]) == {}


@pytest.mark.parametrize(
    ("policy", "seconds"),
    [
        ({}, 180),
        ({"min_healthy_percentage": 100, "max_healthy_percentage": 150}, 0),
        ({"min_healthy_percentage": 0}, 180),
    ],
)
def test_the_only_instance_leaves_its_zone_before_another_serves_unless_a_policy_says_otherwise(
    policy: dict[str, Any], seconds: int
) -> None:
    kind, spec = BEFORE["fleet"]
    alone = {**spec, "desired_capacity": 1, "instance_maintenance_policy": policy or None}
    effect = Effect("update", alone, {**alone, "subnet_ids": ["subnet-a"]}, frozenset({"subnet_ids"}))
    assert noticed([PlannedEffect("fleet", kind, effect)]) == {"fleet": (seconds, "all")}


def test_instances_of_another_group_behind_the_same_targets_keep_their_sessions() -> None:
    kind, spec = BEFORE["fleet"]
    other = [PlannedEffect("blue", kind, Effect("", spec, spec))]
    assert noticed(removed("fleet"), other) == {"fleet": (0, "some")}
    assert noticed(updated("fleet", "scale", desired_capacity=0), other) == {"fleet": (0, "some")}
    stopped = [PlannedEffect("blue", kind, Effect("", {**spec, "desired_capacity": 0}, spec))]
    assert noticed(removed("fleet"), stopped) == {"fleet": (GOOD, "all")}


def test_a_lower_maximum_does_not_end_protected_instances() -> None:
    kind, spec = BEFORE["fleet"]
    protected = {**spec, "new_instances_protected_from_scale_in": True}
    effect = Effect("update", protected, {**protected, "max_size": 1}, frozenset({"max_size"}))
    assert noticed([PlannedEffect("fleet", kind, effect)]) == {}


def test_what_serves_no_listener_or_runs_no_instance_is_not_noticed() -> None:
    kind, spec = BEFORE["fleet"]
    for now in ({"desired_capacity": 0}, {"target_group_arns": [OTHER]}):
        assert noticed([PlannedEffect("fleet", kind, Effect("delete", {**spec, **now}))]) == {}


def test_a_rule_for_few_is_tracked_and_cuts_nobody_who_is_connected() -> None:
    kind, spec = BEFORE["viewers"]
    effect = Effect("delete", {**spec, "cidr_ipv4": "203.0.113.0/24"})
    assert noticed([PlannedEffect("viewers", kind, effect)]) == {"viewers": (None, str(Sessions.NONE))}


def test_of_a_security_group_that_the_blueprint_only_looks_up_nothing_is_said() -> None:
    effects = [unchanged(each) for each in BEFORE if each not in ("clients", "viewers")]
    assert interruptions.predict([*effects, *removed("viewers")]) == ()


def test_a_new_fleet_interrupts_nothing() -> None:
    effects = [PlannedEffect(address, kind, Effect("create", {}, spec)) for address, (kind, spec) in BEFORE.items()]
    assert interruptions.predict(effects) == ()
