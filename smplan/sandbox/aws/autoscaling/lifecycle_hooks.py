"""Auto Scaling: lifecycle hooks, which hold an instance in Pending:Wait or Terminating:Wait."""

from __future__ import annotations

from smplan.sandbox.aws.autoscaling.control_loop import TERMINATING_SECONDS
from smplan.sandbox.aws.autoscaling.holds import ABANDON, set_hook, terminating_seconds
from smplan.sandbox.aws.errors import Fields
from smplan.sandbox.aws.requests import Call, handles
from smplan.sandbox.aws.state.autoscaling import invalid


@handles("autoscaling", "PutLifecycleHook")
def put(call: Call) -> None:
    """What is not sent stays as it is (API reference)."""
    set_hook(call.account.autoscaling.group(call["AutoScalingGroupName"]), call.params)


@handles("autoscaling", "DescribeLifecycleHooks")
def describe(call: Call) -> Fields:
    """All of a group, or those named."""
    hooks, names = call.account.autoscaling.group(call["AutoScalingGroupName"]).hooks, call["LifecycleHookNames"]
    return {"LifecycleHooks": [hook for name, hook in sorted(hooks.items()) if not names or name in names]}


@handles("autoscaling", "DeleteLifecycleHook")
def delete(call: Call) -> None:
    """The actions that it holds up are completed first: ABANDON for launches, CONTINUE else (API reference)."""
    group, name = call.account.autoscaling.group(call["AutoScalingGroupName"]), call["LifecycleHookName"]
    if group.hooks.pop(name, None) is None:
        raise invalid(f"No Lifecycle Hook found with name {name}")
    for member in group.members:
        if member.lifecycle == "Pending:Wait" and name in member.held:
            member.held[name] = (call.account.now(), ABANDON)
        elif member.lifecycle == "Terminating:Wait" and not terminating_seconds(group):
            member.lifecycle, member.terminated_at = "Terminating:Proceed", call.account.now() + TERMINATING_SECONDS


@handles("autoscaling", "CompleteLifecycleAction")
def complete(call: Call) -> None:
    """A launched instance goes on, or is terminated; one that terminates does so either way (API reference)."""
    group, name = call.account.autoscaling.group(call["AutoScalingGroupName"]), call["LifecycleHookName"]
    member, now = group.member(call["InstanceId"] or ""), call.account.now()
    if member is not None and member.lifecycle == "Pending:Wait" and name in member.held:
        member.held[name] = (now, call["LifecycleActionResult"])
    elif member is not None and member.lifecycle == "Terminating:Wait":
        member.lifecycle, member.terminated_at = "Terminating:Proceed", now + TERMINATING_SECONDS
    else:
        raise invalid("No active Lifecycle Action found")
