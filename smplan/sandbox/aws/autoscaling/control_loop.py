"""Auto Scaling as time passes: launches, failed health, replacement, scale-in, and the end of a group."""

from __future__ import annotations

import contextlib
from collections import Counter

from smplan.sandbox.aws import moto_state
from smplan.sandbox.aws.autoscaling.activities import close, record
from smplan.sandbox.aws.autoscaling.groups import subnet_ids
from smplan.sandbox.aws.autoscaling.launch_sources import launch_request
from smplan.sandbox.aws.autoscaling.policies import drop_policy
from smplan.sandbox.aws.ec2.instances import launch
from smplan.sandbox.aws.elbv2.targets import deregister, register, target_states
from smplan.sandbox.aws.errors import (
    AwsError,
    Fields,
)
from smplan.sandbox.aws.state.account import Cloud, on_tick
from smplan.sandbox.aws.state.autoscaling import GroupInstance, ScalingGroup
from smplan.sandbox.aws.state.ec2 import BOOT_SECONDS

RETRY_SECONDS = 60.0
"""How long a failed launch waits for the next attempt."""
TERMINATING_SECONDS = 10.0
DELETING_SECONDS = 10.0


@on_tick
def run(cloud: Cloud) -> bool:
    """Move every group on by what is due now; whether anything changed."""
    changed = [_step(cloud, group) for group in list(cloud.scaling.groups.values())]
    return any(changed)


def _step(cloud: Cloud, group: ScalingGroup) -> bool:
    changed = [
        _settle(cloud, group),
        _check_health(cloud, group),
        _replace(cloud, group),
        _finish(cloud, group),
        _scale(cloud, group),
    ]
    return any(changed)


def _settle(cloud: Cloud, group: ScalingGroup) -> bool:
    """Pending members that have booted join their target groups and are in service."""
    changed = False
    for member in group.members:
        due = member.launched_at + BOOT_SECONDS
        if member.lifecycle == "Pending" and cloud.now() >= due:
            member.lifecycle, member.in_service_at = "InService", due
            for arn in group.fields["TargetGroupARNs"]:
                register(cloud, arn, member.id, at=due)
            close(cloud, member.activity, at=due)
            changed = True
    return changed


def _check_health(cloud: Cloud, group: ScalingGroup) -> bool:
    """EC2's own checks always count; the load balancer's only for ELB groups, once the grace period is over."""
    if "HealthCheck" in group.suspended:
        return False
    running = moto_state.running(cloud.account)
    changed = False
    for member in group.members:
        if not member.counts or member.health != "Healthy":
            continue
        if member.id not in running or _failed_at_balancer(cloud, group, member):
            member.health = "Unhealthy"
            changed = True
    return changed


def _failed_at_balancer(cloud: Cloud, group: ScalingGroup, member: GroupInstance) -> bool:
    if group.fields["HealthCheckType"] != "ELB" or member.lifecycle != "InService":
        return False
    if cloud.now() < member.in_service_at + int(group.fields["HealthCheckGracePeriod"]):
        return False
    states = [target_states(cloud, arn).get(member.id) for arn in group.fields["TargetGroupARNs"]]
    return "unhealthy" in states


def _replace(cloud: Cloud, group: ScalingGroup) -> bool:
    """Unhealthy members are terminated even if protected from scale-in (User Guide, "instance scale-in protection")."""
    if "ReplaceUnhealthy" in group.suspended or "Terminate" in group.suspended:
        return False
    sick = [member for member in group.members if member.counts and member.health == "Unhealthy"]
    for member in sick:
        reason = "ELB system health check failure" if group.fields["HealthCheckType"] == "ELB" else "EC2 health check"
        end(cloud, group, member, f"an instance was taken out of service in response to an {reason}.")
    return bool(sick)


def end(cloud: Cloud, group: ScalingGroup, member: GroupInstance, cause: str) -> Fields:
    """Begin to terminate a member: it drains from its target groups first. The activity."""
    delay = 0.0
    for arn in group.fields["TargetGroupARNs"]:
        delay = max(delay, deregister(cloud, arn, member.id))
    if member.lifecycle == "Pending":
        close(cloud, member.activity, failed="Instance was terminated before it was in service")
    member.lifecycle = "Terminating"
    member.gone_at = cloud.now() + delay + TERMINATING_SECONDS
    member.ending = record(cloud, group, f"Terminating EC2 instance: {member.id}", cause)
    return member.ending


def _finish(cloud: Cloud, group: ScalingGroup) -> bool:
    """Members whose termination is due leave the group; an emptied group that was deleted goes."""
    gone = [member for member in group.members if member.gone_at is not None and cloud.now() >= member.gone_at]
    for member in gone:
        with contextlib.suppress(AwsError):  # it may have been terminated by hand
            cloud.moto.ask("ec2", "TerminateInstances", {"InstanceIds": [member.id]})
        group.members.remove(member)
        if member.ending is not None:
            close(cloud, member.ending, at=member.gone_at)
    if group.deleted_at is None or group.members or cloud.now() < group.deleted_at + DELETING_SECONDS:
        return bool(gone)
    _forget(cloud, group)
    return True


def _forget(cloud: Cloud, group: ScalingGroup) -> None:
    """With the group go its policies, and alarms left without action (API reference, DeleteAutoScalingGroup)."""
    for key in [key for key in cloud.scaling.policies if key[0] == group.name]:
        drop_policy(cloud, key, delete_bare_alarms=True)
    del cloud.scaling.groups[group.name]


def _scale(cloud: Cloud, group: ScalingGroup) -> bool:
    """Keep up the desired capacity."""
    active = [member for member in group.members if member.counts]
    if group.deleted_at is not None:
        for member in active:
            end(cloud, group, member, "the group was deleted.")
        return bool(active)
    missing = group.desired - len(active)
    if missing > 0 and "Launch" not in group.suspended and cloud.now() >= group.retry_at:
        launched = [_launch(cloud, group) for _ in range(missing)]
        return any(launched)
    if missing < 0 and "Terminate" not in group.suspended:
        victims = _victims(group, -missing)
        for member in victims:
            end(
                cloud,
                group,
                member,
                "an instance was taken out of service in response to a difference between desired and actual capacity.",
            )
        return bool(victims)
    return False


def _victims(group: ScalingGroup, count: int) -> list[GroupInstance]:
    """Unprotected members of the fullest zone first, oldest first (default termination policy, User Guide)."""
    chosen: list[GroupInstance] = []
    newest_first = group.fields["TerminationPolicies"][:1] == ["NewestInstance"]
    for _ in range(count):
        left = [member for member in group.members if member.counts and member not in chosen]
        fullness = Counter(member.zone for member in left)
        free = [member for member in left if not member.protected]
        if not free:
            break
        oldest = -1.0 if newest_first else 1.0
        chosen.append(min(free, key=lambda each: (-fullness[each.zone], each.launched_at * oldest, each.id)))
    return chosen


def _launch(cloud: Cloud, group: ScalingGroup) -> bool:
    """One more instance, in the zone with the fewest; a refusal shows only as a Failed activity."""
    places = {each["SubnetId"]: each["AvailabilityZone"] for each in _subnets(cloud, group)}
    held = Counter(member.zone for member in group.members if member.counts)
    subnet = min(places, key=lambda each: (held[places[each]], subnet_ids(group.fields).index(each)))
    cause = "an instance was started in response to a difference between desired and actual capacity."
    activity = record(cloud, group, "Launching a new EC2 instance", cause)
    try:
        request, source = launch_request(cloud, group)
        request["SubnetId"] = subnet
        request["TagSpecifications"] = _tags(group, request.get("TagSpecifications", []))
        made = launch(cloud, request)
    except AwsError as refusal:
        activity["Description"] = "Launching a new EC2 instance.  Status Reason: " + refusal.message
        close(cloud, activity, failed=f"{refusal.message} Launching EC2 instance failed.")
        group.retry_at = cloud.now() + RETRY_SECONDS
        return False
    activity["Description"] = f"Launching a new EC2 instance: {made['InstanceId']}"
    activity["StatusCode"] = "PreInService"
    group.members.append(
        GroupInstance(
            id=made["InstanceId"],
            zone=places[subnet],
            subnet_id=subnet,
            instance_type=made["InstanceType"],
            protected=bool(group.fields["NewInstancesProtectedFromScaleIn"]),
            launched_at=cloud.now(),
            activity=activity,
            **source,
        )
    )
    return True


def _subnets(cloud: Cloud, group: ScalingGroup) -> list[Fields]:
    response = cloud.moto.ask("ec2", "DescribeSubnets", {"SubnetIds": subnet_ids(group.fields)})
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
