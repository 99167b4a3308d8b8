"""Auto Scaling: lifecycle hooks of terminations, which hold an instance in Terminating:Wait."""

from __future__ import annotations

from smplan.sandbox.aws.autoscaling.control_loop import TERMINATING_SECONDS
from smplan.sandbox.aws.errors import AwsError, Fields
from smplan.sandbox.aws.requests import Call, handles
from smplan.sandbox.aws.state.autoscaling import TERMINATING, invalid

_MEMBERS = ("NotificationTargetARN", "RoleARN", "NotificationMetadata")


@handles("autoscaling", "PutLifecycleHook")
def put(call: Call) -> None:
    """Defaults are AWS's: an hour, then ABANDON (API reference)."""
    group, name = call.account.autoscaling.group(call["AutoScalingGroupName"]), call["LifecycleHookName"]
    transition = call["LifecycleTransition"] or group.hooks.get(name, {}).get("LifecycleTransition")
    if transition != TERMINATING:
        raise AwsError("InvalidAction", f"the sandbox knows lifecycle hooks of {TERMINATING} only")
    timeout = call["HeartbeatTimeout"] or 3600
    group.hooks[name] = {
        "LifecycleHookName": name,
        "AutoScalingGroupName": group.name,
        "LifecycleTransition": transition,
        "HeartbeatTimeout": timeout,
        "GlobalTimeout": min(100 * timeout, 48 * 3600),
        "DefaultResult": call["DefaultResult"] or "ABANDON",
        **{member: call[member] for member in _MEMBERS if call[member] is not None},
    }


@handles("autoscaling", "DescribeLifecycleHooks")
def describe(call: Call) -> Fields:
    """All of a group, or those named."""
    hooks, names = call.account.autoscaling.group(call["AutoScalingGroupName"]).hooks, call["LifecycleHookNames"]
    return {"LifecycleHooks": [hook for name, hook in sorted(hooks.items()) if not names or name in names]}


@handles("autoscaling", "DeleteLifecycleHook")
def delete(call: Call) -> None:
    """Instances that it holds stay held until their time is over."""
    group = call.account.autoscaling.group(call["AutoScalingGroupName"])
    if group.hooks.pop(call["LifecycleHookName"], None) is None:
        raise invalid(f"Lifecycle hook not found: {call['LifecycleHookName']}")


@handles("autoscaling", "CompleteLifecycleAction")
def complete(call: Call) -> None:
    """The instance goes on to terminate; CONTINUE and ABANDON are the same then (API reference)."""
    group = call.account.autoscaling.group(call["AutoScalingGroupName"])
    member = group.member(call["InstanceId"] or "")
    if member is None or member.lifecycle != "Terminating:Wait":
        raise invalid("No active Lifecycle Action found")
    member.lifecycle, member.terminated_at = "Terminating:Proceed", call.account.now() + TERMINATING_SECONDS
