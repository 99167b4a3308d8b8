"""EC2's rules, over the wire."""

import base64
from collections.abc import Callable
from typing import Any

import pytest

from smplan.sandbox.aws.ec2.client_tokens import once
from smplan.sandbox.aws.requests import Call
from smplan.sandbox.interface import PROPERTIES_PATH
from smplan.sandbox.sandbox import Sandbox
from tests.sandbox.conftest import Client, refused

Later = Callable[[float], None]


@pytest.fixture
def ec2(aws_of: Client) -> Any:
    return aws_of("ec2")


def image_of(still: Sandbox, ec2: Any, name: str, **changes: Any) -> str:
    made: str = ec2.create_image(InstanceId=still.facts.instance_id, Name=name, NoReboot=True, **changes)["ImageId"]
    return made


def described(ec2: Any, image: str) -> Any:
    return ec2.describe_images(ImageIds=[image])["Images"][0]


def test_an_image_is_pending_and_its_snapshot_progresses(still: Sandbox, ec2: Any, name: str, later: Later) -> None:
    image = image_of(still, ec2, name)
    (mapping,) = described(ec2, image)["BlockDeviceMappings"]
    snapshot = mapping["Ebs"]["SnapshotId"]

    def progress() -> tuple[str, str, str]:
        (seen,) = ec2.describe_snapshots(SnapshotIds=[snapshot])["Snapshots"]
        return described(ec2, image)["State"], seen["State"], seen["Progress"]

    assert progress() == ("pending", "pending", "0%")
    later(30)
    assert progress() == ("pending", "pending", "50%")
    later(31)
    assert progress() == ("available", "completed", "100%")
    assert (mapping["DeviceName"], mapping["Ebs"]["VolumeSize"]) == ("/dev/sda1", 16)
    assert described(ec2, image)["SourceInstanceId"] == still.facts.instance_id


def test_an_images_name_is_taken_once_and_has_limits(still: Sandbox, ec2: Any, name: str) -> None:
    image_of(still, ec2, name)
    text = refused("InvalidAMIName.Duplicate", image_of, still=still, ec2=ec2, name=name)
    assert name in text
    refused("InvalidAMIName.Malformed", image_of, still=still, ec2=ec2, name="bad*name")


def test_image_and_snapshot_are_tagged_in_the_same_call(still: Sandbox, ec2: Any, name: str) -> None:
    tags = [{"Key": "of", "Value": name}]
    both = [{"ResourceType": kind, "Tags": tags} for kind in ("image", "snapshot")]
    image = described(ec2, image_of(still, ec2, name, TagSpecifications=both))
    snapshot = image["BlockDeviceMappings"][0]["Ebs"]["SnapshotId"]
    assert image["Tags"] == tags
    assert ec2.describe_snapshots(SnapshotIds=[snapshot])["Snapshots"][0]["Tags"] == tags
    other = [{"ResourceType": "volume", "Tags": tags}]
    refused("InvalidParameterValue", image_of, still=still, ec2=ec2, name=f"{name}-2", TagSpecifications=other)


def test_images_are_found_by_state_and_an_unknown_id_fails_the_call(still: Sandbox, ec2: Any, name: str) -> None:
    image = image_of(still, ec2, name)

    def ids(state: str) -> list[str]:
        filters = [{"Name": "state", "Values": [state]}, {"Name": "name", "Values": [name]}]
        return [each["ImageId"] for each in ec2.describe_images(Filters=filters)["Images"]]

    assert (ids("pending"), ids("available")) == ([image], [])
    refused("InvalidAMIID.NotFound", ec2.describe_images, ImageIds=[image, "ami-0dead"])
    refused("InvalidParameterValue", ec2.describe_images, Filters=[{"Name": "no-such-filter", "Values": ["x"]}])


def test_instances_run_only_from_available_images(still: Sandbox, ec2: Any, name: str, later: Later) -> None:
    image = image_of(still, ec2, name)
    run = {"ImageId": image, "MinCount": 1, "MaxCount": 1, "SubnetId": still.facts.subnet_ids[0]}
    refused("InvalidAMIID.Unavailable", ec2.run_instances, **run)
    later(61)
    ec2.run_instances(**run)
    ec2.deregister_image(ImageId=image)
    refused("InvalidAMIID.Unavailable", ec2.run_instances, **run)
    refused("InvalidAMIID.NotFound", ec2.run_instances, **{**run, "ImageId": "ami-0dead"})
    refused("InvalidKeyPair.NotFound", ec2.run_instances, **{**run, "ImageId": still.facts.image_id, "KeyName": "no"})
    refused("MissingParameter", ec2.run_instances, MinCount=1, MaxCount=1)


def test_deregistering_deletes_snapshots_only_if_asked(still: Sandbox, ec2: Any, name: str) -> None:
    def snapshot(image: str) -> str:
        found: str = described(ec2, image)["BlockDeviceMappings"][0]["Ebs"]["SnapshotId"]
        return found

    kept, gone = image_of(still, ec2, f"{name}-1"), image_of(still, ec2, f"{name}-2")
    left, deleted = snapshot(kept), snapshot(gone)
    ec2.deregister_image(ImageId=kept)
    assert ec2.describe_snapshots(SnapshotIds=[left])["Snapshots"]
    answer = ec2.deregister_image(ImageId=gone, DeleteAssociatedSnapshots=True)
    assert [each["SnapshotId"] for each in answer["DeleteSnapshotResults"]] == [deleted]
    refused("InvalidSnapshot.NotFound", ec2.describe_snapshots, SnapshotIds=[deleted])


def test_an_image_carries_the_instances_configuration(still: Sandbox, ec2: Any, name: str, later: Later) -> None:
    image = image_of(still, ec2, name)
    later(61)
    made = ec2.run_instances(
        ImageId=image, MinCount=1, MaxCount=1, SubnetId=still.facts.subnet_ids[1], UserData="#!/bin/sh\n"
    )["Instances"][0]["InstanceId"]
    (seen,) = [each for each in still.world.instances() if each.id == made]
    assert "streammanager.ip=\n" in seen.files[PROPERTIES_PATH]
    assert (seen.user_data, seen.zone, seen.state) == ("#!/bin/sh\n", "us-east-1b", "running")
    assert seen.booted_at - seen.launched_at == 90


def test_making_an_image_reboots_the_instance_unless_told_otherwise(
    still: Sandbox, ec2: Any, name: str, later: Later
) -> None:
    assert still.world.has_booted(still.facts.instance_id)
    image_of(still, ec2, name)
    assert still.world.has_booted(still.facts.instance_id)
    ec2.create_image(InstanceId=still.facts.instance_id, Name=f"{name}-2")
    assert not still.world.has_booted(still.facts.instance_id)
    later(61)
    assert still.world.has_booted(still.facts.instance_id)
    ec2.reboot_instances(InstanceIds=[still.facts.instance_id])
    assert not still.world.has_booted(still.facts.instance_id)
    later(61)


def test_a_client_token_makes_one_instance(still: Sandbox, ec2: Any, name: str) -> None:
    run = {"ImageId": still.facts.image_id, "MinCount": 1, "MaxCount": 1, "ClientToken": name}
    first = ec2.run_instances(**run)["Instances"][0]["InstanceId"]
    assert ec2.run_instances(**run)["Instances"][0]["InstanceId"] == first
    refused("IdempotentParameterMismatch", ec2.run_instances, **run, InstanceType="c5.xlarge")


def test_a_volume_smaller_than_its_snapshot_is_refused(still: Sandbox, ec2: Any) -> None:
    small = [{"DeviceName": "/dev/sda1", "Ebs": {"VolumeSize": 8}}]
    run = {"ImageId": still.facts.image_id, "MinCount": 1, "MaxCount": 1}
    refused("InvalidBlockDeviceMapping", ec2.run_instances, **run, BlockDeviceMappings=small)


def test_requests_without_a_token_are_made_each_time(still: Sandbox) -> None:
    answers = iter([{"made": 1}, {"made": 2}])
    call = Call(still.aws, "ec2", "RunInstances", {})
    assert [once(call, lambda: next(answers)), once(call, lambda: next(answers))] == [{"made": 1}, {"made": 2}]


def test_an_image_of_an_instance_without_a_known_volume_has_the_default_size(
    still: Sandbox, ec2: Any, name: str
) -> None:
    made = ec2.run_instances(ImageId=still.facts.image_id, MinCount=1, MaxCount=1)["Instances"][0]
    (mapping,) = ec2.describe_instances(InstanceIds=[made["InstanceId"]])["Reservations"][0]["Instances"][0][
        "BlockDeviceMappings"
    ]
    volume = mapping["Ebs"]["VolumeId"]
    ec2.detach_volume(VolumeId=volume, InstanceId=made["InstanceId"])
    image = ec2.create_image(InstanceId=made["InstanceId"], Name=name, NoReboot=True)["ImageId"]
    assert described(ec2, image)["BlockDeviceMappings"][0]["Ebs"]["VolumeSize"] == 8


def template_of(still: Sandbox, ec2: Any, name: str, **changes: Any) -> Any:
    data: dict[str, Any] = {"ImageId": still.facts.image_id, "InstanceType": "c5.large", **changes}
    return ec2.create_launch_template(LaunchTemplateName=name, LaunchTemplateData=data)["LaunchTemplate"]


def test_a_template_gives_instances_what_the_request_leaves_out(still: Sandbox, ec2: Any, name: str) -> None:
    text = base64.b64encode(b"hello").decode()
    made = template_of(
        still,
        ec2,
        name,
        UserData=text,
        NetworkInterfaces=[
            {
                "DeviceIndex": 0,
                "SubnetId": still.facts.subnet_ids[2],
                "Groups": [still.facts.node_security_group_id],
            }
        ],
        TagSpecifications=[{"ResourceType": "instance", "Tags": [{"Key": "Name", "Value": name}]}],
    )
    reference = {"LaunchTemplateId": made["LaunchTemplateId"]}
    (instance,) = ec2.run_instances(LaunchTemplate=reference, MinCount=1, MaxCount=1)["Instances"]
    (seen,) = [each for each in still.world.instances() if each.id == instance["InstanceId"]]
    assert (seen.user_data, seen.zone, seen.tags["Name"]) == ("hello", "us-east-1c", name)
    assert seen.security_group_ids == (still.facts.node_security_group_id,)


def test_a_templates_name_is_taken_once_and_its_token_is_remembered(still: Sandbox, ec2: Any, name: str) -> None:
    request = {
        "LaunchTemplateName": name,
        "LaunchTemplateData": {"ImageId": still.facts.image_id},
        "ClientToken": name,
        "TagSpecifications": [{"ResourceType": "launch-template", "Tags": [{"Key": "a", "Value": "1"}]}],
    }
    first = ec2.create_launch_template(**request)["LaunchTemplate"]
    assert ec2.create_launch_template(**request)["LaunchTemplate"] == first
    refused(
        "InvalidLaunchTemplateName.AlreadyExistsException",
        ec2.create_launch_template,
        **{**request, "ClientToken": f"{name}-2"},
    )


@pytest.mark.parametrize(
    ("data", "code"),
    [
        ({"UserData": "not base64!"}, "InvalidUserData.Malformed"),
        ({"UserData": base64.b64encode(b"x" * 16385).decode()}, "InvalidUserData.Malformed"),
        ({"NetworkInterfaces": [{"DeviceIndex": 0}], "SecurityGroupIds": ["sg-1"]}, "InvalidParameterCombination"),
    ],
)
def test_a_template_that_cannot_be_is_refused(
    still: Sandbox, ec2: Any, name: str, data: dict[str, Any], code: str
) -> None:
    refused(code, template_of, still=still, ec2=ec2, name=name, **data)


def test_versions_are_numbered_merged_and_deleted(still: Sandbox, ec2: Any, name: str) -> None:
    template = {"LaunchTemplateId": template_of(still, ec2, name)["LaunchTemplateId"]}
    new = {"LaunchTemplateData": {"InstanceType": "c5.xlarge"}, "ClientToken": f"{name}-v"}
    version = ec2.create_launch_template_version(**template, **new, SourceVersion="1", VersionDescription="second")
    data = version["LaunchTemplateVersion"]["LaunchTemplateData"]
    assert (data["ImageId"], data["InstanceType"]) == (still.facts.image_id, "c5.xlarge")
    again = ec2.create_launch_template_version(**template, **new, SourceVersion="1", VersionDescription="second")
    assert again["LaunchTemplateVersion"]["VersionNumber"] == 2
    bare = ec2.create_launch_template_version(**template, LaunchTemplateData={"InstanceType": "c5.large"})
    assert "ImageId" not in bare["LaunchTemplateVersion"]["LaunchTemplateData"]

    def numbers(**wanted: Any) -> list[int]:
        found = ec2.describe_launch_template_versions(**template, **wanted)["LaunchTemplateVersions"]
        return [each["VersionNumber"] for each in found]

    assert numbers() == [3, 2, 1]
    assert numbers(MinVersion="2", MaxVersion="2") == [2]
    assert numbers(Versions=["$Latest", "$Default", "1"]) == [3, 1]
    ec2.modify_launch_template(**template, DefaultVersion="2")
    assert numbers(Versions=["$Default"]) == [2]
    answer = ec2.delete_launch_template_versions(**template, Versions=["1", "2", "9"])
    assert [each["VersionNumber"] for each in answer["SuccessfullyDeletedLaunchTemplateVersions"]] == [1]
    assert [each["VersionNumber"] for each in answer["UnsuccessfullyDeletedLaunchTemplateVersions"]] == [2, 9]
    refused("InvalidLaunchTemplateId.VersionNotFound", numbers, Versions=["1"])
    four = ec2.create_launch_template_version(**template, LaunchTemplateData={"InstanceType": "c5.large"})
    assert four["LaunchTemplateVersion"]["VersionNumber"] == 4


def test_templates_are_found_by_id_name_tag_and_page(still: Sandbox, ec2: Any, name: str) -> None:
    made = template_of(still, ec2, name)
    template_of(still, ec2, f"{name}-2")
    ids = [made["LaunchTemplateId"]]
    ec2.create_tags(Resources=ids, Tags=[{"Key": "of", "Value": name}, {"Key": "more", "Value": "x"}])
    ec2.delete_tags(Resources=ids, Tags=[{"Key": "more"}, {"Key": "of", "Value": "other"}])
    by_tag = [{"Name": "tag:of", "Values": [name]}, {"Name": "tag-key", "Values": ["of"]}]
    for wanted in (
        {"LaunchTemplateIds": ids},
        {"LaunchTemplateNames": [name]},
        {"Filters": by_tag},
        {"Filters": [{"Name": "launch-template-name", "Values": [name]}]},
    ):
        (seen,) = ec2.describe_launch_templates(**wanted)["LaunchTemplates"]
        assert seen["LaunchTemplateId"] == ids[0]
        assert seen["Tags"] == [{"Key": "of", "Value": name}]
    refused("InvalidLaunchTemplateId.NotFound", ec2.describe_launch_templates, LaunchTemplateIds=["lt-0dead"])
    refused(
        "InvalidLaunchTemplateName.NotFoundException", ec2.describe_launch_templates, LaunchTemplateNames=["absent"]
    )
    refused("InvalidParameterValue", ec2.describe_launch_templates, Filters=[{"Name": "no", "Values": ["x"]}])
    page = ec2.describe_launch_templates(MaxResults=1)
    assert len(page["LaunchTemplates"]) == 1
    rest = ec2.describe_launch_templates(NextToken=page["NextToken"])["LaunchTemplates"]
    assert page["LaunchTemplates"][0] not in rest
    ec2.delete_tags(Resources=ids)
    assert ec2.describe_launch_templates(LaunchTemplateIds=ids)["LaunchTemplates"][0].get("Tags", []) == []
    ec2.delete_launch_template(LaunchTemplateId=ids[0])
    refused("InvalidLaunchTemplateId.NotFound", ec2.delete_launch_template, LaunchTemplateId=ids[0])


def test_versions_of_all_templates_are_asked_for_by_alias(still: Sandbox, ec2: Any, name: str) -> None:
    template_of(still, ec2, name)
    found = ec2.describe_launch_template_versions(Versions=["$Latest", "$Default"])["LaunchTemplateVersions"]
    assert [each["VersionNumber"] for each in found if each["LaunchTemplateName"] == name] == [1]
    refused("MissingParameter", ec2.describe_launch_template_versions, Versions=["1"])
    refused("MissingParameter", ec2.describe_launch_template_versions)


def test_tags_of_aws_itself_cannot_be_made(still: Sandbox, ec2: Any) -> None:
    tags = [{"Key": "aws:mine", "Value": "x"}]
    refused("InvalidParameterValue", ec2.create_tags, Resources=[still.facts.vpc_id], Tags=tags)
    ec2.create_tags(Resources=[still.facts.vpc_id], Tags=[{"Key": "mine", "Value": "x"}])
    ec2.delete_tags(Resources=[still.facts.vpc_id], Tags=[{"Key": "mine"}])


def group_of(still: Sandbox, ec2: Any, name: str) -> str:
    made: str = ec2.create_security_group(GroupName=name, Description=name, VpcId=still.facts.vpc_id)["GroupId"]
    return made


def test_a_group_is_not_deleted_while_something_has_it(still: Sandbox, ec2: Any, name: str) -> None:
    held, holder = group_of(still, ec2, name), group_of(still, ec2, f"{name}-2")
    pair = [{"IpProtocol": "tcp", "FromPort": 1, "ToPort": 1, "UserIdGroupPairs": [{"GroupId": held}]}]
    ec2.authorize_security_group_ingress(GroupId=holder, IpPermissions=pair)
    refused("DependencyViolation", ec2.delete_security_group, GroupId=held)
    ec2.revoke_security_group_ingress(GroupId=holder, IpPermissions=pair)
    made = ec2.run_instances(
        ImageId=still.facts.image_id,
        MinCount=1,
        MaxCount=1,
        SubnetId=still.facts.subnet_ids[0],
        SecurityGroupIds=[held],
    )["Instances"][0]["InstanceId"]
    refused("DependencyViolation", ec2.delete_security_group, GroupId=held)
    ec2.terminate_instances(InstanceIds=[made])
    filters = [{"Name": "group-id", "Values": [held]}]
    assert ec2.describe_network_interfaces(Filters=filters)["NetworkInterfaces"] == []
    ec2.delete_security_group(GroupId=held)
    refused("DependencyViolation", ec2.delete_security_group, GroupId=still.facts.database_security_group_id)
    refused("InvalidGroup.NotFound", ec2.delete_security_group, GroupId=held)


def test_a_subnet_is_deleted_only_when_it_is_empty(still: Sandbox, ec2: Any) -> None:
    refused("DependencyViolation", ec2.delete_subnet, SubnetId=still.facts.subnet_ids[0])
    empty = ec2.create_subnet(VpcId=still.facts.vpc_id, CidrBlock="10.0.200.0/24")["Subnet"]["SubnetId"]
    ec2.delete_subnet(SubnetId=empty)


def test_a_rules_description_is_kept_and_no_part_of_its_identity(still: Sandbox, ec2: Any, name: str) -> None:
    source, group = group_of(still, ec2, name), group_of(still, ec2, f"{name}-2")

    def permission(text: str) -> list[Any]:
        pair = {"GroupId": source, "Description": text}
        return [{"IpProtocol": "tcp", "FromPort": 1, "ToPort": 1, "UserIdGroupPairs": [pair]}]

    made = ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=permission("one"))
    (rule,) = made["SecurityGroupRules"]
    assert rule["Description"] == "one"
    refused(
        "InvalidPermission.Duplicate",
        ec2.authorize_security_group_ingress,
        GroupId=group,
        IpPermissions=permission("two"),
    )
    change = {"IpProtocol": "tcp", "FromPort": 1, "ToPort": 1, "ReferencedGroupId": source, "Description": "three"}
    ec2.modify_security_group_rules(
        GroupId=group,
        SecurityGroupRules=[{"SecurityGroupRuleId": rule["SecurityGroupRuleId"], "SecurityGroupRule": change}],
    )
    ids = [rule["SecurityGroupRuleId"]]
    (seen,) = ec2.describe_security_group_rules(SecurityGroupRuleIds=ids)["SecurityGroupRules"]
    assert seen["Description"] == "three"


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ([{"Name": "subnet-id", "Values": ["{subnet}"]}, {"Name": "group-id", "Values": ["{group}"]}], 1),
        ([{"Name": "description", "Values": ["ELB app/{name}/*"]}], 3),
        ([{"Name": "description", "Values": ["ELB app/{name}"]}], 0),
        ([{"Name": "requester-id", "Values": ["amazon-elb"]}, {"Name": "group-id", "Values": ["{group}"]}], 3),
        ([{"Name": "status", "Values": ["available"]}, {"Name": "group-id", "Values": ["{group}"]}], 0),
        ([{"Name": "vpc-id", "Values": ["vpc-0dead"]}], 0),
    ],
)
def test_load_balancers_interfaces_are_found_by_filters(
    still: Sandbox, ec2: Any, aws_of: Client, name: str, filters: list[Any], found: int
) -> None:
    group = group_of(still, ec2, name)
    aws_of("elbv2").create_load_balancer(Name=name, Subnets=list(still.facts.subnet_ids), SecurityGroups=[group])
    values = {"subnet": still.facts.subnet_ids[0], "group": group, "name": name}
    asked = [{**each, "Values": [value.format(**values) for value in each["Values"]]} for each in filters]
    seen = ec2.describe_network_interfaces(Filters=asked)["NetworkInterfaces"]
    assert len(seen) == found
    one = ec2.describe_network_interfaces()["NetworkInterfaces"][0]["NetworkInterfaceId"]
    assert len(ec2.describe_network_interfaces(NetworkInterfaceIds=[one])["NetworkInterfaces"]) == 1
