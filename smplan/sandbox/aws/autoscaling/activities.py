"""Auto Scaling: the record of what a group did, and why."""

from __future__ import annotations

from smplan.sandbox.aws.errors import Fields
from smplan.sandbox.aws.state.account import Account, new_id
from smplan.sandbox.aws.state.autoscaling import ScalingGroup


def record(account: Account, group: ScalingGroup, description: str, cause: str) -> Fields:
    """A new scaling activity, newest first."""
    activity: Fields = {
        "ActivityId": new_id(),
        "AutoScalingGroupName": group.name,
        "AutoScalingGroupARN": group.arn,
        "Description": description,
        "Cause": f"At {account.time():%Y-%m-%dT%H:%M:%SZ} {cause}",
        "StartTime": account.time(),
        "StatusCode": "InProgress",
        "Progress": 0,
        "Details": "{}",
    }
    group.activities.insert(0, activity)
    return activity


def close(account: Account, activity: Fields, *, at: float | None = None, failed: str = "") -> None:
    """The activity has ended, well or with the reason ``failed``."""
    activity["EndTime"] = account.time(at)
    activity["Progress"] = 100
    activity["StatusCode"] = "Failed" if failed else "Successful"
    if failed:
        activity["StatusMessage"] = failed
