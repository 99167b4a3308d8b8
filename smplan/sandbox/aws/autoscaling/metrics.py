"""Auto Scaling: group metrics and account limits."""

from __future__ import annotations

from smplan.sandbox.aws import quotas
from smplan.sandbox.aws.errors import Fields
from smplan.sandbox.aws.requests import Call, handles


@handles("autoscaling", "EnableMetricsCollection")
def enable_metrics(call: Call) -> None:
    """Group metrics, all if none is named."""
    group = call.account.autoscaling.group(call["AutoScalingGroupName"])
    for name in call["Metrics"] or ["GroupDesiredCapacity", "GroupInServiceInstances"]:
        group.metrics[name] = call["Granularity"]


@handles("autoscaling", "DisableMetricsCollection")
def disable_metrics(call: Call) -> None:
    """Group metrics, all if none is named."""
    group = call.account.autoscaling.group(call["AutoScalingGroupName"])
    for name in call["Metrics"] or list(group.metrics):
        group.metrics.pop(name, None)


@handles("autoscaling", "DescribeAccountLimits")
def limits(call: Call) -> Fields:
    """The quotas in force, and what is used (API reference)."""
    scaling = call.account.autoscaling
    return {
        "MaxNumberOfAutoScalingGroups": quotas.limit(call.account, "autoscaling", "L-CDE20ADC"),
        "MaxNumberOfLaunchConfigurations": quotas.limit(call.account, "autoscaling", "L-6B80B8FA"),
        "NumberOfAutoScalingGroups": len(scaling.groups),
        "NumberOfLaunchConfigurations": len(scaling.configurations),
    }
