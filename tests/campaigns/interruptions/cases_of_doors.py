"""Changes of names, load balancers, listeners and target groups."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.campaigns.interruptions.case import (
    ALIAS,
    ASKED,
    SECOND_BALANCER,
    SECOND_TARGETS,
    WIDE,
    Case,
    each,
    other_group,
)
from tests.campaigns.interruptions.fleet import (
    GONE,
    OTHER_HOST,
    RECORD,
    Edits,
    alias,
    balancer,
    listener,
    resource,
    rule,
)

SECOND_ALIASED: Edits = {**SECOND_BALANCER, **ALIAS}


def _records() -> Iterator[Case]:
    yield from each({}, record__ttl=300)
    yield Case("record.ttl 60", {"record.ttl": 60}, {"record.ttl": 300})
    yield Case("record: becomes an alias", ALIAS)
    yield Case("record: alias becomes a CNAME", {"record": _cname()}, ALIAS)
    yield Case(
        "record.values: to another balancer", {"record.values": ["${second_balancer.dns_name}"]}, SECOND_BALANCER
    )
    yield Case("record.alias: to another balancer", {"record.alias": alias("second_balancer")}, SECOND_ALIASED)
    yield Case(
        "record: to another balancer, and the former one removed",
        {"record.values": ["${second_balancer.dns_name}"], **_first_front_gone()},
        SECOND_BALANCER,
    )
    yield Case(
        "record: alias to another balancer, and the former one removed",
        {"record.alias": alias("second_balancer"), **_first_front_gone()},
        SECOND_ALIASED,
    )
    yield Case(
        "record.alias: evaluates health", {"record.alias": {**alias("balancer"), "evaluate_target_health": True}}, ALIAS
    )
    yield from each({}, ASKED, record__name=OTHER_HOST, record=GONE)


def _cname() -> dict[str, Any]:
    return resource(
        RECORD, zone_id="${zone.id}", name="front.example.com", type="CNAME", ttl=60, values=["${balancer.dns_name}"]
    )


def _first_front_gone() -> Edits:
    return {
        "balancer": GONE,
        "https": GONE,
        "http": GONE,
        "targets": GONE,
        "fleet.target_group_arns": ["${second_targets.arn}"],
        "healthy.target_group_arn": "${second_targets.arn}",
    }


def _balancers() -> Iterator[Case]:
    yield from each({}, balancer__name="front-alb-2", balancer__idle_timeout=600)
    yield from each({}, ASKED, balancer__scheme="internal")
    yield from each({"balancer.scheme": "internal"}, balancer__scheme="internet-facing")
    yield Case("balancer.name, of an alias", {"balancer.name": "front-alb-2"}, ALIAS)
    yield from each({}, balancer__idle_timeout=30, balancer__deletion_protection=True, balancer__tags={"team": "video"})
    yield Case(
        "balancer.deletion_protection off",
        {"balancer.deletion_protection": False},
        {"balancer.deletion_protection": True},
    )
    yield from each({}, balancer__subnets="${abc.ids}")
    yield Case("balancer.subnets: a zone less", {"balancer.subnets": "${ab.ids}"}, {"balancer.subnets": "${abc.ids}"})
    yield Case("balancer.subnets: another zone", {"balancer.subnets": "${ac.ids}"}, {"fleet.subnet_ids": "${a.ids}"})
    yield Case(
        "balancer.security_groups: another",
        {"balancer.security_groups": ["${other.id}"], "inner_other": rule("nodes", 5080, source_group="${other.id}")},
        {
            **other_group(),
        },
    )
    yield Case(
        "balancer.security_groups: one more",
        {"balancer.security_groups": ["${clients.id}", "${other.id}"]},
        other_group(),
    )
    yield Case(
        "balancer.security_groups: one less",
        {"balancer.security_groups": ["${clients.id}"]},
        {**other_group(), "balancer.security_groups": ["${clients.id}", "${other.id}"]},
    )
    yield Case("balancer: removed", {"balancer": GONE, "https": GONE, "http": GONE, "record": GONE}, unavoidable=ASKED)


def _listeners() -> Iterator[Case]:
    yield Case("https.port 8443", {"https.port": 8443}, WIDE, unavoidable=ASKED)
    yield Case(
        "https.protocol HTTP",
        {"https.protocol": "HTTP", "https.certificate_arn": GONE, "https.ssl_policy": GONE},
        unavoidable=ASKED,
    )
    yield from each(
        {},
        https__certificate_arn="${second_certificate.arn}",
        https__ssl_policy="ELBSecurityPolicy-TLS13-1-2-2021-06",
        https__tags={"team": "video"},
    )
    yield Case("https.target_group_arn", {"https.target_group_arn": "${second.arn}"}, SECOND_TARGETS)
    yield Case(
        "listeners: to a new target group",
        {
            "https.target_group_arn": "${second.arn}",
            "http.target_group_arn": "${second.arn}",
            "healthy.target_group_arn": "${second.arn}",
            **SECOND_TARGETS,
        },
    )
    spare = {"spare": balancer("front-spare")}
    there = {"https.load_balancer_arn": "${spare.arn}", "http.load_balancer_arn": "${spare.arn}"}
    yield Case(
        "listeners: to another balancer, with the name", {**there, "record.values": ["${spare.dns_name}"]}, spare
    )
    yield Case("listeners: to another balancer, without the name", there, spare, unavoidable=ASKED)
    yield Case(
        "https.load_balancer_arn",
        {"https.load_balancer_arn": "${spare.arn}", "https.target_group_arn": "${second.arn}"},
        {**spare, **SECOND_TARGETS},
        unavoidable=ASKED,
    )
    yield Case("listeners: swap their ports", {"https.port": 5080, "http.port": 443}, unavoidable=ASKED)
    yield Case(
        "listeners of one protocol: swap their ports",
        {"https.port": 5080, "http.port": 443},
        {"https": listener(443, "HTTP")},
    )
    yield from each({}, ASKED, https=GONE, http=GONE)


def _targets() -> Iterator[Case]:
    yield from each(
        {},
        targets__name="front-targets-2",
        targets__protocol="HTTPS",
        targets__health_check_protocol="HTTPS",
        targets__health_check_path="/live",
        targets__health_check_port=5080,
        targets__health_check_interval=30,
        targets__health_check_timeout=10,
        targets__healthy_threshold=3,
        targets__unhealthy_threshold=5,
        targets__matcher="200-299",
        targets__deregistration_delay=300,
        targets__tags={"team": "video"},
    )
    yield Case("targets.deregistration_delay 0", {"targets.deregistration_delay": 0})
    yield Case(
        "targets.name, checked every 240 s", {"targets.name": "front-targets-2", "targets.health_check_interval": 240}
    )
    yield Case(
        "targets.port 5081", {"targets.port": 5081, "inner_new": rule("nodes", 5081, source_group="${clients.id}")}
    )
    yield Case(
        "targets: removed",
        {"targets": GONE, "https": GONE, "http": GONE, "healthy": GONE, "fleet.target_group_arns": []},
        unavoidable=ASKED,
    )


def cases() -> Iterator[Case]:
    """All of them."""
    yield from _records()
    yield from _balancers()
    yield from _listeners()
    yield from _targets()
