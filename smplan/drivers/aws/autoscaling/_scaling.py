"""Waiting for the size of a scaling group: surplus instances drain and terminate, the others are in service."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from smplan.drivers.aws.autoscaling import _instances
from smplan.drivers.base import Progress
from smplan.drivers.context import AwsAccount
from smplan.errors import InUse, Invalid, NotFound

if TYPE_CHECKING:
    from mypy_boto3_autoscaling.type_defs import AutoScalingGroupTypeDef

_LEAVING = ("Terminating", "Terminated", "Detach")
_ASIDE = ("EnteringStandby", "Standby")
"""States in which an instance does not count as one of the capacity; at a size of 0 it is in the way."""


def scaled(aws: AwsAccount, name: str, size: int) -> Iterator[Progress]:
    """Poll until the group has ``size`` instances, all in service and healthy, or as many more as its policies want.

    AWS drains and terminates the surplus itself. Protection from scale-in is removed from as many instances as must
    go, and no more. Raises Invalid for what no waiting changes.
    """
    while True:
        group = _instances.one(aws, name)
        if group is None:
            raise NotFound(f"scaling group {name} is gone", hint="make a new plan with `smplan plan`")
        wanted = max(size, group["DesiredCapacity"]) if size else 0
        counted = [each for each in group["Instances"] if not size or each["LifecycleState"] not in _ASIDE]
        staying = [each for each in counted if not str(each["LifecycleState"]).startswith(_LEAVING)]
        ready = [each for each in staying if each["LifecycleState"] == "InService" and _is_healthy(each)]
        few, many = len(ready) < size, len(staying) > wanted or len(staying) < len(counted)
        if not few and not many:
            return
        checks = [*((launch_suspended,) if few else ()), *(_instances.LEAVING_BLOCKERS if many else ())]
        _instances.refuse_blocked(group, f"scaled to {size}", checks)
        refused = _free(aws, group, staying, wanted)
        yield Progress(f"{name} to have {size} instances", refused or _describe(group, len(ready)))


def _free(aws: AwsAccount, group: AutoScalingGroupTypeDef, staying: list[Any], wanted: int) -> str:
    """Let AWS terminate what is beyond ``wanted``. Returns why AWS refused for now, or an empty text."""
    try:
        if not wanted and (group["MinSize"] or group["DesiredCapacity"]):  # a policy or a schedule has raised it
            aws.write.autoscaling.update_auto_scaling_group(
                AutoScalingGroupName=group["AutoScalingGroupName"], MinSize=0, DesiredCapacity=0
            )
        protected = sorted((_is_healthy(each), each["InstanceId"]) for each in staying if each["ProtectedFromScaleIn"])
        blocked = len(protected) - wanted
        chosen = {id for _, id in protected[: max(blocked, 0)]}
        _instances.set_protection(aws, group, protected=False, only=chosen)
    except InUse as error:
        return error.message
    except (Invalid, NotFound) as error:
        if not _instances.raced(error):
            raise
    return ""


def _is_healthy(instance: Any) -> bool:
    return str(instance["HealthStatus"]).lower() == "healthy"


def _describe(group: AutoScalingGroupTypeDef, ready: int) -> str:
    states = Counter(str(each["LifecycleState"]) for each in group["Instances"])
    listed = ", ".join(f"{count} {state}" for state, count in sorted(states.items()))
    return f"{ready} in service and healthy" + (f"; {listed}" if listed else "")


def launch_suspended(group: Mapping[str, Any]) -> tuple[str, str] | None:
    if "Launch" not in {process.get("ProcessName") for process in group.get("SuspendedProcesses", [])}:
        return None
    return (
        "its Launch process is suspended, so no instance launches",
        "resume-processes --auto-scaling-group-name {} --scaling-processes Launch",
    )
