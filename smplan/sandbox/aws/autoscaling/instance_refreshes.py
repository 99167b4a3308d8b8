"""Auto Scaling: instance refreshes: start, describe, cancel and roll back; ``refresh_loop`` carries them out."""

from __future__ import annotations

from typing import Any

from smplan.sandbox.aws.autoscaling._paging import page
from smplan.sandbox.aws.autoscaling.groups import refuse_deleted, set_source
from smplan.sandbox.aws.autoscaling.launch_checks import check_group
from smplan.sandbox.aws.autoscaling.refresh_loop import percentage, roll_back
from smplan.sandbox.aws.errors import AwsError, Fields
from smplan.sandbox.aws.requests import Call, handles
from smplan.sandbox.aws.state.account import Account, new_id
from smplan.sandbox.aws.state.autoscaling import InstanceRefresh, ScalingGroup, invalid

SOURCES = ("LaunchConfigurationName", "LaunchTemplate", "MixedInstancesPolicy")
_DEFAULTS = {"SkipMatching": False, "AutoRollback": False}
_WAIT = {"ScaleInProtectedInstances": "Wait", "StandbyInstances": "Wait"}
_MIN_HEALTHY = 90
_CHECKPOINT_DELAY = 3600
_WIDEST = 100


@handles("autoscaling", "StartInstanceRefresh")
def start(call: Call) -> Fields:
    """One at a time in a group. The group's own configuration changes when it has succeeded (API reference)."""
    group = call.account.autoscaling.group(call["AutoScalingGroupName"])
    refuse_deleted(group)
    if group.refresh:
        raise AwsError(
            "InstanceRefreshInProgress",
            "An Instance Refresh is already in progress and blocks the execution of this Instance Refresh.",
        )
    if call["Strategy"] not in (None, "Rolling"):
        raise invalid("The sandbox knows the strategy Rolling only")
    desired: Fields = call["DesiredConfiguration"] or {}
    preferences = _preferences(group, call["Preferences"] or {}, desired)
    _check_alarms(call.account, preferences)
    source = {key: group.fields[key] for key in SOURCES if key in group.fields}
    if desired:
        fields = dict(group.fields)
        set_source(call.account, fields, desired, required=False)
        check_group(call.account, fields)
        source = {key: fields[key] for key in SOURCES if key in fields}
    refresh = InstanceRefresh(new_id(), preferences, desired, source, call.account.now())
    group.refreshes.insert(0, refresh)
    return {"InstanceRefreshId": refresh.id}


def _preferences(group: ScalingGroup, sent: Fields, desired: Fields) -> Fields:
    """With the API's defaults; those of the group where it has any (User Guide, default values)."""
    warmup = group.fields.get("DefaultInstanceWarmup")
    found: Fields = {
        "MinHealthyPercentage": _MIN_HEALTHY,
        **{key: value for key, value in (group.fields.get("InstanceMaintenancePolicy") or {}).items() if value >= 0},
        "InstanceWarmup": int(group.fields["HealthCheckGracePeriod"]) if warmup in (None, -1) else int(warmup),
        **_DEFAULTS,
        **_WAIT,
        **sent,
    }
    if "MaxHealthyPercentage" in sent and "MinHealthyPercentage" not in sent:
        raise invalid("MinHealthyPercentage must be specified if MaxHealthyPercentage is specified")
    if found.get("MaxHealthyPercentage", _WIDEST) - found["MinHealthyPercentage"] > _WIDEST:
        raise invalid("The difference between MaxHealthyPercentage and MinHealthyPercentage cannot exceed 100")
    _check_checkpoints(found)
    if found["AutoRollback"] and not desired:
        raise invalid(
            "The AutoRollback parameter cannot be set to true when the DesiredConfiguration parameter is empty"
        )
    if found["AutoRollback"] and not _can_roll_back(group):
        raise invalid("The AutoRollback parameter needs a launch template with a numbered version in the group")
    return found


def _check_checkpoints(preferences: Fields) -> None:
    percentages = preferences.get("CheckpointPercentages")
    if percentages and percentages != sorted(set(percentages)):
        raise invalid("CheckpointPercentages must be unique and in ascending order")
    if "CheckpointDelay" in preferences and not percentages:
        raise invalid("CheckpointPercentages must be specified if CheckpointDelay is specified")
    if percentages:
        preferences.setdefault("CheckpointDelay", _CHECKPOINT_DELAY)


def _can_roll_back(group: ScalingGroup) -> bool:
    """Not from ``$Latest`` and ``$Default`` (User Guide, "Undo changes with a manual or auto rollback")."""
    mixed = group.fields.get("MixedInstancesPolicy", {}).get("LaunchTemplate", {}).get("LaunchTemplateSpecification")
    template = group.fields.get("LaunchTemplate") or mixed
    return template is None or str(template.get("Version")).isdigit()


def _check_alarms(account: Account, preferences: Fields) -> None:
    for name in (preferences.get("AlarmSpecification") or {}).get("Alarms", []):
        if not account.moto.call("cloudwatch", "DescribeAlarms", {"AlarmNames": [name]})["MetricAlarms"]:
            raise invalid(f"The alarm {name} does not exist")


def _active(call: Call, *statuses: str) -> tuple[ScalingGroup, InstanceRefresh]:
    group = call.account.autoscaling.group(call["AutoScalingGroupName"])
    if group.refresh is None or group.refresh.status not in statuses:
        raise AwsError(
            "ActiveInstanceRefreshNotFound",
            f"No in progress or pending Instance Refresh found for Auto Scaling group {group.name}",
        )
    return group, group.refresh


@handles("autoscaling", "CancelInstanceRefresh")
def cancel(call: Call) -> Fields:
    """What is replaced stays so; launches under way are waited for unless the request says not to (API reference)."""
    group, refresh = _active(call, "Pending", "InProgress", "Baking", "RollbackInProgress")
    refresh.status, refresh.reason = "Cancelling", "Cancelled due to user request."
    if call.params.get("WaitForTransitioningInstances", True) is False:
        refresh.status, refresh.ended_at, group.surge = "Cancelled", call.account.now(), 0
    return {"InstanceRefreshId": refresh.id}


@handles("autoscaling", "RollbackInstanceRefresh")
def rollback(call: Call) -> Fields:
    """Only with a desired configuration, and to a numbered version (API reference)."""
    group, refresh = _active(call, "Pending", "InProgress", "Baking")
    if not refresh.desired or not _can_roll_back(group):
        raise AwsError("IrreversibleInstanceRefresh", f"The Instance Refresh {refresh.id} cannot be rolled back")
    roll_back(call.account, group, refresh, "Manual rollback was initiated by a user request.")
    return {"InstanceRefreshId": refresh.id}


@handles("autoscaling", "DescribeInstanceRefreshes")
def describe(call: Call) -> Fields:
    """The newest first; unknown ids are left out."""
    group, ids = call.account.autoscaling.group(call["AutoScalingGroupName"]), call["InstanceRefreshIds"]
    found = [_described(call.account, group, each) for each in group.refreshes if not ids or each.id in ids]
    return page(call, "InstanceRefreshes", found, limit=50)


def _described(account: Account, group: ScalingGroup, refresh: InstanceRefresh) -> Fields:
    response: dict[str, Any] = {
        "InstanceRefreshId": refresh.id,
        "AutoScalingGroupName": group.name,
        "Status": refresh.status,
        "StartTime": account.time(refresh.started_at),
        "PercentageComplete": percentage(refresh),
        "InstancesToUpdate": refresh.rollback.get("InstancesToUpdateOnRollback", refresh.left),
        "Preferences": refresh.preferences,
        "Strategy": "Rolling",
    }
    if refresh.reason:
        response["StatusReason"] = refresh.reason
    if refresh.ended_at is not None:
        response["EndTime"] = account.time(refresh.ended_at)
    if refresh.desired:
        response["DesiredConfiguration"] = refresh.desired
    if refresh.rollback:
        response["RollbackDetails"] = refresh.rollback
    return response
