"""``aws.autoscaling.launch_configuration``: what the laws of every kind do not say."""

from __future__ import annotations

import base64
from typing import Any
from urllib.parse import parse_qs

import pytest
from pydantic import ValidationError

from smplan.core.values import Ref
from smplan.drivers.aws.autoscaling.launch_configuration import LaunchConfiguration, LaunchConfigurationSpec
from smplan.drivers.aws.client import Aws
from smplan.errors import Invalid
from smplan.sandbox.sandbox import Sandbox
from tests.drivers.aws.autoscaling.stage import Script, count_calls, scripted, staged
from tests.drivers.conformance import FaultyAws, context

KIND = "aws.autoscaling.launch_configuration"
LEAST = {
    "name": "lc-${run}",
    "image_id": "${box.image_id}",
    "instance_type": "c5.large",
    "security_groups": ["${box.stream_manager_security_group_id}"],
}
SCRIPT = "#!/bin/bash\necho ü\n"
NO_CLAIM: Any = None
"""Nothing of a claim can be left on a launch configuration."""


def spec(**changes: Any) -> LaunchConfigurationSpec:
    least = {"name": "lc", "image_id": "ami-1", "instance_type": "c5.large", "security_groups": ["sg-1"]}
    return LaunchConfigurationSpec.model_validate({**least, **changes})


def test_user_data_is_encoded_exactly_once_on_the_wire(box: Sandbox, aws: Aws) -> None:
    bodies: list[str] = []

    def spoil(client: Any, _: bool) -> None:
        def hear(request: Any, **__: object) -> None:
            bodies.append(request.body.decode() if isinstance(request.body, bytes) else request.body)

        client.meta.events.register("before-send.autoscaling.CreateLaunchConfiguration", hear)

    with staged(box, aws, KIND, {**LEAST, "user_data": SCRIPT}) as stage:
        made = stage.create(stage.driver(FaultyAws(aws.region, spoil)), stage.spec())
        (body,) = bodies
        assert base64.b64decode(parse_qs(body)["UserData"][0]).decode() == SCRIPT
        assert stage.read(made).spec.user_data == SCRIPT


def test_user_data_that_is_no_text_is_read_as_different_and_not_as_a_fault() -> None:
    found = {
        "LaunchConfigurationName": "lc",
        "ImageId": "ami-1",
        "InstanceType": "c5.large",
        "UserData": base64.b64encode(b"\xff\xfe").decode(),
    }
    script = Script(describe_launch_configurations=lambda _: {"LaunchConfigurations": [found]})
    live = LaunchConfiguration(scripted(autoscaling=script)).read_many(["lc"])["lc"]
    assert live.spec.user_data == "\ufffd\ufffd"


def test_monitoring_is_always_sent_because_defaults_differ() -> None:
    script = Script()
    LaunchConfiguration(scripted(autoscaling=script)).create(spec(), NO_CLAIM)
    ((_, sent),) = script.sent
    assert sent["InstanceMonitoring"] == {"Enabled": True}
    assert "BlockDeviceMappings" not in sent
    assert "MetadataOptions" not in sent


def test_an_account_without_launch_configurations_gets_a_hint(box: Sandbox) -> None:
    def spoil(client: Any, _: bool) -> None:
        message = "The Launch Configuration creation operation is not available in your account. Use launch templates."
        answer = {
            "Error": {"Code": "UnsupportedOperation", "Message": message},
            "ResponseMetadata": {"HTTPStatusCode": 400},
        }
        client.meta.events.register("before-call", lambda **_: (_Status(400), answer))

    driver = LaunchConfiguration(context(FaultyAws(box.facts.region, spoil)))
    with pytest.raises(Invalid) as refused:
        driver.create(spec(), NO_CLAIM)
    assert "aws.ec2.launch_template" in refused.value.hint


class _Status:
    def __init__(self, status_code: int) -> None:
        self.status_code = status_code


def test_reading_several_is_one_call_and_reading_none_is_none(box: Sandbox, aws: Aws) -> None:
    with staged(box, aws, KIND, LEAST) as stage:
        made = stage.create(stage.driver(), stage.spec())
        heard, calls = count_calls(aws.region)
        assert set(LaunchConfiguration(heard).read_many([made, "gone"])) == {made}
        assert LaunchConfiguration(heard).read_many([]) == {}
        assert calls == ["autoscaling:DescribeLaunchConfigurations"]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"volume_size": 16}, "go together"),
        ({"root_device_name": "/dev/sda1"}, "go together"),
        ({"volume_type": "gp3"}, "`volume_type` needs"),
        ({"volume_size": 8, "root_device_name": "/dev/sda1"}, "greater than or equal to 16"),
        ({"user_data": "x" * 16_385}, "16385 bytes"),
        ({"user_data": "ü" * 8_193}, "16386 bytes"),
        ({"image_id": "lc"}, "match pattern"),
        ({"security_groups": []}, "at least 1 item"),
    ],
)
def test_a_spec_that_aws_or_the_guide_refuses_is_refused(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        spec(**changes)


def test_the_limits_themselves_are_allowed() -> None:
    later: Any = Ref("image", path=("root_device_name",))
    allowed = spec(user_data="ü" * 8_192, volume_size=16, root_device_name=later, volume_type="gp3")
    assert allowed.root_device_name == later
    assert spec(user_data=later).user_data == later
