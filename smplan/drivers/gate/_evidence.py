"""What explains that targets are not healthy: the health check, the scaling group, its activities, closed ports."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from smplan.drivers.context import AwsAccount
from smplan.drivers.quotas import quota_hint
from smplan.errors import DriverError

if TYPE_CHECKING:
    from mypy_boto3_autoscaling.type_defs import AutoScalingGroupTypeDef
    from mypy_boto3_autoscaling.type_defs import InstanceTypeDef as GroupInstanceTypeDef
    from mypy_boto3_ec2.type_defs import InstanceTypeDef
    from mypy_boto3_elbv2.type_defs import TargetHealthDescriptionTypeDef

DATABASE_PORT = 3306
_ACTIVITIES = 3
_BLOCKING = {"Launch": "launches no instance", "AddToLoadBalancer": "registers no instance with its target groups"}
"""Suspended process -> what the group does not do while it is."""
_MOVING = {
    "AZRebalance": "replaces no instance in zones that it has left",
    "Launch": "launches no instance",
    "Terminate": "terminates no instance in zones that it has left",
}
"""The same, of a group with instances in zones that it has left."""
_HELD = ("Standby", "Pending:Wait", "Terminating:Wait")


def group_of(aws: AwsAccount, name: str) -> AutoScalingGroupTypeDef | None:
    """The scaling group with its instances, or None."""
    found = aws.read.autoscaling.describe_auto_scaling_groups(AutoScalingGroupNames=[name])["AutoScalingGroups"]
    return found[0] if found else None


def serving(group: AutoScalingGroupTypeDef) -> set[str]:
    """Its instances in service, in zones that it has."""
    outside = {each["InstanceId"] for each in outside_zones(group)}
    found = {each["InstanceId"] for each in group.get("Instances", []) if each["LifecycleState"] == "InService"}
    return found - outside


def outside_zones(group: AutoScalingGroupTypeDef) -> list[GroupInstanceTypeDef]:
    """Its instances in zones that it no longer has, those that drain or terminate included."""
    zones: Any = group.get("AvailabilityZones", [])
    return [each for each in group.get("Instances", []) if each["AvailabilityZone"] not in zones]


def notice_seconds(aws: AwsAccount, arn: str) -> float:
    """How long the target group takes, at the most, to find a target unhealthy."""
    (group,) = aws.read.elbv2.describe_target_groups(TargetGroupArns=[arn])["TargetGroups"]
    interval, timeout = group.get("HealthCheckIntervalSeconds", 30), group.get("HealthCheckTimeoutSeconds", 5)
    return float(interval * group.get("UnhealthyThresholdCount", 2) + timeout)


def blocker(group: AutoScalingGroupTypeDef, minimum: int) -> tuple[str, str]:
    """Why waiting cannot help, and what to do; two empty texts if it can."""
    name, suspended = group["AutoScalingGroupName"], set(_suspended(group))
    blocking = suspended & _BLOCKING.keys()
    if len(serving(group)) >= minimum:
        blocking.discard("Launch")
    if outside_zones(group):
        blocking |= suspended & _MOVING.keys()
    if blocking:
        listed = " ".join(sorted(blocking))
        why = " and ".join((_MOVING | _BLOCKING)[each] for each in sorted(blocking))
        command = f"aws autoscaling resume-processes --auto-scaling-group-name {name} --scaling-processes {listed}"
        return f"{listed} of scaling group {name} is suspended, so it {why}", f"run `{command}`"
    if group["MaxSize"] < minimum:
        return f"scaling group {name} has at most {group['MaxSize']} instances", f"set `max_size` to {minimum} or more"
    return "", ""


def protected_outside(group: AutoScalingGroupTypeDef) -> tuple[str, str]:
    """Which instances stay in zones that the group no longer has, and what to do; two empty texts if none does."""
    kept = [each for each in outside_zones(group) if each["ProtectedFromScaleIn"]]
    if not kept or len(kept) < len(outside_zones(group)):
        return "", ""
    ids, zones = [each["InstanceId"] for each in kept], sorted({each["AvailabilityZone"] for each in kept})
    name = group["AutoScalingGroupName"]
    what = f"{', '.join(ids)} of scaling group {name} in {', '.join(zones)}, which the group has left"
    command = "aws autoscaling set-instance-protection --no-protected-from-scale-in --auto-scaling-group-name"
    return (
        f"{what}, is protected from scale-in, so nothing replaces it",
        f"run `{command} {name} --instance-ids {' '.join(ids)}`, which ends the sessions on it",
    )


def notes(group: AutoScalingGroupTypeDef) -> str:
    """What of the group may hold targets up: suspended processes, instances held or to be replaced, no capacity."""
    held = [f"{each['InstanceId']} is {each['LifecycleState']}" for each in group.get("Instances", []) if _held(each)]
    leaving = [f"{each['InstanceId']} is to leave {each['AvailabilityZone']}" for each in outside_zones(group)]
    suspended = [f"{name} is suspended" for name in _suspended(group)]
    empty = [] if group["DesiredCapacity"] else ["the desired capacity is 0"]
    return "; ".join([*suspended, *held, *leaving, *empty])


def _held(instance: Any) -> bool:
    return instance["LifecycleState"] in _HELD


def _suspended(group: AutoScalingGroupTypeDef) -> list[str]:
    return sorted(each.get("ProcessName", "") for each in group.get("SuspendedProcesses", []))


def gathered(*parts: Callable[[], str]) -> str:
    """The texts of ``parts``; what cannot be read says so, and hides none of the others."""
    found = []
    for part in parts:
        try:
            found.append(part())
        except DriverError as error:
            found.append(f"({error.message})")
    return " ".join(filter(None, found))


def health_check(aws: AwsAccount, arn: str) -> str:
    """What the load balancer asks of a target."""
    found = aws.read.elbv2.describe_target_groups(TargetGroupArns=[arn])["TargetGroups"]
    return " ".join(
        f"The health check of {each.get('TargetGroupName', arn)} is GET {each.get('HealthCheckPath', '/')} by "
        f"{each.get('HealthCheckProtocol', '')} on port {_port(each)}, expecting "
        f"{each.get('Matcher', {}).get('HttpCode', '200')}."
        for each in found
    )


def _port(group: Any) -> str:
    port = str(group.get("HealthCheckPort", "traffic-port"))
    return str(group.get("Port", port)) if port == "traffic-port" else port


def target_reasons(targets: Iterable[TargetHealthDescriptionTypeDef]) -> str:
    """The last state of each target that is not healthy, in AWS's words."""
    states = [
        f"{target['Target']['Id']} {health.get('State', '')} {health.get('Description') or health.get('Reason', '')}"
        for target in targets
        if (health := target.get("TargetHealth", {})).get("State") != "healthy"
    ]
    return f"Targets: {'; '.join(map(str.rstrip, states))}." if states else ""


def activities(aws: AwsAccount, name: str | None) -> str:
    """The latest scaling activities, with what made a launch fail."""
    if not name:
        return ""
    response = aws.read.autoscaling.describe_scaling_activities(AutoScalingGroupName=name, MaxRecords=10)
    latest = response["Activities"][:_ACTIVITIES]
    words = [
        f"{each['StatusCode']}: {each.get('StatusMessage') or each.get('Description') or 'no reason given'}".rstrip(".")
        for each in latest
    ]
    hint = next(filter(None, (quota_hint("", each.get("StatusMessage", "")) for each in latest)), "")
    listed = f"Latest scaling activities of {name}: {'; '.join(words)}." if words else ""
    return f"{listed} To launch: {hint}." if hint else listed


def closed_database(aws: AwsAccount, ids: set[str]) -> str:
    """Whether no rule of any security group lets the instances reach a database."""
    found = _instances(aws, ids)
    groups = {group["GroupId"] for each in found for group in each.get("SecurityGroups", [])}
    if not groups:
        return ""
    addresses = [each[key] for each in found for key in ("PrivateIpAddress", "PublicIpAddress") if each.get(key)]
    for page in aws.read.ec2.get_paginator("describe_security_group_rules").paginate():
        if any(_allows(rule, groups, addresses) for rule in page["SecurityGroupRules"]):
            return ""
    return (
        f"Probable cause: no security group allows port {DATABASE_PORT} from {', '.join(sorted(groups))}, so "
        "Stream Manager cannot reach its database, never responds on 5080, and is replaced repeatedly. "
        "Add the rule to the database's security group (guide: DB ACCESS)."
    )


def _instances(aws: AwsAccount, ids: set[str]) -> list[InstanceTypeDef]:
    if not ids:
        return []
    filters: Any = [{"Name": "instance-id", "Values": sorted(ids)}]
    reservations = aws.read.ec2.describe_instances(Filters=filters)["Reservations"]
    return [each for reservation in reservations for each in reservation.get("Instances", [])]


def _allows(rule: Any, groups: set[str], addresses: list[Any]) -> bool:
    """Whether an ingress rule allows one of the groups or addresses; whom a prefix list holds is not known here."""
    if rule.get("IsEgress") or not _covers(rule):
        return False
    if rule.get("PrefixListId") or rule.get("ReferencedGroupInfo", {}).get("GroupId") in groups:
        return True
    block = rule.get("CidrIpv4")
    return bool(block) and any(ipaddress.ip_address(each) in ipaddress.ip_network(block) for each in addresses)


def _covers(rule: Any) -> bool:
    """Whether a rule allows TCP to the database's port."""
    if rule.get("IpProtocol") == "-1":
        return True
    return rule.get("IpProtocol") == "tcp" and DATABASE_PORT in range(
        rule.get("FromPort", 0), rule.get("ToPort", 0) + 1
    )
