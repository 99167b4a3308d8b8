"""The AWS client: attempts, reported calls, and errors of the settings."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from botocore.exceptions import ReadTimeoutError

from smplan.drivers.aws.client import Aws
from smplan.drivers.retry import UNREACHABLE_ATTEMPTS
from smplan.errors import Denied, Invalid, Locked, LostAnswer, NotFound, Unreachable
from smplan.sandbox.sandbox import Sandbox
from tests.drivers.conformance import FaultyAws


class Wire:
    """An HTTP session that fails ``faults`` times and then passes on; it counts what is sent."""

    def __init__(self, inner: Any, faults: int, fail: Callable[[Any], Any]) -> None:
        self.inner, self.faults, self.fail, self.sent = inner, faults, fail, 0

    def send(self, request: Any) -> Any:
        self.sent += 1
        return self.fail(request) if self.sent <= self.faults else self.inner.send(request)

    def close(self) -> None:
        self.inner.close()


def silent(request: Any) -> Any:
    raise ReadTimeoutError(endpoint_url=request.url)


class _Body:
    """What botocore reads of a raw answer."""

    def __init__(self, content: bytes) -> None:
        self.content = content

    def stream(self, **_: object) -> Iterator[bytes]:
        yield self.content


def broken(request: Any) -> Any:
    return AWSResponse(request.url, 500, HTTPHeaders(), _Body(b"<html>oops</html>"))


def cut_off(request: Any) -> Any:
    return AWSResponse(request.url, 200, HTTPHeaders(), _Body(b"<DeleteSecurityGroupResp"))


def wired(box: Sandbox, faults: int, fail: Callable[[Any], Any]) -> tuple[Aws, list[Wire]]:
    wires: list[Wire] = []

    def spoil(client: Any, writes: bool) -> None:
        wires.append(Wire(client._endpoint.http_session, faults, fail))
        client._endpoint.http_session = wires[-1]

    return FaultyAws(box.facts.region, spoil), wires


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """An environment without credentials, profiles, region or endpoint."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    return monkeypatch


def test_a_write_is_sent_once_and_without_a_response_it_is_lost(box: Sandbox) -> None:
    aws, wires = wired(box, 9, silent)
    with pytest.raises(LostAnswer) as caught:
        aws.write.ec2.delete_security_group(GroupId="sg-00000000000000000")
    assert wires[0].sent == 1
    assert caught.value.action == "ec2:DeleteSecurityGroup"


def test_a_write_answered_with_a_server_error_is_sent_once_and_lost(box: Sandbox) -> None:
    aws, wires = wired(box, 9, broken)
    with pytest.raises(LostAnswer):
        aws.write.ec2.delete_security_group(GroupId="sg-00000000000000000")
    assert wires[0].sent == 1


def test_an_answer_that_cannot_be_read_is_a_lost_answer_of_a_write_only(box: Sandbox) -> None:
    aws, _ = wired(box, 9, cut_off)
    with pytest.raises(LostAnswer):
        aws.write.ec2.delete_security_group(GroupId="sg-00000000000000000")
    with pytest.raises(Unreachable):
        aws.read.ec2.describe_vpcs()


def test_a_read_is_repeated_until_it_is_answered(box: Sandbox) -> None:
    aws, wires = wired(box, 1, silent)
    assert aws.read.ec2.describe_vpcs()["Vpcs"]
    assert wires[0].sent == 2


def test_a_read_that_stays_without_answer_raises_and_never_looks_empty(box: Sandbox) -> None:
    aws, wires = wired(box, 9, silent)
    with pytest.raises(Unreachable):
        aws.read.sts.get_caller_identity()
    assert wires[0].sent == UNREACHABLE_ATTEMPTS


def test_the_sdk_sends_once_and_that_is_pinned_because_its_defaults_changed(aws: Aws) -> None:
    reads: Any = aws.read.ec2.meta.config
    writes: Any = aws.write.ec2.meta.config
    assert reads.retries == writes.retries == {"mode": "standard", "total_max_attempts": 1}


def test_errors_of_a_paginator_are_translated_too(box: Sandbox, aws: Aws) -> None:
    with pytest.raises(NotFound) as caught:
        list(aws.read.ec2.get_paginator("describe_vpcs").paginate(VpcIds=["vpc-00000000000000000"]))
    assert caught.value.action == "ec2:DescribeVpcs"


def test_a_parameter_that_does_not_exist_is_invalid(aws: Aws) -> None:
    read: Any = aws.read.ec2
    with pytest.raises(Invalid):
        read.describe_vpcs(NoSuchParameter=1)


def test_on_call_gets_the_iam_action_before_each_request(box: Sandbox) -> None:
    heard: list[str] = []
    aws = Aws(box.facts.region, on_call=heard.append)
    aws.read.ec2.describe_vpcs()
    list(aws.read.elbv2.get_paginator("describe_load_balancers").paginate())
    assert heard == ["ec2:DescribeVpcs", "elasticloadbalancing:DescribeLoadBalancers"]


def test_the_account_is_that_of_the_credentials(box: Sandbox, aws: Aws) -> None:
    assert aws.account == box.facts.account


def test_a_client_is_made_once(aws: Aws) -> None:
    assert aws.read.ec2 is aws.read.ec2
    assert aws.read.ec2 is not aws.write.ec2


@pytest.mark.parametrize(
    "service",
    [
        "acm",
        "autoscaling",
        "cloudwatch",
        "ec2",
        "elbv2",
        "rds",
        "route53",
        "secretsmanager",
        "sns",
        "ssm",
        "sts",
    ],
)
def test_every_service_has_its_client(aws: Aws, service: str) -> None:
    assert getattr(aws.read, service).meta.service_model.service_name == service


def test_no_credentials_is_one_clear_refusal(box: Sandbox, nowhere: pytest.MonkeyPatch) -> None:
    with pytest.raises(Denied) as caught:
        Aws("us-east-1").read.ec2.describe_vpcs()
    assert str(caught.value) == "no AWS credentials were found"
    assert "AWS_ACCESS_KEY_ID" in caught.value.hint


def test_no_region_is_invalid_and_names_both_places_to_write_it(box: Sandbox, nowhere: pytest.MonkeyPatch) -> None:
    with pytest.raises(Invalid) as caught:
        _ = Aws().region
    assert "aws: {region: …}" in caught.value.hint
    assert "AWS_REGION" in caught.value.hint


def test_the_region_comes_from_the_environment_unless_it_is_given(nowhere: pytest.MonkeyPatch) -> None:
    nowhere.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    assert Aws().region == "eu-west-1"
    assert Aws("ap-south-1").region == "ap-south-1"


def test_a_profile_that_does_not_exist_is_refused(nowhere: pytest.MonkeyPatch) -> None:
    nowhere.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(Denied) as caught:
        Aws("us-east-1").read.ec2.describe_vpcs()
    assert "AWS_PROFILE" in caught.value.hint


def test_a_profile_that_does_not_exist_is_refused_when_the_region_is_read(nowhere: pytest.MonkeyPatch) -> None:
    nowhere.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(Denied):
        _ = Aws().region


def test_a_configuration_that_cannot_be_read_is_invalid(nowhere: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "config").write_text("[[[ broken", encoding="utf-8")
    with pytest.raises(Invalid) as caught:
        _ = Aws().region
    assert "~/.aws/config" in caught.value.hint


def test_a_region_that_is_none_is_invalid(box: Sandbox) -> None:
    with pytest.raises(Invalid, match="no such region"):
        Aws("no such region").read.ec2.describe_vpcs()


def test_an_endpoint_that_is_no_url_is_invalid(box: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "nonsense")
    with pytest.raises(Invalid) as caught:
        Aws(box.facts.region).read.ec2.describe_vpcs()
    assert "AWS_ENDPOINT_URL" in caught.value.hint


def test_an_unreachable_endpoint_is_unreachable_for_writes_too(
    box: Sandbox, monkeypatch: pytest.MonkeyPatch, unused_port: int
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{unused_port}")
    aws = Aws(box.facts.region)
    with pytest.raises(Unreachable) as caught:
        aws.write.ec2.delete_security_group(GroupId="sg-00000000000000000")
    assert "AWS_ENDPOINT_URL" in caught.value.hint


@pytest.fixture
def unused_port() -> int:
    """A port of loopback that nobody listens on."""
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_no_write_is_sent_once_before_write_raises(box: Sandbox) -> None:
    aws, wires = wired(box, 0, silent)

    def lost() -> None:
        raise Locked("somebody else holds the lock")

    aws.before_write = lost
    with pytest.raises(Locked):
        aws.write.ec2.create_security_group(GroupName="guarded", Description="never made")
    assert [wire.sent for wire in wires] == [0]
    assert (
        aws.read.ec2.describe_security_groups(Filters=[{"Name": "group-name", "Values": ["guarded"]}])["SecurityGroups"]
        == []
    )
