"""``aws.autoscaling.group``: the instances that serve, as many as demand asks for."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from smplan.core.resource_type import IamActions, Output
from smplan.core.spec import IMMUTABLE, INITIAL, UNORDERED, PartialList, PartialMap, Spec
from smplan.drivers.aws import tags
from smplan.drivers.aws.autoscaling import _common, _instances
from smplan.drivers.aws.requests import batched, without_none
from smplan.drivers.base import Claim, Driver, Live, Owner, Progress
from smplan.errors import NotFound

if TYPE_CHECKING:
    from typing import Self

    from mypy_boto3_autoscaling.type_defs import AutoScalingGroupTypeDef

TARGET_GROUPS = 10
"""How many one attach or detach takes (API reference)."""


class LaunchTemplateVersion(Spec):
    """One version of a launch template. Numbered, because `$Latest` hides changes and forbids going back."""

    id: Annotated[str, Field(description="The launch template's id.", pattern="^lt-")]
    version: Annotated[int, Field(description="The version's number, such as ${template.version}.", ge=1)]


class GroupSpec(Spec):
    """A scaling group."""

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
        Field(description="What to launch; either this or `launch_configuration`."),
    ] = None
    launch_configuration: Annotated[
        str | None,
        Field(description="Name of the launch configuration; either this or `launch_template`.", min_length=1),
    ] = None
    min_size: Annotated[int, Field(description="Never fewer instances; the guide starts at 1.", ge=0)]
    max_size: Annotated[int, Field(description="Never more instances.", ge=0)]
    desired_capacity: Annotated[
        int | None,
        INITIAL,
        Field(description="How many to start with; afterwards scaling policies decide. Unset: `min_size`.", ge=0),
    ] = None
    subnet_ids: Annotated[
        PartialList[str],
        UNORDERED,
        Field(description="Subnets to launch in: those of the load balancer (guide, Tips).", min_length=1),
    ]
    target_group_arns: Annotated[
        PartialList[str] | None, UNORDERED, Field(description="Target groups that every instance is registered in.")
    ] = None
    health_check_type: Annotated[
        Literal["EC2", "ELB"],
        Field(description="Who says that an instance is ill: EC2 alone, or the load balancer too."),
    ] = "ELB"
    health_check_grace_period: Annotated[
        int,
        Field(
            description="Seconds after launch in which ill health is forgiven. Red5 Pro needs about 180 to boot.",
            ge=0,
        ),
    ] = 300
    new_instances_protected_from_scale_in: Annotated[
        bool,
        Field(
            description="Whether scaling in spares the instances, those already running included. "
            "Needed when clients hold WebSockets through Stream Manager (guide, Instance Protection)."
        ),
    ] = False
    default_cooldown: Annotated[
        int, Field(description="Seconds to wait between two simple scalings that do not say it themselves.", ge=0)
    ] = 300
    termination_policies: Annotated[
        PartialList[str] | None,
        Field(description="Which instance goes first, in order, such as OldestInstance.", min_length=1),
    ] = None
    tags: Annotated[PartialMap[str] | None, Field(description="Tags, besides those smplan sets.", max_length=48)] = None
    propagate_tags_at_launch: Annotated[
        bool, Field(description="Whether new instances get these tags too; smplan's own stay on the group.")
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
    def _propagation_has_tags(self) -> Self:
        if self.propagate_tags_at_launch is False and not self.tags:
            # AWS keeps the flag on each tag: without one, nothing could be read back
            raise ValueError("`propagate_tags_at_launch: false` says nothing without `tags`: leave it out")
        return self


class Group(Driver[GroupSpec]):
    """Whether its instances come up is the health gate's business: here the group only has to exist."""

    kind = "aws.autoscaling.group"
    summary = "A scaling group: keeps as many Stream Managers in service as demand asks for."
    spec = GroupSpec
    outputs: ClassVar = {"arn": Output("The group's ARN.")}
    iam_actions = IamActions(
        read=("autoscaling:DescribeAutoScalingGroups",),
        write=(
            "autoscaling:CreateAutoScalingGroup",
            "autoscaling:UpdateAutoScalingGroup",
            "autoscaling:DeleteAutoScalingGroup",
            "autoscaling:AttachLoadBalancerTargetGroups",
            "autoscaling:DetachLoadBalancerTargetGroups",
            "autoscaling:SetInstanceProtection",
            "autoscaling:CreateOrUpdateTags",
            "autoscaling:DeleteTags",
            # AWS checks these in the caller's name when the group launches from a template (Auto Scaling user guide)
            "ec2:RunInstances",
            "ec2:CreateTags",
            "iam:PassRole",
            "iam:CreateServiceLinkedRole",
        ),
    )
    name_field = "name"
    expected_seconds = 5
    timeout_seconds = 1800  # draining takes the target group's deregistration delay, 300 s by default, and a shutdown
    risks: ClassVar = {"delete": "serving path", "replace": "serving path"}

    def read_many(self, ids: Collection[str]) -> dict[str, Live[GroupSpec]]:
        """One call for 50 names, instances left out."""
        found = _instances.described(self.context.aws, ids, instances=False)
        return {group["AutoScalingGroupName"]: _live(group) for group in found}

    def find(self, spec: GroupSpec) -> Live[GroupSpec] | None:
        """By name."""
        return self.read_many([spec.name]).get(spec.name)

    def create(self, spec: GroupSpec, claim: Claim) -> str:
        """With all its tags in the same call: the ownership tags tell later whether the group is ours."""
        request: dict[str, Any] = {
            "AutoScalingGroupName": spec.name,
            **_settings(spec),
            "DesiredCapacity": spec.desired_capacity,
            "TargetGroupARNs": spec.target_group_arns,
            "Tags": [
                *_tag_requests(spec.name, spec.tags or {}, propagate=spec.propagate_tags_at_launch),
                *_tag_requests(spec.name, claim.tags, propagate=False),
            ],
        }
        self.context.aws.write.autoscaling.create_auto_scaling_group(**without_none(request))
        return spec.name

    def update(self, live: Live[GroupSpec], spec: GroupSpec) -> None:
        """Only what differs, and never the desired capacity: that is the scaling policies'."""
        before = _settings(live.spec)
        changes = {key: value for key, value in _settings(spec).items() if before.get(key) != value}
        protection = changes.get("NewInstancesProtectedFromScaleIn")
        if protection is not None:
            # running instances first: cut off after them, the group still differs and the next run goes on here
            _instances.protect(self.context.aws, live.id, protected=protection)
        if changes:
            self.context.aws.write.autoscaling.update_auto_scaling_group(AutoScalingGroupName=live.id, **changes)
        if protection is not None:
            _instances.protect(self.context.aws, live.id, protected=protection)  # those launched meanwhile
        self._attach(live, spec)
        self._retag(live, spec)

    def _attach(self, live: Live[GroupSpec], spec: GroupSpec) -> None:
        if spec.target_group_arns is None:
            return
        client = self.context.aws.write.autoscaling
        before, wanted = set(live.spec.target_group_arns or ()), set(spec.target_group_arns)
        # new ones first, so that there is always one that traffic comes through
        for arns in batched(wanted - before, TARGET_GROUPS):
            client.attach_load_balancer_target_groups(AutoScalingGroupName=live.id, TargetGroupARNs=arns)
        if away := before - wanted:
            away &= _instances.attached(self.context.aws, live.id)
        for arns in batched(away, TARGET_GROUPS):
            client.detach_load_balancer_target_groups(AutoScalingGroupName=live.id, TargetGroupARNs=arns)

    def _retag(self, live: Live[GroupSpec], spec: GroupSpec) -> None:
        client = self.context.aws.write.autoscaling
        before = live.spec.tags or {}
        wanted = before if spec.tags is None else spec.tags
        to_set, to_remove = tags.changed(before, wanted)
        if spec.propagate_tags_at_launch != live.spec.propagate_tags_at_launch:
            to_set, _ = tags.changed({}, wanted)
        if to_set:
            client.create_or_update_tags(Tags=_tag_requests(live.id, to_set, propagate=spec.propagate_tags_at_launch))
        if to_remove:
            away: Any = [{"ResourceId": live.id, "ResourceType": "auto-scaling-group", "Key": key} for key in to_remove]
            client.delete_tags(Tags=away)

    def drain(self, live: Live[GroupSpec]) -> Iterator[Progress]:
        """Until no instance is left; sessions end in their own time."""
        return _instances.drained(self.context.aws, live.id)

    def delete(self, id: str) -> None:
        """Never by force, which would cut sessions. Raises InUse while instances or activities are left."""
        with suppress(NotFound):
            self.context.aws.write.autoscaling.delete_auto_scaling_group(AutoScalingGroupName=id)

    def wait_deleted(self, id: str) -> Iterator[Progress]:
        """Until AWS describes it no more: only then is its name free."""
        while found := _instances.one(self.context.aws, id):
            yield Progress("the scaling group to disappear", found.get("Status", ""))


def _settings(spec: GroupSpec) -> dict[str, Any]:
    """What create and update call alike, without what is not managed; sorted where order means nothing."""
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


def _live(group: AutoScalingGroupTypeDef) -> Live[GroupSpec]:
    own = tags.own(group.get("Tags"))
    settings: dict[str, Any] = {
        "name": group["AutoScalingGroupName"],
        "launch_template": _template(group),
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
    return Live(group["AutoScalingGroupName"], spec, {"arn": group.get("AutoScalingGroupARN", "")}, owner)


def _template(group: AutoScalingGroupTypeDef) -> LaunchTemplateVersion | None:
    template = group.get("LaunchTemplate")
    if not template:
        return None
    version = template.get("Version", "")
    # `$Latest`, set by hand, is shown as it is: a difference
    shown: dict[str, Any] = {"id": template.get("LaunchTemplateId", ""), "version": version}
    return LaunchTemplateVersion.model_construct(**shown | ({"version": int(version)} if version.isdigit() else {}))


def _propagated(group: AutoScalingGroupTypeDef, own: Mapping[str, str]) -> bool | None:
    """What all of a person's tags say alike; None, which no blueprint says, if they do not agree."""
    said = {tag.get("PropagateAtLaunch", False) for tag in group.get("Tags", []) if tag.get("Key") in own}
    return None if len(said) > 1 else next(iter(said), True)
