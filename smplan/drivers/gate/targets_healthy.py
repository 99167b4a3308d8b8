"""``gate.targets_healthy``: a wait for enough healthy targets in a target group."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from smplan.core.resource_type import IamActions
from smplan.core.spec import Spec
from smplan.drivers import references
from smplan.drivers.base import Progress
from smplan.drivers.gate import _evidence
from smplan.drivers.gate._common import Gate
from smplan.drivers.gate._streak import Streak
from smplan.errors import Invalid

if TYPE_CHECKING:
    from mypy_boto3_autoscaling.type_defs import AutoScalingGroupTypeDef
    from mypy_boto3_elbv2.type_defs import TargetHealthDescriptionTypeDef

UNUSED_POLLS = 40
"""Polls in a row, about a minute, in which targets are not in use: a new listener takes a moment to use them."""
PROTECTED_SECONDS = 600.0
"""How long protected instances may stay in zones that their group has left: nothing replaces them."""
_RESUME = "then run `smplan apply` again"


class TargetsHealthySpec(Spec):
    """How many targets of which group must be healthy."""

    target_group_arn: Annotated[str, references.TARGET_GROUP, Field(description="The target group.")]
    auto_scaling_group_name: Annotated[
        str | None,
        references.SCALING_GROUP,
        Field(
            description="The scaling group that registers the targets. Only its instances in service count, in zones "
            "it still has, and the gate waits until those in other zones are gone, and until targets that are none of "
            "its instances any more have drained; its activities explain a failure."
        ),
    ] = None
    minimum: Annotated[int, Field(description="How many targets must be healthy.", ge=1)] = 1
    timeout: Annotated[
        int, Field(description="Seconds to wait; the guide allows 180 for an instance to start.", ge=1)
    ] = 900
    draining_timeout: Annotated[
        int,
        Field(
            description="Seconds more that targets of former instances have to drain, which takes the target group's "
            "`deregistration_delay` at the most; 0: they are not waited for.",
            ge=0,
        ),
    ] = 3600


class TargetsHealthy(Gate[TargetsHealthySpec]):
    """Waits until enough targets are healthy for as long as the target group needs to find out that they are not."""

    kind = "gate.targets_healthy"
    summary = (
        "Waits until instances pass the load balancer's health check, and have passed it for as long as its target "
        "group needs to notice a failure: `health_check_interval` × `unhealthy_threshold` + `health_check_timeout`."
    )
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
        """The targets' health and the group at each poll. Raises Invalid where waiting cannot help."""
        good, stuck, unused = Streak(self.context.clock), Streak(self.context.clock), 0
        while True:
            targets, group, former = self._counted(spec)
            leaving = _evidence.outside_zones(group) if group else []
            healthy = sum(_state(target) == "healthy" for target in targets)
            enough = False
            if healthy < spec.minimum or leaving:
                good.end()
            else:
                enough = good.extend(lambda: _evidence.notice_seconds(self.context.aws, spec.target_group_arn))
            if enough and not former:
                return
            unused = unused + 1 if any(_reason(target) == "Target.NotInUse" for target in targets) else 0
            if unused >= UNUSED_POLLS:
                raise _unused()
            notes = _notes(group, spec, stuck) if group and not good else ""
            status = _describe(targets, healthy, spec.minimum)
            yield Progress(
                f"{', '.join(former)} to drain" if enough else f"{spec.minimum} healthy targets",
                "; ".join(filter(None, (status, good.status, notes))),
                min(healthy / spec.minimum, 1.0),
                beyond=spec.draining_timeout if enough else 0,
            )

    def _targets(self, spec: TargetsHealthySpec) -> list[TargetHealthDescriptionTypeDef]:
        response = self.context.aws.read.elbv2.describe_target_health(TargetGroupArn=spec.target_group_arn)
        return response["TargetHealthDescriptions"]

    def _counted(
        self, spec: TargetsHealthySpec
    ) -> tuple[list[TargetHealthDescriptionTypeDef], AutoScalingGroupTypeDef | None, list[str]]:
        """The targets that count, the group, and the ids of former instances that drain.

        Of a named group only its own instances count, in service, in zones it still has.
        """
        targets, name = self._targets(spec), spec.auto_scaling_group_name
        if not name:
            return targets, None, []
        group = _evidence.group_of(self.context.aws, name)
        own = _evidence.serving(group) if group else set()
        draining = {target["Target"]["Id"] for target in targets if _state(target) == "draining"}
        former = sorted(draining - own) if spec.draining_timeout else []
        return [target for target in targets if target["Target"]["Id"] in own], group, former

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


def _notes(group: AutoScalingGroupTypeDef, spec: TargetsHealthySpec, stuck: Streak) -> str:
    """What in the scaling group may delay the targets. Raises Invalid for what no waiting changes."""
    blocker, hint = _evidence.blocker(group, spec.minimum)
    if blocker:
        raise Invalid(f"{spec.minimum} healthy targets cannot be reached: {blocker}", hint=f"{hint}; {_RESUME}")
    why, hint = _evidence.protected_outside(group)
    if not why:
        stuck.end()
    elif stuck.extend(lambda: PROTECTED_SECONDS):
        raise Invalid(why, hint=f"{hint}; {_RESUME}")
    return _evidence.notes(group)


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
