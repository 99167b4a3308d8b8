"""A scaling group as it is now: described, its instances protected from scale-in or not, and let go one by one."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING

from smplan.drivers.aws.autoscaling import _common
from smplan.drivers.aws.requests import batched
from smplan.drivers.base import Progress
from smplan.drivers.context import AwsAccount
from smplan.errors import DriverError, InUse, Invalid, NotFound

if TYPE_CHECKING:
    from mypy_boto3_autoscaling.type_defs import AutoScalingGroupTypeDef

PROTECTED = 50
"""How many instances one SetInstanceProtection takes (API reference)."""
_PROTECTABLE = frozenset({"InService", "EnteringStandby", "Standby"})
"""Lifecycle states in which AWS accepts SetInstanceProtection; one instance in another fails the whole call."""
_RACED = re.compile(r"not part of Auto Scaling group|is not in InService|pending delete", re.IGNORECASE)
_ATTEMPTS = 5


def described(aws: AwsAccount, names: Collection[str], *, instances: bool) -> Iterator[AutoScalingGroupTypeDef]:
    """Those of ``names`` that exist, 50 a call; with their ``instances`` the answer is much longer."""
    describe = aws.read.autoscaling.get_paginator("describe_auto_scaling_groups")
    for some in batched(names, _common.NAMES):
        for page in describe.paginate(AutoScalingGroupNames=some, IncludeInstances=instances):
            yield from page["AutoScalingGroups"]


def one(aws: AwsAccount, name: str) -> AutoScalingGroupTypeDef | None:
    """The group with its instances, or None if it is gone."""
    return next(described(aws, [name], instances=True), None)


def attached(aws: AwsAccount, name: str) -> set[str]:
    """The target groups of the group now: AWS refuses to detach one that a cut-off update has detached already."""
    group = next(described(aws, [name], instances=False), None)
    return set(group.get("TargetGroupARNs", ())) if group else set()


def protect(aws: AwsAccount, name: str, *, protected: bool) -> None:
    """Give every running instance that protection: the group's own setting only reaches those launched later.

    An instance that goes in between makes AWS refuse the call; the next look no longer holds it.
    """
    for attempt in range(1, _ATTEMPTS + 1):
        group = one(aws, name)
        if group is None:
            return
        try:
            _set_protection(aws, group, protected=protected)
        except (Invalid, NotFound) as error:
            if attempt == _ATTEMPTS or not _raced(error):
                raise
        else:
            return


def drained(aws: AwsAccount, name: str) -> Iterator[Progress]:
    """Empty the group: sizes to zero, protection off, then one look after the other until no instance is left.

    Nobody is cut off: AWS deregisters each instance and lets its connections end within the target group's delay.
    """
    most = 0
    while group := one(aws, name):
        there = len(group["Instances"])
        most = max(most, there)
        if not there and (_is_empty(group) or _is_going(group)):
            return
        said = _push(aws, group) or _said(group, most)
        yield Progress("the group's instances to go", said, (most - there) / max(most, 1))


def _push(aws: AwsAccount, group: AutoScalingGroupTypeDef) -> str:
    """Ask for what an empty group needs, as far as it still has to be asked for; what held it up, if anything."""
    try:
        if not _is_empty(group) and not _is_going(group):
            aws.write.autoscaling.update_auto_scaling_group(
                AutoScalingGroupName=group["AutoScalingGroupName"], MinSize=0, MaxSize=0, DesiredCapacity=0
            )
        _set_protection(aws, group, protected=False)
    except InUse as busy:
        return busy.message
    except (Invalid, NotFound) as error:
        if not _raced(error):
            raise
    return ""


def _set_protection(aws: AwsAccount, group: AutoScalingGroupTypeDef, *, protected: bool) -> None:
    ids = [
        instance["InstanceId"]
        for instance in group["Instances"]
        if instance["ProtectedFromScaleIn"] != protected and instance["LifecycleState"] in _PROTECTABLE
    ]
    for batch in batched(ids, PROTECTED):
        aws.write.autoscaling.set_instance_protection(
            AutoScalingGroupName=group["AutoScalingGroupName"], InstanceIds=batch, ProtectedFromScaleIn=protected
        )


def _raced(error: DriverError) -> bool:
    return isinstance(error, NotFound) or bool(_RACED.search(error.message))


def _is_empty(group: AutoScalingGroupTypeDef) -> bool:
    return not (group["MinSize"] or group["MaxSize"] or group["DesiredCapacity"])


def _is_going(group: AutoScalingGroupTypeDef) -> bool:
    """Whether it is being deleted: AWS sets a status only then, and refuses updates."""
    return bool(group.get("Status"))


def _said(group: AutoScalingGroupTypeDef, most: int) -> str:
    there = Counter(str(instance["LifecycleState"]) for instance in group["Instances"])
    states = ", ".join(f"{count} {state}" for state, count in sorted(there.items()))
    said = f"{most - there.total()} of {most} instances gone" + (f"; {states}" if states else "")
    if any(process.get("ProcessName") == "Terminate" for process in group.get("SuspendedProcesses", [])):
        said += "; its Terminate process is suspended: resume it, or nothing will go"
    return said
