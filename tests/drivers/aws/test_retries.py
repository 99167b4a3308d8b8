"""Retries over HTTP, their reports, clock skew, and expiring credentials."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from smplan.core.events import Retried
from smplan.drivers.aws.client import Aws
from smplan.drivers.aws.clock_skew import SkewMonitor
from smplan.drivers.aws.rate_limit import Rate, RateLimiter
from smplan.drivers.retry import UNREACHABLE_ATTEMPTS
from smplan.errors import Denied, Expired, LostAnswer, SmplanError, Throttled, Unreachable
from tests.drivers.conformance import no_wait_retries
from tests.drivers.red5.server import Server, serving

SECRET = "wJalrXUtnFEMI-canary"
SESSION = "IQoJb3JpZ2luX2VjE-canary"
VPCS = (200, "<DescribeVpcsResponse><vpcSet><item><vpcId>vpc-1</vpcId></item></vpcSet></DescribeVpcsResponse>")
DELETED = (200, "<DeleteSecurityGroupResponse><return>true</return></DeleteSecurityGroupResponse>")
HTML = "<html><body>busy</body></html>"
CUT = "<DescribeVpcsResponse><vpcSet><item>"
RESET = (0, "")


def refused(code: str, status: int = 400, text: str = "said so") -> tuple[int, str]:
    """An error as EC2 words it."""
    return status, f"<Response><Errors><Error><Code>{code}</Code><Message>{text}</Message></Error></Errors></Response>"


@dataclass
class FakeEc2:
    """An EC2 that answers with the given responses, and a client of it."""

    server: Server
    retries: list[Retried] = field(default_factory=list)

    def answers(self, *answers: tuple[int, str]) -> None:
        self.server.answers["POST /"] = list(answers)

    def aws(self, **more: Any) -> Aws:
        aws = Aws("us-east-1", **{"retry_policy": no_wait_retries(), **more})
        aws.retry_policy.on_retry = self.retries.append
        return aws

    def vpcs(self) -> list[str]:
        return [vpc["VpcId"] for vpc in self.aws().read.ec2.describe_vpcs()["Vpcs"]]

    def delete(self) -> None:
        self.aws().write.ec2.delete_security_group(GroupId="sg-1")

    @property
    def sent(self) -> int:
        return len(self.server.asked)


@pytest.fixture
def ec2(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeEc2]:
    with serving() as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIA-canary")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
        monkeypatch.setenv("AWS_SESSION_TOKEN", SESSION)
        yield FakeEc2(server)


THROTTLED = [
    refused("RequestLimitExceeded", 503),
    refused("Throttling"),
    refused("ThrottlingException", 429),
    refused("PriorRequestNotComplete"),
]


@pytest.mark.parametrize("answer", THROTTLED)
def test_throttled_reads_and_writes_are_retried(ec2: FakeEc2, answer: tuple[int, str]) -> None:
    ec2.answers(answer, answer, VPCS)
    assert ec2.vpcs() == ["vpc-1"]
    ec2.answers(answer, answer, DELETED)
    ec2.delete()
    assert ec2.sent == 6
    assert [(each.call, each.attempt) for each in ec2.retries] == [
        ("ec2:DescribeVpcs", 2),
        ("ec2:DescribeVpcs", 3),
        ("ec2:DeleteSecurityGroup", 2),
        ("ec2:DeleteSecurityGroup", 3),
    ]


def test_throttling_that_does_not_end_is_throttled(ec2: FakeEc2) -> None:
    ec2.answers(THROTTLED[0])
    with pytest.raises(Throttled):
        ec2.vpcs()
    assert ec2.sent > UNREACHABLE_ATTEMPTS


GARBAGE = {
    "a server error": (500, HTML),
    "HTML from a load balancer": (503, HTML),
    "a server error in its own words": refused("InternalError", 500),
    "HTML that looks well": (200, HTML),
    "HTML that is no XML": (200, "<html><br></html>"),
    "half an answer": (200, CUT),
    "nothing": (200, ""),
    "a connection that was reset": RESET,
}


@pytest.mark.parametrize("answer", GARBAGE.values(), ids=GARBAGE)
def test_a_read_that_is_answered_with_garbage_is_sent_again(ec2: FakeEc2, answer: tuple[int, str]) -> None:
    ec2.answers(answer, VPCS)
    assert ec2.vpcs() == ["vpc-1"]
    assert ec2.sent == 2


@pytest.mark.parametrize("answer", GARBAGE.values(), ids=GARBAGE)
def test_garbage_that_does_not_end_is_unreachable_and_never_looks_empty(ec2: FakeEc2, answer: tuple[int, str]) -> None:
    ec2.answers(answer)
    with pytest.raises(Unreachable) as caught:
        ec2.vpcs()
    assert ec2.sent == UNREACHABLE_ATTEMPTS
    assert "busy" not in str(caught.value)


@pytest.mark.parametrize("answer", GARBAGE.values(), ids=GARBAGE)
def test_a_write_that_is_answered_with_garbage_is_lost_and_sent_once(ec2: FakeEc2, answer: tuple[int, str]) -> None:
    ec2.answers(answer, DELETED)
    with pytest.raises(LostAnswer):
        ec2.delete()
    assert ec2.sent == 1
    assert ec2.retries == []


@pytest.mark.parametrize("body", [HTML, "{", "[1]", "not JSON", ""])
def test_malformed_json_is_rejected_too(ec2: FakeEc2, body: str) -> None:
    ec2.answers((200, body), (200, '{"CertificateSummaryList": []}'))
    assert ec2.aws().read.acm.list_certificates()["CertificateSummaryList"] == []
    assert ec2.sent == 2


def test_an_empty_response_is_valid_for_an_action_without_output(ec2: FakeEc2) -> None:
    ec2.answers((200, ""))
    ec2.aws().write.acm.delete_certificate(CertificateArn="arn:aws:acm:us-east-1:1:certificate/x")
    zone = "GET /2013-04-01/hostedzone/Z/rrset"
    ec2.server.answers[zone] = [(200, ""), (200, "<ListResourceRecordSetsResponse/>")]
    ec2.aws().read.route53.list_resource_record_sets(HostedZoneId="Z")
    assert ec2.sent == 3


def test_a_page_is_sent_again_by_itself(ec2: FakeEc2) -> None:
    def page(id: str, token: str) -> tuple[int, str]:
        item = f"<vpcSet><item><vpcId>{id}</vpcId></item></vpcSet><nextToken>{token}</nextToken>"
        return 200, f"<DescribeVpcsResponse>{item}</DescribeVpcsResponse>"

    ec2.answers(page("vpc-1", "t1"), (200, CUT), THROTTLED[0], page("vpc-2", "t2"), (503, HTML), page("vpc-3", ""))
    pages = ec2.aws().read.ec2.get_paginator("describe_vpcs").paginate()
    assert [vpc["VpcId"] for found in pages for vpc in found["Vpcs"]] == ["vpc-1", "vpc-2", "vpc-3"]
    assert ec2.sent == 6


def test_a_retried_paginator_does_not_multiply_attempts(ec2: FakeEc2) -> None:
    aws = ec2.aws()
    ec2.answers((503, HTML))
    for _ in range(2):
        with pytest.raises(Unreachable):
            list(aws.read.ec2.get_paginator("describe_vpcs").paginate())
    assert ec2.sent == 2 * UNREACHABLE_ATTEMPTS


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        ("UnauthorizedOperation", 403, Denied),
        ("ExpiredToken", 400, Expired),
        ("RequestExpired", 400, Expired),
        ("AuthFailure", 401, Denied),
    ],
)
def test_what_is_refused_is_not_sent_again(ec2: FakeEc2, code: str, status: int, kind: type[SmplanError]) -> None:
    ec2.answers(refused(code, status))
    with pytest.raises(kind):
        ec2.vpcs()
    with pytest.raises(kind):
        ec2.delete()
    assert ec2.sent == 2


def test_a_write_whose_connection_was_never_made_is_tried_again(ec2: FakeEc2, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    with pytest.raises(Unreachable):
        ec2.delete()
    assert len(ec2.retries) == UNREACHABLE_ATTEMPTS - 1


def test_every_request_takes_a_token_of_its_service(ec2: FakeEc2) -> None:
    waited: list[float] = []
    pace = RateLimiter({"ec2": Rate(2, 1, "test")}, clock=lambda: 0.0, pause=waited.append)
    aws = ec2.aws(rate_limiter=pace)
    ec2.answers(THROTTLED[0], VPCS, DELETED)
    aws.read.ec2.describe_vpcs()
    aws.write.ec2.delete_security_group(GroupId="sg-1")
    assert waited == [0.5, 1.0]


def test_no_secret_is_reported_or_logged(ec2: FakeEc2, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    signed = f"The request signature we calculated does not match.\n\nThe Canonical String was 'token:{SESSION}'"
    ec2.answers(THROTTLED[0], (200, f"<{SECRET}"), RESET, refused("SignatureDoesNotMatch", 403, signed))
    with pytest.raises(Denied) as caught:
        ec2.vpcs()
    said = f"{ec2.retries}{caught.value}{caught.value.hint}{caplog.text}"
    assert len(ec2.retries) == 3
    assert "canary" not in said
    assert "does not match" in str(caught.value)


def test_clock_skew_is_measured_at_the_first_response(ec2: FakeEc2) -> None:
    aws = ec2.aws(skew_monitor=SkewMonitor(lambda: time.time() + 500))
    assert aws.skew_seconds is None
    ec2.answers(VPCS)
    aws.read.ec2.describe_vpcs()
    assert aws.skew_seconds == pytest.approx(500, abs=10)
    assert ec2.sent == 1


def test_a_right_clock_has_no_skew_even_if_the_first_response_has_no_date(ec2: FakeEc2) -> None:
    aws = ec2.aws()
    ec2.answers(RESET, VPCS)
    aws.read.ec2.describe_vpcs()
    assert aws.skew_seconds == 0


def test_credentials_of_the_environment_run_out_when_it_says(ec2: FakeEc2, monkeypatch: pytest.MonkeyPatch) -> None:
    assert ec2.aws().credentials_expire_at is None
    end = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=2)
    monkeypatch.setenv("AWS_CREDENTIAL_EXPIRATION", end.isoformat())
    assert ec2.aws().credentials_expire_at == end


def test_without_credentials_nothing_runs_out(ec2: FakeEc2, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    assert ec2.aws().credentials_expire_at is None


def test_credentials_that_ran_out_are_expired_before_anything_is_sent(
    ec2: FakeEc2, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_CREDENTIAL_EXPIRATION", "2020-01-02T12:00:00Z")
    for ask in (ec2.vpcs, ec2.delete):
        with pytest.raises(Expired) as caught:
            ask()
        assert "renew" in caught.value.hint
    assert ec2.sent == 0


def test_an_expiration_that_is_no_time_is_reported_with_its_variable(
    ec2: FakeEc2, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_CREDENTIAL_EXPIRATION", "tomorrow")
    with pytest.raises(SmplanError) as caught:
        ec2.vpcs()
    assert "AWS_CREDENTIAL_EXPIRATION" in caught.value.hint
