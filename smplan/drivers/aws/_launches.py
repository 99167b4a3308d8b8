"""Checks of launch settings: image, instance type, key pair, instance profile, root volume and security groups.

Launch templates and launch configurations share them; ``fields`` gives the field of each.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import partial
from typing import Any

from smplan.core.values import Placeholder
from smplan.drivers.aws import _filters, _network
from smplan.drivers.aws.requests import batched
from smplan.drivers.checks import Check, Finding, PlannedResource, PlannedResources
from smplan.drivers.context import AwsAccount
from smplan.errors import NotFound

ACTIONS = (
    "ec2:DescribeImages",
    "ec2:DescribeInstances",
    "ec2:DescribeVolumes",
    "ec2:DescribeInstanceTypes",
    "ec2:DescribeInstanceTypeOfferings",
    "ec2:DescribeKeyPairs",
    "ec2:DescribeSecurityGroups",
    "iam:GetInstanceProfile",
)
KINDS = ("aws.ec2.launch_template", "aws.autoscaling.launch_configuration")
_IMAGE = "aws.ec2.image"


@dataclass(frozen=True, slots=True)
class Machine:
    """What an image asks of an instance type, and the size of its root volume in GiB (None: unknown)."""

    name: str
    architecture: str
    virtualization: str
    root_device_type: str
    ena: bool
    root_device: str
    root_size: int | None


def checks(aws: AwsAccount, planned: PlannedResources, kind: str, groups: str) -> Iterator[Check]:
    """The checks of one kind; ``groups`` is its field of security groups."""
    changed = planned.changed(kind)
    if any(each.changed & {"image_id", "instance_type", "root_device_name", "volume_size"} for each in changed):
        yield Check("images and instance types", lambda: _check_machines(aws, planned, changed))
    if any(each.values("key_name") for each in changed):
        yield Check("key pairs", lambda: _check_keys(aws, planned, changed))
    if any(each.values("iam_instance_profile") for each in changed):
        yield Check("instance profiles", lambda: _check_profiles(aws, planned, changed))
    yield from _network.existence(
        planned, kind, (groups,), "security group", lambda: _network.security_groups(aws, planned)
    )


def source_of(planned: PlannedResources, group: PlannedResource) -> PlannedResource | None:
    """The launch template or launch configuration of this blueprint that the group launches from."""
    template = group.spec.launch_template
    if template is not None and not isinstance(template, Placeholder):
        return planned.follow(template.id, KINDS[0])
    return planned.follow(group.spec.launch_configuration, KINDS[1])


def types(aws: AwsAccount, planned: PlannedResources, *others: str) -> Mapping[str, Any]:
    """The descriptions of the instance types of all launch settings and of ``others``, as far as they exist."""

    def read() -> dict[str, Any]:
        names = {name for kind in KINDS for each in planned.of(kind) for name in each.all_values("instance_type")}
        return _describe_types(aws, names)

    found = planned.once("instance types", read)
    return {**found, **_describe_types(aws, set(others) - found.keys())}


def _describe_types(aws: AwsAccount, names: set[str]) -> dict[str, Any]:
    """The descriptions of instance types, without those that do not exist."""
    pages = aws.read.ec2.get_paginator("describe_instance_types")
    return {
        each["InstanceType"]: each
        for batch in batched(names, _filters.FILTER_VALUES)
        for page in pages.paginate(Filters=_filters.by("instance-type", *batch))
        for each in page["InstanceTypes"]
    }


def _check_machines(aws: AwsAccount, planned: PlannedResources, changed: list[PlannedResource]) -> Iterator[Finding]:
    known, images = types(aws, planned), _images(aws, planned)
    for each in changed:
        name = next(iter(each.all_values("instance_type")), None)
        if each.values("instance_type") and name not in known:
            yield _no_type(aws, planned, each, str(name))
        for image_id in each.values("image_id"):
            if image_id not in images:
                hint = "use an image of this region that is shared with this account"
                yield each.refuse("image_id", f"there is no image {image_id} here", hint)
        machine = _machine(aws, planned, each, images)
        if machine:
            yield from _fits(each, known.get(str(name)), machine)
            yield from _is_large_enough(each, machine)


def _no_type(aws: AwsAccount, planned: PlannedResources, each: PlannedResource, name: str) -> Finding:
    def read() -> list[str]:
        pages = aws.read.ec2.get_paginator("describe_instance_type_offerings").paginate(LocationType="region")
        return sorted(offer["InstanceType"] for page in pages for offer in page["InstanceTypeOfferings"])

    near = get_close_matches(name, planned.once("offered types", read), n=3)
    hint = f"did you mean {' or '.join(near)}?" if near else "choose a type that this region offers"
    return each.refuse("instance_type", f"{aws.region} has no instance type {name}", hint)


def _images(aws: AwsAccount, planned: PlannedResources) -> Mapping[str, Any]:
    def read() -> dict[str, Any]:
        batches = batched(planned.texts("ami-"), _filters.FILTER_VALUES)
        pages = aws.read.ec2.get_paginator("describe_images")
        filters = (_filters.by("image-id", *batch) for batch in batches)
        found = (each for one in filters for page in pages.paginate(Filters=one) for each in page["Images"])
        return {each["ImageId"]: each for each in found if each["State"] in ("available", "pending")}

    return planned.once("images", read)


def _machine(
    aws: AwsAccount, planned: PlannedResources, each: PlannedResource, images: Mapping[str, Any]
) -> Machine | None:
    """The image that instances are launched from; of one that the plan creates, what its instance says of it."""
    image = images.get(each.spec.image_id) if isinstance(each.spec.image_id, str) else None
    if image:
        sizes = {device["DeviceName"]: device.get("Ebs", {}).get("VolumeSize") for device in _devices(image)}
        return _described(f"image {image['ImageId']}", image, sizes.get(image.get("RootDeviceName", "")))
    source = planned.follow(each.spec.image_id, _IMAGE)
    instance_id = next(iter(source.all_values("instance_id")), None) if source else None
    instance = _instances(aws, planned).get(instance_id) if instance_id else None
    if source is None or instance is None:
        return None
    root = [each["Ebs"] for each in _devices(instance) if each["DeviceName"] == instance.get("RootDeviceName")]
    size = _volume_sizes(aws, planned).get(root[0]["VolumeId"]) if root else None
    return _described(f"image {source.address} (made of {instance_id})", instance, size)


def _described(name: str, found: Mapping[str, Any], size: int | None) -> Machine:
    return Machine(
        name,
        found.get("Architecture", ""),
        found.get("VirtualizationType", ""),
        found.get("RootDeviceType", ""),
        found.get("EnaSupport", True),
        found.get("RootDeviceName", ""),
        size,
    )


def _devices(found: Mapping[str, Any]) -> list[Any]:
    return [each for each in found.get("BlockDeviceMappings", []) if each.get("Ebs")]


def _instances(aws: AwsAccount, planned: PlannedResources) -> Mapping[str, Any]:
    """The instances that the plan's images are made of."""

    def read() -> dict[str, Any]:
        ids = {value for each in planned.of(_IMAGE) for value in each.all_values("instance_id")}
        found: dict[str, Any] = {}
        for batch in batched(ids, _filters.FILTER_VALUES):
            for group in aws.read.ec2.describe_instances(Filters=_filters.by("instance-id", *batch))["Reservations"]:
                found |= {each["InstanceId"]: each for each in group["Instances"]}
        return found

    return planned.once("source instances", read)


def _volume_sizes(aws: AwsAccount, planned: PlannedResources) -> Mapping[str, int]:
    def read() -> dict[str, int]:
        ids = {each["Ebs"]["VolumeId"] for one in _instances(aws, planned).values() for each in _devices(one)}
        return {
            each["VolumeId"]: each["Size"]
            for batch in batched(ids, _filters.FILTER_VALUES)
            for each in aws.read.ec2.describe_volumes(Filters=_filters.by("volume-id", *batch))["Volumes"]
        }

    return planned.once("source volumes", read)


def _fits(each: PlannedResource, type: Mapping[str, Any] | None, machine: Machine) -> Iterator[Finding]:
    """Findings where the instance type cannot run the image (EC2 User Guide, "Instance types")."""
    if type is None or not each.changed & {"image_id", "instance_type"}:
        return
    name, where = type["InstanceType"], machine.name
    pairs = (
        ("architecture", machine.architecture, type["ProcessorInfo"]["SupportedArchitectures"]),
        ("virtualization", machine.virtualization, type["SupportedVirtualizationTypes"]),
        ("root device", machine.root_device_type, type["SupportedRootDeviceTypes"]),
    )
    for what, wanted, supported in pairs:
        if wanted and wanted not in supported:
            message = f"{name} runs {what} {' and '.join(supported)}, and {where} has {wanted}"
            yield each.refuse("instance_type", message, f"choose an instance type for {wanted}, or another image")
    if type.get("NetworkInfo", {}).get("EnaSupport") == "required" and not machine.ena:
        message = f"{name} needs enhanced networking (ENA), which {where} does not support"
        yield each.refuse("instance_type", message, "choose an instance type without ENA, or another image")


def _is_large_enough(each: PlannedResource, machine: Machine) -> Iterator[Finding]:
    size, device = each.spec.volume_size, each.spec.root_device_name
    is_root = not isinstance(device, str) or device == machine.root_device
    if isinstance(size, int) and machine.root_size and size < machine.root_size and is_root:
        message = f"{size} GiB is less than the {machine.root_size} GiB of {machine.name}"
        yield each.refuse("volume_size", message, f"write at least {machine.root_size}")


def _check_keys(aws: AwsAccount, planned: PlannedResources, changed: list[PlannedResource]) -> Iterator[Finding]:
    def read() -> list[str]:
        return sorted(each["KeyName"] for each in aws.read.ec2.describe_key_pairs()["KeyPairs"])

    existing = planned.once("key pairs", read)
    for each in changed:
        for name in each.values("key_name"):
            if name not in existing:
                near = get_close_matches(name, existing, n=3) or existing[:5]
                hint = f"use one of: {', '.join(near)}" if near else "create it first: this region has no key pair"
                yield each.refuse("key_name", f"there is no key pair `{name}` in {aws.region}", hint)


def _check_profiles(aws: AwsAccount, planned: PlannedResources, changed: list[PlannedResource]) -> Iterator[Finding]:
    for each in changed:
        for profile in each.values("iam_instance_profile"):
            if not planned.once(f"profile {profile}", partial(_profile_exists, aws, profile)):
                hint = "use the name or ARN of an instance profile (a role has another name space)"
                yield each.refuse("iam_instance_profile", f"there is no instance profile {profile}", hint)


def _profile_exists(aws: AwsAccount, profile: str) -> bool:
    try:
        name = profile.rpartition("/")[2]
        found = aws.read.iam.get_instance_profile(InstanceProfileName=name)["InstanceProfile"]
    except NotFound:
        return False
    return not profile.startswith("arn:") or found["Arn"] == profile
