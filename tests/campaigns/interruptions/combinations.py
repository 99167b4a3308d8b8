"""Changes of several things at once."""

from __future__ import annotations

from collections.abc import Iterator

from tests.campaigns.interruptions.case import ALIAS, ASKED, ROLL_OUT, Case
from tests.campaigns.interruptions.cases_of_groups import FLEETLESS
from tests.campaigns.interruptions.fleet import GONE, SCALING, resource


def cases() -> Iterator[Case]:
    """All of them."""
    new = {"balancer.name": "front-alb-2", "targets.name": "front-targets-2", "fleet.name": "front-fleet-2"}
    two = list(new)
    yield Case("target group, load balancer and scaling group replaced", new)
    yield Case("the same, of an alias", new, ALIAS)
    yield Case("the same, slow checks", {**new, "targets.health_check_interval": 120})
    for left in two:
        yield Case(f"of these, all but {left}", {key: value for key, value in new.items() if key != left})
    yield Case(
        "everything replaced",
        {
            **new,
            "template.name": "front-template-2",
            "image.name": "front-ami-2",
            "clients.name": "front-clients-2",
            "nodes.name": "front-nodes-2",
            "out.name": "more",
            "alarm.name": "front-cpu-2",
        },
        {**SCALING, **ROLL_OUT},
    )
    yield Case(
        "balancer replaced while the TTL changes",
        {"balancer.name": "front-alb-2", "record.ttl": 30},
        {"record.ttl": 300},
    )
    yield Case("balancer replaced, the name becomes an alias", {"balancer.name": "front-alb-2", **ALIAS})
    yield Case(
        "fleet replaced, and rolled out",
        {"fleet.name": "front-fleet-2", "template.instance_type": "c5.xlarge"},
        ROLL_OUT,
    )
    yield Case(
        "rolled out while a zone leaves",
        {"template.instance_type": "c5.xlarge", "fleet.subnet_ids": "${a.ids}"},
        ROLL_OUT,
    )
    yield Case(
        "two fleets behind one door, one removed",
        {"blue": GONE},
        {
            "blue": resource(
                "aws.autoscaling.group",
                name="front-blue",
                launch_template={"id": "${template.id}", "version": "${template.version}"},
                min_size=1,
                max_size=4,
                subnet_ids="${ab.ids}",
                target_group_arns=["${targets.arn}"],
            )
        },
    )
    yield Case(
        "everything removed",
        dict.fromkeys(("record", "https", "http", "balancer", "targets", *FLEETLESS, *SCALING), GONE),
        SCALING,
        unavoidable=ASKED,
    )
