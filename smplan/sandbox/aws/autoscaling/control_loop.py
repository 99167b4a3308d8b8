"""Auto Scaling as time passes: launches, failed health, replacement, scale-in, and the end of a group."""

from __future__ import annotations

import contextlib
from collections import Counter

from smplan.sandbox.aws import moto_state
from smplan.sandbox.aws.autoscaling.activities import close, record
from smplan.sandbox.aws.autoscaling.groups import subnet_ids
from smplan.sandbox.aws.autoscaling.holds import ABANDON, hold_launched, released, terminating_seconds
from smplan.sandbox.aws.autoscaling.launch_sources import launch_request
from smplan.sandbox.aws.autoscaling.maintenance import by_balancer, may_leave, room
from smplan.sandbox.aws.autoscaling.policies import drop_policy
from smplan.sandbox.aws.ec2.instances import launch
from smplan.sandbox.aws.elbv2.targets import deregister, register, target_states
from smplan.sandbox.aws.errors import AwsError, Fields
from smplan.sandbox.aws.state.account import Account, on_tick
from smplan.sandbox.aws.state.autoscaling import GroupInstance, ScalingGroup
from smplan.sandbox.aws.state.ec2 import BOOT_SECONDS

RETRY_SECONDS = 60.0
"""How long a failed launch waits for the next attempt."""
TERMINATING_SECONDS = 10.0
DELETING_SECONDS = 10.0
_CAPACITY = "an instance was started in response to a difference between desired and actual capacity."


@on_tick
def run(account: Account) -> bool:
    """Move every group on by what is due now; whether anything changed."""
    changed = [_step(account, group) for group in list(account.autoscaling.groups.values())]
    return any(changed)


def _step(account: Account, group: ScalingGroup) -> bool:
    changed = [
        _put_in_service(account, group),
        _check_health(account, group),
        _replace_unhealthy(account, group),
        _finish_terminations(account, group),
        _rebalance(account, group),
        _scale(account, group),
    ]
    return any(changed)


def _put_in_service(account: Account, group: ScalingGroup) -> bool:
    """Pending members that have booted, and that no lifecycle hook holds, join their target groups."""
    changed = False
    for member in list(group.members):
        booted = member.launched_at + BOOT_SECONDS
        if member.lifecycle == "Pending" and account.now() >= booted:
            hold_launched(group, member, booted)
            changed = True
        due, result = released(member, account.now()) if member.lifecycle == "Pending:Wait" else (None, "")
        if due is not None and result == ABANDON:
            terminate(account, group, member, "an instance failed to complete its lifecycle action: it was abandoned.")
        elif due is not None:
            _serve(account, group, member, due)
        changed |= due is not None
    return changed


def _serve(account: Account, group: ScalingGroup, member: GroupInstance, at: float) -> None:
    member.lifecycle, member.in_service_at = "InService", at
    for arn in group.fields["TargetGroupARNs"] if "AddToLoadBalancer" not in group.suspended else ():
        register(account, arn, member.id, at=at)
    close(account, member.activity, at=at)


def _check_health(account: Account, group: ScalingGroup) -> bool:
    """EC2's own checks always count; the load balancer's only for ELB groups, once the grace period is over."""
    if "HealthCheck" in group.suspended:
        return False
    running = moto_state.running(account.id)
    changed = False
    for member in group.members:
        if not member.in_capacity or member.health != "Healthy":
            continue
        if member.id not in running or _failed_at_balancer(account, group, member):
            member.health = "Unhealthy"
            changed = True
    return changed


def _failed_at_balancer(account: Account, group: ScalingGroup, member: GroupInstance) -> bool:
    if not by_balancer(group) or member.lifecycle != "InService":
        return False
    if account.now() < member.in_service_at + int(group.fields["HealthCheckGracePeriod"]):
        return False
    states = [target_states(account, arn).get(member.id) for arn in group.fields["TargetGroupARNs"]]
    return "unhealthy" in states


def _replace_unhealthy(account: Account, group: ScalingGroup) -> bool:
    """Unhealthy members are terminated even if protected from scale-in (User Guide, "instance scale-in protection").

    A maintenance policy has them stay until enough others can serve.
    """
    if room(group) is None:
        leaving = _unhealthy(group)
    else:
        leaving = [member for member in _unhealthy(group) if may_leave(account, group, member)]
    for member in leaving:
        reason = "ELB system health check failure" if by_balancer(group) else "EC2 health check"
        terminate(account, group, member, f"an instance was taken out of service in response to an {reason}.")
    return bool(leaving)


def _unhealthy(group: ScalingGroup) -> list[GroupInstance]:
    """Members that are to be replaced."""
    if {"ReplaceUnhealthy", "Terminate"} & group.suspended.keys() or group.deleted_at is not None:
        return []
    return [member for member in group.members if member.in_capacity and member.health == "Unhealthy"]


def _replacements(group: ScalingGroup) -> int:
    """How many instances run beyond the desired capacity, in place of unhealthy ones that are still there."""
    return min(room(group) or 0, len(_unhealthy(group)))


def terminate(account: Account, group: ScalingGroup, member: GroupInstance, cause: str) -> Fields:
    """Begin to terminate a member: it drains from its target groups first. The activity."""
    delay = 0.0
    for arn in group.fields["TargetGroupARNs"]:
        delay = max(delay, deregister(account, arn, member.id))
    if member.is_pending:
        close(account, member.activity, failed="Instance was terminated before it was in service")
    wait = terminating_seconds(group)
    member.lifecycle = "Terminating:Wait" if wait else "Terminating"
    member.terminated_at = account.now() + delay + wait + TERMINATING_SECONDS
    member.termination = record(account, group, f"Terminating EC2 instance: {member.id}", cause)
    return member.termination


def _finish_terminations(account: Account, group: ScalingGroup) -> bool:
    """Members whose termination is due leave the group; an emptied group that was deleted goes."""
    terminated = [
        member for member in group.members if member.terminated_at is not None and account.now() >= member.terminated_at
    ]
    for member in terminated:
        with contextlib.suppress(AwsError):  # it may have been terminated by hand
            account.moto.call("ec2", "TerminateInstances", {"InstanceIds": [member.id]})
        group.members.remove(member)
        if member.termination is not None:
            close(account, member.termination, at=member.terminated_at)
    if group.deleted_at is None or group.members or account.now() < group.deleted_at + DELETING_SECONDS:
        return bool(terminated)
    _delete_group(account, group)
    return True


def _delete_group(account: Account, group: ScalingGroup) -> None:
    """With the group go its policies, and alarms left without action (API reference, DeleteAutoScalingGroup)."""
    for key in [key for key in account.autoscaling.policies if key[0] == group.name]:
        drop_policy(account, key, delete_bare_alarms=True)
    del account.autoscaling.groups[group.name]


def _rebalance(account: Account, group: ScalingGroup) -> bool:
    """Replace members outside the group's subnets one at a time, the new one in service before the old one terminates.

    User Guide, "rebalancing activities": new instances are launched first, up to one beyond the group's size. With a
    maintenance policy the new one must be healthy too, or the old one goes first where its bounds say so.
    """
    outside = _misplaced(group)
    if not outside:
        return False
    active = [member for member in group.members if member.in_capacity]
    beyond = room(group)
    if len(active) <= group.desired and beyond != 0:
        due = account.now() >= group.retry_at
        return due and _launch(account, group, "instances were launched to balance instances in zones.")
    pending = any(member.is_pending for member in active if member not in outside)
    if pending if beyond is None else not may_leave(account, group, outside[0]):
        return False
    cause = "an instance was taken out of service because its Availability Zone was removed from the group."
    terminate(account, group, outside[0], cause)
    return True


def _misplaced(group: ScalingGroup) -> list[GroupInstance]:
    """Members that rebalancing replaces, the oldest first: protected ones stay, as in every scale-in."""
    suspended = group.suspended.keys() & {"AZRebalance", "Launch", "Terminate"}
    if group.deleted_at is not None or group.refresh or suspended:
        return []
    subnets = subnet_ids(group.fields)
    outside = [each for each in group.members if each.in_capacity and each.subnet_id not in subnets]
    return sorted((each for each in outside if not each.protected), key=lambda each: (each.launched_at, each.id))


def _scale(account: Account, group: ScalingGroup) -> bool:
    """Keep up the desired capacity."""
    active = [member for member in group.members if member.in_capacity]
    if group.deleted_at is not None:
        for member in active:
            terminate(account, group, member, "the group was deleted.")
        return bool(active)
    missing = group.desired + group.surge + _replacements(group) - len(active)
    if missing > 0 and "Launch" not in group.suspended and account.now() >= group.retry_at:
        launched = [_launch(account, group, _CAPACITY) for _ in range(missing)]
        return any(launched)
    surplus = -missing - bool(_misplaced(group))
    if surplus > 0 and "Terminate" not in group.suspended:
        victims = _victims(group, surplus)
        for member in victims:
            terminate(
                account,
                group,
                member,
                "an instance was taken out of service in response to a difference between desired and actual capacity.",
            )
        return bool(victims)
    return False


def _victims(group: ScalingGroup, count: int) -> list[GroupInstance]:
    """Unprotected members outside the group's subnets first, then of the fullest zone, oldest first (User Guide)."""
    subnets = subnet_ids(group.fields)
    chosen: list[GroupInstance] = []
    newest_first = group.fields["TerminationPolicies"][:1] == ["NewestInstance"]
    for _ in range(count):
        left = [member for member in group.members if member.in_capacity and member not in chosen]
        fullness = Counter(member.zone for member in left)
        free = [member for member in left if not member.protected]
        if not free:
            break
        oldest = -1.0 if newest_first else 1.0
        chosen.append(
            min(
                free,
                key=lambda each: (each.subnet_id in subnets, -fullness[each.zone], each.launched_at * oldest, each.id),
            )
        )
    return chosen


def _launch(account: Account, group: ScalingGroup, cause: str) -> bool:
    """One more instance, in the zone with the fewest; a refusal shows only as a Failed activity."""
    zones = {each["SubnetId"]: each["AvailabilityZone"] for each in _describe_subnets(account, group)}
    in_zone = Counter(member.zone for member in group.members if member.in_capacity)
    subnet = min(zones, key=lambda each: (in_zone[zones[each]], subnet_ids(group.fields).index(each)))
    activity = record(account, group, "Launching a new EC2 instance", cause)
    try:
        _require_capacity(account, zones[subnet])
        request, source = launch_request(account, group)
        request["SubnetId"] = subnet
        request["TagSpecifications"] = _tags(group, request.get("TagSpecifications", []))
        instance = launch(account, request)
    except AwsError as error:
        activity["Description"] = "Launching a new EC2 instance.  Status Reason: " + error.message
        close(account, activity, failed=f"{error.message} Launching EC2 instance failed.")
        group.retry_at = account.now() + RETRY_SECONDS
        return False
    activity["Description"] = f"Launching a new EC2 instance: {instance['InstanceId']}"
    activity["StatusCode"] = "PreInService"
    group.members.append(
        GroupInstance(
            id=instance["InstanceId"],
            zone=zones[subnet],
            subnet_id=subnet,
            instance_type=instance["InstanceType"],
            protected=bool(group.fields["NewInstancesProtectedFromScaleIn"]),
            launched_at=account.now(),
            activity=activity,
            **source,
        )
    )
    return True


def _require_capacity(account: Account, zone: str) -> None:
    """Refuse as AWS does when it has no instance to give (EC2 User Guide, "InsufficientInstanceCapacity")."""
    if account.autoscaling.refused_launches:
        account.autoscaling.refused_launches -= 1
        raise AwsError(
            "InsufficientInstanceCapacity",
            f"We currently do not have sufficient capacity in the Availability Zone you requested ({zone}).",
        )


def _describe_subnets(account: Account, group: ScalingGroup) -> list[Fields]:
    response = account.moto.call("ec2", "DescribeSubnets", {"SubnetIds": subnet_ids(group.fields)})
    found: list[Fields] = response["Subnets"]
    return found


def _tags(group: ScalingGroup, specifications: list[Fields]) -> list[Fields]:
    """The template's tags, then the group's that propagate, then Auto Scaling's own mark."""
    tags = {
        tag["Key"]: tag["Value"]
        for each in specifications
        if each["ResourceType"] == "instance"
        for tag in each["Tags"]
    }
    tags.update({key: tag["Value"] for key, tag in group.tags.items() if tag["PropagateAtLaunch"]})
    tags["aws:autoscaling:groupName"] = group.name
    others = [each for each in specifications if each["ResourceType"] != "instance"]
    return [
        *others,
        {"ResourceType": "instance", "Tags": [{"Key": key, "Value": value} for key, value in tags.items()]},
    ]
