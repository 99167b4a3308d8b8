"""Auto Scaling: what a group launches from, a launch configuration or a launch template's version."""

from __future__ import annotations

from smplan.sandbox.aws.autoscaling.launch_configurations import require_image
from smplan.sandbox.aws.ec2.launch_templates import require_template, version_of
from smplan.sandbox.aws.errors import AwsError, Fields
from smplan.sandbox.aws.state.account import Account
from smplan.sandbox.aws.state.autoscaling import ScalingGroup, invalid

FORMED = "You must use a valid fully-formed launch template. "
_COPIED = ("ImageId", "InstanceType", "KeyName", "UserData", "BlockDeviceMappings", "MetadataOptions")


def check_source(account: Account, configuration: str | None, template: Fields | None) -> Fields:
    """The group's fields for its source. Raises AwsError (ValidationError) if it does not exist or cannot work."""
    if configuration:
        if configuration not in account.autoscaling.configurations:
            raise invalid(f"Launch configuration name not found - Launch configuration {configuration} not found")
        return {"LaunchConfigurationName": configuration}
    version = resolve_version(account, template or {})
    data = version["LaunchTemplateData"]
    if not data.get("ImageId"):
        raise invalid(f"{FORMED}The launch template must contain an ImageId")
    image = require_image(account, data["ImageId"])
    _check_volumes(image, data)
    return {
        "LaunchTemplate": {
            "LaunchTemplateId": version["LaunchTemplateId"],
            "LaunchTemplateName": version["LaunchTemplateName"],
            "Version": str((template or {}).get("Version") or "$Default"),
        }
    }


def _check_volumes(image: Fields, data: Fields) -> None:
    """Smaller than the snapshot: refused here for templates; configurations fail at launch (terraform-aws-ecs#24)."""
    sizes = {
        each["DeviceName"]: each["Ebs"].get("VolumeSize", 0)
        for each in image.get("BlockDeviceMappings", [])
        if "Ebs" in each
    }
    for each in data.get("BlockDeviceMappings") or []:
        size, least = each.get("Ebs", {}).get("VolumeSize"), sizes.get(each.get("DeviceName"), 0)
        if size and int(size) < int(least):
            raise invalid(f"{FORMED}Volume of size {size}GB is smaller than snapshot, expect size>= {least}GB")


def resolve_version(account: Account, template: Fields) -> Fields:
    """The version of a template that a reference means now: a number, ``$Latest`` or ``$Default`` (the default)."""
    try:
        return version_of(require_template(account, template), template.get("Version"))
    except AwsError as error:
        raise invalid(f"{FORMED}{error.message}") from error


def launch_request(account: Account, group: ScalingGroup) -> tuple[Fields, Fields]:
    """The RunInstances request for one more instance, and what the member remembers of its source."""
    source = group.source
    if "LaunchConfigurationName" in source:
        name = source["LaunchConfigurationName"]
        data = account.autoscaling.configurations[name]
        request = _request(data, data["SecurityGroups"], {"Enabled": data["InstanceMonitoring"]["Enabled"]})
        return request, {"launch_configuration": name}
    mixed = source.get("MixedInstancesPolicy", {}).get("LaunchTemplate", {})
    version = resolve_version(account, source.get("LaunchTemplate") or mixed["LaunchTemplateSpecification"])
    data = version["LaunchTemplateData"]
    interfaces = data.get("NetworkInterfaces") or [{}]
    groups = data.get("SecurityGroupIds") or interfaces[0].get("Groups") or []
    request = _request(data, groups, data.get("Monitoring") or {"Enabled": False})
    request["TagSpecifications"] = [
        each for each in data.get("TagSpecifications") or [] if each["ResourceType"] in {"instance", "volume"}
    ]
    template = {
        "LaunchTemplateId": version["LaunchTemplateId"],
        "LaunchTemplateName": version["LaunchTemplateName"],
        "Version": str(version["VersionNumber"]),
    }
    return request, {"launch_template": template}


def _request(data: Fields, groups: list[str], monitoring: Fields) -> Fields:
    request = {key: data[key] for key in _COPIED if data.get(key)}
    return {**request, "SecurityGroupIds": list(groups), "Monitoring": monitoring, "MinCount": 1, "MaxCount": 1}
