"""What a case is, and how the fleets differ that several of them change."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.campaigns.interruptions.fleet import (
    RECORD,
    Edits,
    alias,
    balancer,
    listener,
    resource,
    rule,
    target_group,
)

ASKED = "it is what the change asks for"
ALONE = "AWS ends the only instance once its replacement has started, unless a maintenance policy says otherwise"
ROLL_OUT: Edits = {"fleet.roll_out": {"instance_warmup": 60}}
DRAIN: Edits = {"fleet.roll_out": {"instance_warmup": 60, "drain": {"timeout": 60}}}
PROTECTED: Edits = {"fleet.new_instances_protected_from_scale_in": True}
MAINTENANCE: Edits = {
    "fleet.instance_maintenance_policy": {"min_healthy_percentage": 100, "max_healthy_percentage": 150}
}
ALIAS_SPEC = {"zone_id": "${zone.id}", "name": "front.example.com", "type": "A"}
ALIAS: Edits = {"record": resource(RECORD, **ALIAS_SPEC, alias=alias("balancer"))}
SECOND_TARGETS: Edits = {
    "second": target_group("front-second"),
    "fleet.target_group_arns": ["${targets.arn}", "${second.arn}"],
}
SECOND_BALANCER: Edits = {
    "second_balancer": balancer("front-second"),
    "second_targets": target_group("front-others"),
    "second_https": listener(443, "HTTPS", "second_balancer", "second_targets"),
    "second_http": listener(5080, "HTTP", "second_balancer", "second_targets"),
    "fleet.target_group_arns": ["${targets.arn}", "${second_targets.arn}"],
}
WIDE: Edits = {
    "viewers": resource(
        "aws.ec2.security_group_rule",
        group="${clients.id}",
        direction="ingress",
        protocol="tcp",
        from_port=443,
        to_port=8443,
        cidr_ipv4="0.0.0.0/0",
    )
}


@dataclass(frozen=True)
class Case:
    """One change. ``unavoidable``: why AWS has no way to make it without silence; empty if it has one."""

    name: str
    change: Edits
    base: Edits = field(default_factory=dict)
    """How the fleet differs before the change."""
    size: int | None = None
    """The size to which the fleet is scaled, instead of a change of the blueprint."""
    unavoidable: str = ""
    starts: bool = False
    """Whether the silence is the start of an instance: predicted as the guide has it, and shorter on the sandbox."""


def each(base: Edits, /, unavoidable: str = "", **values: Any) -> Iterator[Case]:
    """A case for each attribute, ``address__field`` to its value; those in a list are values of one case each."""
    for key, value in values.items():
        path = key.replace("__", ".")
        shown = f" {value}" if isinstance(value, (int, str)) and "\n" not in str(value) else ""
        yield Case(f"{path}{shown}", {path: value}, base, unavoidable=unavoidable)


def other_group() -> Edits:
    return {
        "other": resource("aws.ec2.security_group", name="front-other", description="Viewers", vpc_id="${vpc.id}"),
        "other_viewers": rule("other", 443, cidr_ipv4="0.0.0.0/0"),
        "other_viewers_http": rule("other", 5080, cidr_ipv4="0.0.0.0/0"),
    }
