"""Auto Scaling: what lifecycle hooks are, and how long they hold instances (User Guide, "lifecycle hooks")."""

from __future__ import annotations

from smplan.sandbox.aws.errors import Fields
from smplan.sandbox.aws.state.autoscaling import LAUNCHING, TERMINATING, GroupInstance, ScalingGroup, invalid

ABANDON, CONTINUE = "ABANDON", "CONTINUE"
MOST = 50
"""How many hooks a group may have (User Guide, "Quotas")."""
_MEMBERS = (
    "LifecycleTransition",
    "HeartbeatTimeout",
    "DefaultResult",
    "NotificationTargetARN",
    "RoleARN",
    "NotificationMetadata",
)


def set_hook(group: ScalingGroup, sent: Fields) -> None:
    """Make or change a hook. Defaults are AWS's: an hour, then ABANDON; an empty target removes it (API reference)."""
    name = sent["LifecycleHookName"]
    before = {"HeartbeatTimeout": 3600, "DefaultResult": ABANDON, **group.hooks.get(name, {})}
    hook = {**before, **{member: sent[member] for member in _MEMBERS if sent.get(member) is not None}}
    _check(hook)
    if name not in group.hooks and len(group.hooks) >= MOST:
        raise invalid(f"You have reached the limit of {MOST} lifecycle hooks for {group.name}")
    if not hook.get("NotificationTargetARN"):
        hook.pop("NotificationTargetARN", None)
        hook.pop("RoleARN", None)
    timeout = hook["HeartbeatTimeout"]
    limits = {"GlobalTimeout": min(100 * timeout, 48 * 3600)}
    group.hooks[name] = {**hook, "LifecycleHookName": name, "AutoScalingGroupName": group.name, **limits}


def _check(hook: Fields) -> None:
    if hook.get("LifecycleTransition") not in (LAUNCHING, TERMINATING):
        raise invalid(f"Invalid Lifecycle Transition, please specify {LAUNCHING} or {TERMINATING}")
    if not 30 <= hook["HeartbeatTimeout"] <= 7200:
        raise invalid("HeartbeatTimeout must be between 30 and 7200 seconds")
    if hook["DefaultResult"] not in (ABANDON, CONTINUE):
        raise invalid("DefaultResult must be CONTINUE or ABANDON")
    if hook.get("NotificationTargetARN") and not hook.get("RoleARN"):
        raise invalid("RoleARN is required with a notification target")


def hold_launched(group: ScalingGroup, member: GroupInstance, at: float) -> None:
    """A launched instance waits from then on for each hook that the group has for launches, perhaps for none."""
    hooks = [hook for hook in group.hooks.values() if hook["LifecycleTransition"] == LAUNCHING]
    member.held = {each["LifecycleHookName"]: (at + each["HeartbeatTimeout"], each["DefaultResult"]) for each in hooks}
    member.held[""] = (at, CONTINUE)
    member.lifecycle = "Pending:Wait"


def released(member: GroupInstance, now: float) -> tuple[float | None, str]:
    """Since when no hook holds it, and the result; None while one does. One that abandons ends the others."""
    over = [each for each in member.held.values() if each[0] <= now]
    abandoned = min((end for end, result in over if result == ABANDON), default=None)
    if abandoned is not None:
        return abandoned, ABANDON
    return (max(end for end, _ in over), CONTINUE) if len(over) == len(member.held) else (None, "")


def terminating_seconds(group: ScalingGroup) -> float:
    """How long a terminated instance waits, unless the actions are completed before."""
    waits = (h["HeartbeatTimeout"] for h in group.hooks.values() if h["LifecycleTransition"] == TERMINATING)
    return max((float(wait) for wait in waits), default=0.0)
