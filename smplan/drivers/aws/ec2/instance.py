"""``aws.ec2.instance``: a lookup of an instance, such as the configured Stream Manager that the image is made of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from smplan.core.resource_type import IamActions, Output
from smplan.core.values import Json
from smplan.drivers import references
from smplan.drivers.aws import _filters
from smplan.drivers.base import Lookup

if TYPE_CHECKING:
    from mypy_boto3_ec2.type_defs import FilterTypeDef, InstanceTypeDef

_EXISTING_STATES = ("pending", "running", "stopping", "stopped")


class Instance(Lookup):
    """An existing instance that is not terminated."""

    kind = "aws.ec2.instance"
    summary = "The configured Stream Manager instance that the image is made of."
    keys: ClassVar = {
        "id": "The instance's id, i-….",
        "state": "Its state: pending, running, stopping or stopped. Unset: any of them.",
        "vpc_id": "The VPC it is in.",
        "instance_type": "Its type, such as c5.large.",
        "image_id": "The AMI it was launched from.",
        "private_ip_address": "Its private IPv4 address.",
        "tag:*": "A tag of the instance, such as `tag:Name`.",
    }
    key_references: ClassVar = {"id": references.INSTANCE, "vpc_id": references.VPC, "image_id": references.IMAGE}
    outputs: ClassVar = {
        "id": Output("The instance's id, i-…."),
        "state": Output("Its state at the lookup."),
        "image_id": Output("The AMI it was launched from.", reference=references.IMAGE),
        "instance_type": Output("Its type."),
        "availability_zone": Output("The zone it is in."),
        "vpc_id": Output("The VPC it is in.", reference=references.VPC),
        "subnet_id": Output("The subnet it is in.", reference=references.SUBNET),
        "private_ip_address": Output("Its private IPv4 address."),
        "public_ip_address": Output("Its public IPv4 address, empty without one."),
        "security_group_ids": Output("Its security groups.", type="list", reference=references.SECURITY_GROUP),
        "root_device_name": Output("The name of its root device.", reference=references.ROOT_DEVICE),
    }
    iam_actions = IamActions(read=("ec2:DescribeInstances",))

    _FILTERS: ClassVar = {
        "id": "instance-id",
        "state": "instance-state-name",
        "vpc_id": "vpc-id",
        "instance_type": "instance-type",
        "image_id": "image-id",
        "private_ip_address": "private-ip-address",
    }

    def read(self, where: Mapping[str, Json]) -> dict[str, Json]:
        """The instance that matches."""
        criteria = {"state": list(_EXISTING_STATES), **where}
        found = self._described(_filters.filters(criteria, self._FILTERS))
        instance = _filters.only("instance", where, found, _label)
        if instance is None:
            existing = self._described(_filters.filters({"state": list(_EXISTING_STATES)}, self._FILTERS))
            raise _filters.missing("instance", where, [_filters.name_or(each, each["InstanceId"]) for each in existing])
        return _outputs(instance)

    def _described(self, filters: list[FilterTypeDef]) -> list[InstanceTypeDef]:
        pages = self.context.aws.read.ec2.get_paginator("describe_instances").paginate(Filters=filters)
        reservations = [each for page in pages for each in page["Reservations"]]
        return [instance for each in reservations for instance in each["Instances"]]


def _label(instance: InstanceTypeDef) -> str:
    return f"{instance['InstanceId']} ({_filters.name_or(instance, 'no name')}, {instance['State']['Name']})"


def _outputs(instance: InstanceTypeDef) -> dict[str, Json]:
    return {
        "id": instance["InstanceId"],
        "state": instance["State"]["Name"],
        "image_id": instance["ImageId"],
        "instance_type": instance["InstanceType"],
        "availability_zone": instance["Placement"]["AvailabilityZone"],
        "vpc_id": instance.get("VpcId", ""),
        "subnet_id": instance.get("SubnetId", ""),
        "private_ip_address": instance.get("PrivateIpAddress", ""),
        "public_ip_address": instance.get("PublicIpAddress", ""),
        "security_group_ids": sorted(group["GroupId"] for group in instance.get("SecurityGroups", [])),
        "root_device_name": instance.get("RootDeviceName", ""),
    }
