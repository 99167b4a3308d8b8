"""The constraints: which check of a blueprint belongs to which rule of the guide."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from smplan.core.blueprint import Blueprint, Resource
from smplan.core.values import Path
from smplan.guide import checks_of_launches as launches
from smplan.guide import checks_of_network as network
from smplan.guide import checks_of_nodes as nodes
from smplan.guide import checks_of_scaling as scaling
from smplan.guide import rules
from smplan.guide.index import BlueprintIndex
from smplan.guide.rules import Rule, how_to_allow

Violation: TypeAlias = "tuple[Path, str, str]"
"""Path inside the spec, message, hint."""


@dataclass(frozen=True)
class Constraint:
    """The check of one rule, made of each resource of ``kinds``."""

    rule: Rule
    kinds: tuple[str, ...]
    check: Callable[[Resource, BlueprintIndex], Iterator[Violation]]


@dataclass(frozen=True, slots=True)
class Broken:
    """One rule that a resource breaks. ``path`` is in the document; the hint says the source and how to allow it."""

    rule: Rule
    resource: Resource
    path: Path
    message: str
    hint: str


def violations(blueprint: Blueprint, index: BlueprintIndex | None = None) -> Iterator[Broken]:
    """The rules that ``blueprint`` breaks, or that the resources of ``index`` break, but for those they allow."""
    index = index or BlueprintIndex(
        blueprint.resources, blueprint.lookups, variables=blueprint.variables, region=blueprint.region
    )
    by_kind: dict[str, list[Constraint]] = {}
    for constraint in CONSTRAINTS:
        for kind in constraint.kinds:
            by_kind.setdefault(kind, []).append(constraint)
    for resource in index.by_address.values():
        for constraint in by_kind.get(resource.kind, ()):
            rule = constraint.rule
            if rule.id in resource.lifecycle.allow:
                continue
            for path, message, hint in constraint.check(resource, index):
                yield Broken(rule, resource, (*resource.path, "spec", *path), message, how_to_allow(hint, rule))


_TEMPLATES = ("aws.ec2.launch_template", "aws.autoscaling.launch_configuration")
_POLICY = ("aws.autoscaling.scaling_policy",)
_GROUP = ("aws.autoscaling.group",)

CONSTRAINTS = (
    Constraint(rules.SAME_SUBNETS, _GROUP, network.other_subnets),
    Constraint(rules.WEBRTC_PROTECTION, _GROUP, scaling.unprotected),
    Constraint(rules.WEBRTC_NO_SCALE_IN, _POLICY, scaling.scale_in_by_policy),
    Constraint(rules.WEBRTC_NO_SCALE_IN, ("aws.autoscaling.schedule",), scaling.scale_in_by_schedule),
    Constraint(rules.SCALE_OUT_WAIT, _POLICY, scaling.short_wait),
    Constraint(rules.SCALE_IN_WAIT, _POLICY, scaling.slow_scale_in),
    Constraint(rules.GRACE_PERIOD, _GROUP, scaling.short_grace_period),
    Constraint(rules.VOLUME_SIZE, _TEMPLATES, launches.small_volume),
    Constraint(rules.UNIQUE_ADDRESS, _TEMPLATES, launches.shared_address),
    Constraint(rules.ADDRESS_RESTART, _TEMPLATES, launches.no_restart),
    Constraint(rules.RESTART_NO_BLOCK, _TEMPLATES, launches.blocking_restart),
    Constraint(rules.DEFAULT_PASSWORDS, (*_TEMPLATES, "red5.launch_config"), launches.default_passwords),
    Constraint(rules.NODE_PREFIX, _TEMPLATES, launches.overlapping_prefix),
    Constraint(rules.POLICY_ROLES, ("red5.nodegroup",), nodes.unfit_policy),
    Constraint(rules.NODE_REGIONS, ("red5.nodegroup",), nodes.other_region),
    Constraint(rules.RECORD_IN_ZONE, ("aws.route53.record",), network.outside_its_zone),
)
"""Every check that needs the blueprint only; drivers make the others, see ``Rule.asks_aws``."""
