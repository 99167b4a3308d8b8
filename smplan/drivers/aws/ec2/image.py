"""``aws.ec2.image``: an AMI of a configured instance (step 1 of the guide), and a lookup of an existing one."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from itertools import count
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from smplan.core.resource_type import IamActions, Output, Protection
from smplan.core.risk import Category, Effect, Risk
from smplan.core.spec import IMMUTABLE, INITIAL, PartialMap, Spec
from smplan.core.values import Json
from smplan.drivers import references
from smplan.drivers.aws import _filters, tags
from smplan.drivers.aws.ec2 import _checks
from smplan.drivers.aws.ec2._common import Ec2Driver
from smplan.drivers.aws.requests import batched
from smplan.drivers.aws.sent_as import SentAs
from smplan.drivers.aws.tags import ANY_TEXT
from smplan.drivers.base import Claim, Live, Lookup, Owner, Progress
from smplan.drivers.checks import Check, PlannedResources
from smplan.drivers.context import Context
from smplan.errors import DriverError, InUse, NotFound

if TYPE_CHECKING:
    from mypy_boto3_ec2.type_defs import FilterTypeDef, ImageTypeDef

_DELETED_STATES = {"deregistered", "disabled"}
_FAILED_STATES = {"failed", "error", "invalid"}
_MAX_INVISIBLE_POLLS = 40
"""Polls before an image that never appeared counts as deleted: AWS may not list a new one for some minutes."""

_OUTPUTS = {
    "root_device_name": Output(
        "The name of the root device, such as /dev/sda1; a launch template needs it.", reference=references.ROOT_DEVICE
    ),
    "root_volume_size": Output("The root volume's size in GiB, the minimum for instances.", type="integer"),
    "architecture": Output("The processor architecture, such as x86_64."),
    "snapshot_ids": Output("The snapshots of the image.", type="list"),
}


class ImageSpec(Spec):
    """An AMI of an instance."""

    sent_as: ClassVar = SentAs(
        "ec2:CreateImage",
        {"reboot": "NoReboot", "tags": "TagSpecifications[].Tags"},
        {"source_after": "decides what smplan does afterwards"},
    )

    name: Annotated[
        str,
        IMMUTABLE,
        Field(
            description="The image's name, unique in the account and region.",
            min_length=3,
            max_length=128,
            pattern=r"^[a-zA-Z0-9()\[\] ./\-'@_]+$",
        ),
    ]
    instance_id: Annotated[
        str, references.INSTANCE, IMMUTABLE, Field(description="The instance to create it from.", pattern="^i-")
    ]
    description: Annotated[Annotated[str, Field(max_length=255)] | None, Field(description="What the image is.")] = None
    reboot: Annotated[
        bool,
        INITIAL,
        Field(
            description="Whether the instance is rebooted first. `true` gives a consistent file system and ends the "
            "sessions on it; `false` copies the disk while it runs."
        ),
    ]
    source_after: Annotated[
        Literal["keep", "stop", "terminate"],
        INITIAL,
        Field(description="What to do with the instance once the image is available."),
    ] = "keep"
    tags: Annotated[
        PartialMap[str] | None,
        Field(description="Tags of the image and its snapshots, besides those smplan sets.", max_length=48),
        ANY_TEXT,
    ] = None


class Image(Ec2Driver[ImageSpec]):
    """Only description and tags change in place, so an upgrade is a new image; a delete never changes an instance."""

    kind = "aws.ec2.image"
    summary = "An AMI of a configured instance, such as the Stream Manager's."
    spec = ImageSpec
    outputs: ClassVar = {
        **_OUTPUTS,
        "deregistration_protection": Output(
            "Whether AWS refuses to deregister it, as set by hand: disabled, or how.", tracked=True
        ),
    }
    iam_actions = IamActions(
        read=("ec2:DescribeImages", "ec2:DescribeSnapshots", "ec2:DescribeInstances"),
        write=(
            "ec2:CreateImage",
            "ec2:ModifyImageAttribute",
            "ec2:DisableImageDeregistrationProtection",
            "ec2:DeregisterImage",
            "ec2:DeleteSnapshot",
            "ec2:StopInstances",
            "ec2:TerminateInstances",
            "ec2:CreateTags",
            "ec2:DeleteTags",
        ),
        check=("ec2:DescribeInstances",),
    )
    name_field = "name"
    name_limit = 128
    restorable = True
    expected_seconds = 300
    timeout_seconds = 3600
    protection: ClassVar = Protection("deregistration_protection", "deregistration protection", off=("disabled",))
    left_behind = "its snapshots continue to cost"

    @classmethod
    def risks(cls, effect: Effect) -> Iterator[Risk]:
        """Of a creation that reboots, stops or terminates the source instance, and of a deletion."""
        source = effect.becomes("instance_id")
        if effect.creates and effect.after.get("reboot") is not False:
            yield Risk(Category.SERVING, f"the source instance {source} is rebooted, and the sessions on it end")
        if effect.creates or effect.op == "adopt":
            yield from _of_source(source, effect.after.get("source_after"))
        if effect.deletes:
            what = f"{effect.was('name')} and its snapshots are deleted"
            yield Risk(
                Category.IRREVERSIBLE, f"{what}: no instance can be launched from it, and it cannot be made again"
            )

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._created: set[str] = set()
        """The images that this run creates: an update must leave the source instance alone."""

    def configure(self, id: str, spec: ImageSpec) -> None:
        """Nothing is sent: what follows a creation is up to ``wait_ready``."""
        self._created.add(id)

    def checks(self, planned: PlannedResources) -> Iterable[Check]:
        """The instance."""
        return _checks.of_images(self.context.aws, planned)

    def read_many(self, ids: Collection[str]) -> dict[str, Live[ImageSpec]]:
        """One call per 200 images."""
        found = (
            image
            for batch in batched(ids, _filters.FILTER_VALUES)
            for image in self._images(_filters.by("image-id", *batch))
        )
        return {image["ImageId"]: _live(image) for image in found}

    def find(self, spec: ImageSpec) -> Live[ImageSpec] | None:
        """By name, which a failed image keeps too."""
        found = self._images(_filters.by("name", spec.name))
        return _live(found[0]) if found else None

    def create(self, spec: ImageSpec, claim: Claim) -> str:
        """With image and snapshots tagged in the same call."""
        return self.context.aws.write.ec2.create_image(
            InstanceId=spec.instance_id,
            Name=spec.name,
            Description=spec.description or "",
            NoReboot=not spec.reboot,
            TagSpecifications=_filters.tagged(["image", "snapshot"], tags.merged(spec.tags, claim.tags)),
        )["ImageId"]

    def wait_ready(self, id: str, spec: ImageSpec) -> Iterator[Progress]:
        """Until available; after a creation then stop or terminate the instance as ``source_after`` says."""
        seen = False
        for poll in count():
            image = next(iter(self._images(_filters.by("image-id", id))), None)
            seen = seen or image is not None
            if image is not None and image["State"] == "available":
                break
            if image is None and (seen or poll >= _MAX_INVISIBLE_POLLS):
                raise NotFound(
                    f"image {id} is gone: it was deregistered", hint="run `smplan apply` again to create a new one"
                )
            if image is not None and image["State"] in _FAILED_STATES:
                raise self._failed(image)
            yield self._progress(id, image)
        if id in self._created:
            self._release(spec)

    def update(self, live: Live[ImageSpec], spec: ImageSpec) -> None:
        """The description; tags of the image and its snapshots."""
        if spec.description is not None and spec.description != live.spec.description:
            description: Any = {"Value": spec.description}
            self.context.aws.write.ec2.modify_image_attribute(ImageId=live.id, Description=description)
        for each in (live.id, *live.outputs["snapshot_ids"]):
            _filters.retag(self.context.aws, each, live.spec.tags, spec.tags)

    def set_owner(self, id: str, owner: Owner) -> None:
        """Of the image and its snapshots."""
        for image in self._images(_filters.by("image-id", id)):
            for snapshot in _snapshot_ids(image):
                super().set_owner(snapshot, owner)
        super().set_owner(id, owner)

    def unprotect(self, id: str) -> None:
        """One call; already gone is success. AWS still refuses for 24 hours if it was set with a cooldown."""
        with suppress(NotFound):
            self.context.aws.write.ec2.disable_image_deregistration_protection(ImageId=id)

    def delete(self, id: str) -> None:
        """The image and its snapshots, except those that another image uses."""
        with suppress(NotFound):
            self.context.aws.write.ec2.deregister_image(ImageId=id, DeleteAssociatedSnapshots=True)
        for snapshot in self._snapshots_left(id):
            with suppress(NotFound, InUse):
                self.context.aws.write.ec2.delete_snapshot(SnapshotId=snapshot)

    def _failed(self, image: ImageTypeDef) -> DriverError:
        """The error for an image that AWS could not create; it is deleted, because it would keep the name."""
        reason = image.get("StateReason", {}).get("Message") or f"no reason given (state {image['State']})"
        self.delete(image["ImageId"])
        return DriverError(
            f"image {image['ImageId']} could not be created: {reason}",
            hint="fix the cause, then run `smplan apply` again (the failed image was deleted)",
            action="ec2:CreateImage",
        )

    def _progress(self, id: str, image: ImageTypeDef | None) -> Progress:
        if image is None:
            return Progress(f"image {id}", "not listed yet")
        snapshots = _snapshot_ids(image)
        described = (
            self.context.aws.read.ec2.describe_snapshots(Filters=_filters.by("snapshot-id", *snapshots))["Snapshots"]
            if snapshots
            else []
        )
        done = [_percent(snapshot.get("Progress", "")) for snapshot in described]
        if not done:
            return Progress(f"image {id}", image["State"])
        share = sum(done) / len(done)
        return Progress(f"image {id}", f"{image['State']}, snapshot {share:.0%}", share)

    def _release(self, spec: ImageSpec) -> None:
        """Stop or terminate the source instance, unless it already is."""
        if spec.source_after == "keep":
            return
        pages = self.context.aws.read.ec2.describe_instances(Filters=_filters.by("instance-id", spec.instance_id))
        states = [each["State"]["Name"] for group in pages["Reservations"] for each in group["Instances"]]
        if spec.source_after == "terminate" and not {"shutting-down", "terminated"}.issuperset(states):
            self.context.aws.write.ec2.terminate_instances(InstanceIds=[spec.instance_id])
        elif spec.source_after == "stop" and {"pending", "running"}.intersection(states):
            self.context.aws.write.ec2.stop_instances(InstanceIds=[spec.instance_id])

    def _snapshots_left(self, id: str) -> list[str]:
        """By the description that CreateImage sets, which works after the image is gone too."""
        pages = self.context.aws.read.ec2.get_paginator("describe_snapshots").paginate(
            OwnerIds=["self"], Filters=_filters.by("description", f"Created by CreateImage(*) for {id}*")
        )
        return [snapshot["SnapshotId"] for page in pages for snapshot in page["Snapshots"]]

    def _images(self, filters: list[FilterTypeDef]) -> list[ImageTypeDef]:
        pages = self.context.aws.read.ec2.get_paginator("describe_images").paginate(Owners=["self"], Filters=filters)
        return [image for page in pages for image in page["Images"] if image["State"] not in _DELETED_STATES]


def _of_source(source: str, after: Json) -> Iterator[Risk]:
    if after == "terminate":
        yield Risk(Category.DATA_LOSS, f"the source instance {source} is terminated once the image is available")
    if after == "stop":
        yield Risk(Category.SERVING, f"the source instance {source} is stopped once the image is available")


def _percent(progress: str) -> float:
    text = progress.rstrip("%")
    return int(text) / 100 if text.isdigit() else 0.0


def _snapshot_ids(image: ImageTypeDef) -> list[str]:
    devices = [device.get("Ebs", {}) for device in image.get("BlockDeviceMappings", [])]
    return sorted(ebs["SnapshotId"] for ebs in devices if "SnapshotId" in ebs)


def _root_size(image: ImageTypeDef) -> int | None:
    devices = image.get("BlockDeviceMappings", [])
    root = [device for device in devices if device.get("DeviceName") == image.get("RootDeviceName")]
    return next((device["Ebs"].get("VolumeSize") for device in root if "Ebs" in device), None)


def _outputs(image: ImageTypeDef) -> dict[str, Json]:
    return {
        "root_device_name": image.get("RootDeviceName", ""),
        "root_volume_size": _root_size(image),
        "architecture": image.get("Architecture", ""),
        "snapshot_ids": _snapshot_ids(image),
    }


def _live(image: ImageTypeDef) -> Live[ImageSpec]:
    spec = ImageSpec.model_construct(
        name=image.get("Name", ""),
        instance_id=image.get("SourceInstanceId", ""),
        description=image.get("Description", ""),
        reboot=False,  # cannot be read back; INITIAL, so it is not compared
        tags=tags.own(image.get("Tags")),
    )
    outputs = _outputs(image) | {"deregistration_protection": image.get("DeregistrationProtection") or "disabled"}
    return Live(image["ImageId"], spec, outputs, Owner.from_tags(tags.plain(image.get("Tags"))))


class ImageLookup(Lookup):
    """An existing image."""

    kind = "aws.ec2.image"
    summary = "An existing AMI, such as the one that nodes are launched from."
    keys: ClassVar = {
        "id": "The image's id, ami-….",
        "name": "The image's name; `*` matches any text.",
        "owner": "Who owns it: `self` (unless stated), `amazon`, `aws-marketplace` or an account id.",
        "architecture": "The processor architecture, such as x86_64.",
        "most_recent": "`true`: the newest of several.",
        "tag:*": "A tag of the image.",
    }
    key_references: ClassVar = {"id": references.IMAGE}
    outputs: ClassVar = {
        "id": Output("The image's id, ami-…."),
        "name": Output("The image's name."),
        "creation_date": Output("When it was created, as AWS writes it."),
        **_OUTPUTS,
    }
    iam_actions = IamActions(read=("ec2:DescribeImages",))

    _FILTERS: ClassVar = {"id": "image-id", "name": "name", "architecture": "architecture"}

    def read(self, where: Mapping[str, Json]) -> dict[str, Json]:
        """The available image that matches."""
        criteria = {key: value for key, value in where.items() if key not in ("owner", "most_recent")}
        owners = _filters.texts(where.get("owner", "self"))
        found = self._available(owners, _filters.filters(criteria, self._FILTERS))
        if where.get("most_recent"):
            found = sorted(found, key=lambda image: (image.get("CreationDate", ""), image["ImageId"]))[-1:]
        image = _filters.only("image", where, found, lambda each: f"{each['ImageId']} ({each.get('Name', '')})")
        if image is None:
            own = self._available(["self"], [])
            raise _filters.missing("image", criteria, [each.get("Name", each["ImageId"]) for each in own])
        return {
            "id": image["ImageId"],
            "name": image.get("Name", ""),
            "creation_date": image.get("CreationDate", ""),
            **_outputs(image),
        }

    def _available(self, owners: list[str], filters: list[FilterTypeDef]) -> list[ImageTypeDef]:
        pages = self.context.aws.read.ec2.get_paginator("describe_images").paginate(
            Owners=owners, Filters=[*filters, *_filters.by("state", "available")]
        )
        return [image for page in pages for image in page["Images"]]
