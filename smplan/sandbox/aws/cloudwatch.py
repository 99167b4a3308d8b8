"""CloudWatch: alarms, which lack data at first and run scaling policies when their state changes."""

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

_NEWER = ("ActionConfiguration", "EvaluationWindow", "WarmUpConfiguration")
"""Members that moto does not know."""


def _newer(account: Account) -> dict[str, Fields]:
    """By alarm, its members that moto does not know."""
    return account.table("cloudwatch.newer_members")


def _find_alarm(account: Account, name: str) -> Fields | None:
    alarms = account.moto.call("cloudwatch", "DescribeAlarms", {"AlarmNames": [name]})["MetricAlarms"]
    return alarms[0] if alarms else None


@handles("cloudwatch", "PutMetricAlarm")
def put(call: Call) -> None:
    """A new alarm lacks data; an existing one is overwritten, keeps its state, and takes no tags (API reference)."""
    account, name = call.account, call["AlarmName"]
    if (call["DatapointsToAlarm"] or 0) > (call["EvaluationPeriods"] or 0):  # API reference, PutMetricAlarm
        raise AwsError("ValidationError", "DatapointsToAlarm must be less than or equal to EvaluationPeriods")
    alarm = _find_alarm(account, name)
    tags = None
    if alarm:
        response = account.moto.call("cloudwatch", "ListTagsForResource", {"ResourceARN": alarm["AlarmArn"]})
        tags = response["Tags"] or None
    call.moto(Tags=tags if alarm else call["Tags"])
    _newer(account)[name] = {key: call[key] for key in _NEWER if call[key] is not None}
    state = alarm or {"StateValue": "INSUFFICIENT_DATA", "StateReason": "Unchecked: Initial alarm creation"}
    set_alarm_state(account, name, state["StateValue"], state.get("StateReason", ""))


def set_alarm_state(account: Account, name: str, state: str, reason: str) -> None:
    """Give an alarm a state, without its actions."""
    account.moto.call("cloudwatch", "SetAlarmState", {"AlarmName": name, "StateValue": state, "StateReason": reason})


@handles("cloudwatch", "DescribeAlarms")
def describe(call: Call) -> Fields:
    """With the members that moto does not know."""
    response = call.moto()
    alarms = [{**each, **_newer(call.account).get(each["AlarmName"], {})} for each in response["MetricAlarms"]]
    return {**response, "MetricAlarms": alarms}


@handles("cloudwatch", "SetAlarmState")
def set_state(call: Call) -> None:
    """Only a change of state runs actions; AlarmNotification can be suspended for a group (API references)."""
    account, name = call.account, call["AlarmName"]
    alarm = _find_alarm(account, name)
    if alarm is None:
        raise AwsError("ResourceNotFound", f"Alarm {name} does not exist", status=404)
    call.moto()
    if call["StateValue"] != alarm["StateValue"]:
        run_actions(account, alarm, call["StateValue"], breach=_breach(call, alarm))


def run_actions(account: Account, alarm: Fields, state: str, *, breach: float) -> None:
    """Run an alarm's actions for a state; ``breach``: how far the latest value is beyond the threshold."""
    if not alarm.get("ActionsEnabled", True):
        return
    key = {"ALARM": "AlarmActions", "OK": "OKActions"}.get(state, "InsufficientDataActions")
    for arn in alarm.get(key, []):
        _run_action(account, arn, alarm, breach=breach)


def _breach(call: Call, alarm: Fields) -> float:
    """How far the latest value in StateReasonData is beyond the threshold; 0 without one."""
    with contextlib.suppress(ValueError, LookupError, TypeError):
        return float(json.loads(call["StateReasonData"])["recentDatapoints"][-1]) - float(alarm["Threshold"])
    return 0.0


def _run_action(account: Account, arn: str, alarm: Fields, *, breach: float) -> None:
    policy = policy_by_arn(account, arn)
    if policy is None:
        return
    group = account.autoscaling.group(policy.group)
    in_cooldown = policy.fields["PolicyType"] == "SimpleScaling" and account.now() < group.cooldown_until
    if not in_cooldown and "AlarmNotification" not in group.suspended:
        run_policy(
            account,
            policy,
            breach=breach,
            cause=f"a monitor alarm {alarm['AlarmName']} in state ALARM triggered policy",
        )


@handles("cloudwatch", "DeleteAlarms")
def delete(call: Call) -> None:
    """Names that exist are deleted even if another of the call does not (API reference, DeleteAlarms)."""
    missing = [name for name in call["AlarmNames"] if _find_alarm(call.account, name) is None]
    existing = [name for name in call["AlarmNames"] if name not in missing]
    if existing:
        call.moto(AlarmNames=existing)
    if missing:
        raise AwsError("ResourceNotFound", f"Alarms do not exist: {', '.join(missing)}", status=404)
