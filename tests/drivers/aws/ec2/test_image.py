"""Images: progress of a wait, failed images, and the source instance."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from smplan.drivers.aws.client import Aws
from smplan.drivers.aws.ec2.image import Image, ImageLookup, ImageSpec
from smplan.drivers.base import Claim, Owner
from smplan.errors import Denied, DriverError, NotFound
from smplan.sandbox.sandbox import Sandbox
from tests.drivers.conformance import Script, context

ID, SOURCE, SNAPSHOT = "ami-1", "i-1", "snap-1"
CLAIM = Claim(Owner("lineage", "image"), "token")


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """Any will do: nothing is sent."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")


def spec(**changes: Any) -> ImageSpec:
    return ImageSpec.model_validate({"name": "sm-12", "instance_id": SOURCE, "reboot": False, **changes})


def image(state: str, **more: Any) -> dict[str, Any]:
    devices = [{"DeviceName": "/dev/sda1", "Ebs": {"SnapshotId": SNAPSHOT, "VolumeSize": 16}}]
    return {"ImageId": ID, "Name": "sm-12", "State": state, "BlockDeviceMappings": devices, **more}


def images(*answers: Any) -> list[Any]:
    return [{"Images": [answer] if answer else []} for answer in answers]


def snapshots(*progress: str) -> list[Any]:
    return [{"Snapshots": [{"SnapshotId": SNAPSHOT, "Progress": each}]} for each in progress]


def instance(state: str) -> list[Any]:
    return [{"Reservations": [{"Instances": [{"InstanceId": SOURCE, "State": {"Name": state}}]}]}]


def driver(script: Script) -> Image:
    return Image(context(script.aws()))


def test_waiting_reports_state_and_snapshot_progress() -> None:
    pending = image("pending")
    script = Script(
        {
            "DescribeImages": images(
                None, image("pending", BlockDeviceMappings=[]), pending, pending, image("available")
            ),
            "DescribeSnapshots": snapshots("", "45%"),
        }
    )
    seen = [(look.status, look.fraction) for look in driver(script).wait_ready(ID, spec())]
    assert seen == [
        ("not listed yet", None),
        ("pending", None),
        ("pending, snapshot 0%", 0.0),
        ("pending, snapshot 45%", 0.45),
    ]


def test_an_image_deregistered_during_the_wait_raises_not_found() -> None:
    script = Script({"DescribeImages": images(image("pending"), None), "DescribeSnapshots": snapshots("1%")})
    with pytest.raises(NotFound, match="deregistered"):
        list(driver(script).wait_ready(ID, spec()))


def test_an_image_that_is_never_listed_raises_not_found_in_the_end() -> None:
    script = Script({"DescribeImages": images(None)})
    with pytest.raises(NotFound):
        list(driver(script).wait_ready(ID, spec()))


def test_a_failed_image_reports_the_reason_and_frees_its_name() -> None:
    failed = image("failed", StateReason={"Message": "snapshot limit exceeded"})
    script = Script(
        {
            "DescribeImages": images(failed),
            "DeregisterImage": [{}],
            "DescribeSnapshots": snapshots("100%"),
            "DeleteSnapshot": [{}],
        }
    )
    with pytest.raises(DriverError, match="snapshot limit exceeded"):
        list(driver(script).wait_ready(ID, spec(source_after="terminate")))
    assert script.names() == ["DescribeImages", "DeregisterImage", "DescribeSnapshots", "DeleteSnapshot"]


@pytest.mark.parametrize(
    ("after", "state", "sent"),
    [
        ("stop", "running", ["StopInstances"]),
        ("stop", "stopping", []),
        ("stop", "stopped", []),
        ("stop", "terminated", []),
        ("terminate", "running", ["TerminateInstances"]),
        ("terminate", "stopped", ["TerminateInstances"]),
        ("terminate", "terminated", []),
        ("terminate", "shutting-down", []),
    ],
)
def test_the_source_is_terminated_once_and_only_after_the_image_is_available(
    after: str, state: str, sent: list[str]
) -> None:
    script = Script(
        {
            "DescribeImages": images(image("pending"), image("available")),
            "DescribeSnapshots": snapshots("5%"),
            "DescribeInstances": instance(state),
            "StopInstances": [{}],
            "TerminateInstances": [{}],
        }
    )
    making = driver(script)
    making.configure(ID, spec(source_after=after))
    waiting = making.wait_ready(ID, spec(source_after=after))
    next(waiting)
    assert script.names() == ["DescribeImages", "DescribeSnapshots"]
    assert list(waiting) == []
    assert script.names()[2:] == ["DescribeImages", "DescribeInstances", *sent]


def test_a_source_that_is_kept_is_not_read() -> None:
    script = Script({"DescribeImages": images(image("available"))})
    assert list(driver(script).wait_ready(ID, spec())) == []
    assert script.names() == ["DescribeImages"]


@pytest.mark.parametrize("reboot", [True, False])
def test_the_instance_is_rebooted_only_if_the_spec_says_so(reboot: bool) -> None:
    script = Script({"CreateImage": [{"ImageId": ID}]})
    assert driver(script).create(spec(reboot=reboot), CLAIM) == ID
    assert script.sent[0][1]["NoReboot"] == ("false" if reboot else "true")


def test_image_and_snapshots_are_claimed_in_the_call_that_makes_them() -> None:
    script = Script({"CreateImage": [{"ImageId": ID}]})
    driver(script).create(spec(tags={"team": "video"}), CLAIM)
    body = script.sent[0][1]
    for number, kind in enumerate(("image", "snapshot"), start=1):
        prefix = f"TagSpecification.{number}"
        assert body[f"{prefix}.ResourceType"] == kind
        tags = {body[f"{prefix}.Tag.{at}.Key"]: body[f"{prefix}.Tag.{at}.Value"] for at in (1, 2, 3)}
        assert tags == {"team": "video", **CLAIM.tags}


def test_reboot_must_be_stated() -> None:
    with pytest.raises(ValueError, match="reboot"):
        ImageSpec.model_validate({"name": "sm-12", "instance_id": SOURCE})


def test_a_deregistered_image_that_still_shows_is_gone() -> None:
    script = Script({"DescribeImages": images(image("deregistered"))})
    assert driver(script).read_many([ID]) == {}


def test_deleting_again_still_takes_snapshots_that_were_left() -> None:
    script = Script(
        {
            "DeregisterImage": ["InvalidAMIID.Unavailable"],
            "DescribeSnapshots": snapshots("100%"),
            "DeleteSnapshot": ["UnauthorizedOperation", {}],
        }
    )
    subject = driver(script)
    with pytest.raises(Denied):
        subject.delete(ID)
    subject.delete(ID)
    assert script.names().count("DeleteSnapshot") == 2
    assert "ami-1*" in script.sent[1][1]["Filter.1.Value.1"]


def test_a_snapshot_that_another_image_uses_stays() -> None:
    script = Script(
        {"DeregisterImage": [{}], "DescribeSnapshots": snapshots("100%"), "DeleteSnapshot": ["InvalidSnapshot.InUse"]}
    )
    driver(script).delete(ID)


def test_deleting_an_image_never_touches_an_instance() -> None:
    assert not {"ec2:StopInstances", "ec2:TerminateInstances"} & set(Image.iam_actions.read)
    script = Script({"DeregisterImage": [{}], "DescribeSnapshots": [{"Snapshots": []}]})
    driver(script).delete(ID)
    assert script.names() == ["DeregisterImage", "DescribeSnapshots"]


def test_an_image_without_a_root_volume_has_no_size() -> None:
    bare = image("available", RootDeviceName="/dev/xvda")
    script = Script({"DescribeImages": images(bare)})
    assert driver(script).read_many([ID])[ID].outputs["root_volume_size"] is None


def test_the_most_recent_of_several_images_is_the_one_made_last() -> None:
    made = [
        image("available", ImageId=f"ami-{day}", CreationDate=f"2026-11-{day}T00:00:00.000Z") for day in (20, 22, 21)
    ]
    script = Script({"DescribeImages": [{"Images": made}]})
    lookup = ImageLookup(context(script.aws()))
    assert lookup.read({"name": "sm-*", "most_recent": True})["id"] == "ami-22"


def test_nothing_of_a_deleted_image_is_left(box: Sandbox, aws: Aws) -> None:
    subject = Image(context(aws))
    made = subject.create(spec(name=f"gone-{uuid4().hex[:8]}", instance_id=box.facts.instance_id), CLAIM)
    snapshots_of_it = [*subject.read_many([made])[made].outputs["snapshot_ids"]]
    subject.delete(made)
    left = aws.read.ec2.describe_snapshots(Filters=[{"Name": "snapshot-id", "Values": snapshots_of_it or ["none"]}])
    assert left["Snapshots"] == []
    assert subject.read_many([made]) == {}


@pytest.mark.parametrize("cooldown", [True, False])
def test_an_image_protected_from_deregistration_is_deleted_after_the_protection_is_removed(
    box: Sandbox, aws: Aws, cooldown: bool
) -> None:
    images_of_sandbox = Image(context(aws))
    made = images_of_sandbox.create(spec(instance_id=box.facts.instance_id), CLAIM)

    def protected() -> bool:
        return Image.protection.is_on(images_of_sandbox.read_many([made])[made].outputs)

    assert not protected()
    aws.write.ec2.enable_image_deregistration_protection(ImageId=made, WithCooldown=cooldown)
    assert protected()
    with pytest.raises(DriverError, match="protected from deregistration"):
        images_of_sandbox.delete(made)
    images_of_sandbox.unprotect(made)
    assert not protected()
    images_of_sandbox.delete(made)
    assert images_of_sandbox.read_many([made]) == {}
    images_of_sandbox.unprotect(made)


def test_a_new_owner_is_set_on_image_and_snapshots() -> None:
    script = Script({"DescribeImages": images(image("available")), "CreateTags": [{}]})
    driver(script).set_owner(ID, CLAIM.owner)
    tagged = [body["ResourceId.1"] for name, body in script.sent if name == "CreateTags"]
    assert tagged == [SNAPSHOT, ID]


def test_an_update_leaves_the_source_alone() -> None:
    script = Script({"DescribeImages": images(image("available"))})
    assert list(driver(script).wait_ready(ID, spec(source_after="terminate"))) == []
    assert script.names() == ["DescribeImages"]
