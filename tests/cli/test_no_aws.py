"""Without credentials or a reachable AWS: one clear message at once, and an unchanged state."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.cli.conftest import TOY
from tests.cli.process import ran

AWAY = """\
smplan: 1
name: toy
aws: {region: us-east-1}
lookups:
  vpc: {kind: aws.ec2.vpc, where: {"tag:Name": red5pro}}
resources:
  first: {kind: core.value, spec: {input: "${vpc.id}"}}
"""
KEYS = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "y"}
SOON = 30


@pytest.mark.parametrize(
    ("env", "expected"),
    [
        ({}, "no AWS credentials were found"),
        ({"AWS_PROFILE": "nobody"}, "nobody"),
        (KEYS | {"AWS_ENDPOINT_URL": "http://127.0.0.1:1"}, "sts:GetCallerIdentity got no response"),
        (KEYS | {"AWS_ENDPOINT_URL": "nonsense"}, "Invalid endpoint: nonsense"),
    ],
)
def test_unreachable_aws_is_reported_at_once(tmp_path: Path, env: dict[str, str], expected: str) -> None:
    (tmp_path / "toy.yaml").write_text(TOY)
    assert ran(tmp_path, "apply", "toy.yaml", "--yes").returncode == 0
    before = {path.name: path.read_bytes() for path in (tmp_path / "state").rglob("*") if path.is_file()}
    (tmp_path / "toy.yaml").write_text(AWAY)
    since = time.monotonic()
    done = ran(tmp_path, "plan", "toy.yaml", env=env)
    assert time.monotonic() - since < SOON
    assert (done.returncode, done.stdout) == (1, "")
    *_, message, hint = done.stderr.splitlines()
    assert message.startswith("error: ")
    assert expected in message
    assert hint.startswith("  = ")
    assert {path.name: path.read_bytes() for path in (tmp_path / "state").rglob("*") if path.is_file()} == before


def test_a_region_must_be_known(tmp_path: Path) -> None:
    (tmp_path / "toy.yaml").write_text(AWAY.replace("aws: {region: us-east-1}\n", ""))
    done = ran(tmp_path, "plan", "toy.yaml", env=KEYS)
    assert done.returncode == 1
    assert "region" in done.stderr
    assert len(done.stderr.splitlines()) == 2
