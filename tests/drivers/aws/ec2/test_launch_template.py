"""Launch templates: contents of a version, no needless versions, number of calls."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from smplan.core.values import Ref
from smplan.drivers.aws.ec2 import _template_data
from smplan.drivers.aws.ec2.launch_template import USER_DATA_BYTES, LaunchTemplate, LaunchTemplateSpec
from smplan.drivers.base import Claim, Live, Owner
from smplan.errors import Denied
from tests.drivers.conformance import Script, context

ID = "lt-1"
GROUPS = ["sg-b", "sg-a"]


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """Any will do: nothing is sent."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")


def spec(**fields: Any) -> LaunchTemplateSpec:
    return LaunchTemplateSpec.model_validate({"name": "sm-template", **fields})


def data(wanted: LaunchTemplateSpec) -> Any:
    return _template_data.changed({}, wanted.managed_fields())


def driver(script: Script) -> LaunchTemplate:
    return LaunchTemplate(context(script.aws()))


def template(id: str = ID) -> dict[str, Any]:
    return {"LaunchTemplateId": id, "LaunchTemplateName": "sm-template"}


def version(id: str = ID, **content: Any) -> dict[str, Any]:
    return {"LaunchTemplateId": id, "VersionNumber": 3, "LaunchTemplateData": content}


def versioned(**content: Any) -> Script:
    """A template whose version in force has ``content``, and which takes new ones."""
    return Script(
        {
            "DescribeLaunchTemplateVersions": [{"LaunchTemplateVersions": [version(**content)]}],
            "CreateLaunchTemplateVersion": [{"LaunchTemplateVersion": {"VersionNumber": 4}}],
            "ModifyLaunchTemplate": [{}],
        }
    )


def test_monitoring_is_detailed_unless_the_spec_says_otherwise() -> None:
    assert data(spec())["Monitoring"] == {"Enabled": True}
    assert data(spec(monitoring=False))["Monitoring"] == {"Enabled": False}


def test_user_data_is_encoded_exactly_once() -> None:
    assert base64.b64decode(data(spec(user_data="#!/bin/sh\nécho"))["UserData"]).decode() == "#!/bin/sh\nécho"


def test_user_data_is_measured_in_bytes_before_encoding() -> None:
    spec(user_data="x" * USER_DATA_BYTES)
    with pytest.raises(ValidationError, match="16386 bytes"):
        spec(user_data="é" * (USER_DATA_BYTES // 2 + 1))


def test_with_a_public_address_setting_the_groups_are_on_the_interface() -> None:
    made = data(spec(associate_public_ip_address=False, security_group_ids=GROUPS))
    assert "SecurityGroupIds" not in made
    [interface] = made["NetworkInterfaces"]
    assert interface == {
        "DeviceIndex": 0,
        "AssociatePublicIpAddress": False,
        "DeleteOnTermination": True,
        "Groups": ["sg-a", "sg-b"],
    }


def test_without_a_public_address_setting_there_is_no_interface() -> None:
    made = data(spec(security_group_ids=GROUPS))
    assert made["SecurityGroupIds"] == ["sg-a", "sg-b"]
    assert "NetworkInterfaces" not in made


def test_the_root_volume_goes_with_its_instance() -> None:
    made = data(spec(root_device_name="/dev/sda1", volume_size=16, volume_type="gp3"))
    assert made["BlockDeviceMappings"] == [
        {"DeviceName": "/dev/sda1", "Ebs": {"DeleteOnTermination": True, "VolumeSize": 16, "VolumeType": "gp3"}}
    ]


def test_a_volume_without_a_device_is_refused_with_a_hint() -> None:
    with pytest.raises(ValidationError, match=r"\$\{image\.root_device_name\}"):
        spec(volume_size=16)
    spec(volume_size=16, root_device_name=Ref("image", path=("root_device_name",)))


@pytest.mark.parametrize(("profile", "form"), [("sm", "Name"), ("arn:aws:iam::1:instance-profile/sm", "Arn")])
def test_a_profile_is_given_by_name_or_by_arn(profile: str, form: str) -> None:
    assert data(spec(iam_instance_profile=profile))["IamInstanceProfile"] == {form: profile}


def test_a_change_of_tags_alone_makes_no_version() -> None:
    script = Script({"CreateTags": [{}], "DeleteTags": [{}]})
    live = Live(ID, spec(instance_type="c5.large", tags={"a": "1"}))
    driver(script).update(live, spec(instance_type="c5.large", tags={"b": "2"}))
    assert script.names() == ["CreateTags", "DeleteTags"]


def test_another_order_of_the_same_groups_sends_nothing() -> None:
    script = Script({})
    driver(script).update(Live(ID, spec(security_group_ids=sorted(GROUPS))), spec(security_group_ids=GROUPS))
    assert script.names() == []


def test_an_equal_spec_sends_nothing() -> None:
    script = Script({})
    driver(script).update(Live(ID, spec(instance_type="c5.large", key_name="ops")), spec(instance_type="c5.large"))
    assert script.names() == []


def test_a_new_version_is_complete_and_becomes_the_default() -> None:
    script = versioned(InstanceType="c5.large", KeyName="ops", KernelId="aki-1", Monitoring={"Enabled": True})
    live = Live(ID, spec(instance_type="c5.large", key_name="ops"), {"version": 3})
    driver(script).update(live, spec(instance_type="c5.xlarge"))
    read, created, modified = (body for _, body in script.sent)
    assert "LaunchTemplateVersion.1" not in read  # all of them
    assert "SourceVersion" not in created
    assert created["LaunchTemplateData.InstanceType"] == "c5.xlarge"
    assert created["LaunchTemplateData.KeyName"] == "ops"  # not managed: it stays
    assert created["LaunchTemplateData.KernelId"] == "aki-1"  # nor does any field name this one
    assert modified["SetDefaultVersion"] == "4"


def test_the_description_of_the_version_in_force_is_carried_over() -> None:
    script = versioned()
    script.answers["DescribeLaunchTemplateVersions"][0]["LaunchTemplateVersions"][0]["VersionDescription"] = "by hand"
    driver(script).update(Live(ID, spec(), {"version": 3}), spec(instance_type="c5.large"))
    assert script.sent[1][1]["VersionDescription"] == "by hand"


def test_an_older_version_of_the_same_content_is_used_again() -> None:
    versions = [
        {**version(InstanceType=type_, KeyName="ops", Monitoring={"Enabled": True}), "VersionNumber": number}
        for number, type_ in ((1, "c5.xlarge"), (2, "c5.xlarge"), (3, "c5.large"))
    ]
    old, new = ({"LaunchTemplateVersions": [each]} for each in (versions[1], versions[2]))
    script = Script(
        {
            "DescribeLaunchTemplates": [{"LaunchTemplates": [template()]}],
            "DescribeLaunchTemplateVersions": [{"LaunchTemplateVersions": versions}, new, old, new, old],
            "ModifyLaunchTemplate": [{}],
        }
    )
    subject = driver(script)
    subject.update(Live(ID, spec(instance_type="c5.large"), {"version": 3}), spec(instance_type="c5.xlarge"))
    assert script.names() == ["DescribeLaunchTemplateVersions", "ModifyLaunchTemplate"]
    assert script.sent[1][1]["SetDefaultVersion"] == "2"
    assert [poll.status for poll in subject.wait_ready(ID, spec())] == ["version 3"]
    assert subject.read_many([ID])[ID].outputs == {"version": 2}


def test_the_version_in_force_is_read_by_itself_where_the_list_of_all_lags() -> None:
    old = {**version(InstanceType="c5.large"), "VersionNumber": 1}
    shown = [{"LaunchTemplateVersions": [old]}, {"LaunchTemplateVersions": [version(KeyName="ops")]}]
    script = Script({**versioned().answers, "DescribeLaunchTemplateVersions": shown})
    driver(script).update(Live(ID, spec(), {"version": 3}), spec(instance_type="c5.large"))
    created = dict(script.sent[2][1])
    assert (created["LaunchTemplateData.KeyName"], created["LaunchTemplateData.InstanceType"]) == ("ops", "c5.large")


def test_a_new_default_version_is_waited_for_and_read_though_reads_lag() -> None:
    stale = {"LaunchTemplateVersions": [version()]}
    new = {"LaunchTemplateVersions": [{**version(InstanceType="c5.xlarge"), "VersionNumber": 4}]}
    script = Script(
        {
            **versioned().answers,
            "DescribeLaunchTemplates": [{"LaunchTemplates": [template()]}],
            "DescribeLaunchTemplateVersions": [stale, stale, new, stale, new],
        }
    )
    subject = driver(script)
    assert list(subject.wait_ready(ID, spec())) == []
    subject.update(Live(ID, spec(), {"version": 3}), spec(instance_type="c5.xlarge"))
    polls = list(subject.wait_ready(ID, spec()))
    assert [(poll.waiting_for, poll.status) for poll in polls] == [
        ("version 4 of launch template sm-template to be the default", "version 3")
    ]
    assert subject.read_many([ID])[ID].outputs == {"version": 4}


def test_a_version_that_ends_at_a_time_is_carried_over() -> None:
    end = datetime(2099, 1, 1, tzinfo=UTC)
    script = versioned(InstanceMarketOptions={"MarketType": "spot", "SpotOptions": {"ValidUntil": end}})
    driver(script).update(Live(ID, spec(), {"version": 3}), spec(instance_type="c5.large"))
    _, created, _ = (body for _, body in script.sent)
    assert created["LaunchTemplateData.InstanceMarketOptions.SpotOptions.ValidUntil"] == "2099-01-01T00:00:00Z"


def test_the_token_of_a_version_is_its_content() -> None:
    script = versioned()
    subject, live = driver(script), Live(ID, spec(), {"version": 3})
    for id, type_ in ((ID, "c5.large"), (ID, "c5.large"), (ID, "c5.xlarge"), ("lt-2", "c5.large")):
        subject.update(Live(id, live.spec, live.outputs), spec(instance_type=type_))
    tokens = [body["ClientToken"] for name, body in script.sent if name == "CreateLaunchTemplateVersion"]
    assert tokens[0] == tokens[1]
    assert len(set(tokens)) == 3
    assert all(len(token) <= 64 for token in tokens)


def test_a_create_carries_the_token_of_its_claim() -> None:
    script = Script({"CreateLaunchTemplate": [{"LaunchTemplate": template()}]})
    assert driver(script).create(spec(), Claim(Owner("l", "a"), "token")) == ID
    assert script.sent[0][1]["ClientToken"] == "token"


def test_one_template_is_read_by_id() -> None:
    script = Script(
        {
            "DescribeLaunchTemplates": [{"LaunchTemplates": [template()]}],
            "DescribeLaunchTemplateVersions": [{"LaunchTemplateVersions": [version(ImageId="ami-1")]}],
        }
    )
    assert driver(script).read_many([ID])[ID].outputs == {"version": 3}
    assert script.sent[1][1]["LaunchTemplateId"] == ID


def test_many_templates_take_two_calls() -> None:
    ids = [f"lt-{number}" for number in range(150)]
    script = Script(
        {
            "DescribeLaunchTemplates": [{"LaunchTemplates": [template(each) for each in ids]}],
            "DescribeLaunchTemplateVersions": [
                {"LaunchTemplateVersions": [version(each) for each in [*ids, "lt-of-somebody-else"]]}
            ],
        }
    )
    assert set(driver(script).read_many(ids)) == set(ids)
    assert script.names() == ["DescribeLaunchTemplates", "DescribeLaunchTemplateVersions"]
    assert "LaunchTemplateId" not in script.sent[1][1]


def test_one_that_is_gone_does_not_hide_the_others() -> None:
    script = Script(
        {
            "DescribeLaunchTemplates": ["InvalidLaunchTemplateId.NotFound", {"LaunchTemplates": [template()]}],
            "DescribeLaunchTemplateVersions": [{"LaunchTemplateVersions": [version()]}],
        }
    )
    assert set(driver(script).read_many([ID, "lt-gone"])) == {ID}


def test_the_only_one_being_gone_takes_one_call() -> None:
    script = Script({"DescribeLaunchTemplates": ["InvalidLaunchTemplateId.NotFound"]})
    assert driver(script).read_many([ID]) == {}
    assert script.names() == ["DescribeLaunchTemplates"]


def test_a_template_deleted_between_two_calls_is_absent() -> None:
    script = Script(
        {
            "DescribeLaunchTemplates": [{"LaunchTemplates": [template()]}],
            "DescribeLaunchTemplateVersions": ["InvalidLaunchTemplateId.NotFound"],
        }
    )
    assert driver(script).read_many([ID]) == {}


def test_a_version_missing_in_the_list_of_all_is_read_by_itself() -> None:
    script = Script(
        {
            "DescribeLaunchTemplates": [{"LaunchTemplates": [template(), template("lt-2")]}],
            "DescribeLaunchTemplateVersions": [
                {"LaunchTemplateVersions": [version()]},
                {"LaunchTemplateVersions": [version("lt-2")]},
            ],
        }
    )
    assert set(driver(script).read_many([ID, "lt-2"])) == {ID, "lt-2"}


def test_a_refused_read_is_not_an_absence() -> None:
    script = Script({"DescribeLaunchTemplates": ["UnauthorizedOperation"]})
    with pytest.raises(Denied):
        driver(script).read_many([ID, "lt-2"])


@pytest.mark.parametrize(
    ("stored", "read"),
    [
        (base64.b64encode(b"#!/bin/sh").decode(), "#!/bin/sh"),
        (base64.b64encode(b"\xff\xfe").decode(), "\ufffd\ufffd"),
        ("#!/bin/sh", "#!/bin/sh"),
    ],
)
def test_user_data_that_others_stored_is_read_as_well_as_can_be(stored: str, read: str) -> None:
    script = Script(
        {
            "DescribeLaunchTemplates": [{"LaunchTemplates": [template()]}],
            "DescribeLaunchTemplateVersions": [{"LaunchTemplateVersions": [version(UserData=stored)]}],
        }
    )
    assert driver(script).read_many([ID])[ID].spec.user_data == read


def test_a_template_without_monitoring_reads_as_basic() -> None:
    script = Script(
        {
            "DescribeLaunchTemplates": [{"LaunchTemplates": [template()]}],
            "DescribeLaunchTemplateVersions": [{"LaunchTemplateVersions": [version()]}],
        }
    )
    assert driver(script).read_many([ID])[ID].spec.monitoring is False


DISKS: list[dict[str, Any]] = [
    {"DeviceName": "/dev/sdb", "Ebs": {"VolumeSize": 100}},
    {"DeviceName": "/dev/sda1", "Ebs": {"VolumeType": "io2", "Iops": 4000, "Encrypted": True}},
]


def changed(data: dict[str, Any], **fields: Any) -> Any:
    return _template_data.changed(data, fields)


def test_the_device_that_is_named_is_changed_and_the_others_stay() -> None:
    made = changed({"BlockDeviceMappings": DISKS}, root_device_name="/dev/sda1", volume_size=20)
    root, other = made["BlockDeviceMappings"]
    assert root["Ebs"] == {"DeleteOnTermination": True, **DISKS[1]["Ebs"], "VolumeSize": 20}
    assert other == DISKS[0]


@pytest.mark.parametrize(
    ("kind", "before", "kept"),
    [
        ("gp3", {"Iops": 4000, "Throughput": 250}, {"Iops": 4000, "Throughput": 250}),
        ("gp3", {"Iops": 100}, {}),
        ("io1", {"Iops": 100, "Throughput": 250}, {"Iops": 100}),
        ("gp2", {"Iops": 4000, "Throughput": 250}, {}),
    ],
)
def test_a_new_volume_type_drops_only_what_aws_refuses_with_it(
    kind: str, before: dict[str, int], kept: dict[str, int]
) -> None:
    made = changed({"BlockDeviceMappings": [{"DeviceName": "/dev/sda1", "Ebs": before}]}, volume_type=kind)
    assert made["BlockDeviceMappings"][0]["Ebs"] == {"DeleteOnTermination": True, "VolumeType": kind, **kept}


def test_an_instance_type_takes_the_place_of_requirements() -> None:
    assert changed({"InstanceRequirements": {"VCpuCount": {"Min": 2}}}, instance_type="c5.large") == {
        "InstanceType": "c5.large"
    }


def test_groups_given_by_name_make_way_for_ids_and_stay_otherwise() -> None:
    assert changed({"SecurityGroups": ["web"]}, security_group_ids=["sg-a"]) == {"SecurityGroupIds": ["sg-a"]}
    assert changed({"SecurityGroups": ["web"]}, key_name="ops") == {"SecurityGroups": ["web"], "KeyName": "ops"}


def test_what_an_interface_has_besides_stays() -> None:
    interfaces = [{"DeviceIndex": 0, "Ipv6AddressCount": 1, "Groups": ["sg-a"]}, {"DeviceIndex": 1}]
    made = changed({"NetworkInterfaces": interfaces}, security_group_ids=["sg-b"])
    first, second = made["NetworkInterfaces"]
    assert first == {"DeviceIndex": 0, "DeleteOnTermination": True, "Ipv6AddressCount": 1, "Groups": ["sg-b"]}
    assert second == {"DeviceIndex": 1}


def test_tags_of_volumes_stay() -> None:
    volumes = {"ResourceType": "volume", "Tags": [{"Key": "backup", "Value": "daily"}]}
    data = {"TagSpecifications": [{"ResourceType": "instance", "Tags": []}, volumes]}
    assert changed(data, instance_tags={}) == {"TagSpecifications": [volumes]}
