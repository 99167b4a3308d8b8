"""Auto Scaling: launch configurations. Immutable, untaggable, pinned while a group uses them."""

from __future__ import annotations

import base64
import binascii

from smplan.sandbox.aws.autoscaling._paging import page
from smplan.sandbox.aws.ec2 import instance_types
from smplan.sandbox.aws.errors import AwsError, Fields
from smplan.sandbox.aws.iam import profile_exists
from smplan.sandbox.aws.requests import Call, handles
from smplan.sandbox.aws.state.account import Account, new_id
from smplan.sandbox.aws.state.autoscaling import invalid

USER_DATA_BYTES = 16384
_KEPT = (
    "ImageId",
    "KeyName",
    "SecurityGroups",
    "UserData",
    "InstanceType",
    "KernelId",
    "RamdiskId",
    "BlockDeviceMappings",
    "SpotPrice",
    "IamInstanceProfile",
    "AssociatePublicIpAddress",
    "PlacementTenancy",
    "MetadataOptions",
)
_CLOSED = (
    "The Launch Configuration creation operation is not available in your account. "
    "Use launch templates to create configuration templates for your Auto Scaling groups."
)


@handles("autoscaling", "CreateLaunchConfiguration")
def create(call: Call) -> None:
    """AlreadyExists even if identical (API reference, CreateLaunchConfiguration); closed to newer accounts."""
    account, name = call.account, call["LaunchConfigurationName"]
    if not account.launch_configurations:
        # docs.aws.amazon.com/autoscaling/ec2/userguide/LaunchConfiguration.html: accounts since 2024-10-01
        raise AwsError("UnsupportedOperation", _CLOSED)
    if name in account.autoscaling.configurations:
        raise AwsError(
            "AlreadyExists",
            "Launch Configuration by this name already exists - "
            f"A launch configuration already exists with the name {name}",
        )
    _validate(account, call.params)
    fields: Fields = {key: call.params[key] for key in _KEPT if key in call.params}
    account.autoscaling.configurations[name] = {
        "LaunchConfigurationName": name,
        "LaunchConfigurationARN": account.arn(
            "autoscaling", f"launchConfiguration:{new_id()}:launchConfigurationName/{name}"
        ),
        "KeyName": "",
        "UserData": "",
        "KernelId": "",
        "RamdiskId": "",
        "SecurityGroups": [],
        "BlockDeviceMappings": [],
        # API reference: detailed monitoring is the default of launch configurations
        "InstanceMonitoring": call["InstanceMonitoring"] or {"Enabled": True},
        "EbsOptimized": call["EbsOptimized"] or False,
        "CreatedTime": account.time(),
        **fields,
    }


def _validate(account: Account, params: Fields) -> None:
    """What AWS refuses at once; a type that a zone does not offer, or a volume, shows only in scaling activities."""
    if not params.get("ImageId") or not params.get("InstanceType"):
        raise invalid(
            "Valid requests must contain either the InstanceID parameter or both the ImageId and InstanceType "
            "parameters."
        )
    check_user_data(params.get("UserData"))
    require_image(account, params["ImageId"])
    for group_id in params.get("SecurityGroups") or []:
        if not account.describe_ec2("DescribeSecurityGroups", GroupIds=[group_id]):
            raise invalid(f"The security group '{group_id}' does not exist")
    if instance_types.described(account, params["InstanceType"]) is None:
        raise invalid(f"The specified instance type {params['InstanceType']} is not valid")  # aws-cdk#28459
    profile = params.get("IamInstanceProfile")
    if profile and not profile_exists(account, profile):
        raise invalid(f"Invalid IamInstanceProfile: {profile}")
    key = params.get("KeyName")
    if key and not account.describe_ec2("DescribeKeyPairs", KeyNames=[key]):
        raise invalid(f"The key pair '{key}' does not exist")


def check_user_data(text: str | None) -> None:
    """16,384 bytes before base64 (EC2 User Guide, "user data"); the model allows 21,847 characters of base64."""
    try:
        data = base64.b64decode(text or "", validate=True)
    except binascii.Error as error:
        raise invalid("Invalid BASE64 encoding of user data") from error
    if len(data) > USER_DATA_BYTES:
        raise invalid(
            "1 validation error detected: Value at 'userData' failed to satisfy constraint: "
            "Member must have length less than or equal to 21847"
        )


def require_image(account: Account, image_id: str) -> Fields:
    """The image, or Auto Scaling's refusal: deregistered images are refused too."""
    images = account.describe_ec2("DescribeImages", ImageIds=[image_id])
    if not images or not images["Images"]:
        raise invalid(f"The image id '[{image_id}]' does not exist")
    found: Fields = images["Images"][0]
    return found


@handles("autoscaling", "DescribeLaunchConfigurations")
def describe(call: Call) -> Fields:
    """Unknown names are left out, not refused."""
    names = call["LaunchConfigurationNames"]
    found = [fields for name, fields in call.account.autoscaling.configurations.items() if not names or name in names]
    return page(call, "LaunchConfigurations", found, limit=50)


@handles("autoscaling", "DeleteLaunchConfiguration")
def delete(call: Call) -> None:
    """ResourceInUse while a group uses it (API reference, DeleteLaunchConfiguration)."""
    name, scaling = call["LaunchConfigurationName"], call.account.autoscaling
    if name not in scaling.configurations:
        raise invalid(f"Launch configuration name not found - Launch configuration {name} not found")
    for group in scaling.groups.values():
        if group.fields.get("LaunchConfigurationName") == name:
            raise AwsError(
                "ResourceInUse",
                f"Cannot delete launch configuration {name} because it is attached to AutoScalingGroup {group.name}",
            )
    del scaling.configurations[name]
