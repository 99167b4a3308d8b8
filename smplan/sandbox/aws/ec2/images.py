"""EC2: images and their snapshots. Pending for a minute, named once, as large as the volume they were made of."""

from __future__ import annotations

import re

from smplan.sandbox.aws.errors import AwsError, Fields
from smplan.sandbox.aws.requests import Call, handles
from smplan.sandbox.aws.state.account import Account
from smplan.sandbox.aws.state.ec2 import IMAGE_SECONDS, MachineImage

_NAME = re.compile(r"[A-Za-z0-9()\[\] ./\-'@_]{3,128}")


@handles("ec2", "CreateImage")
def create(call: Call) -> Fields:
    """The name is unique in the account (API reference, CreateImage); without NoReboot the instance reboots."""
    account, name = call.account, call["Name"]
    if not _NAME.fullmatch(name or ""):
        raise AwsError(
            "InvalidAMIName.Malformed",
            "AMI names must be between 3 and 128 characters long, and may contain letters, numbers, "
            "'(', ')', '.', '-', '/' and '_'",
        )
    for existing in _own_images(account):
        if existing.get("Name") == name:
            raise AwsError(
                "InvalidAMIName.Duplicate", f"AMI name {name} is already in use by AMI {existing['ImageId']}"
            )
    specifications = call["TagSpecifications"] or []
    for each in specifications:
        if each.get("ResourceType") not in {"image", "snapshot"}:
            raise AwsError(
                "InvalidParameterValue",
                f"'{each.get('ResourceType')}' is not a valid taggable resource type for this operation.",
            )
    image_tags = [each for each in specifications if each["ResourceType"] == "image"]
    image_id = call.moto(TagSpecifications=image_tags or None, ClientToken=None)["ImageId"]
    _record_image(call, image_id)
    _tag_snapshots(account, image_id, specifications)
    return {"ImageId": image_id}


def _own_images(account: Account) -> list[Fields]:
    found: list[Fields] = account.moto.call("ec2", "DescribeImages", {"Owners": ["self"]})["Images"]
    return found


def _record_image(call: Call, image_id: str) -> None:
    account, instance_id = call.account, call["InstanceId"]
    response = account.moto.call("ec2", "DescribeInstances", {"InstanceIds": [instance_id]})
    instance = response["Reservations"][0]["Instances"][0]
    root = str(instance.get("RootDeviceName", "/dev/sda1"))
    volume = _root_volume(account, instance, root)
    account.ec2.images[image_id] = MachineImage(
        created_at=account.now(),
        available_at=account.now() + IMAGE_SECONDS,
        volume_size=int(volume.get("Size", 8)),
        volume_type=str(volume.get("VolumeType", "gp3")),
        root_device_name=root,
        files=dict(account.ec2.files.get(instance_id, {})),
    )
    if not call["NoReboot"] and instance["State"]["Name"] == "running":
        account.ec2.rebooted[instance_id] = account.now()


def _root_volume(account: Account, instance: Fields, root: str) -> Fields:
    for each in instance.get("BlockDeviceMappings", []):
        if each["DeviceName"] == root:
            ids = [each["Ebs"]["VolumeId"]]
            volume: Fields = account.moto.call("ec2", "DescribeVolumes", {"VolumeIds": ids})["Volumes"][0]
            return volume
    return {}


def snapshots_of(account: Account, image_id: str) -> list[str]:
    """The snapshots of an image."""
    image = account.moto.call("ec2", "DescribeImages", {"ImageIds": [image_id]})["Images"][0]
    return [each["Ebs"]["SnapshotId"] for each in image.get("BlockDeviceMappings", []) if "Ebs" in each]


def _tag_snapshots(account: Account, image_id: str, specifications: list[Fields]) -> None:
    tags = [tag for each in specifications if each["ResourceType"] == "snapshot" for tag in each.get("Tags") or []]
    if tags:
        account.moto.call("ec2", "CreateTags", {"Resources": snapshots_of(account, image_id), "Tags": tags})


@handles("ec2", "DescribeImages")
def describe(call: Call) -> Fields:
    """Pending until the snapshot is done; an unknown id fails the whole call."""
    account = call.account
    filters = call["Filters"] or []
    states = [each.get("Values") or [] for each in filters if each["Name"] == "state"]
    others = [each for each in filters if each["Name"] != "state"]
    response = call.moto(Filters=others or None)
    found = [described_image(account, each) for each in response["Images"]]
    for image_id in call["ImageIds"] or []:
        if not any(each["ImageId"] == image_id for each in found):
            raise AwsError("InvalidAMIID.NotFound", f"The image id '[{image_id}]' does not exist")
    return {**response, "Images": [each for each in found if all(each["State"] in values for values in states)]}


def described_image(account: Account, image: Fields) -> Fields:
    """An image as AWS describes it now."""
    own = account.ec2.images.get(image["ImageId"])
    if own is None:
        return image
    mappings = [
        {
            "DeviceName": own.root_device_name,
            "Ebs": {
                "SnapshotId": each["Ebs"]["SnapshotId"],
                "VolumeSize": own.volume_size,
                "VolumeType": own.volume_type,
                "DeleteOnTermination": True,
                "Encrypted": False,
            },
        }
        for each in image.get("BlockDeviceMappings", [])[:1]
    ]
    return {
        **image,
        "State": "available" if account.now() >= own.available_at else "pending",
        "RootDeviceName": own.root_device_name,
        "RootDeviceType": "ebs",
        "Description": image.get("Description", "") if own.description is None else own.description,
        "Architecture": image.get("Architecture") or "x86_64",
        "BlockDeviceMappings": mappings,
        "DeregistrationProtection": own.deregistration_protection,
    }


@handles("ec2", "ModifyImageAttribute")
def modify(call: Call) -> Fields:
    """The description, in either of its two spellings; the rest is moto's."""
    own = call.account.ec2.images.get(call["ImageId"])
    if own is None or (call["Description"] is None and call["Attribute"] != "description"):
        return call.moto()
    own.description = str(call["Description"]["Value"] if call["Description"] else call["Value"] or "")
    return {"Return": True}


@handles("ec2", "EnableImageDeregistrationProtection")
def protect(call: Call) -> Fields:
    """A cooldown counts from the moment at which the protection is disabled (EC2 user guide)."""
    cooldown = "with" if call["WithCooldown"] else "without"
    _own(call).deregistration_protection = f"enabled-{cooldown}-cooldown"
    return {"Return": "true"}


@handles("ec2", "DisableImageDeregistrationProtection")
def unprotect(call: Call) -> Fields:
    """At once; the 24 hours of a cooldown are not simulated."""
    _own(call).deregistration_protection = "disabled"
    return {"Return": "true"}


def _own(call: Call) -> MachineImage:
    own = call.account.ec2.images.get(call["ImageId"])
    if own is None:
        raise AwsError("InvalidAMIID.NotFound", f"The image id '[{call['ImageId']}]' does not exist")
    return own


@handles("ec2", "DescribeSnapshots")
def describe_snapshots(call: Call) -> Fields:
    """Pending with a rising progress while their image is."""
    account, response = call.account, call.moto()
    owners = {
        snapshot: account.ec2.images[each["ImageId"]]
        for each in _own_images(account)
        if each["ImageId"] in account.ec2.images
        for snapshot in [mapping["Ebs"]["SnapshotId"] for mapping in each.get("BlockDeviceMappings", [])]
    }
    return {
        **response,
        "Snapshots": [_snapshot(account, each, owners.get(each["SnapshotId"])) for each in response["Snapshots"]],
    }


def _snapshot(account: Account, snapshot: Fields, image: MachineImage | None) -> Fields:
    if image is None:
        return snapshot
    share = min(1.0, (account.now() - image.created_at) / max(1.0, image.available_at - image.created_at))
    state = "completed" if share >= 1 else "pending"
    return {**snapshot, "VolumeSize": image.volume_size, "State": state, "Progress": f"{int(share * 100)}%"}


@handles("ec2", "DeregisterImage")
def deregister(call: Call) -> Fields:
    """Snapshots stay unless DeleteAssociatedSnapshots is true (API reference, DeregisterImage)."""
    account, image_id = call.account, call["ImageId"]
    own = account.ec2.images.get(image_id)
    if own is not None and own.deregistration_protection != "disabled":
        raise AwsError("OperationNotPermitted", f"The image {image_id} is protected from deregistration")
    snapshots: list[str] = []
    if call["DeleteAssociatedSnapshots"] and image_id in account.ec2.images:
        snapshots = snapshots_of(account, image_id)
    call.moto()
    account.ec2.images.pop(image_id, None)
    for snapshot in snapshots:
        account.moto.call("ec2", "DeleteSnapshot", {"SnapshotId": snapshot})
    results = [{"SnapshotId": snapshot, "ReturnCode": "success"} for snapshot in snapshots]
    return {"Return": True, "DeleteSnapshotResults": results}


def require_available(account: Account, image_id: str) -> Fields:
    """The image if instances can be run from it, or EC2's refusal."""
    image = described_image(account, _registered(account, image_id))
    if image["State"] != "available":
        raise AwsError(
            "InvalidAMIID.Unavailable", f"The image ID '{image_id}' is not available: it is {image['State']}"
        )
    return image


def _registered(account: Account, image_id: str) -> Fields:
    images = account.moto.call("ec2", "DescribeImages", {"ImageIds": [image_id]})["Images"]
    if not images:  # moto returns an empty list, not an error, for an image that was deregistered
        raise AwsError("InvalidAMIID.Unavailable", f"The image ID '{image_id}' is no longer available")
    found: Fields = images[0]
    return found
