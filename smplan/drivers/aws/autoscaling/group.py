"""``aws.autoscaling.group``: the scaling group that runs the Stream Managers."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, ClassVar

from smplan.core.resource_type import IamActions, Output, Protection, Scaling
from smplan.core.risk import Effect, Risk
from smplan.drivers.aws import tags
from smplan.drivers.aws.autoscaling import (
    _checks,
    _group_live,
    _instances,
    _refresh,
    _risks,
    _roll_out,
    _scaling,
    _sources,
)
from smplan.drivers.aws.autoscaling._group_spec import GroupSpec, settings
from smplan.drivers.aws.requests import batched, without_none
from smplan.drivers.base import Claim, Driver, Live, Owner, Progress
from smplan.drivers.checks import Check, PlannedResources
from smplan.drivers.context import Context
from smplan.errors import NotFound

if TYPE_CHECKING:
    from mypy_boto3_autoscaling.type_defs import AutoScalingGroupTypeDef

TARGET_GROUPS = 10
"""Maximum number of target groups in one attach or detach (API reference)."""


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
        return _group_live.live(
            group, _refresh.goal(_refresh.under_way(self.context.aws, group["AutoScalingGroupName"]))
        )

    def find(self, spec: GroupSpec) -> Live[GroupSpec] | None:
        """By name."""
        return self.read_many([spec.name]).get(spec.name)

    def create(self, spec: GroupSpec, claim: Claim) -> str:
        """With all tags in the same call."""
        request: dict[str, Any] = {
            "AutoScalingGroupName": spec.name,
            **settings(spec),
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
        before = settings(live.spec)
        changes = {key: value for key, value in settings(spec).items() if before.get(key) != value}
        source: dict[str, Any] = {}
        if "LaunchTemplate" in changes:
            source = _sources.template_request(self.context.aws, live.id, changes.pop("LaunchTemplate"))
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
        under_way = spec.roll_out is None and _refresh.under_way(self.context.aws, live.id)
        return spec.roll_out is not None or bool(under_way)

    def _roll(self, name: str, desired: Mapping[str, Any], spec: GroupSpec) -> None:
        group = next(_instances.described(self.context.aws, [name], instances=False), None)
        refresh = _refresh.begin(self.context.aws, group, desired, spec.roll_out) if group else None
        if refresh:
            self._refreshes[name] = refresh
        elif spec.roll_out is None:  # the refresh that was under way has ended meanwhile
            self.context.aws.write.autoscaling.update_auto_scaling_group(AutoScalingGroupName=name, **desired)

    def wait_ready(self, id: str, spec: GroupSpec) -> Iterator[Progress]:
        """Until the roll-out that an update began or found has ended. Raises Invalid, with the causes, if it failed."""
        template, refresh = spec.launch_template, self._refreshes.get(id)
        if template and refresh:
            yield from _refresh.ended(self.context.aws, id, refresh, (template.id, str(template.version)))
            del self._refreshes[id]

    def timeout(self, spec: GroupSpec) -> float:
        """Longer than AWS takes to end a roll-out of ``max_size`` instances and to go back."""
        if spec.launch_template is None:
            return self.timeout_seconds
        return max((spec.roll_out or _roll_out.RollOut()).timeout(spec.max_size + 1), self.timeout_seconds)

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


def _tag_requests(name: str, wanted: Mapping[str, str], *, propagate: bool) -> list[Any]:
    where = {"ResourceId": name, "ResourceType": "auto-scaling-group", "PropagateAtLaunch": propagate}
    return [where | tag for tag in tags.listed(wanted)]
