"""Auto Scaling: group metrics and account limits."""

from __future__ import annotations

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
    """The default quotas (User Guide, "quotas")."""
    scaling = call.account.autoscaling
    return {
        "MaxNumberOfAutoScalingGroups": 500,
        "MaxNumberOfLaunchConfigurations": 200,
        "NumberOfAutoScalingGroups": len(scaling.groups),
        "NumberOfLaunchConfigurations": len(scaling.configurations),
    }
