"""Auto Scaling: what is wrong with launch settings, refused before anything is launched from them.

The data of a launch template is checked when a group is created or changed, a launch configuration when it is created.
"""

from __future__ import annotations

from smplan.sandbox.aws.autoscaling.launch_configurations import require_image
from smplan.sandbox.aws.autoscaling.launch_sources import FORMED, resolve_version
from smplan.sandbox.aws.ec2 import instance_types
from smplan.sandbox.aws.errors import AwsError, Fields
from smplan.sandbox.aws.iam import profile_exists
from smplan.sandbox.aws.state.account import Account
from smplan.sandbox.aws.state.autoscaling import invalid


def check_group(account: Account, fields: Fields, *, starts: int = 0) -> None:
    """As if ``starts`` instances were launched in each zone of the group (terraform-provider-aws#6712, eksctl#1670)."""
    if "LaunchTemplate" not in fields:
        return
    data = resolve_version(account, fields["LaunchTemplate"])["LaunchTemplateData"]
    try:
        _check(account, data, fields["AvailabilityZones"])
        if data.get("InstanceType") and starts:
            instance_types.check_vcpus(account, data["InstanceType"], starts)
    except AwsError as error:
        raise invalid(f"{FORMED}{error.message}") from error


def _check(account: Account, data: Fields, zones: list[str]) -> None:
    """Key pair and profile: terraform-aws-bastion#173, terraform-provider-aws#4769."""
    name = data.get("InstanceType")
    if name:
        found = instance_types.described(account, name)
        if found is None:
            raise AwsError("", f"Invalid value '{name}' for InstanceType.")
        instance_types.check_image(found, require_image(account, data["ImageId"]))
        for zone in zones:
            instance_types.check_zone(account, name, zone)
    key = data.get("KeyName")
    if key and not account.describe_ec2("DescribeKeyPairs", KeyNames=[key]):
        raise AwsError("", f"The key pair '{key}' does not exist")
    profile = data.get("IamInstanceProfile") or {}
    given = profile.get("Name") or profile.get("Arn", "")
    if given and not profile_exists(account, given):
        member = "name" if "Name" in profile else "arn"
        raise AwsError(
            "",
            f"Value ({given}) for parameter iamInstanceProfile.{member} is invalid. "
            f"Invalid IAM Instance Profile {'name' if member == 'name' else 'ARN'}",
        )
