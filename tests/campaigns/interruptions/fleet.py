"""The fleet that the cases change: everything from the name to the instances, as JSON with edits."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from enum import Enum
from typing import Any, TypeAlias


class Mark(Enum):
    """What an edit does instead of giving a value."""

    GONE = "gone"


GONE = Mark.GONE
Edits: TypeAlias = Mapping[str, Any]
"""``address`` to a whole resource, ``address.field`` to a value of its spec; GONE removes either."""

DOMAIN, HOST, OTHER_HOST = "example.com", "front.example.com", "other.example.com"
FLEET = "fleet"
TTL, DELAY = 60, 120
POLICY = "ELBSecurityPolicy-TLS13-1-2-Res-PQ-2025-09"


def resource(kind: str, /, **spec: Any) -> dict[str, Any]:
    """A resource as a blueprint has it; it may break every rule that a case has to break."""
    made: dict[str, Any] = {"kind": kind, "spec": spec}
    if kind in ALLOWED:
        made["lifecycle"] = {"allow": ALLOWED[kind]}
    return made


def zones(*letters: str) -> dict[str, Any]:
    """A lookup of one subnet in each of these zones."""
    where = {"vpc_id": "${vpc.id}", "zone": [f"us-east-1{each}" for each in letters], "one_per_zone": True}
    return {"kind": "aws.ec2.subnets", "where": where}


ALLOWED = {
    "aws.elbv2.listener": ["open-ports"],
    "aws.autoscaling.group": [
        "open-ports",
        "database-access",
        "same-subnets",
        "grace-period",
        "webrtc-no-scale-in",
    ],
    "aws.ec2.launch_template": ["unique-address"],
    "aws.autoscaling.launch_configuration": ["unique-address"],
}
LOOKUPS: dict[str, Any] = {
    "vpc": {"kind": "aws.ec2.vpc", "where": {"tag:Name": "red5pro"}},
    "zone": {"kind": "aws.route53.zone", "where": {"name": DOMAIN}},
    "database": {"kind": "aws.ec2.security_group", "where": {"vpc_id": "${vpc.id}", "name": "red5pro-database"}},
    "source": {"kind": "aws.ec2.instance", "where": {"tag:Name": "red5pro-stream-manager"}},
    "base_image": {"kind": "aws.ec2.image", "where": {"name": "red5pro-stream-manager-base"}},
    "certificate": {"kind": "aws.acm.certificate", "where": {"domain": f"*.{DOMAIN}"}},
    "second_certificate": {"kind": "aws.acm.certificate", "where": {"domain": HOST}},
    "ab": zones("a", "b"),
    "abc": zones("a", "b", "c"),
    "bc": zones("b", "c"),
    "ac": zones("a", "c"),
    "a": zones("a"),
}
RULE, GROUP, TARGETS = "aws.ec2.security_group_rule", "aws.ec2.security_group", "aws.elbv2.target_group"
LISTENER, BALANCER, RECORD = "aws.elbv2.listener", "aws.elbv2.load_balancer", "aws.route53.record"


def rule(group: str, port: int, /, **peer: Any) -> dict[str, Any]:
    """A rule that admits TCP to one port of the members of a group."""
    return resource(RULE, group=f"${{{group}.id}}", direction="ingress", protocol="tcp", port=port, **peer)


def listener(port: int, protocol: str, balancer: str = "balancer", targets: str = "targets") -> dict[str, Any]:
    """A listener; with HTTPS, one that has certificate and policy."""
    tls = {"certificate_arn": "${certificate.arn}", "ssl_policy": POLICY} if protocol == "HTTPS" else {}
    made = {"load_balancer_arn": f"${{{balancer}.arn}}", "port": port, "protocol": protocol, **tls}
    return resource(LISTENER, **made, target_group_arn=f"${{{targets}.arn}}")


def target_group(name: str, /, **spec: Any) -> dict[str, Any]:
    """A target group; its health check is quick, and its deregistration delay short."""
    known = {"name": name, "protocol": "HTTP", "port": 5080, "vpc_id": "${vpc.id}"}
    return resource(TARGETS, **{**known, "health_check_interval": 15, "deregistration_delay": DELAY, **spec})


def balancer(name: str) -> dict[str, Any]:
    """A load balancer like the fleet's."""
    return resource(BALANCER, name=name, subnets="${ab.ids}", security_groups=["${clients.id}"])


def alias(name: str) -> dict[str, Any]:
    """What makes a name an alias of a load balancer."""
    return {"dns_name": f"${{{name}.dns_name}}", "zone_id": f"${{{name}.canonical_hosted_zone_id}}"}


BASE: dict[str, dict[str, Any]] = {
    "clients": resource(GROUP, name="front-clients", description="Viewers", vpc_id="${vpc.id}"),
    "viewers": rule("clients", 443, cidr_ipv4="0.0.0.0/0"),
    "viewers_http": rule("clients", 5080, cidr_ipv4="0.0.0.0/0"),
    "nodes": resource(GROUP, name="front-nodes", description="Stream Managers", vpc_id="${vpc.id}"),
    "inner": rule("nodes", 5080, source_group="${clients.id}"),
    "database_access": rule("database", 3306, source_group="${nodes.id}"),
    "image": resource("aws.ec2.image", name="front-ami", instance_id="${source.id}", reboot=False),
    "template": resource(
        "aws.ec2.launch_template",
        name="front-template",
        image_id="${image.id}",
        instance_type="c5.large",
        security_group_ids=["${nodes.id}"],
    ),
    "targets": target_group("front-targets"),
    "balancer": balancer("front-alb"),
    "https": listener(443, "HTTPS"),
    "http": listener(5080, "HTTP"),
    "fleet": resource(
        "aws.autoscaling.group",
        name="front-fleet",
        launch_template={"id": "${template.id}", "version": "${template.version}"},
        min_size=2,
        max_size=4,
        subnet_ids="${ab.ids}",
        target_group_arns=["${targets.arn}"],
    ),
    "healthy": resource(
        "gate.targets_healthy",
        target_group_arn="${targets.arn}",
        auto_scaling_group_name="${fleet.name}",
        minimum=2,
        timeout=1200,
    ),
    "record": resource(RECORD, zone_id="${zone.id}", name=HOST, type="CNAME", ttl=TTL, values=["${balancer.dns_name}"]),
}


SCALING: dict[str, dict[str, Any]] = {
    "out": resource(
        "aws.autoscaling.scaling_policy",
        auto_scaling_group_name="${fleet.name}",
        name="out",
        policy_type="SimpleScaling",
        adjustment_type="ChangeInCapacity",
        scaling_adjustment=1,
        cooldown=300,
    ),
    "night": resource(
        "aws.autoscaling.schedule",
        auto_scaling_group_name="${fleet.name}",
        name="night",
        recurrence="0 22 1 1 *",
        min_size=2,
    ),
    "topic": resource("aws.sns.topic", name="front-events"),
    "notification": resource(
        "aws.autoscaling.notification",
        auto_scaling_group_name="${fleet.name}",
        topic_arn="${topic.arn}",
        notification_types=["autoscaling:EC2_INSTANCE_LAUNCH"],
    ),
    "alarm": resource(
        "aws.cloudwatch.alarm",
        name="front-cpu",
        namespace="AWS/EC2",
        metric_name="CPUUtilization",
        dimensions={"AutoScalingGroupName": "${fleet.name}"},
        statistic="Average",
        comparison_operator="GreaterThanOrEqualToThreshold",
        threshold=70,
        period=60,
        evaluation_periods=2,
        alarm_actions=["${out.arn}"],
    ),
}
"""What scales the fleet and notifies people: only in the cases that change some of it, which saves time."""


def edited(resources: Mapping[str, dict[str, Any]], edits: Edits) -> dict[str, dict[str, Any]]:
    """The resources with the edits."""
    made = copy.deepcopy(dict(resources))
    for path, value in edits.items():
        address, _, field = path.partition(".")
        place, key = (made[address]["spec"], field) if field else (made, address)
        if value is GONE:
            del place[key]
        else:
            place[key] = copy.deepcopy(value)
    return made


def blueprint(resources: Mapping[str, dict[str, Any]]) -> str:
    """The text of a blueprint, which is YAML too, with the lookups that it needs."""
    text = json.dumps(resources)
    needed = {name: each for name, each in LOOKUPS.items() if f"${{{name}." in text}
    needed["vpc"] = LOOKUPS["vpc"]
    return json.dumps(
        {"smplan": 1, "name": "front", "aws": {"region": "us-east-1"}, "lookups": needed, "resources": resources},
        indent=1,
    )
