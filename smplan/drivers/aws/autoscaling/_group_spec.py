"""What a blueprint says of a scaling group, and the request settings that follow from it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from smplan.core.spec import (
    CLIENT_ONLY,
    IMMUTABLE,
    INITIAL,
    NAMED,
    RELEASED_LAST,
    UNORDERED,
    Canonical,
    PartialList,
    PartialMap,
    Spec,
)
from smplan.drivers import references
from smplan.drivers.aws.autoscaling import _common, _hooks, _roll_out
from smplan.drivers.aws.requests import without_none
from smplan.drivers.aws.sent_as import SentAs
from smplan.drivers.aws.tags import ANY_TEXT

if TYPE_CHECKING:
    from typing import Self

TERMINATION_POLICY = (
    "^(Default|AllocationStrategy|ClosestToNextInstanceHour|NewestInstance|OldestInstance"
    r"|OldestLaunchConfiguration|OldestLaunchTemplate|arn:[^\x00-\x20\ufffe\uffff]*)$"
)
"""AWS's policies, or a Lambda function's ARN (API reference of CreateAutoScalingGroup)."""
HEALTH_CHECKS = "^(EC2|EBS|ELB)(,(EC2|EBS|ELB))*$"
CLEARED = -1
"""What removes a setting that the group had."""
TAGS = 45
"""AWS allows 50; two say who owns the group, two are of a roll-out, and one is of lifecycle hooks."""
_ALL = _WIDEST = 100
Process = Literal[
    "AZRebalance",
    "AddToLoadBalancer",
    "AlarmNotification",
    "HealthCheck",
    "InstanceRefresh",
    "Launch",
    "ReplaceUnhealthy",
    "ScheduledActions",
    "Terminate",
]


def health_checks(types: str) -> str:
    """The types without repetition, in order; EC2's, which always count, only where there is no other."""
    others = sorted({*types.split(",")} - {"EC2"})
    return ",".join(others) or "EC2"


class LaunchTemplateVersion(Spec):
    """A numbered version of a launch template: `$Latest` would hide changes and prevent a rollback."""

    sent_as: ClassVar = SentAs(members={"id": "LaunchTemplateId"})

    id: Annotated[str, references.LAUNCH_TEMPLATE, Field(description="The launch template's id.", pattern="^lt-")]
    version: Annotated[
        int,
        references.LAUNCH_TEMPLATE_VERSION,
        Field(description="The version's number, such as ${template.version}.", ge=1),
    ]


class InstanceMaintenancePolicy(Spec):
    """How many instances serve while AWS replaces unhealthy ones, or those of a zone that the group leaves."""

    sent_as: ClassVar = SentAs()

    min_healthy_percentage: Annotated[
        int,
        Field(
            description="The least share of the desired capacity in service; 100: a replacement serves before the old "
            "instance is terminated. -1 in both removes the policy.",
            ge=CLEARED,
            le=100,
        ),
    ]
    max_healthy_percentage: Annotated[
        int, Field(description="The most that may run meanwhile, 100 to 200.", ge=CLEARED, le=200)
    ]

    @model_validator(mode="after")
    def _bounds_fit(self) -> Self:
        if not self.known("min_healthy_percentage", "max_healthy_percentage"):
            return self
        low, high = self.min_healthy_percentage, self.max_healthy_percentage
        if CLEARED in (low, high):
            if low != high:
                raise ValueError("-1 removes the policy, and must be in both percentages")
        elif high < _ALL:
            raise ValueError(f"`max_healthy_percentage` {high} is below 100")
        elif high - low > _WIDEST:
            raise ValueError(f"{high} % and {low} % are more than 100 apart")
        return self


class GroupSpec(Spec):
    """A scaling group."""

    sent_as: ClassVar = SentAs(
        "autoscaling:CreateAutoScalingGroup",
        {
            "name": "AutoScalingGroupName",
            "launch_configuration": "LaunchConfigurationName",
            "target_group_arns": "TargetGroupARNs",
            "propagate_tags_at_launch": "Tags[].PropagateAtLaunch",
            "roll_out": "autoscaling:StartInstanceRefresh:Preferences",
            "lifecycle_hooks": "LifecycleHookSpecificationList",
            "suspended_processes": "autoscaling:SuspendProcesses:ScalingProcesses",
        },
        {"subnet_ids": "VPCZoneIdentifier is one text, the ids joined by commas"},
    )

    name: Annotated[
        str,
        IMMUTABLE,
        Field(
            description="The name, unique in account and region.",
            min_length=1,
            max_length=255,
            pattern=_common.GROUP_NAME,
        ),
    ]
    launch_template: Annotated[
        LaunchTemplateVersion | None,
        Field(description="The launch template; either this or `launch_configuration`."),
    ] = None
    launch_configuration: Annotated[
        str | None,
        references.LAUNCH_CONFIGURATION,
        Field(
            description="The name of the launch configuration; either this or `launch_template`.",
            min_length=1,
            max_length=255,
            pattern=_common.TEXT,
        ),
    ] = None
    roll_out: Annotated[
        _roll_out.RollOut | None,
        CLIENT_ONLY,
        Field(
            description="Replace running instances when `launch_template` or `launch_configuration` changes, and go "
            "back if that fails; `{}` for one at a time. Unset: they keep what they were launched from."
        ),
    ] = None
    min_size: Annotated[int, Field(description="The minimum number of instances; 1 in the guide.", ge=0)]
    max_size: Annotated[int, Field(description="The maximum number of instances.", ge=0)]
    desired_capacity: Annotated[
        int | None,
        INITIAL,
        Field(
            description="The initial number of instances, which scaling policies change later. Unset: `min_size`.", ge=0
        ),
    ] = None
    subnet_ids: Annotated[
        PartialList[str],
        references.SUBNET,
        UNORDERED,
        Field(description="The subnets to launch in: those of the load balancer (guide, Tips).", min_length=1),
    ]
    target_group_arns: Annotated[
        PartialList[Annotated[str, Field(max_length=511, pattern=_common.TARGET_GROUP_ARN)]] | None,
        references.TARGET_GROUP,
        UNORDERED,
        RELEASED_LAST,
        Field(description="The target groups that instances are registered with."),
    ] = None
    health_check_type: Annotated[
        str,
        Canonical(health_checks),
        Field(
            description="Which health checks count, separated by commas: EC2's, which always do, the load balancer's "
            "(ELB), those of the volumes (EBS).",
            min_length=1,
            max_length=32,
            pattern=HEALTH_CHECKS,
        ),
    ] = "ELB"
    health_check_grace_period: Annotated[
        int,
        Field(
            description="Seconds after launch before health checks count. Red5 Pro needs about 180 to boot.",
            ge=0,
        ),
    ] = 300
    default_instance_warmup: Annotated[
        int | None,
        Field(
            description="Seconds in service until a new instance counts in scaling and replacements. Unset: not "
            "managed; -1 removes it.",
            ge=CLEARED,
        ),
    ] = None
    instance_maintenance_policy: Annotated[
        InstanceMaintenancePolicy | None,
        Field(
            description="How many instances serve while AWS replaces some. Unset: not managed. Without one, AWS "
            "terminates an unhealthy instance first, and one in a zone that is left once its replacement has started."
        ),
    ] = None
    new_instances_protected_from_scale_in: Annotated[
        bool,
        Field(
            description="Whether instances, also running ones, are protected from scale-in. "
            "Needed if clients hold WebSockets through Stream Manager (guide, Instance Protection)."
        ),
    ] = False
    default_cooldown: Annotated[
        int,
        Field(description="Seconds between two simple scaling activities, unless the policy sets a `cooldown`.", ge=0),
    ] = 300
    termination_policies: Annotated[
        PartialList[Annotated[str, Field(max_length=1600, pattern=TERMINATION_POLICY)]] | None,
        Field(description="Which instance is terminated first, in order, such as OldestInstance.", min_length=1),
    ] = None
    suspended_processes: Annotated[
        PartialList[Process] | None,
        UNORDERED,
        Field(description="The processes that AWS does not carry out, such as AZRebalance; `[]` for none."),
    ] = None
    lifecycle_hooks: Annotated[
        PartialList[_hooks.LifecycleHook] | None,
        UNORDERED,
        NAMED,
        Field(
            description="Pauses of instances that are launched or terminated, from the first instance on. Hooks that "
            "smplan did not make stay; `[]` deletes those that it made.",
            max_length=_hooks.MOST,
        ),
    ] = None
    deletion_protection: Annotated[
        Literal["none", "prevent-force-deletion", "prevent-all-deletion"] | None,
        Field(description="Whether AWS refuses to delete it: never, with its instances, or always."),
    ] = None
    tags: Annotated[
        PartialMap[str] | None, Field(description="Tags, besides those smplan sets.", max_length=TAGS), ANY_TEXT
    ] = None
    propagate_tags_at_launch: Annotated[
        bool | None, Field(description="Whether new instances get these tags too, without smplan's own.")
    ] = True

    @model_validator(mode="after")
    def _launches_one_thing(self) -> Self:
        if (self.launch_template is None) == (self.launch_configuration is None):
            raise ValueError("write either `launch_template` or `launch_configuration`")
        return self

    @model_validator(mode="after")
    def _sizes_fit(self) -> Self:
        if self.known("min_size", "max_size") and self.min_size > self.max_size:
            raise ValueError(f"`min_size` {self.min_size} is above `max_size` {self.max_size}")
        if self.known("min_size", "max_size", "desired_capacity"):
            desired = self.desired_capacity or 0
            if not self.min_size <= desired <= self.max_size:
                raise ValueError(f"`desired_capacity` {desired} is outside {self.min_size} to {self.max_size}")
        return self

    @model_validator(mode="after")
    def _rolls_out_as_it_can(self) -> Self:
        if not self.known("roll_out"):
            return self
        others = self.roll_out.for_refresh() if self.roll_out and self.launch_template is None else ""
        if others:
            raise ValueError(f"{others} in `roll_out` needs `launch_template`: AWS refreshes no launch configuration")
        protected = self.known("new_instances_protected_from_scale_in") and self.new_instances_protected_from_scale_in
        if protected and self.roll_out and self.roll_out.scale_in_protected_instances is None:
            raise ValueError(
                "instances are protected from scale-in, so `roll_out` needs `scale_in_protected_instances`: Refresh "
                "replaces them and ends their sessions, Ignore keeps them, Wait waits an hour for you to unprotect them"
            )
        return self

    @model_validator(mode="after")
    def _hooks_have_names(self) -> Self:
        _hooks.check_names(self.lifecycle_hooks if isinstance(self.lifecycle_hooks, list) else ())
        return self

    @model_validator(mode="after")
    def _propagation_has_tags(self) -> Self:
        if self.propagate_tags_at_launch is False and not self.tags:
            # AWS keeps the flag on each tag: without one, it could not be read back
            raise ValueError("`propagate_tags_at_launch: false` has no effect without `tags`: leave it out")
        if self.tags is None:  # nor are the flags of tags that are not managed
            self.__dict__["propagate_tags_at_launch"] = None
        return self


def settings(spec: GroupSpec) -> dict[str, Any]:
    """The managed settings of create and update, sorted where order has no meaning."""
    template, maintenance = spec.launch_template, spec.instance_maintenance_policy
    settings = {
        "LaunchTemplate": template and {"LaunchTemplateId": template.id, "Version": str(template.version)},
        "LaunchConfigurationName": spec.launch_configuration,
        "MinSize": spec.min_size,
        "MaxSize": spec.max_size,
        "VPCZoneIdentifier": ",".join(sorted(spec.subnet_ids)),
        "HealthCheckType": health_checks(spec.health_check_type),
        "HealthCheckGracePeriod": spec.health_check_grace_period,
        "NewInstancesProtectedFromScaleIn": spec.new_instances_protected_from_scale_in,
        "DefaultCooldown": spec.default_cooldown,
        "TerminationPolicies": spec.termination_policies,
        "DefaultInstanceWarmup": spec.default_instance_warmup,
        "InstanceMaintenancePolicy": maintenance
        and {
            "MinHealthyPercentage": maintenance.min_healthy_percentage,
            "MaxHealthyPercentage": maintenance.max_healthy_percentage,
        },
        "DeletionProtection": spec.deletion_protection,
    }
    return without_none(settings)
