"""Checks of node groups and of what they are launched by."""

from __future__ import annotations

from collections.abc import Iterator

from smplan.core.blueprint import Resource
from smplan.core.values import PartialValue, Path
from smplan.guide.index import BlueprintIndex, listed

_DEFAULT_REGION = "default"


def unfit_policy(group: Resource, index: BlueprintIndex) -> Iterator[tuple[Path, str, str]]:
    """Roles that the launch configuration lacks, and regions that the group lacks."""
    policy, config = _named(group, "scale_policy", index), _named(group, "launch_config", index)
    roles, launched = _of(policy, "role"), _of(config, "role")
    if policy and config and roles is not None and launched is not None and roles - launched:
        message = f"{policy.address} has the role {_all(roles - launched)}, and {config.address} does not launch it"
        yield ("scale_policy",), message, f"add a target of that role to {config.address}, or remove it from the policy"
    regions, places = _of(policy, "region"), group.spec.get("regions")
    if policy and regions is not None and _all_texts(places):
        unused = regions - {_DEFAULT_REGION, *listed(places)}
        if unused:
            message = f"{policy.address} has limits for {_all(unused)}, and the group launches no nodes there"
            yield ("regions",), message, "add the region to the group, or remove it from the policy"


def other_region(group: Resource, index: BlueprintIndex) -> Iterator[tuple[Path, str, str]]:
    """Regions without the one in which the Stream Managers are."""
    places = group.spec.get("regions")
    if index.region and _all_texts(places) and index.region not in listed(places):
        message = f"nodes are launched in {_all(set(listed(places)))}, and the Stream Managers are in {index.region}"
        yield (
            ("regions",),
            message,
            'say both by one variable: `aws: {region: "${var.region}"}`, `regions: ["${var.region}"]`',
        )


def _named(group: Resource, field: str, index: BlueprintIndex) -> Resource | None:
    value, kind = group.spec.get(field), f"red5.{field}"
    found = index.target_of(value)
    by_name = (each for each in index.of(kind) if isinstance(value, str) and each.spec.get("name") == value)
    return found if found and found.kind == kind else next(by_name, None)


def _of(resource: Resource | None, field: str) -> set[str] | None:
    """The values of ``field`` in the targets; None if one of them is not known."""
    targets = resource.spec.get("targets") if resource else None
    if not isinstance(targets, list) or not all(isinstance(each, dict) for each in targets):
        return None
    values = [each.get(field, _DEFAULT_REGION) for each in targets]
    return set(values) if _all_texts(values) else None


def _all_texts(values: PartialValue) -> bool:
    return isinstance(values, list) and all(isinstance(each, str) for each in values)


def _all(names: set[str]) -> str:
    return ", ".join(sorted(names))
