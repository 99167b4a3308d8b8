"""``aws.ec2.launch_template``: launch settings of a scaling group; every change creates a numbered version."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field, model_validator

from smplan.core.resource_type import IamActions, Output
from smplan.core.risk import Category, Effect, Risk
from smplan.core.spec import IMMUTABLE, SCRIPT, UNORDERED, PartialList, PartialMap, Spec, fields
from smplan.drivers import references
from smplan.drivers.aws import _filters, _launches, tags
from smplan.drivers.aws.ec2 import _template_data
from smplan.drivers.aws.ec2._common import Ec2Driver
from smplan.drivers.aws.requests import accepted, batched, without_none
from smplan.drivers.aws.sent_as import SentAs
from smplan.drivers.aws.tags import ANY_TEXT
from smplan.drivers.base import Claim, Live, Owner, Progress
from smplan.drivers.checks import Check, PlannedResources
from smplan.drivers.context import Context
from smplan.errors import NotFound

if TYPE_CHECKING:
    from mypy_boto3_ec2.type_defs import LaunchTemplateTypeDef, LaunchTemplateVersionTypeDef

USER_DATA_BYTES = 16384
"""AWS's limit, before base64: https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/user-data.html"""


def _short_enough(user_data: str) -> str:
    size = len(user_data.encode())
    if size > USER_DATA_BYTES:
        raise ValueError(f"user data is {size} bytes; AWS accepts at most {USER_DATA_BYTES}")
    return user_data


class LaunchTemplateSpec(Spec):
    """A launch template; unset fields keep the template's value, or AWS's default."""

    sent_as: ClassVar = SentAs(
        "ec2:CreateLaunchTemplate",
        {
            "name": "LaunchTemplateName",
            "image_id": "LaunchTemplateData.ImageId",
            "instance_type": "LaunchTemplateData.InstanceType",
            "key_name": "LaunchTemplateData.KeyName",
            "user_data": "LaunchTemplateData.UserData",
            "associate_public_ip_address": "LaunchTemplateData.NetworkInterfaces[].AssociatePublicIpAddress",
            "root_device_name": "LaunchTemplateData.BlockDeviceMappings[].DeviceName",
            "volume_size": "LaunchTemplateData.BlockDeviceMappings[].Ebs.VolumeSize",
            "volume_type": "LaunchTemplateData.BlockDeviceMappings[].Ebs.VolumeType",
            "security_group_ids": "LaunchTemplateData.SecurityGroupIds",
            "monitoring": "LaunchTemplateData.Monitoring.Enabled",
            "iam_instance_profile": "LaunchTemplateData.IamInstanceProfile.Name",
            "http_tokens": "LaunchTemplateData.MetadataOptions.HttpTokens",
            "tags": "TagSpecifications[].Tags",
            "instance_tags": "LaunchTemplateData.TagSpecifications[].Tags",
        },
    )

    name: Annotated[
        str,
        IMMUTABLE,
        Field(
            description="The template's name, unique in the account and region.",
            min_length=3,
            max_length=128,
            pattern=r"^[a-zA-Z0-9()./_\-]+$",
        ),
    ]
    image_id: Annotated[
        Annotated[str, Field(pattern="^ami-")] | None,
        references.IMAGE,
        Field(description="The AMI to launch instances from."),
    ] = None
    instance_type: Annotated[
        Annotated[str, Field(pattern=r"^[a-z0-9\-]+\.[a-z0-9\-]+$")] | None,
        Field(description="The instance type. The guide uses c5.large."),
    ] = None
    key_name: Annotated[str | None, references.KEY_PAIR, Field(description="The key pair for SSH.", max_length=255)] = (
        None
    )
    user_data: Annotated[
        Annotated[str, AfterValidator(_short_enough)] | None,
        SCRIPT,
        Field(description="A script run at first boot: plain text (smplan encodes it), at most 16,384 bytes."),
    ] = None
    associate_public_ip_address: Annotated[
        bool | None, Field(description="Whether instances get a public IPv4 address; unset: the subnet decides.")
    ] = None
    root_device_name: Annotated[
        str | None,
        references.ROOT_DEVICE,
        Field(
            description="The AMI's root device, `${image.root_device_name}`; with another one AWS adds a second volume."
        ),
    ] = None
    volume_size: Annotated[
        Annotated[int, Field(ge=1, le=65536)] | None,
        Field(description="The root volume's size in GiB: at least the image's, and 16 in the guide."),
    ] = None
    volume_type: Annotated[
        Literal["gp2", "gp3", "standard"] | None,
        # EBS User Guide, "EBS volume types": io1 and io2 need IOPS, st1 and sc1 cannot be root volumes
        Field(description="The root volume's type. io1 and io2 need IOPS, which have no field here."),
    ] = None
    security_group_ids: Annotated[
        PartialList[str] | None,
        references.SECURITY_GROUP,
        UNORDERED,
        Field(description="The security groups of the instances.", max_length=16),
    ] = None
    monitoring: Annotated[
        bool,
        Field(
            description="Detailed monitoring: metrics each minute, which alarms with a period of one minute need. "
            "AWS's own default for launch templates is off."
        ),
    ] = True
    iam_instance_profile: Annotated[
        str | None,
        references.INSTANCE_PROFILE,
        Field(description="The instance profile: its name, or its ARN.", max_length=2048),
    ] = None
    http_tokens: Annotated[
        Literal["optional", "required"] | None,
        Field(description="Whether the instance metadata service requires session tokens (IMDSv2)."),
    ] = None
    tags: Annotated[
        PartialMap[str] | None,
        Field(description="Tags of the template, besides those smplan sets.", max_length=48),
        ANY_TEXT,
    ] = None
    instance_tags: Annotated[
        PartialMap[str] | None, Field(description="Tags of the instances launched from it.", max_length=50), ANY_TEXT
    ] = None

    @model_validator(mode="after")
    def _volume_has_a_device(self) -> LaunchTemplateSpec:
        if self.root_device_name is None and (self.volume_size is not None or self.volume_type is not None):
            raise ValueError(
                "`volume_size` and `volume_type` need `root_device_name`: write `root_device_name: "
                "${image.root_device_name}`, where `image` is your image resource or lookup"
            )
        return self


class LaunchTemplate(Ec2Driver[LaunchTemplateSpec]):
    """Read as its default version; an update makes another version the default: an older one, or else a new one."""

    kind = "aws.ec2.launch_template"
    summary = "How instances of a scaling group are launched: image, type, user data, disk, network."
    spec = LaunchTemplateSpec
    outputs: ClassVar = {
        "version": Output(
            "The number of the default version, for the group.", type="integer", may_change_on_update=True, tracked=True
        )
    }
    iam_actions = IamActions(
        read=("ec2:DescribeLaunchTemplates", "ec2:DescribeLaunchTemplateVersions"),
        write=(
            "ec2:CreateLaunchTemplate",
            "ec2:CreateLaunchTemplateVersion",
            "ec2:ModifyLaunchTemplate",
            "ec2:DeleteLaunchTemplate",
            "ec2:CreateTags",
            "ec2:DeleteTags",
        ),
        check=_launches.ACTIONS,
    )
    name_field = "name"
    name_limit = 128
    restorable = True

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._defaults: dict[str, tuple[int, int]] = {}
        """Template id -> the default version until this run, and the one that it set, which reads may not show yet."""

    @classmethod
    def risks(cls, effect: Effect) -> Iterator[Risk]:
        """Of a deletion: every version is lost."""
        if effect.deletes:
            yield Risk(Category.DATA_LOSS, f"every version of {effect.was('name')} is deleted, also those made by hand")

    def checks(self, planned: PlannedResources) -> Iterable[Check]:
        """Image, instance type, key pair, instance profile, root volume, security groups."""
        return _launches.checks(self.context.aws, planned, self.kind, "security_group_ids")

    def read_many(self, ids: Collection[str]) -> dict[str, Live[LaunchTemplateSpec]]:
        """Two calls per 200: the templates, and the default versions of the account (or of the only one)."""
        return self._to_live(self._templates(set(ids)))

    def find(self, spec: LaunchTemplateSpec) -> Live[LaunchTemplateSpec] | None:
        """By name."""
        pages = self.context.aws.read.ec2.get_paginator("describe_launch_templates").paginate(
            Filters=_filters.by("launch-template-name", spec.name)
        )
        found = [template for page in pages for template in page["LaunchTemplates"]]
        return next(iter(self._to_live(found).values()), None)

    def create(self, spec: LaunchTemplateSpec, claim: Claim) -> str:
        """With its first version; AWS returns the same template for the same token."""
        return self.context.aws.write.ec2.create_launch_template(
            LaunchTemplateName=spec.name,
            ClientToken=claim.token,
            LaunchTemplateData=_template_data.changed({}, spec.managed_fields()),
            TagSpecifications=_filters.tagged(["launch-template"], tags.merged(spec.tags, claim.tags)),
        )["LaunchTemplate"]["LaunchTemplateId"]

    def update(self, live: Live[LaunchTemplateSpec], spec: LaunchTemplateSpec) -> None:
        """Another default version: that in force, with what differs. An older version that is so is used again.

        A change of tags alone needs none.
        """
        wanted, traits = spec.managed_fields(), fields(type(spec))
        changes = {
            name: value
            for name, value in wanted.items()
            if traits[name].canonical(value) != traits[name].canonical(getattr(live.spec, name))
        }
        if changes.keys() - {"tags"}:
            self._set_version(live, changes)
        _filters.retag(self.context.aws, live.id, live.spec.tags, spec.tags)

    def _set_version(self, live: Live[LaunchTemplateSpec], changes: Mapping[str, Any]) -> None:
        client = self.context.aws.write.ec2
        shape: Any = client.meta.service_model.shape_for("RequestLaunchTemplateData")
        before, one = int(live.outputs["version"]), {"LaunchTemplateId": live.id}
        found = {each["VersionNumber"]: each for each in self._versions(one, None)}
        now = found.get(before) or self._versions(one, str(before))[0]  # the list of all may lag behind
        data = _template_data.changed(accepted(shape, now["LaunchTemplateData"]), changes)
        same = [number for number, each in found.items() if accepted(shape, each["LaunchTemplateData"]) == data]
        version = max(same) if same else self._create_version(live.id, data, now)
        client.modify_launch_template(LaunchTemplateId=live.id, DefaultVersion=str(version))
        self._defaults[live.id] = before, version

    def _create_version(self, id: str, data: Any, like: LaunchTemplateVersionTypeDef) -> int:
        """A version with the description of ``like``."""
        return self.context.aws.write.ec2.create_launch_template_version(
            LaunchTemplateId=id,
            ClientToken=_token(id, data),
            LaunchTemplateData=data,
            **without_none({"VersionDescription": like.get("VersionDescription")}),
        )["LaunchTemplateVersion"]["VersionNumber"]

    def wait_ready(self, id: str, spec: LaunchTemplateSpec) -> Iterator[Progress]:
        """Until the default version is the one that this run has set, if any."""
        if id not in self._defaults:
            return
        wanted = self._defaults[id][1]
        while self._is_late(id, shown := self._versions({"LaunchTemplateId": id})[0]["VersionNumber"]):
            yield Progress(f"version {wanted} of launch template {spec.name} to be the default", f"version {shown}")

    def _is_late(self, id: str, shown: int) -> bool:
        """Whether a read does not show yet which default version this run has set."""
        before, wanted = self._defaults.get(id, (0, 0))
        return shown != wanted and (shown == before or shown < wanted)

    def delete(self, id: str) -> None:
        """With all its versions; its instances stay."""
        with suppress(NotFound):
            self.context.aws.write.ec2.delete_launch_template(LaunchTemplateId=id)

    def _templates(self, ids: set[str]) -> list[LaunchTemplateTypeDef]:
        """DescribeLaunchTemplates has no filter for ids, and one missing id fails the whole call."""
        if not ids:
            return []
        paginator = self.context.aws.read.ec2.get_paginator("describe_launch_templates")
        with suppress(NotFound):
            batches = list(batched(ids, _filters.FILTER_VALUES))
            pages = [page for batch in batches for page in paginator.paginate(LaunchTemplateIds=batch)]
            return [template for page in pages for template in page["LaunchTemplates"]]
        if len(ids) == 1:
            return []
        every = (template for page in paginator.paginate() for template in page["LaunchTemplates"])
        return [template for template in every if template["LaunchTemplateId"] in ids]

    def _to_live(self, templates: Iterable[LaunchTemplateTypeDef]) -> dict[str, Live[LaunchTemplateSpec]]:
        found = {template["LaunchTemplateId"]: template for template in templates}
        versions = self._default_versions(set(found))
        return {each: _live(found[each], version) for each, version in versions.items()}

    def _default_versions(self, ids: set[str]) -> dict[str, LaunchTemplateVersionTypeDef]:
        """One id is read by itself; several with all of the account, which takes one call per 200."""
        if len(ids) <= 1:
            return {each: version for each in ids for version in self._default_version(each)}
        every = self._versions({})
        found = {version["LaunchTemplateId"]: version for version in every if version["LaunchTemplateId"] in ids}
        late = ids.difference(found)  # the list of all may lag behind
        return found | {each: version for each in late for version in self._default_version(each)}

    def _default_version(self, id: str) -> list[LaunchTemplateVersionTypeDef]:
        """The version, or none if the template was deleted meanwhile."""
        try:
            shown = self._versions({"LaunchTemplateId": id})
            if any(
                self._is_late(id, each["VersionNumber"]) for each in shown
            ):  # not from the server that was waited for
                return self._versions({"LaunchTemplateId": id}, str(self._defaults[id][1]))
        except NotFound:
            return []
        return shown

    def _versions(self, one: dict[str, Any], version: str | None = "$Default") -> list[LaunchTemplateVersionTypeDef]:
        """The versions of that number, or all (``None``), of ``one`` template or of every one."""
        wanted: dict[str, Any] = {"Versions": [version]} if version else {}
        pages = self.context.aws.read.ec2.get_paginator("describe_launch_template_versions").paginate(
            PaginationConfig={"PageSize": _filters.FILTER_VALUES}, **wanted, **one
        )
        return [version for page in pages for version in page["LaunchTemplateVersions"]]


def _token(id: str, content: Any) -> str:
    """Equal for equal content of the same template: a lost response never leads to a second version."""
    text = json.dumps([id, content], sort_keys=True, separators=(",", ":"), default=str)  # spot requests have a time
    return hashlib.sha256(text.encode()).hexdigest()


def _live(template: LaunchTemplateTypeDef, version: LaunchTemplateVersionTypeDef) -> Live[LaunchTemplateSpec]:
    spec = LaunchTemplateSpec.model_construct(
        name=template["LaunchTemplateName"],
        tags=tags.own(template.get("Tags")),
        **_template_data.read(version["LaunchTemplateData"]),
    )
    number = {"version": version["VersionNumber"]}
    return Live(template["LaunchTemplateId"], spec, number, Owner.from_tags(tags.plain(template.get("Tags"))))
