"""Auto Scaling: the settings of warm pools. No instance is ever in one: what matters is that it keeps its group."""

from __future__ import annotations

from smplan.sandbox.aws.errors import AwsError, Fields
from smplan.sandbox.aws.requests import Call, handles

_MEMBERS = ("MaxGroupPreparedCapacity", "MinSize", "PoolState", "InstanceReusePolicy")
POOL = "WarmPoolConfiguration"


@handles("autoscaling", "PutWarmPool")
def put(call: Call) -> None:
    """What is not sent has AWS's default; not during an instance refresh (API reference)."""
    group = call.account.autoscaling.group(call["AutoScalingGroupName"])
    if group.refresh:
        raise AwsError("InstanceRefreshInProgress", "An active instance refresh blocks the warm pool")
    wanted = {name: call[name] for name in _MEMBERS if call[name] is not None}
    group.fields[POOL] = {"MinSize": 0, "PoolState": "Stopped", **wanted}


@handles("autoscaling", "DeleteWarmPool")
def delete(call: Call) -> None:
    """A group without one is no fault."""
    call.account.autoscaling.group(call["AutoScalingGroupName"]).fields.pop(POOL, None)


@handles("autoscaling", "DescribeWarmPool")
def describe(call: Call) -> Fields:
    """The settings, if there are any, and no instances."""
    pool = call.account.autoscaling.group(call["AutoScalingGroupName"]).fields.get(POOL)
    return {"Instances": [], **({POOL: pool} if pool else {})}
