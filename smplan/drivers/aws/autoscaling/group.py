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
    _hooks,
    _instances,
    _refresh,
    _risks,
    _roll_out,
    _roll_record,
    _rolling,
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

SOURCES = ("LaunchConfigurationName", "LaunchTemplate")
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
            "The processes that are suspended, such as Launch, also by hand.", type="list", tracked=True
        ),
        "deletion_protection": Output("Whether AWS refuses to delete it: none, or how.", tracked=True),
    }
    iam_actions = IamActions(
        read=(
            "autoscaling:DescribeAutoScalingGroups",
            "autoscaling:DescribeInstanceRefreshes",
            "autoscaling:DescribeLifecycleHooks",
            "autoscaling:DescribeScalingActivities",
            "elasticloadbalancing:DescribeTargetGroupAttributes",
            "elasticloadbalancing:DescribeTargetHealth",
        ),
        write=(
            "autoscaling:CreateAutoScalingGroup",
            "autoscaling:UpdateAutoScalingGroup",
            "autoscaling:DeleteAutoScalingGroup",
            "autoscaling:AttachLoadBalancerTargetGroups",
            "autoscaling:DetachLoadBalancerTargetGroups",
            "autoscaling:SuspendProcesses",
            "autoscaling:ResumeProcesses",
            "autoscaling:SetInstanceProtection",
            "autoscaling:PutLifecycleHook",
            "autoscaling:DeleteLifecycleHook",
            "autoscaling:StartInstanceRefresh",
            "autoscaling:RollbackInstanceRefresh",
            "autoscaling:TerminateInstanceInAutoScalingGroup",
            "autoscaling:EnterStandby",
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
        self._rolls: dict[str, _rolling.Roll] = {}
        """Group -> the roll-out of smplan's own that an update of this run began or found under way."""

    @classmethod
    def risks(cls, effect: Effect) -> Iterator[Risk]:
        """Of a deletion, of other sizes, launch source, protection, subnets, targets, checks, processes and hooks."""
        return _risks.of_group(effect)

    @classmethod
    def duration(cls, effect: Effect) -> float:
        """With the time until instances are replaced: by a roll-out, or by AWS in zones that the group leaves."""
        return cls.expected_seconds + _risks.replacement_seconds(effect)

    def checks(self, planned: PlannedResources) -> Iterable[Check]:
        """Subnets, zones, VPCs, launch settings, target groups, and quotas."""
        return _checks.checks(self.context.aws, planned)

    def read_many(self, ids: Collection[str]) -> dict[str, Live[GroupSpec]]:
        """One call per 50 names, without instances; per group one for its instance refresh, and one for its hooks."""
        found = _instances.described(self.context.aws, ids, instances=False)
        return {group["AutoScalingGroupName"]: self._to_live(group) for group in found}

    def _to_live(self, group: AutoScalingGroupTypeDef) -> Live[GroupSpec]:
        aws = self.context.aws
        refresh = _refresh.under_way(aws, group["AutoScalingGroupName"])
        return _group_live.live(group, _refresh.goal(refresh), _hooks.managed(aws, group))

    def find(self, spec: GroupSpec) -> Live[GroupSpec] | None:
        """By name."""
        return self.read_many([spec.name]).get(spec.name)

    def create(self, spec: GroupSpec, claim: Claim) -> str:
        """With all tags and hooks in the same call."""
        request: dict[str, Any] = {
            "AutoScalingGroupName": spec.name,
            **settings(spec),
            "DesiredCapacity": spec.desired_capacity,
            "TargetGroupARNs": spec.target_group_arns,
            "Tags": [
                *_tag_requests(spec.name, spec.tags or {}, propagate=spec.propagate_tags_at_launch is not False),
                *_tag_requests(spec.name, {**claim.tags, **_hooks.record(spec.lifecycle_hooks)}, propagate=False),
            ],
            "LifecycleHookSpecificationList": _hooks.specifications(spec.lifecycle_hooks),
        }
        self.context.aws.write.autoscaling.create_auto_scaling_group(**without_none(request))
        return spec.name

    def configure(self, id: str, spec: GroupSpec) -> None:
        """Suspend processes: the request that creates a group has no member for them."""
        self._suspend(id, (), spec.suspended_processes)

    def _suspend(self, id: str, before: Iterable[str], wanted: Iterable[str] | None) -> None:
        if wanted is None:
            return
        client, now, then = self.context.aws.write.autoscaling, {*before}, {*wanted}
        if resume := sorted(now - then):
            client.resume_processes(AutoScalingGroupName=id, ScalingProcesses=resume)
        if suspend := sorted(then - now):
            client.suspend_processes(AutoScalingGroupName=id, ScalingProcesses=suspend)

    def update(self, live: Live[GroupSpec], spec: GroupSpec) -> None:
        """Only what differs, and never the desired capacity, which scaling policies set; last of all the roll-out."""
        self._suspend(live.id, live.spec.suspended_processes or (), spec.suspended_processes)
        aws, before = self.context.aws, settings(live.spec)
        _hooks.update(aws, live.id, live.spec.lifecycle_hooks, spec.lifecycle_hooks)
        changes = {key: value for key, value in settings(spec).items() if before.get(key) != value}
        source: dict[str, Any] = {key: changes.pop(key) for key in SOURCES if key in changes}
        if "LaunchTemplate" in source:
            source = _sources.template_request(aws, live.id, source["LaunchTemplate"])
        protection = changes.get("NewInstancesProtectedFromScaleIn")
        if protection is not None:
            # running instances first: if interrupted after them, the group still differs and the next run resumes here
            _instances.protect(aws, live.id, protected=protection)
        changes, refresh = self._roll_out(live, spec, changes, source) if source else (changes, {})
        if changes:
            aws.write.autoscaling.update_auto_scaling_group(AutoScalingGroupName=live.id, **changes)
        if protection is not None:
            _instances.protect(aws, live.id, protected=protection)  # those launched meanwhile
        self._attach(live, spec)  # AWS refuses it during an instance refresh
        self._retag(live, spec)
        if refresh:
            self._start_refresh(live.id, refresh, spec)

    def _roll_out(
        self, live: Live[GroupSpec], spec: GroupSpec, changes: dict[str, Any], source: dict[str, Any]
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """How ``source`` gets to the instances: what to update in the group, and what to have AWS refresh it to."""
        aws, group = self.context.aws, _instances.one(self.context.aws, live.id)
        record = _roll_record.of(group) if group else None
        under_way = _refresh.under_way(aws, live.id)
        if group and spec.roll_out and (record or _rolling.is_due(group, spec)):
            if under_way:
                raise _refresh.occupied(live.id, under_way)
            _instances.refuse_blocked(group, "rolled out", (_scaling.launch_suspended, _instances.TERMINATE_SUSPENDED))
            _rolling.begin(aws, group, (spec.min_size, spec.max_size))
            wanted = _sources.identity(source)
            roll = _rolling.Roll(aws, live.id, wanted, spec.roll_out, self.context.clock)
            roll.launch_seconds += _hooks.longest(spec.lifecycle_hooks, _hooks.LAUNCHING)
            self._rolls[live.id] = roll
            raised = ("MinSize", "MaxSize") if record and record.serving else ()
            return {key: value for key, value in changes.items() if key not in raised} | source, {}
        if group and record:
            _rolling.end(aws, group, record)
            _roll_record.erase(aws, live.id)
        if spec.launch_template and (spec.roll_out or under_way):
            return changes, source
        return changes | source, {}

    def _start_refresh(self, name: str, desired: Mapping[str, Any], spec: GroupSpec) -> None:
        group = next(_instances.described(self.context.aws, [name], instances=False), None)
        refresh = _refresh.begin(self.context.aws, group, desired, spec.roll_out) if group else None
        if refresh:
            self._refreshes[name] = refresh
        elif spec.roll_out is None:  # the refresh that was under way has ended meanwhile
            self.context.aws.write.autoscaling.update_auto_scaling_group(AutoScalingGroupName=name, **desired)

    def wait_ready(self, id: str, spec: GroupSpec) -> Iterator[Progress]:
        """Until the roll-out that an update began or found has ended. Raises Invalid, with the causes, if it failed."""
        if roll := self._rolls.get(id):
            yield from roll.polls()
            del self._rolls[id]
        template, refresh = spec.launch_template, self._refreshes.get(id)
        if template and refresh:
            yield from _refresh.ended(self.context.aws, id, refresh, (template.id, str(template.version)))
            del self._refreshes[id]

    def timeout(self, spec: GroupSpec) -> float:
        """Longer than a roll-out of ``max_size`` instances takes to end, and to go back, held by hooks meanwhile."""
        roll_out, most = spec.roll_out or _roll_out.RollOut(), spec.max_size + 1
        own = roll_out.own_timeout(most, spec.health_check_grace_period) if spec.roll_out else 0.0
        refresh = roll_out.timeout(most) if spec.launch_template else 0.0
        held = sum(_hooks.longest(spec.lifecycle_hooks, each) for each in (_hooks.LAUNCHING, _hooks.TERMINATING))
        return max(own, refresh, self.timeout_seconds) + 2 * most * held

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
