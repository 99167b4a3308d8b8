"""``gate.targets_healthy``: a wait for enough healthy targets in a target group."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import count
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from smplan.core.resource_type import IamActions
from smplan.core.spec import Spec
from smplan.drivers import references
from smplan.drivers.base import Progress
from smplan.drivers.gate import _evidence
from smplan.drivers.gate._common import Gate
from smplan.errors import Invalid

if TYPE_CHECKING:
    from mypy_boto3_elbv2.type_defs import TargetHealthDescriptionTypeDef

POLLS = 2
"""Polls in a row that must find the targets healthy: a single one may hit a flapping target."""
UNUSED_POLLS = 40
"""Polls in a row, about a minute, in which targets are not in use: a new listener takes a moment to use them."""
GROUP_POLLS = 8
"""The scaling group is read at every so many polls."""
_RESUME = "then run `smplan apply` again"


class TargetsHealthySpec(Spec):
    """How many targets of which group must be healthy."""

    target_group_arn: Annotated[str, references.TARGET_GROUP, Field(description="The target group.")]
    auto_scaling_group_name: Annotated[
        str | None,
        references.SCALING_GROUP,
        Field(description="The scaling group that registers the targets: its activities explain a failure."),
    ] = None
    minimum: Annotated[int, Field(description="How many targets must be healthy.", ge=1)] = 1
    timeout: Annotated[
        int, Field(description="Seconds to wait; the guide allows 180 for an instance to start.", ge=1)
    ] = 900


class TargetsHealthy(Gate[TargetsHealthySpec]):
    """Waits until enough targets of one target group are healthy in two polls in a row."""

    kind = "gate.targets_healthy"
    summary = "Waits until instances have passed the load balancer's health check."
    spec = TargetsHealthySpec
    awaits = "minimum"
    iam_actions = IamActions(
        read=(
            "elasticloadbalancing:DescribeTargetGroups",
            "elasticloadbalancing:DescribeTargetHealth",
            "autoscaling:DescribeAutoScalingGroups",
            "autoscaling:DescribeScalingActivities",
            "ec2:DescribeInstances",
            "ec2:DescribeSecurityGroupRules",
        )
    )

    def wait_ready(self, id: str, spec: TargetsHealthySpec) -> Iterator[Progress]:
        """One DescribeTargetHealth per poll, and the group now and then. Raises Invalid where waiting cannot help."""
        seen = unused = 0
        notes = ""
        for poll in count():
            targets = self._targets(spec)
            healthy = sum(_state(target) == "healthy" for target in targets)
            seen = seen + 1 if healthy >= spec.minimum else 0
            if seen >= POLLS:
                return
            unused = unused + 1 if any(_reason(target) == "Target.NotInUse" for target in targets) else 0
            if unused >= UNUSED_POLLS:
                raise _unused()
            if not seen and poll % GROUP_POLLS == 0:
                notes = self._group_notes(spec)
            status = _describe(targets, healthy, spec.minimum)
            yield Progress(
                f"{spec.minimum} healthy targets",
                status if seen or not notes else f"{status}; {notes}",
                min(healthy / spec.minimum, 1.0),
            )

    def _targets(self, spec: TargetsHealthySpec) -> list[TargetHealthDescriptionTypeDef]:
        response = self.context.aws.read.elbv2.describe_target_health(TargetGroupArn=spec.target_group_arn)
        return response["TargetHealthDescriptions"]

    def _group_notes(self, spec: TargetsHealthySpec) -> str:
        """What in the scaling group may delay the targets. Raises Invalid for what no waiting changes."""
        name = spec.auto_scaling_group_name
        group = _evidence.group_of(self.context.aws, name) if name else None
        if group is None:
            return ""
        blocker, hint = _evidence.blocker(group, spec.minimum)
        if blocker:
            raise Invalid(f"{spec.minimum} healthy targets cannot be reached: {blocker}", hint=f"{hint}; {_RESUME}")
        return _evidence.notes(group)

    def diagnose_timeout(self, spec: TargetsHealthySpec) -> str:
        """The health check, the last reasons of AWS, the latest scaling activities, and a database out of reach."""
        aws, name = self.context.aws, spec.auto_scaling_group_name
        return _evidence.gathered(
            lambda: _evidence.health_check(aws, spec.target_group_arn),
            lambda: _evidence.target_reasons(self._targets(spec)),
            lambda: _evidence.activities(aws, name),
            lambda: _evidence.closed_database(aws, self._instance_ids(spec)),
        )

    def _instance_ids(self, spec: TargetsHealthySpec) -> set[str]:
        ids = {target["Target"]["Id"] for target in self._targets(spec)}
        name = spec.auto_scaling_group_name
        group = _evidence.group_of(self.context.aws, name) if name else None
        return ids | {each["InstanceId"] for each in group.get("Instances", [])} if group else ids

    def timeout(self, spec: TargetsHealthySpec) -> float:
        """The ``timeout`` of the spec."""
        return spec.timeout


def _state(target: TargetHealthDescriptionTypeDef) -> str:
    return target.get("TargetHealth", {}).get("State", "")


def _reason(target: TargetHealthDescriptionTypeDef) -> str:
    return target.get("TargetHealth", {}).get("Reason", "")


def _unused() -> Invalid:
    """The error for targets that stay out of use, which no waiting changes (ELB API, TargetHealth)."""
    return Invalid(
        "the targets are not in use: no listener forwards to their target group, or their availability zone is not "
        "enabled for the load balancer",
        hint="forward a listener to the target group, and give load balancer and scaling group the same subnets",
    )


def _describe(targets: list[TargetHealthDescriptionTypeDef], healthy: int, minimum: int) -> str:
    others = Counter((_state(target), _reason(target)) for target in targets if _state(target) != "healthy")
    reasons = "; ".join(f"{number} {state} {reason}".rstrip() for (state, reason), number in sorted(others.items()))
    return f"{healthy} of {minimum} healthy" + (f"; {reasons}" if reasons else "" if targets else "; no targets yet")
