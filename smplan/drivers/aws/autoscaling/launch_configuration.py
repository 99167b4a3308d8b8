"""``aws.autoscaling.launch_configuration``: launch settings, for accounts that may still create them."""

from __future__ import annotations

import base64
from collections.abc import Collection, Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field, model_validator

from smplan.core.resource_type import IamActions, Output
from smplan.core.spec import IMMUTABLE, SCRIPT, UNORDERED, PartialList, Spec
from smplan.drivers import references
from smplan.drivers.aws.autoscaling import _checks, _common
from smplan.drivers.aws.requests import batched, without_none
from smplan.drivers.aws.sent_as import SentAs
from smplan.drivers.base import Claim, Driver, Live
from smplan.drivers.checks import Check, PlannedResources
from smplan.errors import NotFound

if TYPE_CHECKING:
    from typing import Self

    from mypy_boto3_autoscaling.type_defs import LaunchConfigurationTypeDef

USER_DATA_BYTES = 16_384
"""AWS's limit, before base64: https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/user-data.html"""

VolumeType = Literal["gp2", "gp3", "standard"]
"""io1 needs IOPS, which have no field here; st1 and sc1 cannot be root volumes (EBS User Guide, "EBS volume types")."""


def _short_enough(user_data: str) -> str:
    size = len(user_data.encode())
    if size > USER_DATA_BYTES:
        raise ValueError(f"user data is {size} bytes; AWS accepts at most {USER_DATA_BYTES}")
    return user_data


class LaunchConfigurationSpec(Spec):
    """A launch configuration. AWS cannot update one: every change replaces it."""

    sent_as: ClassVar = SentAs(
        "autoscaling:CreateLaunchConfiguration",
        {
            "name": "LaunchConfigurationName",
            "root_device_name": "BlockDeviceMappings[].DeviceName",
            "volume_size": "BlockDeviceMappings[].Ebs.VolumeSize",
            "volume_type": "BlockDeviceMappings[].Ebs.VolumeType",
            "instance_monitoring": "InstanceMonitoring.Enabled",
            "http_tokens": "MetadataOptions.HttpTokens",
        },
    )

    name: Annotated[
        str,
        IMMUTABLE,
        Field(
            description="The name, unique in account and region.", min_length=1, max_length=255, pattern=_common.TEXT
        ),
    ]
    image_id: Annotated[str, references.IMAGE, IMMUTABLE, Field(description="The AMI to launch.", pattern="^ami-")]
    instance_type: Annotated[
        str,
        IMMUTABLE,
        Field(
            description="The instance type; the guide uses c5.large.",
            min_length=1,
            max_length=255,
            pattern=_common.TEXT,
        ),
    ]
    key_name: Annotated[
        str | None,
        references.KEY_PAIR,
        IMMUTABLE,
        Field(description="The key pair for SSH.", min_length=1, max_length=255, pattern=_common.TEXT),
    ] = None
    user_data: Annotated[
        Annotated[str, AfterValidator(_short_enough)] | None,
        SCRIPT,
        IMMUTABLE,
        Field(
            description="A script run at first boot: plain text, at most 16,384 bytes.",
            min_length=1,
            pattern=_common.TEXT,
        ),
    ] = None
    associate_public_ip_address: Annotated[
        bool | None,
        IMMUTABLE,
        Field(description="Whether instances get a public IP address; unset: the subnet decides."),
    ] = None
    root_device_name: Annotated[
        str | None,
        references.ROOT_DEVICE,
        IMMUTABLE,
        Field(
            description="The AMI's root device, such as /dev/sda1; with another name AWS adds a second volume.",
            min_length=1,
            max_length=255,
            pattern=_common.TEXT,
        ),
    ] = None
    volume_size: Annotated[
        int | None,
        IMMUTABLE,
        Field(description="Size of the root volume in GiB; the guide asks for 16 or more.", ge=16, le=16_384),
    ] = None
    volume_type: Annotated[VolumeType | None, IMMUTABLE, Field(description="Type of the root volume.")] = None
    security_groups: Annotated[
        PartialList[Annotated[str, Field(pattern="^sg-[0-9A-Za-z-]+$", max_length=255)]],
        references.SECURITY_GROUP,
        IMMUTABLE,
        UNORDERED,
        Field(description="Ids of the instances' security groups.", min_length=1),
    ]
    instance_monitoring: Annotated[
        bool,
        IMMUTABLE,
        Field(description="Detailed monitoring: metrics each minute, which alarms with a period of one minute need."),
    ] = True
    iam_instance_profile: Annotated[
        str | None,
        references.INSTANCE_PROFILE,
        IMMUTABLE,
        Field(description="Name or ARN of the instance profile.", min_length=1, max_length=1600, pattern=_common.TEXT),
    ] = None
    http_tokens: Annotated[
        Literal["optional", "required"] | None,
        IMMUTABLE,
        Field(description="Whether the instance metadata service requires session tokens (IMDSv2)."),
    ] = None

    @model_validator(mode="after")
    def _volume_is_the_root(self) -> Self:
        if (self.root_device_name is None) != (self.volume_size is None):
            raise ValueError(
                "`volume_size` and `root_device_name` go together: write both, with the AMI's device name, such as "
                "${image.root_device_name}; with another name AWS would add a second volume"
            )
        if self.volume_type is not None and self.volume_size is None:
            raise ValueError("`volume_type` needs `volume_size` and `root_device_name`")
        return self


class LaunchConfiguration(Driver[LaunchConfigurationSpec]):
    """Cannot be tagged: it is owned if its name and every field are as in the state."""

    kind = "aws.autoscaling.launch_configuration"
    summary = "A launch configuration; accounts created since 2024-10-01 need aws.ec2.launch_template instead."
    spec = LaunchConfigurationSpec
    outputs: ClassVar = {"arn": Output("The launch configuration's ARN.")}
    iam_actions = IamActions(
        read=("autoscaling:DescribeLaunchConfigurations",),
        write=("autoscaling:CreateLaunchConfiguration", "autoscaling:DeleteLaunchConfiguration"),
        check=_checks.CONFIGURATION_ACTIONS,
    )
    name_field = "name"
    restorable = True
    taggable = False
    expected_seconds = 1
    timeout_seconds = 300

    def checks(self, planned: PlannedResources) -> Iterable[Check]:
        """Image, instance type, key pair, instance profile, root volume, security groups, and the quota."""
        return _checks.of_configurations(self.context.aws, planned)

    def read_many(self, ids: Collection[str]) -> dict[str, Live[LaunchConfigurationSpec]]:
        """One call per 50 names."""
        describe = self.context.aws.read.autoscaling.get_paginator("describe_launch_configurations")
        pages = (
            page for names in batched(ids, _common.NAMES) for page in describe.paginate(LaunchConfigurationNames=names)
        )
        return {
            found["LaunchConfigurationName"]: _live(found) for page in pages for found in page["LaunchConfigurations"]
        }

    def find(self, spec: LaunchConfigurationSpec) -> Live[LaunchConfigurationSpec] | None:
        """By name."""
        return self.read_many([spec.name]).get(spec.name)

    def create(self, spec: LaunchConfigurationSpec, claim: Claim) -> str:
        """The name. The API has no tags or client tokens, but refuses a second create of the name."""
        self.context.aws.write.autoscaling.create_launch_configuration(**_request(spec))
        return spec.name

    def delete(self, id: str) -> None:
        """Raises InUse while a scaling group launches from it."""
        with suppress(NotFound):
            self.context.aws.write.autoscaling.delete_launch_configuration(LaunchConfigurationName=id)


def _request(spec: LaunchConfigurationSpec) -> dict[str, Any]:
    request: dict[str, Any] = {
        "LaunchConfigurationName": spec.name,
        "ImageId": spec.image_id,
        "InstanceType": spec.instance_type,
        "KeyName": spec.key_name,
        # botocore encodes the user data of this call (handlers.py), but not that of launch templates
        "UserData": spec.user_data,
        "AssociatePublicIpAddress": spec.associate_public_ip_address,
        "SecurityGroups": spec.security_groups,
        "InstanceMonitoring": {"Enabled": spec.instance_monitoring},
        "IamInstanceProfile": spec.iam_instance_profile,
        "BlockDeviceMappings": _volume(spec),
        "MetadataOptions": {"HttpTokens": spec.http_tokens} if spec.http_tokens else None,
    }
    return without_none(request)


def _volume(spec: LaunchConfigurationSpec) -> list[dict[str, Any]] | None:
    if spec.volume_size is None:
        return None
    volume = {"VolumeSize": spec.volume_size, "VolumeType": spec.volume_type, "DeleteOnTermination": True}
    return [{"DeviceName": spec.root_device_name, "Ebs": without_none(volume)}]


def _live(found: LaunchConfigurationTypeDef) -> Live[LaunchConfigurationSpec]:
    volumes = [device for device in found.get("BlockDeviceMappings", []) if device.get("Ebs")]
    root: Any = volumes[0] if volumes else {}
    ebs = root.get("Ebs", {})
    spec = LaunchConfigurationSpec.model_construct(
        name=found["LaunchConfigurationName"],
        image_id=found["ImageId"],
        instance_type=found["InstanceType"],
        key_name=found.get("KeyName") or None,
        user_data=_decoded(found.get("UserData")),
        associate_public_ip_address=found.get("AssociatePublicIpAddress"),
        root_device_name=root.get("DeviceName"),
        volume_size=ebs.get("VolumeSize"),
        volume_type=ebs.get("VolumeType"),
        security_groups=list(found.get("SecurityGroups", [])),
        # AWS omits an unset block, and then monitoring is detailed (API reference)
        instance_monitoring=found.get("InstanceMonitoring", {}).get("Enabled", True),
        iam_instance_profile=found.get("IamInstanceProfile") or None,
        http_tokens=found.get("MetadataOptions", {}).get("HttpTokens"),
    )
    return Live(found["LaunchConfigurationName"], spec, {"arn": found.get("LaunchConfigurationARN", "")})


def _decoded(user_data: str | None) -> str | None:
    return base64.b64decode(user_data).decode(errors="replace") if user_data else None
