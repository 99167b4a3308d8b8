"""``gate.targets_healthy``: a wait for enough healthy targets in a target group."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from smplan.core.resource_type import IamActions
from smplan.core.spec import Spec
from smplan.drivers import references
from smplan.drivers.base import Progress
from smplan.drivers.gate._common import Gate
from smplan.errors import Invalid

if TYPE_CHECKING:
    from mypy_boto3_elbv2.type_defs import TargetHealthDescriptionTypeDef

POLLS = 2
"""Polls in a row that must find the targets healthy: a single one may hit a flapping target."""
DATABASE_PORT = 3306


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
    iam_actions = IamActions(
        read=(
            "elasticloadbalancing:DescribeTargetHealth",
            "autoscaling:DescribeAutoScalingGroups",
            "autoscaling:DescribeScalingActivities",
            "ec2:DescribeInstances",
            "ec2:DescribeSecurityGroupRules",
        )
    )

    def wait_ready(self, id: str, spec: TargetsHealthySpec) -> Iterator[Progress]:
        """One DescribeTargetHealth per poll. Raises Invalid where waiting cannot help."""
        seen = 0
        while True:
            targets = self._targets(spec)
            _refuse_unused(targets)
            healthy = sum(_state(target) == "healthy" for target in targets)
            seen = seen + 1 if healthy >= spec.minimum else 0
            if seen >= POLLS:
                return
            share = min(healthy / spec.minimum, 1.0)
            yield Progress(f"{spec.minimum} healthy targets", _describe(targets, healthy, spec.minimum), share)

    def _targets(self, spec: TargetsHealthySpec) -> list[TargetHealthDescriptionTypeDef]:
        response = self.context.aws.read.elbv2.describe_target_health(TargetGroupArn=spec.target_group_arn)
        return response["TargetHealthDescriptions"]

    def diagnose_timeout(self, spec: TargetsHealthySpec) -> str:
        """The probable cause: an instance that cannot be launched, or a database that no instance can reach."""
        return " ".join(filter(None, (self._failed_launch(spec), self._closed_database(spec))))

    def _failed_launch(self, spec: TargetsHealthySpec) -> str:
        if not spec.auto_scaling_group_name:
            return ""
        activities = self.context.aws.read.autoscaling.describe_scaling_activities(
            AutoScalingGroupName=spec.auto_scaling_group_name, MaxRecords=10
        )["Activities"]
        if activities and activities[0]["StatusCode"] == "Failed":
            return f"The latest scaling activity failed: {activities[0].get('StatusMessage', 'no reason given')}."
        return ""

    def _closed_database(self, spec: TargetsHealthySpec) -> str:
        groups = self._groups_of_instances(spec)
        if not groups:
            return ""
        pages = self.context.aws.read.ec2.get_paginator("describe_security_group_rules").paginate()
        for page in pages:
            for rule in page["SecurityGroupRules"]:
                referenced = rule.get("ReferencedGroupInfo", {}).get("GroupId")
                if not rule.get("IsEgress") and referenced in groups and _covers(rule):
                    return ""
        return (
            f"Probable cause: no security group allows port {DATABASE_PORT} from {', '.join(sorted(groups))}, so "
            "Stream Manager cannot reach its database, never responds on 5080, and is replaced repeatedly. "
            "Add the rule to the database's security group (guide: DB ACCESS)."
        )

    def _groups_of_instances(self, spec: TargetsHealthySpec) -> set[str]:
        ids = {target["Target"]["Id"] for target in self._targets(spec)}
        if spec.auto_scaling_group_name:
            found = self.context.aws.read.autoscaling.describe_auto_scaling_groups(
                AutoScalingGroupNames=[spec.auto_scaling_group_name]
            )["AutoScalingGroups"]
            ids |= {instance["InstanceId"] for group in found for instance in group.get("Instances", [])}
        if not ids:
            return set()
        reservations = self.context.aws.read.ec2.describe_instances(
            Filters=[{"Name": "instance-id", "Values": sorted(ids)}]
        )["Reservations"]
        return {
            group["GroupId"]
            for reservation in reservations
            for instance in reservation.get("Instances", [])
            for group in instance.get("SecurityGroups", [])
        }

    def timeout(self, spec: TargetsHealthySpec) -> float:
        """The ``timeout`` of the spec."""
        return spec.timeout


def _state(target: TargetHealthDescriptionTypeDef) -> str:
    return target.get("TargetHealth", {}).get("State", "")


def _reason(target: TargetHealthDescriptionTypeDef) -> str:
    return target.get("TargetHealth", {}).get("Reason", "")


def _refuse_unused(targets: list[TargetHealthDescriptionTypeDef]) -> None:
    """Raise Invalid if targets are not in use, which waiting does not change (ELB API, TargetHealth)."""
    if any(_reason(target) == "Target.NotInUse" for target in targets):
        raise Invalid(
            "the targets are not in use: no listener forwards to their target group, or their availability zone is not "
            "enabled for the load balancer",
            hint="forward a listener to the target group, and give load balancer and scaling group the same subnets",
        )


def _describe(targets: list[TargetHealthDescriptionTypeDef], healthy: int, minimum: int) -> str:
    others = Counter((_state(target), _reason(target)) for target in targets if _state(target) != "healthy")
    reasons = "; ".join(f"{number} {state} {reason}".rstrip() for (state, reason), number in sorted(others.items()))
    return f"{healthy} of {minimum} healthy" + (f"; {reasons}" if reasons else "" if targets else "; no targets yet")


def _covers(rule: Any) -> bool:
    """Whether a rule allows TCP to the database's port."""
    if rule.get("IpProtocol") == "-1":
        return True
    return rule.get("IpProtocol") == "tcp" and DATABASE_PORT in range(
        rule.get("FromPort", 0), rule.get("ToPort", 0) + 1
    )
