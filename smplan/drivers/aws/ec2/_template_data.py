"""The data of one version of a launch template: read as fields, and changed without losing what no field names."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any

from smplan.drivers.aws import _filters, tags

_PLAIN = {"image_id": "ImageId", "instance_type": "InstanceType", "key_name": "KeyName"}
_IOPS_TYPES = ("io1", "io2", "gp3")
_LEAST_GP3_IOPS = 3000


def read(data: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of the spec, but for name and tags, which are not part of a version."""
    interface: Mapping[str, Any] = next(iter(data.get("NetworkInterfaces") or []), {})
    device: Mapping[str, Any] = next(iter(data.get("BlockDeviceMappings") or []), {})
    profile = data.get("IamInstanceProfile") or {}
    return {
        **{name: data.get(member) for name, member in _PLAIN.items()},
        "user_data": _decoded(data.get("UserData") or ""),
        "associate_public_ip_address": interface.get("AssociatePublicIpAddress"),
        "root_device_name": device.get("DeviceName"),
        "volume_size": device.get("Ebs", {}).get("VolumeSize"),
        "volume_type": device.get("Ebs", {}).get("VolumeType"),
        "security_group_ids": sorted(interface.get("Groups") or data.get("SecurityGroupIds") or []),
        "monitoring": bool((data.get("Monitoring") or {}).get("Enabled", False)),
        "iam_instance_profile": profile.get("Arn") or profile.get("Name"),
        "http_tokens": (data.get("MetadataOptions") or {}).get("HttpTokens"),
        "instance_tags": tags.own(next(iter(_of_instances(data)), {}).get("Tags")),
    }


def _decoded(user_data: str) -> str:
    """The decoded text; text that was stored without encoding is returned as it is."""
    try:
        return base64.b64decode(user_data, validate=True).decode(errors="replace")
    except binascii.Error:
        return user_data


def changed(data: Mapping[str, Any], fields: Mapping[str, Any]) -> Any:
    """``data`` with ``fields``, each under its name in the spec; everything else stays, user data byte for byte."""
    made = {**data, **{_PLAIN[name]: value for name, value in fields.items() if name in _PLAIN}}
    if "instance_type" in fields:
        made.pop("InstanceRequirements", None)  # either is allowed
    if "user_data" in fields:
        made["UserData"] = base64.b64encode(fields["user_data"].encode()).decode()
    if "iam_instance_profile" in fields:
        form = "Arn" if fields["iam_instance_profile"].startswith("arn:") else "Name"
        made["IamInstanceProfile"] = {form: fields["iam_instance_profile"]}
    if "http_tokens" in fields:
        made["MetadataOptions"] = {**made.get("MetadataOptions", {}), "HttpTokens": fields["http_tokens"]}
    if "monitoring" in fields:
        made["Monitoring"] = {"Enabled": fields["monitoring"]}
    if "instance_tags" in fields:
        others = [each for each in made.get("TagSpecifications", []) if each not in _of_instances(made)]
        made["TagSpecifications"] = [*_tagged(fields["instance_tags"]), *others]
    made = {**made, **_network(made, fields), **_devices(made, fields)}
    return {name: value for name, value in made.items() if value not in ("", [])}


def _of_instances(data: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [each for each in data.get("TagSpecifications") or [] if each.get("ResourceType") == "instance"]


def _tagged(instance_tags: Mapping[str, str]) -> list[Any]:
    return list(_filters.tagged(["instance"], instance_tags)) if instance_tags else []


def _network(data: Mapping[str, Any], fields: Mapping[str, Any]) -> dict[str, Any]:
    """A public address can only be set on an interface, and then the groups must be set there too."""
    if not {"associate_public_ip_address", "security_group_ids"} & fields.keys():
        return {}
    first, *others = data.get("NetworkInterfaces") or [{}]
    groups = sorted(fields.get("security_group_ids", first.get("Groups") or data.get("SecurityGroupIds") or []))
    names = [] if "security_group_ids" in fields else data.get("SecurityGroups", [])
    public = fields.get("associate_public_ip_address", first.get("AssociatePublicIpAddress"))
    if not first and public is None:
        return {"SecurityGroupIds": groups, "SecurityGroups": names}
    interface = {"DeviceIndex": 0, "DeleteOnTermination": True, **first, "Groups": groups}
    if public is not None:
        interface["AssociatePublicIpAddress"] = public
    kept = {name: value for name, value in interface.items() if value != []}
    return {"NetworkInterfaces": [kept, *others], "SecurityGroupIds": [], "SecurityGroups": names}


def _devices(data: Mapping[str, Any], fields: Mapping[str, Any]) -> dict[str, Any]:
    """The root device first. Under another name it is the same device: its size, encryption and the rest stay."""
    if not {"root_device_name", "volume_size", "volume_type"} & fields.keys():
        return {}
    devices = data.get("BlockDeviceMappings") or [{}]
    name = fields.get("root_device_name", devices[0].get("DeviceName"))
    root = next((each for each in devices if each.get("DeviceName") == name), devices[0])
    ebs = _volume(root.get("Ebs", {}), fields)
    others = [each for each in devices if each is not root]
    return {"BlockDeviceMappings": [{**root, "DeviceName": name, "Ebs": ebs}, *others]}


def _volume(ebs: Mapping[str, Any], fields: Mapping[str, Any]) -> dict[str, Any]:
    """The volume; throughput and IOPS are dropped where AWS refuses them with a new type."""
    made = {"DeleteOnTermination": True, **ebs}
    if "volume_size" in fields:
        made["VolumeSize"] = fields["volume_size"]
    if "volume_type" in fields:
        made["VolumeType"] = fields["volume_type"]
    kind = made.get("VolumeType")
    if "volume_type" in fields and kind != "gp3":
        made.pop("Throughput", None)
    too_few = kind == "gp3" and made.get("Iops", 0) < _LEAST_GP3_IOPS
    if "volume_type" in fields and (kind not in _IOPS_TYPES or too_few):
        made.pop("Iops", None)
    return made
