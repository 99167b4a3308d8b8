"""Auto Scaling: suspended processes."""

from __future__ import annotations

from smplan.sandbox.aws.requests import Call, handles
from smplan.sandbox.aws.state.autoscaling import invalid

PROCESSES = (
    "AddToLoadBalancer",
    "AlarmNotification",
    "AZRebalance",
    "HealthCheck",
    "InstanceRefresh",
    "Launch",
    "ReplaceUnhealthy",
    "ScheduledActions",
    "Terminate",
)


@handles("autoscaling", "SuspendProcesses")
def suspend(call: Call) -> None:
    """All processes if none is named."""
    group = call.account.autoscaling.group(call["AutoScalingGroupName"])
    for name in _processes(call):
        group.suspended[name] = f"User suspended at {call.account.time():%Y-%m-%dT%H:%M:%SZ}"


@handles("autoscaling", "ResumeProcesses")
def resume(call: Call) -> None:
    """All processes if none is named."""
    group = call.account.autoscaling.group(call["AutoScalingGroupName"])
    for name in _processes(call):
        group.suspended.pop(name, None)


def _processes(call: Call) -> tuple[str, ...]:
    names = tuple(call["ScalingProcesses"] or PROCESSES)
    for name in names:
        if name not in PROCESSES:
            raise invalid(f"{name} is not a valid scaling process")
    return names
