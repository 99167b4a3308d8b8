"""Auto Scaling: when an instance can serve, and how many must while others are replaced."""

from __future__ import annotations

import math

from smplan.sandbox.aws.elbv2.targets import target_states
from smplan.sandbox.aws.errors import Fields
from smplan.sandbox.aws.state.account import Account
from smplan.sandbox.aws.state.autoscaling import GroupInstance, ScalingGroup, invalid

CLEARED = -1
_ALL = _WIDEST = 100
_WARMUP, _POLICY = "DefaultInstanceWarmup", "InstanceMaintenancePolicy"
_HEALTH_CHECKS = frozenset({"EC2", "EBS", "ELB", "VPC_LATTICE"})


def check(fields: Fields) -> None:
    """Raises AwsError (ValidationError) if a setting is out of its range; what is -1 is removed (API reference)."""
    for type in fields["HealthCheckType"].split(","):
        if type not in _HEALTH_CHECKS:
            raise invalid(f"{type} is not a valid health check type")
    if fields.get(_WARMUP) == CLEARED:
        del fields[_WARMUP]
    policy = fields.get(_POLICY)
    if policy is None:
        return
    low, high = policy.get("MinHealthyPercentage"), policy.get("MaxHealthyPercentage")
    if low is None or high is None:
        raise invalid("Both MinHealthyPercentage and MaxHealthyPercentage must be specified")
    if low == high == CLEARED:
        del fields[_POLICY]
    elif low < 0 or high < _ALL or high - low > _WIDEST:
        raise invalid(
            "MinHealthyPercentage must be 0 to 100, MaxHealthyPercentage 100 to 200, and their difference at most 100"
        )


def by_balancer(group: ScalingGroup) -> bool:
    """Whether the health checks of its load balancer count."""
    return "ELB" in group.fields["HealthCheckType"].split(",")


def is_ready(account: Account, group: ScalingGroup, member: GroupInstance, warmup: float) -> bool:
    """Whether it is in service, healthy (for ELB groups also at the load balancer), and for long enough."""
    if member.lifecycle != "InService" or member.health != "Healthy":
        return False
    if account.now() < member.in_service_at + warmup:
        return False
    states = [target_states(account, arn).get(member.id) for arn in group.fields["TargetGroupARNs"]]
    return not by_balancer(group) or not {"initial", "unhealthy"} & set(states)


def warming(account: Account, group: ScalingGroup, warmup: float) -> int:
    """How many instances are launched and do not count in scaling yet: in service for a shorter time than that."""
    return sum(
        each.is_pending or (each.lifecycle == "InService" and account.now() < each.in_service_at + warmup)
        for each in group.members
    )


def default_warmup(group: ScalingGroup) -> float:
    """The warm-up of policies without one: the group's, else its cooldown (User Guide, "default instance warmup")."""
    seconds: int = group.fields["DefaultCooldown"] if _WARMUP not in group.fields else group.fields[_WARMUP]
    return float(seconds)


def bounds(desired: int, low: int, high: int) -> tuple[int, int]:
    """The least that must be ready, and the most that may run; one more where neither leaves room for a replacement."""
    least, most = math.ceil(desired * low / 100), math.floor(desired * high / 100)
    return least, max(most, desired + 1) if least >= desired else most


def room(group: ScalingGroup) -> int | None:
    """How many instances its maintenance policy lets run beyond the desired capacity; None without a policy.

    An instance refresh has bounds of its own.
    """
    policy = group.fields.get(_POLICY)
    if policy is None or group.refresh:
        return None
    return bounds(group.desired, policy["MinHealthyPercentage"], policy["MaxHealthyPercentage"])[1] - group.desired


def may_leave(account: Account, group: ScalingGroup, member: GroupInstance) -> bool:
    """Whether enough others can serve without it: in service, healthy and warm (User Guide, "maintenance policy")."""
    policy, warmup = group.fields[_POLICY], float(group.fields.get(_WARMUP, 0))
    least, _ = bounds(group.desired, policy["MinHealthyPercentage"], policy["MaxHealthyPercentage"])
    others = [each for each in group.members if each is not member and is_ready(account, group, each, warmup)]
    return len(others) >= least
