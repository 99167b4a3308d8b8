"""What is sent again over the wire, what never is, what is told of it; the clock, and credentials that run out."""

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
from tests.drivers.conformance import hasty
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
class Stage:
    """An EC2 that answers as told, and the way to it."""

    server: Server
    told: list[Retried] = field(default_factory=list)

    def answers(self, *answers: tuple[int, str]) -> None:
        self.server.answers["POST /"] = list(answers)

    def aws(self, **more: Any) -> Aws:
        aws = Aws("us-east-1", **{"retry_policy": hasty(), **more})
        aws.retry_policy.on_retry = self.told.append
        return aws

    def vpcs(self) -> list[str]:
        return [vpc["VpcId"] for vpc in self.aws().read.ec2.describe_vpcs()["Vpcs"]]

    def delete(self) -> None:
        self.aws().write.ec2.delete_security_group(GroupId="sg-1")

    @property
    def sent(self) -> int:
        return len(self.server.asked)


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    with serving() as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIA-canary")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
        monkeypatch.setenv("AWS_SESSION_TOKEN", SESSION)
        yield Stage(server)


THROTTLED = [
    refused("RequestLimitExceeded", 503),
    refused("Throttling"),
    refused("ThrottlingException", 429),
    refused("PriorRequestNotComplete"),
]


@pytest.mark.parametrize("answer", THROTTLED)
def test_what_is_throttled_was_not_done_and_is_sent_again_write_or_not(stage: Stage, answer: tuple[int, str]) -> None:
    stage.answers(answer, answer, VPCS)
    assert stage.vpcs() == ["vpc-1"]
    stage.answers(answer, answer, DELETED)
    stage.delete()
    assert stage.sent == 6
    assert [(each.call, each.attempt) for each in stage.told] == [
        ("ec2:DescribeVpcs", 2),
        ("ec2:DescribeVpcs", 3),
        ("ec2:DeleteSecurityGroup", 2),
        ("ec2:DeleteSecurityGroup", 3),
    ]


def test_throttling_that_does_not_end_is_throttled(stage: Stage) -> None:
    stage.answers(THROTTLED[0])
    with pytest.raises(Throttled):
        stage.vpcs()
    assert stage.sent > UNREACHABLE_ATTEMPTS


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
def test_a_read_that_is_answered_with_garbage_is_sent_again(stage: Stage, answer: tuple[int, str]) -> None:
    stage.answers(answer, VPCS)
    assert stage.vpcs() == ["vpc-1"]
    assert stage.sent == 2


@pytest.mark.parametrize("answer", GARBAGE.values(), ids=GARBAGE)
def test_garbage_that_does_not_end_is_unreachable_and_never_looks_empty(stage: Stage, answer: tuple[int, str]) -> None:
    stage.answers(answer)
    with pytest.raises(Unreachable) as caught:
        stage.vpcs()
    assert stage.sent == UNREACHABLE_ATTEMPTS
    assert "busy" not in str(caught.value)


@pytest.mark.parametrize("answer", GARBAGE.values(), ids=GARBAGE)
def test_a_write_that_is_answered_with_garbage_is_lost_and_sent_once(stage: Stage, answer: tuple[int, str]) -> None:
    stage.answers(answer, DELETED)
    with pytest.raises(LostAnswer):
        stage.delete()
    assert stage.sent == 1
    assert stage.told == []


@pytest.mark.parametrize("body", [HTML, "{", "[1]", "not JSON", ""])
def test_garbage_is_told_from_json_too(stage: Stage, body: str) -> None:
    stage.answers((200, body), (200, '{"CertificateSummaryList": []}'))
    assert stage.aws().read.acm.list_certificates()["CertificateSummaryList"] == []
    assert stage.sent == 2


def test_an_answer_without_content_is_one_where_there_is_nothing_to_say(stage: Stage) -> None:
    stage.answers((200, ""))
    stage.aws().write.acm.delete_certificate(CertificateArn="arn:aws:acm:us-east-1:1:certificate/x")
    zone = "GET /2013-04-01/hostedzone/Z/rrset"
    stage.server.answers[zone] = [(200, ""), (200, "<ListResourceRecordSetsResponse/>")]
    stage.aws().read.route53.list_resource_record_sets(HostedZoneId="Z")
    assert stage.sent == 3


def test_a_page_is_sent_again_by_itself(stage: Stage) -> None:
    def page(id: str, token: str) -> tuple[int, str]:
        item = f"<vpcSet><item><vpcId>{id}</vpcId></item></vpcSet><nextToken>{token}</nextToken>"
        return 200, f"<DescribeVpcsResponse>{item}</DescribeVpcsResponse>"

    stage.answers(page("vpc-1", "t1"), (200, CUT), THROTTLED[0], page("vpc-2", "t2"), (503, HTML), page("vpc-3", ""))
    pages = stage.aws().read.ec2.get_paginator("describe_vpcs").paginate()
    assert [vpc["VpcId"] for found in pages for vpc in found["Vpcs"]] == ["vpc-1", "vpc-2", "vpc-3"]
    assert stage.sent == 6


def test_a_paginator_that_is_asked_for_again_does_not_multiply_attempts(stage: Stage) -> None:
    aws = stage.aws()
    stage.answers((503, HTML))
    for _ in range(2):
        with pytest.raises(Unreachable):
            list(aws.read.ec2.get_paginator("describe_vpcs").paginate())
    assert stage.sent == 2 * UNREACHABLE_ATTEMPTS


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        ("UnauthorizedOperation", 403, Denied),
        ("ExpiredToken", 400, Expired),
        ("RequestExpired", 400, Expired),
        ("AuthFailure", 401, Denied),
    ],
)
def test_what_is_refused_is_not_sent_again(stage: Stage, code: str, status: int, kind: type[SmplanError]) -> None:
    stage.answers(refused(code, status))
    with pytest.raises(kind):
        stage.vpcs()
    with pytest.raises(kind):
        stage.delete()
    assert stage.sent == 2


def test_a_write_whose_connection_was_never_made_is_tried_again(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    with pytest.raises(Unreachable):
        stage.delete()
    assert len(stage.told) == UNREACHABLE_ATTEMPTS - 1


def test_every_request_takes_a_token_of_its_service(stage: Stage) -> None:
    waited: list[float] = []
    pace = RateLimiter({"ec2": Rate(2, 1, "test")}, clock=lambda: 0.0, pause=waited.append)
    aws = stage.aws(rate_limiter=pace)
    stage.answers(THROTTLED[0], VPCS, DELETED)
    aws.read.ec2.describe_vpcs()
    aws.write.ec2.delete_security_group(GroupId="sg-1")
    assert waited == [0.5, 1.0]


def test_no_secret_is_in_what_is_told_or_logged(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    signed = f"The request signature we calculated does not match.\n\nThe Canonical String was 'token:{SESSION}'"
    stage.answers(THROTTLED[0], (200, f"<{SECRET}"), RESET, refused("SignatureDoesNotMatch", 403, signed))
    with pytest.raises(Denied) as caught:
        stage.vpcs()
    said = f"{stage.told}{caught.value}{caught.value.hint}{caplog.text}"
    assert len(stage.told) == 3
    assert "canary" not in said
    assert "does not match" in str(caught.value)


def test_the_clock_is_compared_at_the_first_answer_without_a_call_of_its_own(stage: Stage) -> None:
    aws = stage.aws(skew_monitor=SkewMonitor(lambda: time.time() + 500))
    assert aws.skew_seconds is None
    stage.answers(VPCS)
    aws.read.ec2.describe_vpcs()
    assert aws.skew_seconds == pytest.approx(500, abs=10)
    assert stage.sent == 1


def test_a_right_clock_is_not_off_even_if_the_first_answer_was_none(stage: Stage) -> None:
    aws = stage.aws()
    stage.answers(RESET, VPCS)
    aws.read.ec2.describe_vpcs()
    assert aws.skew_seconds == 0


def test_credentials_of_the_environment_run_out_when_it_says(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    assert stage.aws().credentials_expire_at is None
    end = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=2)
    monkeypatch.setenv("AWS_CREDENTIAL_EXPIRATION", end.isoformat())
    assert stage.aws().credentials_expire_at == end


def test_without_credentials_nothing_runs_out(stage: Stage, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    assert stage.aws().credentials_expire_at is None


def test_credentials_that_ran_out_are_expired_before_anything_is_sent(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_CREDENTIAL_EXPIRATION", "2020-01-02T12:00:00Z")
    for ask in (stage.vpcs, stage.delete):
        with pytest.raises(Expired) as caught:
            ask()
        assert "renew" in caught.value.hint
    assert stage.sent == 0


def test_an_expiration_that_is_no_time_is_told_with_its_name(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_CREDENTIAL_EXPIRATION", "tomorrow")
    with pytest.raises(SmplanError) as caught:
        stage.vpcs()
    assert "AWS_CREDENTIAL_EXPIRATION" in caught.value.hint
