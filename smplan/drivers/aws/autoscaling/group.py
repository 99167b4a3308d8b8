"""``aws.autoscaling.group``: the scaling group that runs the Stream Managers."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from smplan.core.resource_type import IamActions, Output, Protection, Scaling
from smplan.core.risk import Effect, Risk
from smplan.core.spec import CLIENT_ONLY, IMMUTABLE, INITIAL, RELEASED_LAST, UNORDERED, PartialList, PartialMap, Spec
from smplan.core.values import Json
from smplan.drivers import references
from smplan.drivers.aws import tags
from smplan.drivers.aws.autoscaling import _checks, _common, _instances, _risks, _roll_out, _scaling
from smplan.drivers.aws.requests import accepted, batched, without_none
from smplan.drivers.aws.sent_as import SentAs
from smplan.drivers.aws.tags import ANY_TEXT
from smplan.drivers.base import Claim, Driver, Live, Owner, Progress
from smplan.drivers.checks import Check, PlannedResources
from smplan.drivers.context import Context
from smplan.errors import NotFound

if TYPE_CHECKING:
    from typing import Self

    from mypy_boto3_autoscaling.type_defs import AutoScalingGroupTypeDef

TARGET_GROUPS = 10
"""Maximum number of target groups in one attach or detach (API reference)."""


TERMINATION_POLICY = (
    "^(Default|AllocationStrategy|ClosestToNextInstanceHour|NewestInstance|OldestInstance"
    r"|OldestLaunchConfiguration|OldestLaunchTemplate|arn:[^\x00-\x20\ufffe\uffff]*)$"
)
"""AWS's policies, or a Lambda function's ARN (API reference of CreateAutoScalingGroup)."""


class LaunchTemplateVersion(Spec):
    """A numbered version of a launch template: `$Latest` would hide changes and prevent a rollback."""

    sent_as: ClassVar = SentAs(members={"id": "LaunchTemplateId"})

    id: Annotated[str, references.LAUNCH_TEMPLATE, Field(description="The launch template's id.", pattern="^lt-")]
    version: Annotated[
        int,
        references.LAUNCH_TEMPLATE_VERSION,
        Field(description="The version's number, such as ${template.version}.", ge=1),
    ]


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
            description="Replace running instances when `launch_template` changes, by AWS's instance refresh, and go "
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
        Literal["EC2", "ELB"],
        Field(description="Which health checks count: EC2's only, or the load balancer's too."),
    ] = "ELB"
    health_check_grace_period: Annotated[
        int,
        Field(
            description="Seconds after launch before health checks count. Red5 Pro needs about 180 to boot.",
            ge=0,
        ),
    ] = 300
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
    tags: Annotated[
        PartialMap[str] | None, Field(description="Tags, besides those smplan sets.", max_length=48), ANY_TEXT
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
    def _rolls_out_a_template(self) -> Self:
        if not self.known("roll_out"):
            return self
        if self.launch_template is None:
            raise ValueError("`roll_out` needs `launch_template`: AWS rolls no launch configuration out, nor back")
        protected = self.known("new_instances_protected_from_scale_in") and self.new_instances_protected_from_scale_in
        if protected and self.roll_out and self.roll_out.scale_in_protected_instances is None:
            raise ValueError(
                "instances are protected from scale-in, so `roll_out` needs `scale_in_protected_instances`: Refresh "
                "replaces them and ends their sessions, Ignore keeps them, Wait waits an hour for you to unprotect them"
            )
        return self

    @model_validator(mode="after")
    def _propagation_has_tags(self) -> Self:
        if self.propagate_tags_at_launch is False and not self.tags:
            # AWS keeps the flag on each tag: without one, it could not be read back
            raise ValueError("`propagate_tags_at_launch: false` has no effect without `tags`: leave it out")
        if self.tags is None:  # nor are the flags of tags that are not managed
            self.__dict__["propagate_tags_at_launch"] = None
        return self


class Group(Driver[GroupSpec]):
    """Ready as soon as it exists; ``gate.targets_healthy`` waits for its instances."""

    kind = "aws.autoscaling.group"
    summary = "A scaling group: runs as many Stream Managers as demand needs."
    spec = GroupSpec
    outputs: ClassVar = {
        "arn": Output("The group's ARN."),
        "suspended_processes": Output(
            "The processes that were suspended by hand, such as Launch.", type="list", tracked=True
        ),
        "deletion_protection": Output("Whether AWS refuses to delete it, as set by hand: none, or how.", tracked=True),
    }
    iam_actions = IamActions(
        read=(
            "autoscaling:DescribeAutoScalingGroups",
            "autoscaling:DescribeInstanceRefreshes",
            "autoscaling:DescribeLifecycleHooks",
            "autoscaling:DescribeScalingActivities",
            "elasticloadbalancing:DescribeTargetGroupAttributes",
        ),
        write=(
            "autoscaling:CreateAutoScalingGroup",
            "autoscaling:UpdateAutoScalingGroup",
            "autoscaling:DeleteAutoScalingGroup",
            "autoscaling:AttachLoadBalancerTargetGroups",
            "autoscaling:DetachLoadBalancerTargetGroups",
            "autoscaling:SetInstanceProtection",
            "autoscaling:StartInstanceRefresh",
            "autoscaling:RollbackInstanceRefresh",
            "autoscaling:CreateOrUpdateTags",
            "autoscaling:DeleteTags",
            # AWS checks these in the caller's name when the group launches from a template (Auto Scaling user guide)
            "ec2:RunInstances",
            "ec2:CreateTags",
            "iam:PassRole",
            "iam:CreateServiceLinkedRole",
        ),
        check=_checks.ACTIONS,
    )
    name_field = "name"
    expected_seconds = 5
    timeout_seconds = 1800  # to drain, beside the target groups' deregistration delay
    scaling: ClassVar = Scaling("min_size", "desired_capacity", "max_size")
    protection: ClassVar = Protection(
        "deletion_protection", "deletion protection", off=("none", "prevent-force-deletion")
    )
    left_behind = "its instances continue to run, to scale and to cost"

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._refreshes: dict[str, str] = {}
        """Group -> the instance refresh that an update of this run started or found under way."""

    @classmethod
    def risks(cls, effect: Effect) -> Iterator[Risk]:
        """Of a deletion, of other sizes, launch source, protection, subnets, targets and health checks."""
        return _risks.of_group(effect)

    def checks(self, planned: PlannedResources) -> Iterable[Check]:
        """Subnets, zones, VPCs, launch settings, target groups, and quotas."""
        return _checks.checks(self.context.aws, planned)

    def read_many(self, ids: Collection[str]) -> dict[str, Live[GroupSpec]]:
        """One call per 50 names, without instances, and one per group for its instance refresh."""
        found = _instances.described(self.context.aws, ids, instances=False)
        return {group["AutoScalingGroupName"]: self._to_live(group) for group in found}

    def _to_live(self, group: AutoScalingGroupTypeDef) -> Live[GroupSpec]:
        return _live(group, _roll_out.goal(_roll_out.under_way(self.context.aws, group["AutoScalingGroupName"])))

    def find(self, spec: GroupSpec) -> Live[GroupSpec] | None:
        """By name."""
        return self.read_many([spec.name]).get(spec.name)

    def create(self, spec: GroupSpec, claim: Claim) -> str:
        """With all tags in the same call."""
        request: dict[str, Any] = {
            "AutoScalingGroupName": spec.name,
            **_settings(spec),
            "DesiredCapacity": spec.desired_capacity,
            "TargetGroupARNs": spec.target_group_arns,
            "Tags": [
                *_tag_requests(spec.name, spec.tags or {}, propagate=spec.propagate_tags_at_launch is not False),
                *_tag_requests(spec.name, claim.tags, propagate=False),
            ],
        }
        self.context.aws.write.autoscaling.create_auto_scaling_group(**without_none(request))
        return spec.name

    def update(self, live: Live[GroupSpec], spec: GroupSpec) -> None:
        """Only what differs, and never the desired capacity, which scaling policies set; last of all the roll-out."""
        before = _settings(live.spec)
        changes = {key: value for key, value in _settings(spec).items() if before.get(key) != value}
        source: dict[str, Any] = {}
        if "LaunchTemplate" in changes:
            source = self._source(live.id, changes.pop("LaunchTemplate"))
            if not self._rolls(live, spec):
                changes, source = changes | source, {}
        protection = changes.get("NewInstancesProtectedFromScaleIn")
        if protection is not None:
            # running instances first: if interrupted after them, the group still differs and the next run resumes here
            _instances.protect(self.context.aws, live.id, protected=protection)
        if changes:
            self.context.aws.write.autoscaling.update_auto_scaling_group(AutoScalingGroupName=live.id, **changes)
        if protection is not None:
            _instances.protect(self.context.aws, live.id, protected=protection)  # those launched meanwhile
        self._attach(live, spec)  # AWS refuses it during an instance refresh
        self._retag(live, spec)
        if source:
            self._roll(live.id, source, spec)

    def _rolls(self, live: Live[GroupSpec], spec: GroupSpec) -> bool:
        """Whether an instance refresh is to change the launch template, or one under way has to be ended for it."""
        under_way = spec.roll_out is None and _roll_out.under_way(self.context.aws, live.id)
        return spec.roll_out is not None or bool(under_way)

    def _roll(self, name: str, desired: Mapping[str, Any], spec: GroupSpec) -> None:
        group = next(_instances.described(self.context.aws, [name], instances=False), None)
        refresh = _roll_out.begin(self.context.aws, group, desired, spec.roll_out) if group else None
        if refresh:
            self._refreshes[name] = refresh
        elif spec.roll_out is None:  # the refresh that was under way has ended meanwhile
            self.context.aws.write.autoscaling.update_auto_scaling_group(AutoScalingGroupName=name, **desired)

    def wait_ready(self, id: str, spec: GroupSpec) -> Iterator[Progress]:
        """Until the roll-out that an update began or found has ended. Raises Invalid, with the causes, if it failed."""
        template, refresh = spec.launch_template, self._refreshes.get(id)
        if template and refresh:
            yield from _roll_out.ended(self.context.aws, id, refresh, (template.id, str(template.version)))
            del self._refreshes[id]

    def timeout(self, spec: GroupSpec) -> float:
        """Longer than AWS takes to end a roll-out of ``max_size`` instances and to go back."""
        if spec.launch_template is None:
            return self.timeout_seconds
        return max((spec.roll_out or _roll_out.RollOut()).timeout(spec.max_size + 1), self.timeout_seconds)

    def _source(self, name: str, template: Mapping[str, str]) -> dict[str, Any]:
        """The template as a request has it: in the policy for several instance types, if one was set by hand."""
        shape: Any = self.context.aws.write.autoscaling.meta.service_model.shape_for("MixedInstancesPolicy")
        group = next(_instances.described(self.context.aws, [name], instances=False), None)
        policy: Any = accepted(shape, group.get("MixedInstancesPolicy")) if group else None
        return {"MixedInstancesPolicy": _with_template(policy, template)} if policy else {"LaunchTemplate": template}

    def _attach(self, live: Live[GroupSpec], spec: GroupSpec) -> None:
        if spec.target_group_arns is None:
            return
        client = self.context.aws.write.autoscaling
        before, wanted = set(live.spec.target_group_arns or ()), set(spec.target_group_arns)
        # new ones first, so that there is always one with traffic
        for arns in batched(wanted - before, TARGET_GROUPS):
            client.attach_load_balancer_target_groups(AutoScalingGroupName=live.id, TargetGroupARNs=arns)
        if detach := before - wanted:
            detach &= _instances.attached(self.context.aws, live.id)
        for arns in batched(detach, TARGET_GROUPS):
            client.detach_load_balancer_target_groups(AutoScalingGroupName=live.id, TargetGroupARNs=arns)

    def _retag(self, live: Live[GroupSpec], spec: GroupSpec) -> None:
        if spec.tags is None:
            return
        client, propagate = self.context.aws.write.autoscaling, spec.propagate_tags_at_launch is not False
        to_set, to_remove = tags.changed(live.spec.tags or {}, spec.tags)
        if propagate != live.spec.propagate_tags_at_launch:
            to_set, _ = tags.changed({}, spec.tags)
        if to_set:
            client.create_or_update_tags(Tags=_tag_requests(live.id, to_set, propagate=propagate))
        if to_remove:
            keys: Any = [{"ResourceId": live.id, "ResourceType": "auto-scaling-group", "Key": key} for key in to_remove]
            client.delete_tags(Tags=keys)

    def set_owner(self, id: str, owner: Owner) -> None:
        """One call; instances do not get these tags. Raises NotFound if the group is gone."""
        self.context.aws.write.autoscaling.create_or_update_tags(Tags=_tag_requests(id, owner.tags, propagate=False))

    def drain(self, live: Live[GroupSpec]) -> Iterator[Progress]:
        """Until no instance is left."""
        return _instances.drained(self.context.aws, live.id)

    def scale(self, id: str, spec: GroupSpec) -> None:
        """Minimum and capacity in one call, as the guide stops a group; the maximum stays."""
        self.context.aws.write.autoscaling.update_auto_scaling_group(
            AutoScalingGroupName=id, MinSize=spec.min_size, DesiredCapacity=spec.desired_capacity or 0
        )

    def wait_scaled(self, id: str, spec: GroupSpec) -> Iterator[Progress]:
        """Until the surplus is gone and the rest is in service and healthy; protection that blocks it is removed."""
        return _scaling.scaled(self.context.aws, id, spec.desired_capacity or 0)

    def unprotect(self, id: str) -> None:
        """One call; already gone is success."""
        with suppress(NotFound):
            self.context.aws.write.autoscaling.update_auto_scaling_group(
                AutoScalingGroupName=id, DeletionProtection="none"
            )

    def delete_timeout(self, live: Live[GroupSpec]) -> float:
        """With the time that target groups and lifecycle hooks give an instance that leaves."""
        return self.timeout_seconds + _instances.longest_leave(self.context.aws, live.id, live.spec.target_group_arns)

    def delete(self, id: str) -> None:
        """Without ForceDelete, which would end sessions. Raises InUse while instances or activities are left."""
        with suppress(NotFound):
            self.context.aws.write.autoscaling.delete_auto_scaling_group(AutoScalingGroupName=id)

    def wait_deleted(self, id: str) -> Iterator[Progress]:
        """Until AWS no longer describes it: only then is its name free."""
        while found := _instances.one(self.context.aws, id):
            yield Progress("the scaling group to be deleted", found.get("Status", ""))


def _settings(spec: GroupSpec) -> dict[str, Any]:
    """The managed settings of create and update, sorted where order has no meaning."""
    template = spec.launch_template
    settings = {
        "LaunchTemplate": template and {"LaunchTemplateId": template.id, "Version": str(template.version)},
        "LaunchConfigurationName": spec.launch_configuration,
        "MinSize": spec.min_size,
        "MaxSize": spec.max_size,
        "VPCZoneIdentifier": ",".join(sorted(spec.subnet_ids)),
        "HealthCheckType": spec.health_check_type,
        "HealthCheckGracePeriod": spec.health_check_grace_period,
        "NewInstancesProtectedFromScaleIn": spec.new_instances_protected_from_scale_in,
        "DefaultCooldown": spec.default_cooldown,
        "TerminationPolicies": spec.termination_policies,
    }
    return without_none(settings)


def _tag_requests(name: str, wanted: Mapping[str, str], *, propagate: bool) -> list[Any]:
    where = {"ResourceId": name, "ResourceType": "auto-scaling-group", "PropagateAtLaunch": propagate}
    return [where | tag for tag in tags.listed(wanted)]


def _live(group: AutoScalingGroupTypeDef, goal: tuple[str, str] | None = None) -> Live[GroupSpec]:
    """``goal`` is the launch template that an instance refresh under way will give it."""
    own = tags.own(group.get("Tags"))
    settings: dict[str, Any] = {
        "name": group["AutoScalingGroupName"],
        "launch_template": _template(group, goal),
        "launch_configuration": group.get("LaunchConfigurationName") or None,
        "min_size": group["MinSize"],
        "max_size": group["MaxSize"],
        "desired_capacity": group["DesiredCapacity"],
        "subnet_ids": list(filter(None, group.get("VPCZoneIdentifier", "").split(","))),
        "target_group_arns": list(group.get("TargetGroupARNs", [])),
        "health_check_type": group["HealthCheckType"],
        "health_check_grace_period": group.get("HealthCheckGracePeriod", 0),
        "new_instances_protected_from_scale_in": group.get("NewInstancesProtectedFromScaleIn", False),
        "default_cooldown": group["DefaultCooldown"],
        "termination_policies": list(group.get("TerminationPolicies", [])),
        "tags": own,
        "propagate_tags_at_launch": _propagated(group, own),
    }
    spec = GroupSpec.model_construct(**settings)
    owner = Owner.from_tags(tags.plain(group.get("Tags")))
    suspended = sorted(process.get("ProcessName", "") for process in group.get("SuspendedProcesses", []))
    outputs: dict[str, Json] = {
        "arn": group.get("AutoScalingGroupARN", ""),
        "suspended_processes": [*suspended],
        "deletion_protection": group.get("DeletionProtection") or "none",
    }
    return Live(group["AutoScalingGroupName"], spec, outputs, owner)


def _with_template(policy: dict[str, Any], template: Mapping[str, str]) -> dict[str, Any]:
    """The policy with another template; AWS describes a template of its overrides by id and name, and takes one."""
    launch: dict[str, Any] = {**policy["LaunchTemplate"], "LaunchTemplateSpecification": template}
    for override in launch.get("Overrides", []):
        own = override.get("LaunchTemplateSpecification", {})
        if "LaunchTemplateId" in own:
            own.pop("LaunchTemplateName", None)
    return {**policy, "LaunchTemplate": launch}


def _template(group: AutoScalingGroupTypeDef, goal: tuple[str, str] | None) -> LaunchTemplateVersion | None:
    found = _roll_out.template_of(group)
    if found is None:
        return None
    id, version = found
    shown: Any = int(version) if version.isdigit() else version  # `$Latest`, set by hand, is kept: it is a difference
    if goal is not None and goal != found:  # it is neither: whatever the blueprint says, there is something to do
        shown = f"{version}, being replaced by {goal[1]}" + (f" of {goal[0]}" if goal[0] != id else "")
    return LaunchTemplateVersion.model_construct(id=id, version=shown)


def _propagated(group: AutoScalingGroupTypeDef, own: Mapping[str, str]) -> bool | None:
    """The flag of all the user's tags; None, which no blueprint has, if they differ."""
    flags = {tag.get("PropagateAtLaunch", False) for tag in group.get("Tags", []) if tag.get("Key") in own}
    return None if len(flags) > 1 else next(iter(flags), True)
