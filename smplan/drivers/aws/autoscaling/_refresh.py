"""AWS's instance refresh: replaces running instances by ones of another launch template version, or goes back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from smplan.drivers.aws.autoscaling import _instances, _sources
from smplan.drivers.aws.autoscaling._roll_out import RollOut
from smplan.drivers.aws.requests import without_none
from smplan.drivers.base import Progress
from smplan.drivers.context import AwsAccount
from smplan.errors import Invalid, NotFound

if TYPE_CHECKING:
    from mypy_boto3_autoscaling.type_defs import AutoScalingGroupTypeDef, InstanceRefreshTypeDef

_GOING = frozenset({"Pending", "InProgress", "Baking"})
_ACTIVE = _GOING | {"Cancelling", "RollbackInProgress"}
_ACTIVITIES = 3
_AGAIN = "run `smplan apply` again to try once more"


def under_way(aws: AwsAccount, name: str) -> InstanceRefreshTypeDef | None:
    """The instance refresh that is at work in the group, rollback included; None if there is none."""
    with suppress(NotFound):
        response = aws.read.autoscaling.describe_instance_refreshes(AutoScalingGroupName=name, MaxRecords=1)
        return next((each for each in response["InstanceRefreshes"] if each.get("Status") in _ACTIVE), None)
    return None


def goal(refresh: InstanceRefreshTypeDef | None) -> tuple[str, str] | None:
    """The template and version that the group will have at the end; None if it keeps its own."""
    if refresh is None or refresh.get("Status") not in _GOING:
        return None
    return _desired(refresh)


def _desired(refresh: InstanceRefreshTypeDef) -> tuple[str, str] | None:
    return _sources.template_of(refresh.get("DesiredConfiguration", {}))


def begin(
    aws: AwsAccount, group: AutoScalingGroupTypeDef, desired: Mapping[str, Any], roll_out: RollOut | None
) -> str | None:
    """Have the group refreshed to ``desired``, a DesiredConfiguration. The id of the refresh to wait for.

    One that has the same goal is waited for, one away from what the group has is rolled back, any other is refused.
    None if there is nothing to wait for: without ``roll_out`` no refresh is started.
    """
    name, wanted, present = group["AutoScalingGroupName"], _sources.template_of(desired), _sources.template_of(group)
    refresh = under_way(aws, name)
    if refresh is not None:
        if _desired(refresh) == wanted:
            return refresh.get("InstanceRefreshId")
        if goal(refresh) is not None and present == wanted:
            return aws.write.autoscaling.rollback_instance_refresh(AutoScalingGroupName=name)["InstanceRefreshId"]
        raise occupied(name, refresh)
    if roll_out is None or present == wanted:
        return None
    request: dict[str, Any] = {"DesiredConfiguration": desired, "Preferences": _preferences(roll_out, present)}
    return aws.write.autoscaling.start_instance_refresh(AutoScalingGroupName=name, **request)["InstanceRefreshId"]


def _preferences(roll_out: RollOut, present: tuple[str, str] | None) -> dict[str, Any]:
    """AWS goes back by itself unless the group has ``$Latest`` or ``$Default``, from which it cannot (User Guide)."""
    alarms = roll_out.alarms
    return without_none(
        {
            "MinHealthyPercentage": roll_out.min_healthy_percentage,
            "MaxHealthyPercentage": roll_out.max_healthy_percentage,
            "InstanceWarmup": roll_out.instance_warmup,
            "SkipMatching": True,
            "AutoRollback": present is None or present[1].isdigit(),
            "ScaleInProtectedInstances": roll_out.scale_in_protected_instances,
            "StandbyInstances": roll_out.standby_instances,
            "CheckpointPercentages": roll_out.checkpoint_percentages,
            "CheckpointDelay": roll_out.checkpoint_delay,
            "BakeTime": roll_out.bake_time,
            "AlarmSpecification": None if alarms is None else {"Alarms": alarms},
        }
    )


def occupied(name: str, refresh: InstanceRefreshTypeDef) -> Invalid:
    """The refusal of a change while another refresh is under way, with the command that ends it."""
    desired = _desired(refresh)
    what = f"to version {desired[1]} of {desired[0]}" if desired else "of what the group has"
    return Invalid(
        f"instance refresh {refresh.get('InstanceRefreshId')} {what} is under way in scaling group {name}: "
        f"{refresh.get('Status')}, {refresh.get('PercentageComplete', 0)} %",
        hint="wait until it has ended, or end it with `aws autoscaling cancel-instance-refresh "
        f"--auto-scaling-group-name {name}`; then run `smplan plan` again",
    )


def ended(aws: AwsAccount, name: str, id: str, wanted: tuple[str, str]) -> Iterator[Progress]:
    """Until the refresh has ended and the group has the template ``wanted``. Raises Invalid if it never will."""
    while True:
        response = aws.read.autoscaling.describe_instance_refreshes(AutoScalingGroupName=name, InstanceRefreshIds=[id])
        refresh: Any = next(iter(response["InstanceRefreshes"]), {"Status": "Pending"})
        group: Any = _instances.one(aws, name) or {"Instances": []}
        status = refresh["Status"]
        if status in ("Successful", "RollbackSuccessful") and _sources.template_of(group) == wanted:
            return
        if status not in _ACTIVE and status != "Successful":  # a successful one shows in the group a moment later
            raise _failed(aws, name, refresh, group, wanted)
        fraction = refresh.get("PercentageComplete", 0) / 100
        yield Progress(f"instances of version {wanted[1]} of {wanted[0]}", _status(refresh, group), fraction)


def _status(refresh: Mapping[str, Any], group: Mapping[str, Any]) -> str:
    shown = [f"{refresh['Status']}, {refresh.get('PercentageComplete', 0)} %", *listed(group)]
    return "; ".join(filter(None, (*shown, refresh.get("StatusReason", "").rstrip("."))))


def listed(group: Mapping[str, Any]) -> list[str]:
    """Each instance with what it was launched from."""
    return [
        f"{each['InstanceId']} of {_sources.of_instance(each)} {each['LifecycleState']}"
        for each in sorted(group["Instances"], key=lambda each: (_sources.of_instance(each), str(each["InstanceId"])))
    ]


def _failed(
    aws: AwsAccount, name: str, refresh: Mapping[str, Any], group: Mapping[str, Any], wanted: tuple[str, str]
) -> Invalid:
    status, why = refresh["Status"], refresh.get("StatusReason", "")
    why = refresh.get("RollbackDetails", {}).get("RollbackReason", why)
    back = status == "RollbackSuccessful"
    state = "AWS went back: " if back else "it was not rolled back: "
    serving = ", ".join(listed(group)) or "no instance"
    reasons = (
        f"the instances of scaling group {name} were not replaced by version {wanted[1]} of {wanted[0]}: "
        f"instance refresh {refresh.get('InstanceRefreshId')} is {status}: {why or 'AWS gives no reason'}".rstrip("."),
        f"{state}{serving}",
        activities(aws, name),
    )
    hint = f"fix the cause, then {_AGAIN}; or apply the former blueprint to go back"
    if not back:
        hint = (
            f"fix the cause, then {_AGAIN}; to go back, run `aws autoscaling start-instance-refresh "
            f"--auto-scaling-group-name {name} --preferences SkipMatching=true,MinHealthyPercentage=100`"
        )
    return Invalid(". ".join(filter(None, reasons)), hint=hint)


def activities(aws: AwsAccount, name: str) -> str:
    """Why launches failed, and why instances were taken out of service, latest first."""
    found = aws.read.autoscaling.describe_scaling_activities(AutoScalingGroupName=name, MaxRecords=50)["Activities"]
    words = [
        str(each.get("StatusMessage") or each.get("Cause", ""))
        for each in found
        if each["StatusCode"] == "Failed" or "health check" in each.get("Cause", "")
    ]
    latest = list(dict.fromkeys(words))[:_ACTIVITIES]
    return f"Scaling activities: {' '.join(latest)}".rstrip(".") if latest else ""
