"""What each kind says of the risks of a step: which there are, and that there is none where nothing is at risk."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from smplan.core import diff
from smplan.core.risk import Category, Effect, Risk
from smplan.core.spec import Spec
from smplan.core.values import encode, parse_text
from smplan.drivers import registry

BASE: dict[str, dict[str, Any]] = {
    "aws.autoscaling.group": {
        "name": "fleet",
        "launch_template": {"id": "lt-1", "version": 3},
        "min_size": 2,
        "max_size": 9,
        "desired_capacity": 5,
        "subnet_ids": ["subnet-a", "subnet-b"],
        "target_group_arns": ["arn:aws:elasticloadbalancing:r:1:targetgroup/t/1"],
        "health_check_type": "EC2",
        "new_instances_protected_from_scale_in": True,
        "tags": {"a": "b"},
    },
    "aws.autoscaling.launch_configuration": {
        "name": "lc",
        "image_id": "ami-1",
        "instance_type": "c5.large",
        "security_groups": ["sg-1"],
    },
    "aws.autoscaling.notification": {
        "auto_scaling_group_name": "fleet",
        "topic_arn": "arn:topic",
        "notification_types": ["autoscaling:EC2_INSTANCE_LAUNCH", "autoscaling:EC2_INSTANCE_TERMINATE"],
    },
    "aws.autoscaling.scaling_policy": {
        "auto_scaling_group_name": "fleet",
        "name": "out",
        "policy_type": "SimpleScaling",
        "adjustment_type": "ChangeInCapacity",
        "scaling_adjustment": 1,
    },
    "aws.autoscaling.schedule": {
        "auto_scaling_group_name": "fleet",
        "name": "night",
        "recurrence": "0 22 * * *",
        "min_size": 1,
    },
    "aws.cloudwatch.alarm": {
        "name": "busy",
        "namespace": "AWS/EC2",
        "metric_name": "CPUUtilization",
        "statistic": "Average",
        "comparison_operator": "GreaterThanThreshold",
        "threshold": 60,
        "period": 60,
        "evaluation_periods": 2,
        "alarm_actions": ["arn:policy", "arn:topic"],
    },
    "aws.ec2.image": {"name": "sm image", "instance_id": "i-1", "reboot": False, "tags": {"a": "b"}},
    "aws.ec2.launch_template": {"name": "template", "image_id": "ami-1", "tags": {"a": "b"}},
    "aws.ec2.security_group": {"name": "web", "description": "d", "vpc_id": "vpc-1"},
    "aws.ec2.security_group_rule": {
        "group": "sg-1",
        "direction": "ingress",
        "protocol": "tcp",
        "port": 443,
        "cidr_ipv4": "10.0.0.0/8",
        "description": "d",
    },
    "aws.elbv2.listener": {
        "load_balancer_arn": "arn:alb",
        "port": 443,
        "protocol": "HTTPS",
        "certificate_arn": "arn:cert-1",
        "ssl_policy": "P1",
        "target_group_arn": "arn:targets",
        "tags": {"a": "b"},
    },
    "aws.elbv2.load_balancer": {
        "name": "alb",
        "subnets": ["subnet-a", "subnet-b"],
        "security_groups": ["sg-1", "sg-2"],
        "ip_address_type": "dualstack",
        "idle_timeout": 600,
        "deletion_protection": True,
        "tags": {"a": "b"},
    },
    "aws.elbv2.target_group": {
        "name": "targets",
        "protocol": "HTTP",
        "port": 5080,
        "vpc_id": "vpc-1",
        "deregistration_delay": 300,
        "tags": {"a": "b"},
    },
    "aws.route53.record": {
        "zone_id": "Z1",
        "name": "sm.example.com",
        "type": "CNAME",
        "ttl": 300,
        "values": ["old.example.net"],
    },
    "aws.sns.subscription": {"topic_arn": "arn:topic", "protocol": "email", "endpoint": "a@example.com"},
    "aws.sns.topic": {"name": "alerts", "display_name": "d"},
    "red5.launch_config": {
        "name": "lc",
        "image": "node",
        "targets": [{"role": "edge", "instance_type": "c5.large", "connection_capacity": 10}],
    },
    "red5.nodegroup": {"name": "nodes", "regions": ["r"], "launch_config": "lc", "scale_policy": "p"},
    "red5.scale_policy": {
        "name": "p",
        "targets": [
            {"role": "origin", "min_limit": 1, "max_limit": 2},
            {"role": "edge", "min_limit": 3, "max_limit": 9},
        ],
    },
}


def of(kind: str, tree: Mapping[str, Any]) -> Spec:
    return registry.drivers()[kind].spec.model_validate(parsed(tree))


def parsed(value: Any) -> Any:
    if isinstance(value, str):
        return parse_text(value)
    if isinstance(value, Mapping):
        return {key: parsed(item) for key, item in value.items()}
    return [parsed(item) for item in value] if isinstance(value, list) else value


def encoded(kind: str, tree: Mapping[str, Any]) -> dict[str, Any]:
    return dict(encode(of(kind, tree).managed_fields())) if tree else {}


def risks(
    kind: str, op: str, after: Mapping[str, Any] | None = None, *, now: Mapping[str, Any] | None = None
) -> list[Risk]:
    """The risks of a step that changes ``BASE`` (as it is ``now``) by ``after``; None where nothing is left."""
    before: dict[str, Any] = dict(BASE[kind], **(now or {})) if op != "create" else {}
    changed: frozenset[str] = frozenset()
    wanted = (
        {} if after is None else {name: value for name, value in {**BASE[kind], **after}.items() if value is not None}
    )
    before = {name: value for name, value in before.items() if value is not None}
    if before and wanted and op in ("update", "adopt"):
        live = of(kind, before)
        changed = frozenset(change.path.partition(".")[0] for change in diff.diff(of(kind, wanted), live))
        assert changed
    effect = Effect(op, encoded(kind, before), encoded(kind, wanted), changed)
    return list(registry.drivers()[kind].risks(effect))


REF = "${other.id}"
ROLL = {"scale_in_protected_instances": "Refresh", "instance_warmup": 180}
SAFE = {"min_healthy_percentage": 100, "max_healthy_percentage": 110}
GROUP, RULE, ALB, LISTENER = (
    "aws.autoscaling.group",
    "aws.ec2.security_group_rule",
    "aws.elbv2.load_balancer",
    "aws.elbv2.listener",
)
TARGETS, RECORD, ALARM, IMAGE = "aws.elbv2.target_group", "aws.route53.record", "aws.cloudwatch.alarm", "aws.ec2.image"
POLICY, SCHEDULE, NODES = "red5.scale_policy", "aws.autoscaling.schedule", "red5.nodegroup"
SERVING, CAPACITY, ACCESS, EXPOSED = Category.SERVING, Category.CAPACITY, Category.ACCESS, Category.EXPOSED
ALERTING, PROTECTION, LOST, GONE = Category.ALERTING, Category.PROTECTION, Category.DATA_LOSS, Category.IRREVERSIBLE


@pytest.mark.parametrize(
    ("kind", "op", "after", "category", "reason"),
    [
        (
            GROUP,
            "update",
            {"max_size": 3, "desired_capacity": None},
            CAPACITY,
            "2 of 5 instances are terminated, because `max_size` becomes 3",
        ),
        (
            GROUP,
            "update",
            {"max_size": 4, "desired_capacity": None},
            CAPACITY,
            "1 of 5 instances is terminated, because `max_size` becomes 4",
        ),
        (GROUP, "update", {"max_size": 6}, CAPACITY, "at most 6 instances can run, not 9 as now"),
        (GROUP, "update", {"min_size": 0}, CAPACITY, "scale-in may leave no instance, and not 2 as now"),
        (GROUP, "update", {"min_size": 1}, CAPACITY, "scale-in may leave 1 instance, and not 2 as now"),
        (GROUP, "update", {"new_instances_protected_from_scale_in": False}, PROTECTION, "scale-in may terminate every"),
        (
            GROUP,
            "update",
            {"launch_template": {"id": "lt-1", "version": 4}},
            SERVING,
            "launched from version 4 of lt-1",
        ),
        (GROUP, "update", {"launch_template": {"id": REF, "version": REF}}, SERVING, "(other.id, known after apply)"),
        (
            GROUP,
            "update",
            {"launch_template": None, "launch_configuration": "lc"},
            SERVING,
            "keep version 3 of lt-1, because there is no `roll_out`; only new ones are launched from lc",
        ),
        (
            GROUP,
            "update",
            {"launch_template": {"id": "lt-1", "version": 4}, "roll_out": ROLL},
            SERVING,
            "version 4 of lt-1, one at a time, each once its successor has been healthy for 180 s (about 30 min): the",
        ),
        (
            GROUP,
            "update",
            {
                "launch_template": {"id": "lt-1", "version": 4},
                "roll_out": {**ROLL, "min_healthy_percentage": 60, "scale_in_protected_instances": "Ignore"},
            },
            CAPACITY,
            "meanwhile as few as 60 % of the desired capacity are in service",
        ),
        (
            GROUP,
            "update",
            {
                "launch_template": {"id": "lt-1", "version": 4},
                "roll_out": {**ROLL, "max_healthy_percentage": 150, "scale_in_protected_instances": "Ignore"},
            },
            SERVING,
            "(about 18 min): the sessions on them end, but those that are protected from scale-in stay",
        ),
        (
            GROUP,
            "update",
            {"launch_template": {"id": "lt-1", "version": 4}, "roll_out": {**ROLL, "drain": {"timeout": 900}}},
            SERVING,
            "gets no new connections first, and its clients have 900 s to leave (no longer than the target group's",
        ),
        (
            GROUP,
            "update",
            {"launch_template": None, "launch_configuration": "lc", "roll_out": ROLL},
            SERVING,
            "replaced by lc, one at a time, each once its successor has been healthy for 180 s",
        ),
        (GROUP, "update", {"subnet_ids": ["subnet-b"]}, SERVING, "the instances in subnet-a are terminated"),
        (
            GROUP,
            "update",
            {"subnet_ids": ["subnet-b"], "instance_maintenance_policy": SAFE},
            SERVING,
            "AWS ends each once its replacement is healthy: 0 s without it; the sessions on it end",
        ),
        (
            GROUP,
            "update",
            {"subnet_ids": ["subnet-b"], "instance_maintenance_policy": {**SAFE, "min_healthy_percentage": 50}},
            SERVING,
            "AWS ends each as long as 50 % of the desired capacity are in service",
        ),
        (
            GROUP,
            "update",
            {"instance_maintenance_policy": {**SAFE, "min_healthy_percentage": 50}},
            CAPACITY,
            "as few as 50 % of the desired capacity are in service while AWS replaces instances",
        ),
        *(
            (GROUP, "update", {"suspended_processes": [process]}, category, f"while {process} is suspended, {reason}")
            for process, category, reason in (
                ("Launch", CAPACITY, "it launches no instance: it does not scale out, and a lost instance is not"),
                ("Terminate", CAPACITY, "it terminates no instance"),
                ("AddToLoadBalancer", SERVING, "new instances get no requests"),
                ("ReplaceUnhealthy", SERVING, "unhealthy instances are not replaced"),
                ("AZRebalance", CAPACITY, "instances stay in zones that the group leaves"),
            )
        ),
        (GROUP, "update", {"health_check_type": "EBS,ELB"}, SERVING, "instances that fail the load balancer's health"),
        (GROUP, "update", {"target_group_arns": []}, SERVING, "its instances get no more requests through arn:"),
        (
            GROUP,
            "update",
            {"health_check_type": "ELB"},
            SERVING,
            "fail the load balancer's health check are terminated",
        ),
        (GROUP, "update", {"health_check_grace_period": 10}, SERVING, "not healthy after 10 s is terminated"),
        (GROUP, "delete", None, SERVING, "5 instances of it are terminated, and the sessions on them end"),
        (GROUP, "delete", {}, SERVING, "terminated once the new group is ready, and the sessions"),
        (GROUP, "delete", None, PROTECTION, "its instances lose their protection from scale-in"),
        ("aws.autoscaling.notification", "delete", None, ALERTING, "events of fleet are no longer sent to arn:topic"),
        (
            "aws.autoscaling.notification",
            "update",
            {"notification_types": ["autoscaling:EC2_INSTANCE_LAUNCH"]},
            ALERTING,
            "arn:topic no longer gets autoscaling:EC2_INSTANCE_TERMINATE of fleet",
        ),
        ("aws.autoscaling.scaling_policy", "delete", None, CAPACITY, "fleet no longer scales by the policy out"),
        (SCHEDULE, "delete", None, CAPACITY, "fleet no longer gets its sizes at 0 22 * * * (UTC)"),
        (SCHEDULE, "create", {"max_size": 1}, CAPACITY, "at 0 22 * * * (UTC), instances of fleet beyond 1 are termin"),
        (SCHEDULE, "update", {"desired_capacity": 1}, CAPACITY, "instances of fleet beyond 1 are terminated"),
        (ALARM, "delete", None, ALERTING, "CPUUtilization GreaterThanThreshold 60.0 no longer runs arn:policy, arn:t"),
        (ALARM, "update", {"alarm_actions": ["arn:policy"]}, ALERTING, "arn:topic is no longer called by the alarm"),
        (ALARM, "update", {"alarm_actions": [REF]}, ALERTING, "arn:policy, arn:topic is no longer called"),
        (IMAGE, "create", {"reboot": True}, SERVING, "the source instance i-1 is rebooted, and the sessions on it end"),
        (IMAGE, "create", {"reboot": REF}, SERVING, "the source instance i-1 is rebooted"),
        (IMAGE, "replace", {"reboot": True, "instance_id": REF}, SERVING, "instance (other.id, known after apply) is"),
        (IMAGE, "create", {"source_after": "terminate"}, LOST, "the source instance i-1 is terminated once"),
        (IMAGE, "create", {"source_after": "stop"}, SERVING, "the source instance i-1 is stopped once"),
        (IMAGE, "delete", None, GONE, "sm image and its snapshots are deleted"),
        (IMAGE, "delete", {}, GONE, "sm image and its snapshots are deleted"),
        ("aws.ec2.launch_template", "delete", None, LOST, "every version of template is deleted"),
        ("aws.ec2.security_group", "delete", None, ACCESS, "what has web loses the access that its rules give"),
        ("aws.ec2.security_group", "delete", {}, ACCESS, "instances that run keep it until replaced"),
        (RULE, "create", {}, ACCESS, "opens tcp port 443 to sg-1 from 10.0.0.0/8"),
        (RULE, "create", {"cidr_ipv4": "0.0.0.0/0"}, ACCESS, "tcp port 443 to sg-1 from 0.0.0.0/0, every IPv4 address"),
        (RULE, "create", {"port": 22}, ACCESS, "opens tcp port 22 (SSH) to sg-1 from 10.0.0.0/8"),
        (
            RULE,
            "create",
            {"cidr_ipv4": "0.0.0.0/0", "port": 22},
            EXPOSED,
            "opens tcp port 22 (SSH) to sg-1 from 0.0.0.",
        ),
        (
            RULE,
            "create",
            {"cidr_ipv4": "128.0.0.0/1", "port": 22},
            EXPOSED,
            "128.0.0.0/1, 1 in 2 of every IPv4 address",
        ),
        (
            RULE,
            "create",
            {"cidr_ipv4": None, "cidr_ipv6": "::/0", "port": 3389},
            EXPOSED,
            "(RDP) to sg-1 from ::/0, every",
        ),
        (
            RULE,
            "create",
            {"cidr_ipv4": "0.0.0.0/0", "port": None, "from_port": 20, "to_port": 9000},
            EXPOSED,
            "opens tcp ports 20 to 9000 (among them 21 FTP, 22 SSH, 23 Telnet and others) to sg-1 from 0.0.0.0/0",
        ),
        (
            RULE,
            "create",
            {"cidr_ipv4": "0.0.0.0/0", "port": None, "protocol": "udp", "from_port": 40000, "to_port": 65535},
            ACCESS,
            "opens udp ports 40000 to 65535 to sg-1 from 0.0.0.0/0, every IPv4 address",
        ),
        (
            RULE,
            "create",
            {"cidr_ipv4": "0.0.0.0/0", "port": None, "protocol": "all"},
            EXPOSED,
            "opens every port of every protocol to sg-1",
        ),
        (RULE, "create", {"cidr_ipv4": "0.0.0.0/0", "port": REF}, EXPOSED, "tcp port (other.id, known after apply)"),
        (
            RULE,
            "create",
            {"cidr_ipv4": "0.0.0.0/0", "port": None, "protocol": "50"},
            EXPOSED,
            "opens protocol 50 to sg-1",
        ),
        (
            RULE,
            "create",
            {"cidr_ipv4": "0.0.0.0/0", "port": None, "protocol": "1", "from_port": 8, "to_port": 0},
            ACCESS,
            "opens icmp of type 8 to sg-1",
        ),
        (
            RULE,
            "create",
            {"cidr_ipv4": None, "source_group": REF},
            ACCESS,
            "from the members of (other.id, known after apply)",
        ),
        (RULE, "create", {"cidr_ipv4": None, "prefix_list_id": "pl-1"}, ACCESS, "from the networks of pl-1"),
        (RULE, "create", {"cidr_ipv4": REF}, ACCESS, "from (other.id, known after apply)"),
        (
            RULE,
            "create",
            {"direction": "egress", "cidr_ipv4": "0.0.0.0/0", "port": 22},
            ACCESS,
            "from sg-1 to 0.0.0.0/0",
        ),
        (RULE, "replace", {"cidr_ipv4": "0.0.0.0/0", "port": 3306}, EXPOSED, "opens tcp port 3306 (MySQL) to sg-1"),
        (RULE, "delete", None, ACCESS, "closes tcp port 443 from 10.0.0.0/8 to sg-1: no new connection is let"),
        (RULE, "delete", {}, ACCESS, "to sg-1, once the new rule is there: no new connection"),
        (ALB, "update", {"deletion_protection": False}, PROTECTION, "anything may delete alb from then on"),
        (ALB, "update", {"security_groups": ["sg-2"]}, ACCESS, "what only sg-1 admits can no longer connect to alb"),
        (ALB, "update", {"subnets": ["subnet-b", "subnet-c"]}, SERVING, "its addresses in subnet-a end"),
        (ALB, "update", {"ip_address_type": "ipv4"}, SERVING, "change from dualstack to ipv4: clients of the other"),
        (ALB, "update", {"idle_timeout": 60}, SERVING, "closed when idle for 60 s, not 600 s"),
        (ALB, "delete", None, GONE, "is never given again"),
        (ALB, "delete", None, SERVING, "clients of alb lose their connections at once"),
        (ALB, "delete", {}, SERVING, "when names have led to the new one for their time to live"),
        (TARGETS, "update", {"health_check_path": "/x"}, SERVING, "(`health_check_path` / -> /x)"),
        (TARGETS, "update", {"health_check_port": 80}, SERVING, "fail the new health check get no requests"),
        (TARGETS, "update", {"matcher": "200-299"}, SERVING, "(`matcher` 200 -> 200-299)"),
        (TARGETS, "update", {"unhealthy_threshold": 3}, SERVING, "(`unhealthy_threshold` 2 -> 3)"),
        (TARGETS, "update", {"deregistration_delay": 5}, SERVING, "end after 5 s, not 300 s"),
        (TARGETS, "delete", None, SERVING, "what is registered with targets gets no more requests"),
        (TARGETS, "delete", {"port": 80}, SERVING, "end once its deregistration delay is over"),
        (LISTENER, "update", {"port": 8443}, SERVING, "port 8443 answers, and nothing answers on port 443 any more"),
        (LISTENER, "delete", None, SERVING, "nothing answers on port 443: new connections of clients are refused"),
        (LISTENER, "update", {"certificate_arn": REF}, SERVING, "are shown (other.id, known after apply)"),
        (LISTENER, "update", {"ssl_policy": "P2"}, SERVING, "without a protocol or cipher of P2 cannot connect"),
        (
            LISTENER,
            "update",
            {"target_group_arn": REF},
            SERVING,
            "go to (other.id, known after apply), not arn:targets",
        ),
        (
            LISTENER,
            "update",
            {"protocol": "HTTP", "certificate_arn": None, "ssl_policy": None},
            SERVING,
            "port 443 speaks HTTP: clients that speak HTTPS fail",
        ),
        (
            RECORD,
            "update",
            {"values": ["new.example.net"]},
            SERVING,
            "go to new.example.net, not old.example.net; resol",
        ),
        (RECORD, "update", {"values": [REF]}, SERVING, "cache the old answer for 300 s"),
        (RECORD, "update", {"ttl": 60}, SERVING, "takes effect after up to 60 s, not 300 s"),
        (
            RECORD,
            "delete",
            {"name": "b.example.com"},
            SERVING,
            "sm.example.com no longer resolves; resolvers may cache",
        ),
        (RECORD, "delete", None, SERVING, "sm.example.com no longer resolves; resolvers may cache"),
        ("aws.sns.topic", "delete", None, ALERTING, "alerts is deleted with every subscription"),
        ("aws.sns.topic", "update", {"kms_master_key_id": "k"}, ALERTING, "may not use the key k are lost"),
        (
            "aws.sns.subscription",
            "delete",
            None,
            ALERTING,
            "the email subscriber gets no more messages of arn:topic, and",
        ),
        (NODES, "delete", None, SERVING, "every stream on its nodes of nodes ends"),
        (
            NODES,
            "delete",
            {"scale_policy": "q"},
            SERVING,
            "ends once the new group has the minimum of its policy in service",
        ),
        (
            POLICY,
            "update",
            {"targets": [BASE["red5.scale_policy"]["targets"][0], {"role": "edge", "min_limit": 3, "max_limit": 4}]},
            CAPACITY,
            "4 edge nodes in default run at most, not 9",
        ),
        (
            POLICY,
            "update",
            {"targets": [BASE["red5.scale_policy"]["targets"][0], {"role": "edge", "min_limit": 0, "max_limit": 9}]},
            CAPACITY,
            "0 edge nodes in default may be left, not 3",
        ),
    ],
)
def test_a_risk_says_what_happens_to_whom(kind: str, op: str, after: Any, category: Any, reason: str) -> None:
    found = risks(kind, op, after)
    assert [risk for risk in found if risk.category is category and reason in risk.reason], found


@pytest.mark.parametrize(
    ("kind", "op", "after"),
    [
        *((kind, "update", {"tags": {"a": "c"}}) for kind, spec in BASE.items() if "tags" in spec),
        *((kind, "create", {}) for kind in BASE if kind != RULE),
        *((kind, "adopt", {"tags": {"a": "c"}}) for kind, spec in BASE.items() if "tags" in spec),
        (ALARM, "update", {"description": "other"}),
        (ALARM, "update", {"alarm_actions": ["arn:topic", "arn:policy", "arn:more"]}),
        (ALARM, "update", {"alarm_actions": ["arn:topic", REF]}),
        (IMAGE, "update", {"tags": {}, "source_after": "terminate", "reboot": True}),
        (RULE, "update", {"description": "other"}),
        (GROUP, "update", {"max_size": 10}),
        (GROUP, "update", {"min_size": 3}),
        (GROUP, "update", {"min_size": REF, "max_size": REF}),
        (GROUP, "update", {"default_cooldown": 9}),
        (GROUP, "update", {"instance_maintenance_policy": SAFE}),
        (
            GROUP,
            "update",
            {"instance_maintenance_policy": {"min_healthy_percentage": REF, "max_healthy_percentage": 1}},
        ),
        (GROUP, "update", {"default_instance_warmup": 9}),
        (GROUP, "update", {"suspended_processes": []}),
        (GROUP, "update", {"deletion_protection": "prevent-all-deletion"}),
        (GROUP, "update", {"subnet_ids": ["subnet-a", "subnet-b", "subnet-c"]}),
        (ALB, "update", {"idle_timeout": 1000}),
        (ALB, "update", {"security_groups": [REF, "sg-2"]}),
        (TARGETS, "update", {"deregistration_delay": 400}),
        (SCHEDULE, "update", {"min_size": 2}),
        (POLICY, "update", {"description": "other"}),
        (POLICY, "update", {"targets": [*BASE[POLICY]["targets"], {"role": "relay", "min_limit": 0, "max_limit": 1}]}),
        (LISTENER, "delete", {}),
        ("aws.autoscaling.launch_configuration", "delete", {}),
    ],
)
def test_there_is_no_risk_where_nothing_is_at_risk(kind: str, op: str, after: Any) -> None:
    assert risks(kind, op, after) == []


def test_an_image_that_is_adopted_to_be_completed_still_stops_its_source() -> None:
    assert [str(risk) for risk in risks(IMAGE, "adopt", {"source_after": "stop", "tags": {}})] == [
        "serving path: the source instance i-1 is stopped once the image is available"
    ]


def test_what_is_protected_already_loses_nothing() -> None:
    now = {"new_instances_protected_from_scale_in": False, "desired_capacity": 2}
    assert risks(GROUP, "update", {"new_instances_protected_from_scale_in": True}, now=now) == []
    assert [risk.category for risk in risks(GROUP, "delete", now=now)] == [SERVING]


@pytest.mark.parametrize("op", ["create", "update", "adopt", "replace", "delete"])
@pytest.mark.parametrize("kind", sorted(registry.drivers()))
def test_values_that_are_known_only_after_apply_are_no_obstacle(kind: str, op: str) -> None:
    names = registry.drivers()[kind].spec.model_fields
    mixed = [{"$ref": "other.id"}, {"$template": ["a", {"$ref": "b.c"}]}, {"$secret": "env:A"}, 1]
    unknown = {name: {"$ref": "other.id"} for name in names}
    partly = dict.fromkeys(names, mixed)
    for before in (unknown, partly, dict.fromkeys(names), {}):
        for after in (unknown, partly, {}):
            for risk in registry.drivers()[kind].risks(Effect(op, before, after, frozenset(names))):
                assert risk.reason
                assert "$" not in risk.reason


def test_an_alias_that_depends_on_health_says_so() -> None:
    alias = {"dns_name": "alb.example.net", "zone_id": "Z2", "evaluate_target_health": True}
    now = {"type": "A", "ttl": None, "values": None, "alias": alias}
    [risk] = risks(RECORD, "update", now | {"alias": alias | {"evaluate_target_health": False}}, now=now)
    assert risk.reason == "clients of sm.example.com go to alb.example.net, not alb.example.net, while it is healthy"
