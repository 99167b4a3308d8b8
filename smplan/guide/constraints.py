"""Constraints of the guide and of AWS that a blueprint alone can violate, each with its source.

Only statements with "never", "must" or "at least" are here: advice belongs in the documentation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias, TypeGuard

from smplan.core.blueprint import Blueprint, Resource
from smplan.core.values import PartialValue, Path, Ref
from smplan.guide.index import BlueprintIndex

Violation: TypeAlias = "tuple[Path, str, str]"
"""Path inside the spec, message, hint."""


@dataclass(frozen=True)
class Constraint:
    """One constraint; ``source`` is appended to the hint."""

    kinds: tuple[str, ...]
    source: str
    check: Callable[[Resource, BlueprintIndex], Iterator[Violation]]


def violations(blueprint: Blueprint) -> Iterator[Violation]:
    """The violations in ``blueprint``: path in the document, message, and hint with its source."""
    by_kind: dict[str, list[Constraint]] = {}
    for rule in CONSTRAINTS:
        for kind in rule.kinds:
            by_kind.setdefault(kind, []).append(rule)
    index = BlueprintIndex(blueprint.resources, blueprint.lookups)
    for resource in blueprint.resources:
        for rule in by_kind.get(resource.kind, ()):
            for path, message, hint in rule.check(resource, index):
                yield (*resource.path, "spec", *path), message, f"{hint} ({rule.source})"


def _scale_in_of_protected(policy: Resource, index: BlueprintIndex) -> Iterator[Violation]:
    group = index.scaling_group(policy.spec.get("auto_scaling_group_name"))
    if group is None or group.spec.get("new_instances_protected_from_scale_in") is not True:
        return
    for path, change in _adjustments(policy):
        if change < 0:
            message = f"{policy.name} removes instances from {group.name}, which protects them from scale-in"
            yield path, message, "remove the scale-in policy where clients use WebRTC, or the protection from the group"


def _short_cooldown(policy: Resource, _: BlueprintIndex) -> Iterator[Violation]:
    cooldown = policy.spec.get("cooldown")
    for path, change in _adjustments(policy):
        if path != ("scaling_adjustment",) or change <= 0:
            continue
        if cooldown is None:
            yield path, "a scale-out without `cooldown`: the next one may follow at once", "add `cooldown: 300`"
        elif _is_number(cooldown) and cooldown < 180:
            yield ("cooldown",), "less than 180 s between two scale-outs", "use at least 180, better 300"


def _small_volume(template: Resource, _: BlueprintIndex) -> Iterator[Violation]:
    size = template.spec.get("volume_size")
    if _is_number(size) and size < 16:
        yield ("volume_size",), f"{size} GiB is too small for a Stream Manager", "use at least 16"


def _in_its_zone(record: Resource, index: BlueprintIndex) -> Iterator[Violation]:
    zone, name = record.spec.get("zone_id"), record.spec.get("name")
    found = index.lookups.get(zone.root) if isinstance(zone, Ref) else None
    apex = found.where.get("name") if found else None
    if not isinstance(apex, str) or not isinstance(name, str):
        return
    name, apex = name.rstrip(".").lower(), apex.rstrip(".").lower()
    if name != apex and not name.endswith(f".{apex}"):
        message = f"`{record.spec['name']}` is not in the zone {apex}"
        yield ("name",), message, f"write the whole name, such as {name.split('.')[0]}.{apex}"
    elif name == apex and record.spec.get("type") == "CNAME":
        yield ("type",), "the name of the zone itself cannot be a CNAME", "make it type A with `alias`"


def _adjustments(policy: Resource) -> Iterator[tuple[Path, float]]:
    """Every known change of capacity, with its path."""
    if policy.spec.get("adjustment_type") == "ExactCapacity":
        return
    yield from _number_at(policy.spec, ("scaling_adjustment",))
    steps = policy.spec.get("step_adjustments")
    for position, step in enumerate(steps if isinstance(steps, list) else ()):
        yield from _number_at(step, ("step_adjustments", position, "scaling_adjustment"))


def _number_at(tree: PartialValue, path: Path) -> Iterator[tuple[Path, float]]:
    value = tree.get(path[-1]) if isinstance(tree, dict) else None
    if _is_number(value):
        yield path, value


def _is_number(value: PartialValue) -> TypeGuard[float]:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


_TEMPLATES = ("aws.ec2.launch_template", "aws.autoscaling.launch_configuration")
_POLICY = ("aws.autoscaling.scaling_policy",)

CONSTRAINTS = (
    Constraint(_POLICY, "guide: “Enable scale-in only when you are not going to use WebRTC”", _scale_in_of_protected),
    Constraint(_POLICY, "guide, increase group size: “should never be below 180 (seconds)”", _short_cooldown),
    Constraint(_TEMPLATES, "guide, add storage: “at least 16 Gb”", _small_volume),
    Constraint(
        ("aws.route53.record",), "Route 53 refuses names outside the zone, and a CNAME at its apex", _in_its_zone
    ),
)
