"""Elastic Load Balancing: targets, their health, and draining. Nothing is healthy before a real check passed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from smplan.sandbox.aws import moto_state
from smplan.sandbox.aws.errors import AwsError, Fields
from smplan.sandbox.aws.moto_state import MotoLoadBalancer, MotoTargetGroup
from smplan.sandbox.aws.requests import Call, handles
from smplan.sandbox.aws.state.account import Account, on_tick
from smplan.sandbox.aws.state.elbv2 import RegisteredTarget


def require_group(account: Account, arn: str | None) -> MotoTargetGroup:
    """The target group, or ELB's refusal."""
    group = moto_state.target_group(account.id, arn or "")
    if group is None:
        raise AwsError("TargetGroupNotFound", "One or more target groups not found")
    return group


def balancer_of(account: Account, group_arn: str) -> MotoLoadBalancer | None:
    """The load balancer that sends to the target group."""
    return next((each for each in moto_state.balancers(account.id) if group_arn in each.target_group_arns), None)


def is_active(account: Account, balancer_arn: str) -> bool:
    """Whether the load balancer has been provisioned."""
    return account.now() >= account.elbv2.active_at.get(balancer_arn, 0.0)


def register(account: Account, group_arn: str, instance_id: str, *, at: float, port: int | None = None) -> None:
    """Make an instance a target; one that drains comes back. Does nothing if the target group was deleted."""
    group = moto_state.target_group(account.id, group_arn)
    if group is None:
        return
    key = (instance_id, port or group.port)
    existing = account.elbv2.targets_of(group_arn).get(key)
    if existing is None or existing.drained_at is not None:
        account.elbv2.targets_of(group_arn)[key] = RegisteredTarget(*key, registered_at=at)


def deregister(account: Account, group_arn: str, instance_id: str, *, port: int | None = None) -> float:
    """Let an instance drain; how long that takes in seconds (0 if no requests went to it)."""
    group = moto_state.target_group(account.id, group_arn)
    targets = account.elbv2.targets_of(group_arn)
    longest = 0.0
    for key, target in list(targets.items()):
        if target.instance_id != instance_id or target.drained_at is not None or (port and target.port != port):
            continue
        if group is None or balancer_of(account, group_arn) is None or target.state not in {"healthy", "unhealthy"}:
            del targets[key]
            continue
        target.drained_at = account.now() + group.deregistration_delay
        longest = max(longest, group.deregistration_delay)
    return longest


@on_tick
def drain_targets(account: Account) -> bool:
    """Targets leave when they have drained; instances that were terminated by hand begin to drain."""
    running = moto_state.running(account.id)
    changed = False
    for arn, targets in account.elbv2.targets.items():
        for key, target in list(targets.items()):
            if target.drained_at is not None and account.now() >= target.drained_at:
                del targets[key]
                changed = True
            elif target.drained_at is None and _is_terminated(account, target.instance_id, running):
                deregister(account, arn, target.instance_id)
                changed = True
    return changed


def _is_terminated(account: Account, instance_id: str, running: set[str]) -> bool:
    return instance_id not in running and moto_state.state_of(account.id, instance_id) in {"", "terminated"}


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """A health check that is due: ask the instance, then report to ``record_check``."""

    target: RegisteredTarget
    group: MotoTargetGroup
    balancer_arn: str
    port: int
    path: str
    count: int


def due_checks(account: Account) -> Iterator[HealthCheck]:
    """Health checks whose time has come; only where an active load balancer sends to."""
    used = {arn: balancer for balancer in moto_state.balancers(account.id) for arn in balancer.target_group_arns}
    for arn, targets in account.elbv2.targets.items():
        balancer, group = used.get(arn), moto_state.target_group(account.id, arn)
        for target in list(targets.values()):
            if group is None or balancer is None or not is_active(account, balancer.arn):
                _reset(target, account.now())
            elif target.drained_at is None:
                yield from _due(account, target, group, balancer)


def _reset(target: RegisteredTarget, now: float) -> None:
    """Of a target that is not in use: its first check is an interval after it is."""
    target.state, target.streak, target.checked_at = "initial", 0, now


def _due(
    account: Account, target: RegisteredTarget, group: MotoTargetGroup, balancer: MotoLoadBalancer
) -> Iterator[HealthCheck]:
    began = max(target.registered_at, account.elbv2.active_at.get(balancer.arn, 0.0))
    since = began if target.checked_at is None else target.checked_at
    count = int((account.now() - since) // group.interval)
    if count > 0:
        port = target.port if group.check_port == "traffic-port" else int(group.check_port)
        yield HealthCheck(target, group, balancer.arn, port, group.check_path, count)


FAILURES = {
    "Target.FailedHealthChecks": "Health checks failed",
    "Target.Timeout": "Request timed out",
}
"""Reason codes of failed checks, with their descriptions (API reference, TargetHealth)."""


def record_check(account: Account, check: HealthCheck, failure: str) -> bool:
    """Count the outcome, a code of FAILURES or "" for a pass; whether the state changed.

    A new target needs one pass (ELB User Guide, "health checks").
    """
    target, group, count = check.target, check.group, check.count
    before = target.state
    target.checked_at = account.now()
    if not failure:
        target.streak = max(target.streak, 0) + count
        if target.state == "initial" or target.streak >= group.healthy_threshold:
            target.state = "healthy"
    else:
        target.streak = min(target.streak, 0) - count
        target.failure = failure
        if -target.streak >= group.unhealthy_threshold:
            target.state = "unhealthy"
    return target.state != before


def target_states(account: Account, group_arn: str) -> dict[str, str]:
    """Instance id -> state as DescribeTargetHealth returns it; the best one if it has several ports."""
    order = ("unhealthy", "draining", "unused", "initial", "healthy")
    states: dict[str, str] = {}
    for target in account.elbv2.targets_of(group_arn).values():
        state = _health(account, group_arn, target)["State"]
        if order.index(state) >= order.index(states.get(target.instance_id, "unhealthy")):
            states[target.instance_id] = state
    return states


def _health(account: Account, group_arn: str, target: RegisteredTarget) -> Fields:
    """The TargetHealth of the API reference, with its reason codes."""
    if target.drained_at is not None:
        return _target_health("draining", "Target.DeregistrationInProgress", "Target deregistration is in progress")
    balancer = balancer_of(account, group_arn)
    if balancer is None:
        return _target_health(
            "unused", "Target.NotInUse", "Target group is not configured to receive traffic from the load balancer"
        )
    instance = moto_state.instance(account.id, target.instance_id)
    if instance is None or instance.state not in {"pending", "running"}:
        return _target_health("unused", "Target.InvalidState", "Target is in the stopped state")
    if instance.zone not in balancer.zones:
        return _target_health(
            "unused", "Target.NotInUse", "Target is in an Availability Zone that is not enabled for the load balancer"
        )
    if target.state == "initial":
        return _target_health("initial", "Elb.RegistrationInProgress", "Target registration is in progress")
    if target.state == "unhealthy":
        return _target_health("unhealthy", target.failure, FAILURES[target.failure])
    return {"State": "healthy"}


def _target_health(state: str, reason: str, text: str) -> Fields:
    return {"State": state, "Reason": reason, "Description": text}


@handles("elbv2", "RegisterTargets")
def register_targets(call: Call) -> None:
    """Instances must exist and run (API reference, RegisterTargets: InvalidTarget)."""
    account = call.account
    group = require_group(account, call["TargetGroupArn"])
    running = moto_state.running(account.id)
    for target in call["Targets"]:
        if target["Id"] not in running:
            raise AwsError(
                "InvalidTarget",
                f"The following targets are not in a running state and cannot be registered: '{target['Id']}'",
            )
    for target in call["Targets"]:
        register(account, group.arn, target["Id"], at=account.now(), port=target.get("Port"))


@handles("elbv2", "DeregisterTargets")
def deregister_targets(call: Call) -> None:
    """Targets drain; unknown ones are no fault."""
    group = require_group(call.account, call["TargetGroupArn"])
    for target in call["Targets"]:
        deregister(call.account, group.arn, target["Id"], port=target.get("Port"))


@handles("elbv2", "DescribeTargetHealth")
def describe_health(call: Call) -> Fields:
    """All targets, or those requested; unknown ones are ``unused``."""
    account = call.account
    group = require_group(account, call["TargetGroupArn"])
    targets = account.elbv2.targets_of(group.arn)
    if not call["Targets"]:
        return {"TargetHealthDescriptions": [_described(account, group, target) for target in targets.values()]}
    found = []
    for wanted in call["Targets"]:
        key = (wanted["Id"], wanted.get("Port") or group.port)
        if key in targets:
            found.append(_described(account, group, targets[key]))
        else:
            health = _target_health("unused", "Target.NotRegistered", "Target is not registered to the target group")
            found.append({"Target": {"Id": key[0], "Port": key[1]}, "TargetHealth": health})
    return {"TargetHealthDescriptions": found}


def _described(account: Account, group: MotoTargetGroup, target: RegisteredTarget) -> Fields:
    port = str(target.port) if group.check_port == "traffic-port" else group.check_port
    return {
        "Target": {"Id": target.instance_id, "Port": target.port},
        "HealthCheckPort": port,
        "TargetHealth": _health(account, group.arn, target),
    }
