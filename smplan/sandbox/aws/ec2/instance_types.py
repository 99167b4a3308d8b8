"""EC2: what an instance type is and where it is offered, and the launches that EC2 refuses because of it."""

from __future__ import annotations

import re
from typing import Any

from smplan.sandbox.aws import moto_state, quotas
from smplan.sandbox.aws.errors import AwsError, Fields
from smplan.sandbox.aws.state.account import Account

_DEFAULT = "m1.small"
"""RunInstances' default (API reference)."""
_QUOTAS = {
    **dict.fromkeys(("a", "c", "d", "h", "i", "im", "is", "m", "r", "t", "z"), "L-1216C47A"),
    "f": "L-74FC7D96",
    **dict.fromkeys(("g", "gr", "vt"), "L-DB2E81BA"),
    "inf": "L-1945791B",
    "p": "L-417A185B",
    "x": "L-7295265B",
}
"""Family to the quota of its running vCPUs (EC2 User Guide, "On-Demand Instance quotas")."""


def described(account: Account, name: str) -> Fields | None:
    """The instance type, or None if the region does not have it."""
    known: dict[str, Fields | None] = account.table("ec2.instance_types")
    if name not in known:
        found = account.describe_ec2("DescribeInstanceTypes", InstanceTypes=[name])
        known[name] = next(iter((found or {}).get("InstanceTypes", [])), None)
    return known[name]


def zones_of(account: Account, name: str) -> set[str]:
    """The zones that offer it."""
    known: dict[Any, Any] = account.table("ec2.offerings")
    if name not in known:
        filters = [{"Name": "instance-type", "Values": [name]}]
        request = {"LocationType": "availability-zone", "Filters": filters}
        offers = account.moto.call("ec2", "DescribeInstanceTypeOfferings", request)["InstanceTypeOfferings"]
        known[name] = {each["Location"] for each in offers}
    return set(known[name])


def check(account: Account, request: Fields, image: Fields) -> None:
    """Raise EC2's refusal of a launch: no such type, another architecture, not in this zone, too many vCPUs."""
    name = request.get("InstanceType") or _DEFAULT
    found = described(account, name)
    if found is None:
        raise AwsError("InvalidParameterValue", f"Invalid value '{name}' for InstanceType.")
    check_image(found, image)
    subnet = account.describe_ec2("DescribeSubnets", SubnetIds=[request["SubnetId"]]) if "SubnetId" in request else None
    for each in (subnet or {}).get("Subnets", []):
        check_zone(account, name, each["AvailabilityZone"])
    check_vcpus(account, name, int(request.get("MinCount") or 1))


def check_image(found: Fields, image: Fields) -> None:
    """Raise EC2's refusal of an image of another architecture."""
    architecture, supported = image.get("Architecture", "x86_64"), found["ProcessorInfo"]["SupportedArchitectures"]
    if architecture not in supported:
        raise AwsError(
            "InvalidParameterValue",
            f"The architecture '{','.join(supported)}' of the specified instance type does not match the architecture "
            f"'{architecture}' of the specified AMI. Specify an instance type and an AMI that have matching "
            "architectures, and try again.",
        )


def check_zone(account: Account, name: str, zone: str) -> None:
    """Raise EC2's refusal of a type that the zone does not offer."""
    zones = zones_of(account, name)
    if zone not in zones:
        raise AwsError(
            "Unsupported",
            f"Your requested instance type ({name}) is not supported in your requested Availability Zone ({zone}). "
            f"Please retry your request by not specifying an Availability Zone or choosing {', '.join(sorted(zones))}.",
        )


def check_vcpus(account: Account, name: str, count: int) -> None:
    """Raise EC2's refusal of more running vCPUs than the quota of the type's family."""
    code = _quota_of(name)
    if not code:
        return
    most = quotas.limit(account, "ec2", code)
    running = [
        _vcpus(account, each.instance_type)
        for each in moto_state.instances(account.id)
        if each.state in {"pending", "running"} and _quota_of(each.instance_type) == code
    ]
    if sum(running) + _vcpus(account, name) * count > most:
        raise AwsError(
            "VcpuLimitExceeded",
            f"You have requested more vCPU capacity than your current vCPU limit of {most} allows for the instance "
            "bucket that the specified instance type belongs to.",
        )


def _vcpus(account: Account, name: str) -> int:
    found = described(account, name)
    return int(found["VCpuInfo"]["DefaultVCpus"]) if found else 0


def _quota_of(name: str) -> str:
    family = re.match("[a-z]+", name)
    return _QUOTAS.get(family[0], "") if family else ""
