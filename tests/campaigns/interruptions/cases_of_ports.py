"""Changes of security groups and their rules."""

from __future__ import annotations

from collections.abc import Iterator

from tests.campaigns.interruptions.case import ASKED, ROLL_OUT, WIDE, Case, each, other_group
from tests.campaigns.interruptions.fleet import GONE, Edits, resource, rule

NARROW: Edits = {"viewers.cidr_ipv4": "203.0.113.0/24", "viewers_http.cidr_ipv4": "203.0.113.0/24"}


def _security_groups() -> Iterator[Case]:
    for address in ("clients", "nodes"):
        base = ROLL_OUT if address == "nodes" else {}
        yield Case(f"{address}.name", {f"{address}.name": f"front-{address}-2"}, base)
        yield Case(f"{address}.description", {f"{address}.description": "Others"}, base)
        yield Case(f"{address}.tags", {f"{address}.tags": {"team": "video"}})
    yield Case(
        "clients: another group in its place",
        {
            "clients": GONE,
            **other_group(),
            "viewers": GONE,
            "viewers_http": GONE,
            "balancer.security_groups": ["${other.id}"],
            "inner.source_group": "${other.id}",
        },
    )


def _rules() -> Iterator[Case]:
    yield Case(
        "viewers.group",
        {"viewers.group": "${other.id}"},
        {
            "other": other_group()["other"],
            "balancer.security_groups": ["${clients.id}", "${other.id}"],
            "inner_other": rule("nodes", 5080, source_group="${other.id}"),
        },
    )
    yield from each({}, viewers__description="Viewers", viewers__tags={"team": "video"})
    yield Case("viewers.protocol all", {"viewers.protocol": "all", "viewers.port": GONE})
    yield Case("viewers: a range of ports", WIDE)
    yield Case("viewers.from_port, narrower", {"viewers.from_port": 500}, WIDE, unavoidable=ASKED)
    yield Case("viewers.to_port, narrower", {"viewers.to_port": 8000}, WIDE)
    yield from each({}, ASKED, viewers__port=8443, viewers__direction="egress", viewers=GONE)
    yield Case("viewers.cidr_ipv4: narrower", {"viewers.cidr_ipv4": "198.51.100.0/24"}, unavoidable=ASKED)
    yield Case("viewers.cidr_ipv4: another", {"viewers.cidr_ipv4": "198.51.100.0/24"}, NARROW, unavoidable=ASKED)
    yield Case("viewers.cidr_ipv4: wider", {"viewers.cidr_ipv4": "0.0.0.0/0"}, NARROW)
    halves = {"viewers.cidr_ipv4": "0.0.0.0/1", "viewers_rest": rule("clients", 443, cidr_ipv4="128.0.0.0/1")}
    yield Case("viewers.cidr_ipv4: in two halves", halves)
    yield Case("viewers.cidr_ipv6 instead", {"viewers.cidr_ipv4": GONE, "viewers.cidr_ipv6": "::/0"}, unavoidable=ASKED)
    yield Case("viewers: removed, tracked", {"viewers": GONE}, NARROW, unavoidable=ASKED)
    yield Case(
        "viewers: covered by another rule",
        {"viewers": GONE},
        {
            "all": resource(
                "aws.ec2.security_group_rule",
                group="${clients.id}",
                direction="ingress",
                protocol="all",
                cidr_ipv4="0.0.0.0/0",
            )
        },
    )
    yield from _inner_rules()


def _inner_rules() -> Iterator[Case]:
    yield Case("inner: removed", {"inner": GONE}, unavoidable=ASKED)
    yield Case(
        "inner: removed, EC2 health checks", {"inner": GONE}, {"fleet.health_check_type": "EC2"}, unavoidable=ASKED
    )
    yield Case(
        "inner: removed, open to everyone",
        {"inner": GONE},
        {"inner": rule("nodes", 5080, cidr_ipv4="0.0.0.0/0"), "fleet.health_check_type": "EC2"},
        unavoidable=ASKED,
    )
    yield Case("inner.source_group", {"inner.source_group": "${nodes.id}"}, unavoidable=ASKED)
    yield Case("inner: to everyone", {"inner.source_group": GONE, "inner.cidr_ipv4": "0.0.0.0/0"})
    yield Case("inner: to the VPC", {"inner.source_group": GONE, "inner.cidr_ipv4": "10.0.0.0/8"})
    yield Case("inner.port", {"inner.port": 5081}, unavoidable=ASKED)
    yield Case("database_access: removed", {"database_access": GONE}, unavoidable=ASKED)
    yield Case(
        "database_access: removed, EC2 health checks",
        {"database_access": GONE},
        {"fleet.health_check_type": "EC2"},
        unavoidable=ASKED,
    )
    yield Case(
        "database_access: to the VPC",
        {"database_access.source_group": GONE, "database_access.cidr_ipv4": "10.0.0.0/16"},
    )


def cases() -> Iterator[Case]:
    """All of them."""
    yield from _security_groups()
    yield from _rules()
