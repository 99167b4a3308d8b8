"""CloudWatch: alarms that know nothing at first, and run policies when they are set off."""

from __future__ import annotations

import contextlib
import json

from smplan.sandbox.aws.autoscaling.policies import policy_by_arn, run_policy
from smplan.sandbox.aws.errors import (
    AwsError,
    Fields,
)
from smplan.sandbox.aws.requests import (
    Call,
    handles,
)
from smplan.sandbox.aws.state.account import Account


def _held(account: Account, name: str) -> Fields | None:
    alarms = account.moto.call("cloudwatch", "DescribeAlarms", {"AlarmNames": [name]})["MetricAlarms"]
    return alarms[0] if alarms else None


@handles("cloudwatch", "PutMetricAlarm")
def put(call: Call) -> None:
    """A new alarm lacks data; an existing one is overwritten, keeps its state, and takes no tags (API reference)."""
    account, name = call.account, call["AlarmName"]
    held = _held(account, name)
    tags = None
    if held:
        response = account.moto.call("cloudwatch", "ListTagsForResource", {"ResourceARN": held["AlarmArn"]})
        tags = response["Tags"] or None
    call.moto(Tags=tags if held else call["Tags"])
    state = held or {"StateValue": "INSUFFICIENT_DATA", "StateReason": "Unchecked: Initial alarm creation"}
    _set(account, name, state["StateValue"], state.get("StateReason", ""))


def _set(account: Account, name: str, state: str, reason: str) -> None:
    account.moto.call("cloudwatch", "SetAlarmState", {"AlarmName": name, "StateValue": state, "StateReason": reason})


@handles("cloudwatch", "SetAlarmState")
def set_state(call: Call) -> None:
    """Only a change of state runs actions; AlarmNotification can be suspended for a group (API references)."""
    account, name = call.account, call["AlarmName"]
    held = _held(account, name)
    if held is None:
        raise AwsError("ResourceNotFound", f"Alarm {name} does not exist", status=404)
    call.moto()
    state = call["StateValue"]
    if state == held["StateValue"] or not held.get("ActionsEnabled", True):
        return
    key = {"ALARM": "AlarmActions", "OK": "OKActions"}.get(state, "InsufficientDataActions")
    for arn in held.get(key, []):
        _act(account, arn, held, breach=_breach(call, held))


def _breach(call: Call, alarm: Fields) -> float:
    """How far the latest value in StateReasonData is beyond the threshold; 0 without one."""
    with contextlib.suppress(ValueError, LookupError, TypeError):
        return float(json.loads(call["StateReasonData"])["recentDatapoints"][-1]) - float(alarm["Threshold"])
    return 0.0


def _act(account: Account, arn: str, alarm: Fields, *, breach: float) -> None:
    policy = policy_by_arn(account, arn)
    if policy is None:
        return
    group = account.autoscaling.group(policy.group)
    cooling = policy.fields["PolicyType"] == "SimpleScaling" and account.now() < group.cooldown_until
    if not cooling and "AlarmNotification" not in group.suspended:
        run_policy(
            account,
            policy,
            breach=breach,
            cause=f"a monitor alarm {alarm['AlarmName']} in state ALARM triggered policy",
        )


@handles("cloudwatch", "DeleteAlarms")
def delete(call: Call) -> None:
    """Names that exist are deleted even if another of the call does not (API reference, DeleteAlarms)."""
    missing = [name for name in call["AlarmNames"] if _held(call.account, name) is None]
    there = [name for name in call["AlarmNames"] if name not in missing]
    if there:
        call.moto(AlarmNames=there)
    if missing:
        raise AwsError("ResourceNotFound", f"Alarms do not exist: {', '.join(missing)}", status=404)
