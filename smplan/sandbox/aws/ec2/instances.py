"""EC2: instances, and the tags of every resource."""

from __future__ import annotations

from typing import Any

from smplan.sandbox.aws.ec2 import instance_types
from smplan.sandbox.aws.ec2.client_tokens import once
from smplan.sandbox.aws.ec2.images import require_available
from smplan.sandbox.aws.ec2.launch_templates import require_template, version_of
from smplan.sandbox.aws.errors import AwsError, Fields
from smplan.sandbox.aws.requests import Call, handles
from smplan.sandbox.aws.state.account import Account

_FROM_TEMPLATE = (
    "ImageId",
    "InstanceType",
    "KeyName",
    "UserData",
    "BlockDeviceMappings",
    "SecurityGroupIds",
    "SecurityGroups",
    "NetworkInterfaces",
    "Monitoring",
    "MetadataOptions",
)


@handles("ec2", "RunInstances")
def run(call: Call) -> Fields:
    """The same client token gives the same instances (API reference, RunInstances)."""
    return once(call, lambda: _run(call.account, {**call.params, "ClientToken": None}))


def launch(account: Account, request: Fields) -> Fields:
    """Run one instance as EC2 would; what is described of it. Raises AwsError."""
    instance: Fields = _run(account, {"MinCount": 1, "MaxCount": 1, **request})["Instances"][0]
    return instance


def _run(account: Account, params: Fields) -> Fields:
    request = _with_template(account, {key: value for key, value in params.items() if value is not None})
    if not request.get("ImageId"):
        raise AwsError("MissingParameter", "The request must contain the parameter ImageId")
    image = require_available(account, request["ImageId"])
    instance_types.check(account, request, image)
    if request.get("KeyName"):
        account.moto.call("ec2", "DescribeKeyPairs", {"KeyNames": [request["KeyName"]]})
    request["BlockDeviceMappings"] = _volumes(image, request.get("BlockDeviceMappings") or [])
    response = account.moto.call("ec2", "RunInstances", _without_interfaces(request))
    own = account.ec2.images.get(request["ImageId"])
    for instance in response["Instances"]:
        account.ec2.launched[instance["InstanceId"]] = account.now()
        account.ec2.files[instance["InstanceId"]] = own.files if own else {}
    return response


def _with_template(account: Account, request: Fields) -> Fields:
    """What the request does not say comes from the template."""
    reference = request.pop("LaunchTemplate", None)
    if not reference:
        return request
    data = version_of(require_template(account, reference), reference.get("Version"))["LaunchTemplateData"]
    merged = {**{key: data[key] for key in _FROM_TEMPLATE if data.get(key)}, **request}
    tags = [each for each in data.get("TagSpecifications") or [] if each["ResourceType"] in {"instance", "volume"}]
    merged["TagSpecifications"] = [*tags, *(request.get("TagSpecifications") or [])]
    return merged


def _volumes(image: Fields, wanted: list[Fields]) -> list[Fields]:
    """The image's volumes, with what the request says of them; not smaller than their snapshots (User Guide)."""
    given = {each["DeviceName"]: each for each in wanted}
    for each in image.get("BlockDeviceMappings", []):
        name, base = each["DeviceName"], each.get("Ebs", {})
        requested: dict[str, Any] = given.get(name, {"DeviceName": name}).get("Ebs") or {}
        size = int(requested.get("VolumeSize") or base.get("VolumeSize", 8))
        if size < int(base.get("VolumeSize", 0)):
            raise AwsError(
                "InvalidBlockDeviceMapping",
                f"Volume of size {size}GB is smaller than snapshot '{base.get('SnapshotId')}', "
                f"expect size >= {base.get('VolumeSize')}GB",
            )
        kept = {"VolumeType": base.get("VolumeType", "gp3"), "DeleteOnTermination": True}
        given[name] = {"DeviceName": name, "Ebs": {**kept, **requested, "VolumeSize": size}}
    return list(given.values())


def _without_interfaces(request: Fields) -> Fields:
    """The request with the first interface's subnet and groups on the instance: moto loses an interface's groups."""
    interfaces = request.pop("NetworkInterfaces", None) or [{}]
    first = interfaces[0]
    if first.get("SubnetId"):
        request["SubnetId"] = first["SubnetId"]
    if first.get("Groups"):
        request["SecurityGroupIds"] = first["Groups"]
    return request


@handles("ec2", "CreateTags")
def create_tags(call: Call) -> None:
    """Keys that begin with ``aws:`` are AWS's own (Tagging guide)."""
    tags = {tag["Key"]: tag.get("Value", "") for tag in call["Tags"] or []}
    for key in tags:
        if key.startswith("aws:"):
            raise AwsError("InvalidParameterValue", "Tag keys starting with 'aws:' are reserved for internal use")
    templates, others = _split(call)
    if others:
        call.moto(Resources=others)
    for template in templates:
        require_template(call.account, {"LaunchTemplateId": template}).tags.update(tags)


@handles("ec2", "DeleteTags")
def delete_tags(call: Call) -> None:
    """Without tags: all of them. With a value: only if it has that value (API reference)."""
    templates, others = _split(call)
    if others:
        call.moto(Resources=others)
    for each in templates:
        tags = require_template(call.account, {"LaunchTemplateId": each}).tags
        for tag in call["Tags"] or [{"Key": key} for key in list(tags)]:
            if "Value" not in tag or tags.get(tag["Key"]) == tag["Value"]:
                tags.pop(tag["Key"], None)


def _split(call: Call) -> tuple[list[str], list[str]]:
    """Launch templates, which are kept here, and everything else, which moto keeps."""
    ids = call["Resources"] or []
    return [each for each in ids if each.startswith("lt-")], [each for each in ids if not each.startswith("lt-")]


@handles("ec2", "RebootInstances")
def reboot(call: Call) -> None:
    """The software is down until the instance has booted again."""
    call.moto()
    for instance_id in call["InstanceIds"]:
        call.account.ec2.rebooted[instance_id] = call.account.now()
