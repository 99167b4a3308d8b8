"""What the cases must cover: each attribute, and the removal, of each kind on the serving path."""

from __future__ import annotations

from collections.abc import Iterator

from smplan.drivers import registry
from tests.campaigns.interruptions.case import Case
from tests.campaigns.interruptions.cases import all_cases
from tests.campaigns.interruptions.fleet import BASE, GONE, edited

ELSEWHERE = ("aws.ec2.instance", "aws.sns.subscription")
"""Kinds of AWS that no connection of a viewer depends on: the source of an image, and who gets notifications."""
REMOVAL = "(removed)"
NOT_CHANGED = {
    "aws.route53.record.zone_id": "another zone is another name: as `name`",
    "aws.elbv2.target_group.vpc_id": "the instances of a fleet are in one VPC",
    "aws.elbv2.target_group.target_type": "a scaling group registers instances only: AWS refuses `ip`",
    "aws.elbv2.load_balancer.ip_address_type": "dual stack needs IPv6 subnets, which the sandbox does not have",
    "aws.ec2.security_group.vpc_id": "a load balancer takes groups of its own VPC only",
    "aws.ec2.security_group_rule.prefix_list_id": "viewers of the sandbox are in no prefix list",
    "aws.ec2.image.instance_id": "another source is another image: as `name`",
    "aws.autoscaling.scaling_policy.auto_scaling_group_name": "it changes with the group: as its `name`",
    "aws.autoscaling.notification.auto_scaling_group_name": "it changes with the group: as its `name`",
    "aws.autoscaling.schedule.auto_scaling_group_name": "it changes with the group: as its `name`",
    "aws.sns.topic.kms_master_key_id": "the sandbox has no keys, and no viewer depends on notifications",
}
"""Attributes without a case, each with the reason."""


def kinds() -> list[str]:
    """The kinds of AWS that a fleet is made of."""
    return sorted(kind for kind in registry.drivers() if kind.startswith("aws.") and kind not in ELSEWHERE)


def _wanted() -> Iterator[str]:
    for kind in kinds():
        yield f"{kind}.{REMOVAL}"
        yield from (f"{kind}.{name}" for name in registry.drivers()[kind].spec.model_fields)


def _covered(case: Case) -> Iterator[str]:
    """The attributes that a case changes, and the kinds of which it removes a resource."""
    before = edited(BASE, case.base)
    for path, value in case.change.items():
        address, _, name = path.partition(".")
        kind = before[address]["kind"] if address in before else ""
        if name:
            yield f"{kind}.{name.partition('.')[0]}"
        elif value is GONE:
            yield f"{kind}.{REMOVAL}"
        elif address in before:
            specs = before[address]["spec"], value["spec"]
            yield from (f"{kind}.{each}" for each in {*specs[0], *specs[1]} if specs[0].get(each) != specs[1].get(each))


def _all_covered() -> set[str]:
    return {each for case in all_cases().values() for each in _covered(case)}


def missing() -> list[str]:
    """What has neither a case nor a reason."""
    return sorted({*_wanted()} - _all_covered() - NOT_CHANGED.keys())


def outdated() -> list[str]:
    """Reasons for what has a case, or does not exist."""
    return sorted(NOT_CHANGED.keys() & _all_covered() | NOT_CHANGED.keys() - {*_wanted()})
