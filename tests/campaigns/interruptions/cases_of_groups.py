"""Changes of scaling groups, their sizes and zones."""

from __future__ import annotations

from collections.abc import Iterator

from tests.campaigns.interruptions.case import ALONE, ASKED, MAINTENANCE, PROTECTED, SECOND_TARGETS, Case, each
from tests.campaigns.interruptions.fleet import GONE, Edits

ONE: Edits = {
    "fleet.min_size": 1,
    "healthy.minimum": 1,
    "fleet.subnet_ids": "${a.ids}",
    "balancer.subnets": "${abc.ids}",
}
THREE_ZONES: Edits = {"fleet.subnet_ids": "${abc.ids}", "balancer.subnets": "${abc.ids}"}
FLEETLESS: Edits = dict.fromkeys(("fleet", "healthy"), GONE)


HOOK = {"name": "drain", "lifecycle_transition": "autoscaling:EC2_INSTANCE_TERMINATING", "heartbeat_timeout": 60}


def cases() -> Iterator[Case]:
    """All of them."""
    yield from each(
        {},
        fleet__name="front-fleet-2",
        fleet__min_size=1,
        fleet__max_size=5,
        fleet__desired_capacity=3,
        fleet__health_check_type="EC2",
        fleet__health_check_grace_period=600,
        fleet__default_instance_warmup=60,
        fleet__default_cooldown=180,
        fleet__new_instances_protected_from_scale_in=True,
        fleet__termination_policies=["OldestInstance"],
        fleet__suspended_processes=["AZRebalance"],
        fleet__deletion_protection="prevent-force-deletion",
        fleet__lifecycle_hooks=[HOOK],
        fleet__tags={"team": "video"},
        fleet__roll_out={},
    )
    yield Case("fleet.name, protected", {"fleet.name": "front-fleet-2"}, PROTECTED)
    yield Case(
        "fleet.propagate_tags_at_launch", {"fleet.propagate_tags_at_launch": False}, {"fleet.tags": {"team": "video"}}
    )
    yield Case("fleet.instance_maintenance_policy", MAINTENANCE)
    yield Case(
        "fleet.new_instances_protected_from_scale_in off",
        {"fleet.new_instances_protected_from_scale_in": False},
        PROTECTED,
    )
    yield Case(
        "fleet.subnet_ids: another zone, of one instance",
        {"fleet.subnet_ids": "${bc.ids}"},
        ONE,
        unavoidable=ALONE,
        starts=True,
    )
    yield Case(
        "fleet.subnet_ids: another zone, of one instance, with a maintenance policy",
        {"fleet.subnet_ids": "${bc.ids}"},
        {**ONE, **MAINTENANCE},
    )
    yield Case("fleet.max_size: below what runs", {"fleet.max_size": 1, "fleet.min_size": 1, "healthy.minimum": 1})
    yield Case("fleet.max_size 0", {"fleet.max_size": 0, "fleet.min_size": 0, "healthy": GONE}, unavoidable=ASKED)
    yield Case(
        "fleet.max_size: below what runs, protected",
        {"fleet.max_size": 1, "fleet.min_size": 1, "healthy.minimum": 1},
        PROTECTED,
    )
    yield Case("fleet.target_group_arns: one more", {**SECOND_TARGETS})
    yield Case("fleet.target_group_arns: one less", {"fleet.target_group_arns": ["${targets.arn}"]}, SECOND_TARGETS)
    yield Case("fleet.target_group_arns: none", {"fleet.target_group_arns": [], "healthy": GONE}, unavoidable=ASKED)
    yield Case("fleet: removed", FLEETLESS, unavoidable=ASKED)
    yield Case("fleet: scaled to 0", {}, size=0, unavoidable=ASKED)
    yield Case("fleet: scaled to 1", {}, size=1)
    yield Case("fleet: scaled to 3", {}, size=3)
    yield Case("fleet: scaled to 0, protected", {}, PROTECTED, size=0, unavoidable=ASKED)
    without_gate = {**PROTECTED, "healthy": GONE}  # which says that nothing replaces protected instances
    for how, more in (("", {}), (", with a maintenance policy", MAINTENANCE), (", protected", without_gate)):
        yield from _of_zones(how, more)


def _of_zones(how: str, more: Edits) -> Iterator[Case]:
    yield Case(f"fleet.subnet_ids: a zone more{how}", {"fleet.subnet_ids": "${abc.ids}"}, more)
    yield Case(f"fleet.subnet_ids: a zone less{how}", {"fleet.subnet_ids": "${a.ids}"}, more)
    yield Case(
        f"fleet.subnet_ids: another zone{how}",
        {"fleet.subnet_ids": "${bc.ids}"},
        {"balancer.subnets": "${abc.ids}", **more},
    )
    both = {"fleet.subnet_ids": "${bc.ids}", "balancer.subnets": "${bc.ids}"}
    yield Case(f"subnets of fleet and balancer: another zone{how}", both, more)
    yield Case(
        f"subnets of fleet and balancer: a zone less{how}",
        {"fleet.subnet_ids": "${ab.ids}", "balancer.subnets": "${ab.ids}"},
        {**THREE_ZONES, **more},
    )
