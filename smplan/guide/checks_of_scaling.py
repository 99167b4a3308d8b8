"""Checks of scaling groups and of what scales them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeGuard

from smplan.core.blueprint import Resource
from smplan.core.values import PartialValue, Path
from smplan.guide.index import BlueprintIndex
from smplan.guide.rules import WARM_UP_SECONDS

DEFAULT_WAIT = 300
"""``default_cooldown`` of a scaling group that does not set it."""


def unprotected(group: Resource, index: BlueprintIndex) -> Iterator[tuple[Path, str, str]]:
    """A group that serves WebRTC clients and does not protect its instances."""
    protects = group.spec.get("new_instances_protected_from_scale_in", False)
    if index.webrtc and protects is False and group.spec.get("target_group_arns"):
        path = ("new_instances_protected_from_scale_in",)
        yield path, "clients use WebRTC, and instances are not protected from scale-in", 'write "${var.webrtc}"'


def scale_in_by_policy(policy: Resource, index: BlueprintIndex) -> Iterator[tuple[Path, str, str]]:
    """A policy that removes instances on which WebRTC clients may be."""
    group = index.scaling_group(policy.spec.get("auto_scaling_group_name"))
    why = _serves_webrtc(group, index)
    if group is None or not why:
        return
    hint = "remove the scale-in policy where clients use WebRTC, or the protection from the group"
    for path, change in _adjustments(policy):
        if change < 0:
            yield path, f"{policy.name} removes instances from {group.name}, {why}", hint
    tracking = policy.spec.get("target_tracking")
    if isinstance(tracking, dict) and tracking.get("disable_scale_in", False) is False:
        message = f"{policy.name} also removes instances from {group.name}, {why}"
        yield ("target_tracking",), message, "write `disable_scale_in: true`"


def scale_in_by_schedule(schedule: Resource, index: BlueprintIndex) -> Iterator[tuple[Path, str, str]]:
    """A schedule that lowers the maximum of a group on which WebRTC clients may be."""
    group = index.scaling_group(schedule.spec.get("auto_scaling_group_name"))
    why = _serves_webrtc(group, index)
    if group is None or not why:
        return
    most, size = group.spec.get("max_size"), schedule.spec.get("max_size")
    if _is_number(most) and _is_number(size) and size < most:
        message = f"{schedule.name} lowers the maximum of {group.name}, {why}"
        yield ("max_size",), message, "leave the maximum as it is where clients use WebRTC"


def _serves_webrtc(group: Resource | None, index: BlueprintIndex) -> str:
    if group is not None and group.spec.get("new_instances_protected_from_scale_in") is True:
        return "which protects them from scale-in"
    return "and clients use WebRTC" if index.webrtc else ""


def short_wait(policy: Resource, index: BlueprintIndex) -> Iterator[tuple[Path, str, str]]:
    """Less than the warm-up between two scale-outs."""
    field, wait = _wait(policy, index)
    if any(change > 0 for _, change in _adjustments(policy)) and wait is not None and wait < WARM_UP_SECONDS:
        message = f"less than {WARM_UP_SECONDS} s between two scale-outs"
        yield (
            (field,) if field in policy.spec else (),
            message,
            f"write `{field}` of at least {WARM_UP_SECONDS}, better 300",
        )


def slow_scale_in(policy: Resource, index: BlueprintIndex) -> Iterator[tuple[Path, str, str]]:
    """A scale-in that waits longer than the scale-outs of its group."""
    _, wait = _wait(policy, index)
    group = index.scaling_group(policy.spec.get("auto_scaling_group_name"))
    if wait is None or group is None or not any(change < 0 for _, change in _adjustments(policy)):
        return
    for other in index.of(policy.kind):
        _, least = _wait(other, index)
        same = index.scaling_group(other.spec.get("auto_scaling_group_name")) is group
        if same and least is not None and wait > least and any(change > 0 for _, change in _adjustments(other)):
            message = f"the scale-in waits {wait:g} s, and the scale-out {other.name} {least:g} s"
            yield ("cooldown",), message, f"let it wait at most {least:g} s; 180 in the guide"


def _wait(policy: Resource, index: BlueprintIndex) -> tuple[str, float | None]:
    """The seconds between two activities of a policy, and the field that says so; None if they are not known."""
    if policy.spec.get("policy_type", "SimpleScaling") != "SimpleScaling":
        warm_up = policy.spec.get("estimated_instance_warmup", DEFAULT_WAIT)
        return "estimated_instance_warmup", warm_up if _is_number(warm_up) else None
    group = index.scaling_group(policy.spec.get("auto_scaling_group_name"))
    default = group.spec.get("default_cooldown", DEFAULT_WAIT) if group else None
    wait = policy.spec.get("cooldown")
    wait = default if wait is None else wait
    return "cooldown", wait if _is_number(wait) else None


def short_grace_period(group: Resource, _: BlueprintIndex) -> Iterator[tuple[Path, str, str]]:
    """Instances that are replaced before they could be healthy."""
    grace, type = group.spec.get("health_check_grace_period"), group.spec.get("health_check_type", "ELB")
    checked = isinstance(type, str) and "ELB" in type.split(",")
    if _is_number(grace) and grace < WARM_UP_SECONDS and checked and group.spec.get("target_group_arns"):
        message = f"instances are replaced as unhealthy {grace:g} s after launch, and need {WARM_UP_SECONDS} s to serve"
        yield ("health_check_grace_period",), message, f"write at least {WARM_UP_SECONDS}; 300 in the guide"


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
