"""The serving path of a fleet, from its name to its instances, before a plan and after it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from smplan.core.risk import PlannedEffect, items, number
from smplan.core.values import Json

LISTENER, BALANCER, TARGETS = "aws.elbv2.listener", "aws.elbv2.load_balancer", "aws.elbv2.target_group"
GROUP, RECORD, RULE = "aws.autoscaling.group", "aws.route53.record", "aws.ec2.security_group_rule"
SECURITY_GROUP = "aws.ec2.security_group"
TEMPLATE, CONFIGURATION = "aws.ec2.launch_template", "aws.autoscaling.launch_configuration"

CHECK_SECONDS = 30
"""Between two health checks of a target by default (API reference, CreateTargetGroup)."""
FOR_GOOD = None


class ServingPath:
    """What exists before a plan, and what becomes of it."""

    def __init__(self, effects: Sequence[PlannedEffect]) -> None:
        self.effects = [each for each in effects if each.effect.before]
        self.planned = [each for each in effects if not each.effect.deletes]

    def of(self, kind: str) -> Iterator[PlannedEffect]:
        """Those of one kind that exist: a replaced one once for its end, and once for its successor."""
        return (each for each in self.effects if each.kind == kind)

    def staying(self, kind: str) -> Iterator[PlannedEffect]:
        """Those of one kind that exist before the plan and after it."""
        return (each for each in self.of(kind) if not each.effect.deletes and each.effect.op != "replace")

    def serving(self, group: PlannedEffect) -> list[Json]:
        """The target groups through which the instances of a scaling group serve; none if none of them runs."""
        if number(group.effect.before.get("desired_capacity")) == 0:
            return []
        return [arn for arn in items(group.effect.before.get("target_group_arns")) if self.doors(arn)]

    def shares(self, group: PlannedEffect, serving: Sequence[Json]) -> bool:
        """Whether another scaling group, which the plan leaves as it is, serves through one of these target groups."""
        others = (each for each in self.of(GROUP) if each.address != group.address and not each.effect.op)
        return any(arn in serving for each in others for arn in self.serving(each))

    def ends(self, kind: str, name: str, value: Json) -> bool:
        """Whether the plan deletes the one of that kind whose attribute ``name`` has this value."""
        return any(each.effect.deletes and each.effect.before.get(name) == value for each in self.of(kind))

    def doors(self, targets: Json) -> list[PlannedEffect]:
        """The listeners that forward to a target group."""
        lasting = (each for each in self.of(LISTENER) if each.effect.op != "replace")
        return [each for each in lasting if str(targets) in str(each.effect.before.get("target_group_arn"))]

    def unused_seconds(self, listener: PlannedEffect) -> float:
        """For how long targets are checked again once nothing but this listener, which was deleted, uses them."""
        targets = listener.effect.before.get("target_group_arn")
        if any(each.address != listener.address for each in self.doors(targets)):
            return 0
        own = (each.effect.before for each in self.of(TARGETS) if each.effect.before.get("arn") == targets)
        return next((number(each.get("health_check_interval")) for each in own), None) or CHECK_SECONDS

    def fills(self, targets: Json, but: str) -> bool:
        """Whether a group other than that of address ``but`` will register its instances with a target group."""
        for each in self.planned:
            idle = number(each.effect.before.get("desired_capacity")) == 0
            if each.kind == GROUP and each.address != but and not idle:
                kept = [*items(each.effect.after.get("target_group_arns"))]
                if targets in kept or any(self._made_by(targets, item) for item in kept):
                    return True
        return False

    def _made_by(self, targets: Json, item: Json) -> bool:
        """Whether a reference of the blueprint means this target group."""
        address = str(item.get("$ref", "")).rpartition(".")[0] if isinstance(item, dict) else ""
        return any(each.address == address and each.effect.before.get("arn") == targets for each in self.of(TARGETS))
