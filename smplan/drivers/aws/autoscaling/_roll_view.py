"""A group at one poll of a roll-out: its old and new instances, and which of them serve."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from smplan.drivers.aws.autoscaling import _sources
from smplan.drivers.aws.autoscaling._roll_record import Record
from smplan.drivers.context import AwsAccount

COUNTED = ("Pending", "InService")
"""How the states of instances begin that are part of the group's capacity."""
_ASIDE = frozenset({"EnteringStandby", "Standby"})


@dataclass(frozen=True)
class View:
    """The group at one poll. ``ready`` are the instances that serve, new ones for as long as their warm-up."""

    group: Mapping[str, Any]
    record: Record
    members: list[Mapping[str, Any]]
    old: list[Mapping[str, Any]]
    held: list[Mapping[str, Any]]
    """Old ones that are protected from scale-in, until they are no longer."""
    ready: frozenset[str]
    targets: Mapping[str, set[str]]
    """Instance -> its states in the target groups."""

    @property
    def source(self) -> str:
        """What the group launches from."""
        return _sources.identity(self.group)

    @property
    def new(self) -> list[Mapping[str, Any]]:
        """The instances that stay."""
        return [each for each in self.members if _sources.identity(each) == self.source]

    @property
    def surplus(self) -> bool:
        """Whether there is one more than must serve: the roll-out raised the minimum, or lowered it and was killed."""
        leaves = any(each["InstanceId"] == self.record.leaving for each in self.members)
        return leaves or int(self.group["MinSize"]) > self.record.serving

    def can_spare(self, instance: Mapping[str, Any]) -> bool:
        """Whether enough others serve."""
        return len(self.ready - {instance["InstanceId"]}) >= self.record.serving

    @property
    def draining(self) -> Mapping[str, Any] | None:
        """The instance in standby that the roll-out put there."""
        for each in self.group["Instances"]:
            if each["InstanceId"] == self.record.leaving and each["LifecycleState"] in _ASIDE:
                return dict(each)
        return None


def target_states(aws: AwsAccount, group: Mapping[str, Any]) -> Mapping[str, set[str]]:
    """Instance -> its states in the target groups of the described group."""
    found: dict[str, set[str]] = {}
    for arn in group.get("TargetGroupARNs", ()):
        seen = aws.read.elbv2.describe_target_health(TargetGroupArn=arn)["TargetHealthDescriptions"]
        states = {each["Target"]["Id"]: each["TargetHealth"].get("State", "") for each in seen}
        for instance in group["Instances"]:
            id = instance["InstanceId"]
            found.setdefault(id, set()).add(states.get(id, "unused"))
    return found


def serves(instance: Mapping[str, Any], targets: Mapping[str, set[str]]) -> bool:
    """Whether it is in service, and healthy in every target group."""
    healthy = str(instance["HealthStatus"]).lower() == "healthy" and instance["LifecycleState"] == "InService"
    return healthy and targets.get(instance["InstanceId"], set()) <= {"healthy"}
