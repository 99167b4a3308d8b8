"""Credentials that run out in the middle, and a throttled or silent AWS, as a person at a terminal meets them."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import boto3
import pytest

from smplan.cli import wiring
from smplan.core.events import ApplyStarted, ClockSkewed, Retried
from smplan.drivers.core.value import Value
from smplan.engine.waiter import CancelToken
from smplan.sandbox.sandbox import Sandbox
from tests.cli.conftest import Shell
from tests.drivers.red5.server import Server, serving

TWO = """\
smplan: 1
name: toy
state: {backend: s3, bucket: BUCKET, key: fleet}
resources:
  first: {kind: core.value, spec: {input: 1}}
  second: {kind: core.value, spec: {input: "${first.output}"}, after: [first]}
"""
SOMETHING = """\
smplan: 1
name: toy
aws: {region: us-east-1}
lookups:
  vpc: {kind: aws.ec2.vpc, where: {"tag:Name": red5pro}}
resources:
  value: {kind: core.value, spec: {input: "${vpc.id}"}}
"""
THROTTLED = "<ErrorResponse><Error><Code>Throttling</Code><Message>Rate exceeded</Message></Error></ErrorResponse>"


@pytest.fixture
def bucket(box: Sandbox) -> str:
    """A bucket in the sandbox."""
    name = f"state-{uuid4()}"
    boto3.session.Session().client("s3", region_name="us-east-1").create_bucket(Bucket=name)
    return name


def ending(left: timedelta) -> str:
    """The time ``left`` from now, in the format of the environment variable."""
    return (datetime.now(UTC) + left).isoformat()


def test_store_credentials_expiring_mid_run_leave_a_resumable_run(
    smplan: Shell, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    smplan.write("toy.yaml", TWO.replace("BUCKET", bucket))
    smplan.ok("plan", "toy.yaml")
    compute_outputs = Value.compute_outputs

    def run_out(spec: object) -> object:
        os.environ["AWS_CREDENTIAL_EXPIRATION"] = ending(timedelta(days=-1))
        return compute_outputs(spec)  # type: ignore[arg-type]  # what it takes, as it comes

    with monkeypatch.context() as patch:
        patch.setenv("AWS_CREDENTIAL_EXPIRATION", ending(timedelta(minutes=5)))
        patch.setattr(Value, "compute_outputs", staticmethod(run_out))
        done = smplan("apply", "--yes")
    assert done.code == 9
    assert "Starting: 2 steps" in done.out
    assert "still expired" in done.err
    assert "a run is resumable" in done.err
    assert "the lock could not be released" in done.err


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """An AWS with scripted responses."""
    with serving() as server:
        for name, value in (("ACCESS_KEY_ID", "a"), ("SECRET_ACCESS_KEY", "b"), ("ENDPOINT_URL", server.url)):
            monkeypatch.setenv(f"AWS_{name}", value)
        yield server


def test_retries_while_planning_are_shown_on_stderr(smplan: Shell, aws: Server) -> None:
    smplan.write("toy.yaml", SOMETHING)
    aws.answers["POST /"] = [(400, THROTTLED), (403, THROTTLED.replace("Throttling", "AccessDenied"))]
    done = smplan("plan", "toy.yaml")
    assert done.code == 1
    assert done.out == ""
    assert "smplan: ↻ sts:GetCallerIdentity: Rate exceeded (Throttling); attempt 2 in 0." in done.err
    assert "(AccessDenied)" in done.err


def test_only_warnings_are_printed_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    report = wiring.warning_reporter()
    report(ApplyStarted("p", "apply", 1, resumed=False))
    assert capsys.readouterr().err == ""
    report(ClockSkewed(75))
    report(Retried("ec2:X", "no answer", 2, 1))
    assert capsys.readouterr().err.count("smplan: ") == 2


def test_ctrl_c_while_planning_ends_the_pauses_of_other_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    before = signal.getsignal(signal.SIGINT)
    stop = CancelToken()
    with pytest.raises(KeyboardInterrupt), wiring._interruptible_pauses(stop):
        signal.raise_signal(signal.SIGINT)
    assert stop.cancelled
    assert signal.getsignal(signal.SIGINT) is before
