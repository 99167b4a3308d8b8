"""Auto Scaling: scaling policies, and what they do when they run."""

from __future__ import annotations

import math
from typing import Any

from smplan.sandbox.aws.autoscaling._paging import page
from smplan.sandbox.aws.autoscaling.activities import close, record
from smplan.sandbox.aws.autoscaling.groups import in_cooldown, refuse_deleted
from smplan.sandbox.aws.autoscaling.maintenance import default_warmup, warming
from smplan.sandbox.aws.errors import Fields
from smplan.sandbox.aws.requests import Call, handles
from smplan.sandbox.aws.state.account import Account, new_id
from smplan.sandbox.aws.state.autoscaling import ScalingGroup, ScalingPolicy, invalid

_KEPT = (
    "AdjustmentType",
    "MinAdjustmentStep",
    "MinAdjustmentMagnitude",
    "ScalingAdjustment",
    "Cooldown",
    "StepAdjustments",
    "MetricAggregationType",
    "EstimatedInstanceWarmup",
    "TargetTrackingConfiguration",
    "PredictiveScalingConfiguration",
)
_NEEDED = {
    "SimpleScaling": ("AdjustmentType", "ScalingAdjustment"),
    "StepScaling": ("AdjustmentType", "StepAdjustments"),
    "TargetTrackingScaling": ("TargetTrackingConfiguration",),
}
_REFUSED = {
    "SimpleScaling": ("StepAdjustments", "MetricAggregationType", "EstimatedInstanceWarmup"),
    "StepScaling": ("ScalingAdjustment", "Cooldown"),
    "TargetTrackingScaling": ("AdjustmentType", "ScalingAdjustment", "Cooldown", "StepAdjustments"),
}


@handles("autoscaling", "PutScalingPolicy")
def put(call: Call) -> Fields:
    """Names are per group, the ARN survives updates, of the type too, a recreated policy gets a new one."""
    account = call.account
    group = account.autoscaling.group(call["AutoScalingGroupName"])
    refuse_deleted(group)
    kind = call["PolicyType"] or "SimpleScaling"
    _check(kind, call.params)
    name = call["PolicyName"]
    before = account.autoscaling.policies.get((group.name, name))
    arn = before.arn if before else _new_arn(account, group, name)
    fields: Fields = {"PolicyType": kind, "Enabled": call.params.get("Enabled", True)}
    fields.update({key: call.params[key] for key in _KEPT if key in call.params})
    if kind == "StepScaling":
        fields.setdefault("MetricAggregationType", "Average")
    if kind != "StepScaling":
        fields.setdefault("StepAdjustments", [])
    policy = account.autoscaling.policies[group.name, name] = ScalingPolicy(group.name, name, arn, fields)
    if kind == "TargetTrackingScaling":
        _make_alarms(account, policy)
    elif before:
        _delete_own_alarms(account, before)
    return {"PolicyARN": arn, "Alarms": alarms_of(account, arn)}


def _new_arn(account: Account, group: ScalingGroup, name: str) -> str:
    return account.arn("autoscaling", f"scalingPolicy:{new_id()}:autoScalingGroupName/{group.name}:policyName/{name}")


def _check(kind: str, params: Fields) -> None:
    if kind not in _NEEDED:
        raise invalid(f"Unknown policy type {kind}")
    for key in _NEEDED[kind]:
        if params.get(key) is None:
            raise invalid(f"You must specify {key} with policy type {kind}")
    for key in _REFUSED[kind]:
        if params.get(key) is not None:
            raise invalid(f"{key} is not supported with policy type {kind}")
    percent = params.get("AdjustmentType") == "PercentChangeInCapacity"
    if params.get("MinAdjustmentMagnitude") is not None and not percent:
        raise invalid("MinAdjustmentMagnitude is only supported with the adjustment type PercentChangeInCapacity")


def _make_alarms(account: Account, policy: ScalingPolicy) -> None:
    """Target tracking makes and owns its alarms (User Guide, "target tracking scaling policies")."""
    if _own_alarms(account, policy):
        return
    tracking = policy.fields["TargetTrackingConfiguration"]
    sides = [("High", "GreaterThanThreshold", 3)]
    if not tracking.get("DisableScaleIn"):
        sides.append(("Low", "LessThanThreshold", 15))
    for side, comparison, periods in sides:
        alarm: dict[str, Any] = {
            "AlarmName": f"{_own_prefix(policy)}{side}-{new_id()}",
            "AlarmActions": [policy.arn],
            "Namespace": "AWS/EC2",
            "MetricName": "CPUUtilization",
            "Dimensions": [{"Name": "AutoScalingGroupName", "Value": policy.group}],
            "Statistic": "Average",
            "Period": 60,
            "EvaluationPeriods": periods,
            "Threshold": tracking["TargetValue"],
            "ComparisonOperator": comparison,
        }
        account.moto.call("cloudwatch", "PutMetricAlarm", alarm)


def _own_prefix(policy: ScalingPolicy) -> str:
    return f"TargetTracking-{policy.group}-Alarm"


def _own_alarms(account: Account, policy: ScalingPolicy) -> list[str]:
    """The names of the alarms that target tracking made for the policy."""
    names = [each["AlarmName"] for each in alarms_of(account, policy.arn)]
    return [name for name in names if name.startswith(_own_prefix(policy))]


def _delete_own_alarms(account: Account, policy: ScalingPolicy) -> None:
    """A policy that no longer tracks a target loses the alarms that this made; those of users stay."""
    names = _own_alarms(account, policy)
    if names:
        account.moto.call("cloudwatch", "DeleteAlarms", {"AlarmNames": names})


def alarms_of(account: Account, arn: str) -> list[Fields]:
    """The alarms whose ALARM action is this policy."""
    alarms = account.moto.call("cloudwatch", "DescribeAlarms", {})["MetricAlarms"]
    return [
        {"AlarmName": alarm["AlarmName"], "AlarmARN": alarm["AlarmArn"]}
        for alarm in alarms
        if arn in alarm.get("AlarmActions", [])
    ]


@handles("autoscaling", "DescribePolicies")
def describe(call: Call) -> Fields:
    """Of one group or all; unknown names are left out."""
    account, names, kinds = call.account, call["PolicyNames"], call["PolicyTypes"]
    group = call["AutoScalingGroupName"]
    if group:
        account.autoscaling.group(group)
    found = [
        {
            **policy.fields,
            "AutoScalingGroupName": policy.group,
            "PolicyName": policy.name,
            "PolicyARN": policy.arn,
            "Alarms": alarms_of(account, policy.arn),
        }
        for policy in account.autoscaling.policies.values()
        if (not group or policy.group == group)
        and (not names or policy.name in names or policy.arn in names)
        and (not kinds or policy.fields["PolicyType"] in kinds)
    ]
    return page(call, "ScalingPolicies", found, limit=50)


def _policy(account: Account, group: str | None, name: str) -> ScalingPolicy:
    for policy in account.autoscaling.policies.values():
        if policy.arn == name or (policy.name == name and policy.group == group):
            return policy
    raise invalid(f"PolicyName/PolicyArn not found - Policy {name} not found")


@handles("autoscaling", "DeletePolicy")
def delete(call: Call) -> None:
    """Its alarms lose the action and stay (API reference, DeletePolicy); target tracking's own alarms go."""
    policy = _policy(call.account, call["AutoScalingGroupName"], call["PolicyName"])
    own = policy.fields["PolicyType"] == "TargetTrackingScaling"
    drop_policy(call.account, (policy.group, policy.name), delete_bare_alarms=own)


def drop_policy(account: Account, key: tuple[str, str], *, delete_bare_alarms: bool) -> None:
    """Forget a policy and take its action from every alarm; alarms left without any action may go with it."""
    arn = account.autoscaling.policies.pop(key).arn
    for alarm in account.moto.call("cloudwatch", "DescribeAlarms", {})["MetricAlarms"]:
        if arn not in alarm.get("AlarmActions", []):
            continue
        left = [action for action in alarm["AlarmActions"] if action != arn]
        if delete_bare_alarms and not left and not alarm.get("OKActions") and not alarm.get("InsufficientDataActions"):
            account.moto.call("cloudwatch", "DeleteAlarms", {"AlarmNames": [alarm["AlarmName"]]})
        else:
            set_alarm_actions(account, alarm, left)


def set_alarm_actions(account: Account, alarm: Fields, actions: list[str]) -> None:
    """Put the alarm again with other actions and the same state."""
    request = {key: value for key, value in alarm.items() if key not in _ALARM_OUTPUTS}
    account.moto.call("cloudwatch", "PutMetricAlarm", {**request, "AlarmActions": actions})
    state = {
        "AlarmName": alarm["AlarmName"],
        "StateValue": alarm["StateValue"],
        "StateReason": alarm.get("StateReason", ""),
    }
    account.moto.call("cloudwatch", "SetAlarmState", state)


_ALARM_OUTPUTS = {
    "AlarmArn",
    "AlarmConfigurationUpdatedTimestamp",
    "StateValue",
    "StateReason",
    "StateReasonData",
    "StateUpdatedTimestamp",
    "StateTransitionedTimestamp",
    "EvaluationState",
}


@handles("autoscaling", "ExecutePolicy")
def execute(call: Call) -> None:
    """Refusal for target tracking, and during the cooldown if it is to be honoured (API reference)."""
    policy = _policy(call.account, call["AutoScalingGroupName"], call["PolicyName"])
    group = call.account.autoscaling.group(policy.group)
    kind = policy.fields["PolicyType"]
    if kind == "TargetTrackingScaling":
        raise invalid("Cannot execute TargetTrackingScaling policies.")
    if kind == "StepScaling" and (call["MetricValue"] is None or call["BreachThreshold"] is None):
        raise invalid("MetricValue and BreachThreshold are required for policy type StepScaling")
    if kind == "SimpleScaling" and call["HonorCooldown"] and call.account.now() < group.cooldown_until:
        raise in_cooldown(group)
    breach = float(call["MetricValue"] or 0) - float(call["BreachThreshold"] or 0)
    run_policy(call.account, policy, breach=breach, cause="a user request executed policy")


def policy_by_arn(account: Account, arn: str) -> ScalingPolicy | None:
    """The policy that an alarm's action names."""
    return next((policy for policy in account.autoscaling.policies.values() if policy.arn == arn), None)


def run_policy(account: Account, policy: ScalingPolicy, *, breach: float, cause: str) -> None:
    """Change the desired capacity by the policy, within Min and Max; a simple policy starts the cooldown."""
    group = account.autoscaling.group(policy.group)
    fields = policy.fields
    change = _adjustment(fields, breach)
    if change is None or group.deleted_at is not None:
        return
    wanted = _wanted(account, group, fields, change)
    wanted = max(int(group.fields["MinSize"]), min(int(group.fields["MaxSize"]), wanted))
    if wanted == group.desired:
        return
    text = f"{cause} {policy.name} changing the desired capacity from {group.desired} to {wanted}."
    activity = record(account, group, f"Executing policy {policy.name}", text)
    group.fields["DesiredCapacity"] = wanted
    close(account, activity)
    if fields["PolicyType"] == "SimpleScaling":
        seconds = fields.get("Cooldown")
        group.cooldown_until = account.now() + float(group.fields["DefaultCooldown"] if seconds is None else seconds)


def _adjustment(fields: Fields, breach: float) -> int | None:
    """The adjustment that applies; of steps the one whose interval holds the breach."""
    if fields["PolicyType"] == "SimpleScaling":
        return int(fields["ScalingAdjustment"])
    for step in fields["StepAdjustments"]:
        low = step.get("MetricIntervalLowerBound")
        high = step.get("MetricIntervalUpperBound")
        if (low is None or breach >= float(low)) and (high is None or breach < float(high)):
            return int(step["ScalingAdjustment"])
    return None


def _wanted(account: Account, group: ScalingGroup, fields: Fields, change: int) -> int:
    """The capacity that an adjustment asks for.

    A step policy does not count instances that warm up, so that several breaches of one step add instances once; and
    none is taken while one warms up (User Guide, "step and simple scaling policies", instance warmup).
    """
    if fields["PolicyType"] != "StepScaling":
        return _adjusted(group.desired, fields, change)
    own = fields.get("EstimatedInstanceWarmup")
    young = warming(account, group, default_warmup(group) if own is None else float(own))
    if change <= 0 and young and fields["AdjustmentType"] != "ExactCapacity":
        return group.desired
    return max(_adjusted(group.desired - young, fields, change), group.desired if young else 0)


def _adjusted(capacity: int, fields: Fields, change: int) -> int:
    match fields["AdjustmentType"]:
        case "ExactCapacity":
            return change
        case "PercentChangeInCapacity":
            exact = capacity * change / 100
            # User Guide, "scaling adjustment types": above 1 rounded down, between 0 and 1 up to 1, and so below 0
            size = math.floor(abs(exact)) if abs(exact) > 1 else math.ceil(abs(exact))
            size = max(size, int(fields.get("MinAdjustmentMagnitude") or 0))
            return capacity + int(math.copysign(size, change))
        case _:
            return capacity + change
