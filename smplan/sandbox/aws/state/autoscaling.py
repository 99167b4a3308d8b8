"""Auto Scaling's part of an account: all of it, because moto's own differs from AWS nearly everywhere."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from smplan.sandbox.aws.errors import AwsError, Fields

LAUNCHING, TERMINATING = "autoscaling:EC2_INSTANCE_LAUNCHING", "autoscaling:EC2_INSTANCE_TERMINATING"


@dataclass(slots=True)
class GroupInstance:
    """One instance of a group. It keeps the launch configuration or template version it was launched with."""

    id: str
    zone: str
    subnet_id: str
    instance_type: str
    protected: bool
    launched_at: float
    activity: Fields
    launch_configuration: str | None = None
    launch_template: Fields | None = None
    lifecycle: str = "Pending"
    health: str = "Healthy"
    in_service_at: float = 0.0
    terminated_at: float | None = None
    termination: Fields | None = None
    """The activity that terminates it."""
    held: dict[str, tuple[float, str]] = field(default_factory=dict)
    """By the name of each launch hook that holds it: when its time is over, and what happens then."""

    @property
    def is_pending(self) -> bool:
        """Whether it is launched and not in service yet, held by hooks or not."""
        return self.lifecycle in {"Pending", "Pending:Wait"}

    @property
    def in_capacity(self) -> bool:
        """Whether it is part of the group's capacity."""
        return self.is_pending or self.lifecycle == "InService"


@dataclass(slots=True)
class InstanceRefresh:
    """An instance refresh. ``source`` is what it launches from; that of the group once it is rolled back."""

    id: str
    preferences: Fields
    desired: Fields
    """The DesiredConfiguration; empty if none was sent."""
    source: Fields
    started_at: float
    status: str = "Pending"
    reason: str = ""
    ended_at: float | None = None
    outdated: list[str] = field(default_factory=list)
    """The instances to replace; those that are gone count as replaced."""
    new: set[str] = field(default_factory=set)
    """The instances that were launched during it."""
    total: int = 0
    left: int = 0
    """How many of ``outdated`` were left at the last tick."""
    progress_at: float = 0.0
    checkpoint: int = 0
    """How many checkpoints have been passed."""
    resumes_at: float = 0.0
    rollback: Fields = field(default_factory=dict)
    """The RollbackDetails; empty before a rollback."""

    @property
    def is_active(self) -> bool:
        """Whether it is still at work, rollback and bake time included."""
        return self.status in {"Pending", "InProgress", "Baking", "Cancelling", "RollbackInProgress"}


@dataclass(slots=True)
class ScalingGroup:
    """An Auto Scaling group; ``fields`` is what DescribeAutoScalingGroups says of it, less what is computed."""

    name: str
    arn: str
    fields: Fields
    created_at: datetime
    members: list[GroupInstance] = field(default_factory=list)
    tags: dict[str, Fields] = field(default_factory=dict)
    activities: list[Fields] = field(default_factory=list)
    suspended: dict[str, str] = field(default_factory=dict)
    metrics: dict[str, str] = field(default_factory=dict)
    notifications: dict[str, list[str]] = field(default_factory=dict)
    hooks: dict[str, Fields] = field(default_factory=dict)
    """Lifecycle hooks by name."""
    cooldown_until: float = 0.0
    deleted_at: float | None = None
    retry_at: float = 0.0
    refreshes: list[InstanceRefresh] = field(default_factory=list)
    """Instance refreshes, the newest first."""
    surge: int = 0
    """How many instances a refresh keeps beyond the desired capacity."""

    @property
    def refresh(self) -> InstanceRefresh | None:
        """The instance refresh that is at work."""
        return next((each for each in self.refreshes if each.is_active), None)

    @property
    def source(self) -> Fields:
        """What instances are launched from: during an instance refresh, its desired configuration."""
        return self.refresh.source if self.refresh else self.fields

    @property
    def desired(self) -> int:
        """The capacity it keeps up."""
        return int(self.fields["DesiredCapacity"])

    def member(self, instance_id: str) -> GroupInstance | None:
        """The member with that id."""
        return next((member for member in self.members if member.id == instance_id), None)


@dataclass(slots=True)
class ScalingPolicy:
    """A scaling policy; ``fields`` as DescribePolicies says them, less its alarms."""

    group: str
    name: str
    arn: str
    fields: Fields


@dataclass(slots=True)
class AutoScalingState:
    """Launch configurations, groups and policies."""

    configurations: dict[str, Fields] = field(default_factory=dict)
    groups: dict[str, ScalingGroup] = field(default_factory=dict)
    policies: dict[tuple[str, str], ScalingPolicy] = field(default_factory=dict)
    refused_launches: int = 0
    """How many of the next launches find no capacity."""

    def group(self, name: str | None) -> ScalingGroup:
        """The group of that name; raises AwsError (ValidationError) if there is none."""
        found = self.groups.get(name or "")
        if found is None:
            raise invalid(f"AutoScalingGroup name not found - AutoScalingGroup '{name}' not found")
        return found

    def group_of(self, instance_id: str) -> tuple[ScalingGroup, GroupInstance] | None:
        """The group an instance belongs to."""
        for group in self.groups.values():
            member = group.member(instance_id)
            if member:
                return group, member
        return None


def invalid(message: str) -> AwsError:
    """Auto Scaling's one code for nearly everything wrong with a request."""
    return AwsError("ValidationError", message)
