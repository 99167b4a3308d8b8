"""Auto Scaling's part of an account: all of it, because moto's own differs from AWS nearly everywhere."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from smplan.sandbox.aws.errors import AwsError, Fields

TERMINATING = "autoscaling:EC2_INSTANCE_TERMINATING"


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

    @property
    def in_capacity(self) -> bool:
        """Whether it is part of the group's capacity."""
        return self.lifecycle in {"Pending", "InService"}


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
