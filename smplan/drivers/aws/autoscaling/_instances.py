"""Operations on the instances of a scaling group: describe, protect from scale-in, drain."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from smplan.drivers.aws.autoscaling import _common, _hooks
from smplan.drivers.aws.requests import batched
from smplan.drivers.base import Progress
from smplan.drivers.context import AwsAccount
from smplan.errors import DriverError, InUse, Invalid, NotFound

if TYPE_CHECKING:
    from mypy_boto3_autoscaling.type_defs import AutoScalingGroupTypeDef

PROTECTED = 50
"""Maximum number of instances in one SetInstanceProtection (API reference)."""
_PROTECTABLE = frozenset({"InService", "EnteringStandby", "Standby"})
"""Lifecycle states in which AWS accepts SetInstanceProtection; one instance in another fails the whole call."""
_RACED = re.compile(r"not part of Auto Scaling group|is not in InService|pending delete", re.IGNORECASE)
_ATTEMPTS = 5
_STANDBY = frozenset({"EnteringStandby", "Standby"})
_SHOWN = 5
"""How many instances a message names."""
_DELAY = "deregistration_delay.timeout_seconds"
Blocker: TypeAlias = Callable[[Mapping[str, Any]], tuple[str, str] | None]
"""A check of a described group: what blocks, and the AWS command that removes it."""


def described(aws: AwsAccount, names: Collection[str], *, instances: bool) -> Iterator[AutoScalingGroupTypeDef]:
    """Those of ``names`` that exist, 50 per call; with ``instances`` the response is much longer."""
    describe = aws.read.autoscaling.get_paginator("describe_auto_scaling_groups")
    for batch in batched(names, _common.NAMES):
        for page in describe.paginate(AutoScalingGroupNames=batch, IncludeInstances=instances):
            yield from page["AutoScalingGroups"]


def one(aws: AwsAccount, name: str) -> AutoScalingGroupTypeDef | None:
    """The group with its instances, or None if it is gone."""
    return next(described(aws, [name], instances=True), None)


def attached(aws: AwsAccount, name: str) -> set[str]:
    """The attached target groups: AWS refuses to detach one that an interrupted update has already detached."""
    group = next(described(aws, [name], instances=False), None)
    return set(group.get("TargetGroupARNs", ())) if group else set()


def protect(aws: AwsAccount, name: str, *, protected: bool) -> None:
    """Set the protection of every running instance: the group's setting only applies to those launched later.

    An instance that terminates meanwhile makes AWS refuse the call, so it is retried with the instances that are left.
    """
    for attempt in range(1, _ATTEMPTS + 1):
        group = one(aws, name)
        if group is None:
            return
        try:
            set_protection(aws, group, protected=protected)
        except (Invalid, NotFound) as error:
            if attempt == _ATTEMPTS or not raced(error):
                raise
        else:
            return


def drained(aws: AwsAccount, name: str) -> Iterator[Progress]:
    """Empty the group: sizes to zero, protection off, then poll until no instance is left.

    AWS deregisters each instance first; its connections may end within the target group's deregistration delay.
    Raises Invalid for what no waiting changes.
    """
    most = 0
    while group := one(aws, name):
        left = len(group["Instances"])
        most = max(most, left)
        if not left and (_is_empty(group) or _is_deleting(group)):
            return
        refuse_blocked(group, "deleted", _BLOCKERS)
        status = _request_drain(aws, group) or _describe(group, most)
        yield Progress("the group's instances to terminate", status, (most - left) / max(most, 1))


def _request_drain(aws: AwsAccount, group: AutoScalingGroupTypeDef) -> str:
    """Set sizes and protection where they still differ. Returns why AWS refused for now, or an empty text."""
    try:
        if not _is_empty(group) and not _is_deleting(group):
            aws.write.autoscaling.update_auto_scaling_group(
                AutoScalingGroupName=group["AutoScalingGroupName"], MinSize=0, MaxSize=0, DesiredCapacity=0
            )
        set_protection(aws, group, protected=False)
    except InUse as error:
        return error.message
    except (Invalid, NotFound) as error:
        if not raced(error):
            raise
    return ""


def set_protection(
    aws: AwsAccount, group: AutoScalingGroupTypeDef, *, protected: bool, only: Collection[str] | None = None
) -> None:
    """Set the protection of the instances that AWS accepts it for now, or ``only`` of these ids."""
    ids = [
        instance["InstanceId"]
        for instance in group["Instances"]
        if instance["ProtectedFromScaleIn"] != protected and instance["LifecycleState"] in _PROTECTABLE
        if only is None or instance["InstanceId"] in only
    ]
    for batch in batched(ids, PROTECTED):
        aws.write.autoscaling.set_instance_protection(
            AutoScalingGroupName=group["AutoScalingGroupName"], InstanceIds=batch, ProtectedFromScaleIn=protected
        )


def raced(error: DriverError) -> bool:
    """Whether an instance left the group between the read and the call."""
    return isinstance(error, NotFound) or bool(_RACED.search(error.message))


def _is_empty(group: AutoScalingGroupTypeDef) -> bool:
    return not (group["MinSize"] or group["MaxSize"] or group["DesiredCapacity"])


def _is_deleting(group: AutoScalingGroupTypeDef) -> bool:
    """Whether it is being deleted: AWS sets a status only then, and rejects updates."""
    return bool(group.get("Status"))


def _describe(group: AutoScalingGroupTypeDef, most: int) -> str:
    left = Counter(str(instance["LifecycleState"]) for instance in group["Instances"])
    states = ", ".join(f"{count} {state}" for state, count in sorted(left.items()))
    status = f"{most - left.total()} of {most} instances terminated" + (f"; {states}" if states else "")
    held = [each["InstanceId"] for each in group["Instances"] if str(each["LifecycleState"]).endswith(":Wait")]
    if held:
        status += (
            f"; a lifecycle hook holds {', '.join(sorted(held)[:_SHOWN])}: it ends by itself, or with "
            "`aws autoscaling complete-lifecycle-action`"
        )
    return status


def refuse_blocked(group: AutoScalingGroupTypeDef, what: str, checks: Iterable[Blocker]) -> None:
    """Raise Invalid, with the command that helps, if one of ``checks`` finds what keeps it from being ``what``."""
    name, described = group["AutoScalingGroupName"], cast("Mapping[str, Any]", group)
    if _is_deleting(group):
        return
    for reason, command in filter(None, (check(described) for check in checks)):
        raise Invalid(
            f"scaling group {name} cannot be {what}: {reason}",
            hint=f"run `aws autoscaling {command.format(name)}`, then the same command again",
        )


def _protection(group: Mapping[str, Any]) -> tuple[str, str] | None:
    if group.get("DeletionProtection") != "prevent-all-deletion":
        return None
    return (
        "its deletion protection is prevent-all-deletion",
        "update-auto-scaling-group --auto-scaling-group-name {} --deletion-protection none",
    )


def _suspended(group: Mapping[str, Any]) -> tuple[str, str] | None:
    suspended = {process.get("ProcessName") for process in group.get("SuspendedProcesses", [])}
    if "Terminate" not in suspended or not group["Instances"]:
        return None
    return (
        "its Terminate process is suspended, so no instance terminates",
        "resume-processes --auto-scaling-group-name {} --scaling-processes Terminate",
    )


def _standby(group: Mapping[str, Any]) -> tuple[str, str] | None:
    ids = sorted(each["InstanceId"] for each in group["Instances"] if each["LifecycleState"] in _STANDBY)
    if not ids:
        return None
    return (
        f"{', '.join(ids[:_SHOWN])} in Standby is not terminated with the others",
        f"exit-standby --auto-scaling-group-name {{}} --instance-ids {' '.join(ids)}",
    )


def _warm_pool(group: Mapping[str, Any]) -> tuple[str, str] | None:
    pool = group.get("WarmPoolConfiguration")
    if not pool or pool.get("Status") == "PendingDelete":
        return None
    return "it has a warm pool", "delete-warm-pool --auto-scaling-group-name {} --force-delete"


_BLOCKERS = (_protection, _suspended, _warm_pool, _standby)
TERMINATE_SUSPENDED: Blocker = _suspended
LEAVING_BLOCKERS: tuple[Blocker, ...] = (_suspended, _standby)
"""What keeps instances from leaving a group that stays."""


def longest_leave(aws: AwsAccount, name: str, target_groups: Collection[str] | None) -> float:
    """Seconds that an instance may take to leave: deregistration delay and lifecycle hooks; 0 if not readable."""
    delay = max((_deregistration_delay(aws, arn) for arn in target_groups or ()), default=0.0)
    with suppress(DriverError):
        hooks = aws.read.autoscaling.describe_lifecycle_hooks(AutoScalingGroupName=name)["LifecycleHooks"]
        leaving = [each for each in hooks if each.get("LifecycleTransition") == _hooks.TERMINATING]
        return delay + max((float(each.get("HeartbeatTimeout", _hooks.HEARTBEAT)) for each in leaving), default=0.0)
    return delay


def _deregistration_delay(aws: AwsAccount, arn: str) -> float:
    with suppress(DriverError):
        attributes = aws.read.elbv2.describe_target_group_attributes(TargetGroupArn=arn)["Attributes"]
        return next((float(each["Value"]) for each in attributes if each["Key"] == _DELAY), 0.0)
    return 0.0
