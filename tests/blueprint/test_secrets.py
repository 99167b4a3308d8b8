"""Secrets in the wrong place: refused, and shown nowhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from smplan.blueprint.load import load
from smplan.core.secret_patterns import masked, secret_form
from smplan.drivers.registry import catalogue
from smplan.errors import BlueprintInvalid
from smplan.render import errors

SECRETS = [
    "AKIAIOSFODNN7EXAMPL2",
    "aws_secret_access_key = wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY",
    "-----BEGIN RSA PRIVATE KEY-----",
    "Authorization: Bearer 0123456789abcdefghij",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJl",
    "ghp_0123456789abcdefghij0123456789abcdef",
    "xoxb-0123456789-abcdefghij",
    "https://hooks.slack.com/services/T000/B000/abcdefghijkl",
    "https://discord.com/api/webhooks/123456/abcdefgh-ijkl",
    "https://example.webhook.office.com/webhookb2/0123-4567",
    "https://example.com/hook?token=0123456789",
    "https://api.example.com/v1?x=1&api_key=0123456789",
    "https://user:hunter2pass@example.com/hook",
    "https://0123456789abcdef@example.com/hook",
    "redis://:hunter2pass@cache.example.com",
]
PLAIN = [
    "https://sm.example.com/path?page=2",
    "https://example.com/@user",
    "ssh://git@example.com/x",
    "someone@example.com",
    "arn:aws:sns:us-east-1:123456789012:alerts",
    "https://${record.name}/",
    "token=$(aws ssm get-parameter --name /t)",
    "Bearer tokens are refused",
]


@pytest.mark.parametrize("text", SECRETS)
def test_a_secret_is_known_by_its_form_and_masked(text: str) -> None:
    assert secret_form(text)
    hidden = masked(f"a {text} b")
    assert len(hidden) == len(text) + 4
    assert not secret_form(hidden)


@pytest.mark.parametrize("text", PLAIN)
def test_other_text_is_no_secret(text: str) -> None:
    assert secret_form(text) == ""
    assert masked(text) == text


PLACES = [
    "resources: {{a: {{kind: core.value, spec: {{input: '{0}'}}}}}}",
    "resources: {{a: {{kind: aws.sns.subscription, spec: {{topic_arn: x, protocol: https, endpoint: '{0}'}}}}}}",
    "resources: {{a: {{kind: gate.http, spec: {{url: '{0}', timeout: x}}}}}}",
    "resources: {{a: {{kind: '{0}'}}}}",
    "resources: {{}}\noutputs: {{x: ['{0}']}}",
    "resources: {{}}\nvariables: {{v: {{type: string, default: '{0}', pattern: '^x'}}}}",
    "resources: {{}}\nvariables: {{v: {{type: string, enum: [a], default: '{0}'}}}}",
    "resources: {{}}\nstream_manager: {{url: '{0}', access_token: '{0}'}}",
    "resources: {{}}\nlookups: {{x: {{kind: aws.ec2.vpc, where: {{id: '{0}'}}}}}}",
]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("secret", SECRETS)
def test_a_secret_is_refused_and_shown_in_no_place(tmp_path: Path, secret: str, place: str) -> None:
    path = tmp_path / "s.yaml"
    path.write_text(f"smplan: 1\nname: s\n{place.format(secret)}\n")
    with pytest.raises(BlueprintInvalid) as caught:
        load(path, catalogue=catalogue(), environ={})
    assert any("this is a" in each.message for each in caught.value.diagnostics)
    shown = errors.text(caught.value)
    assert masked(shown) == shown


@pytest.mark.parametrize("source", ["variables", "environ", "file"])
def test_a_secret_from_outside_is_refused(tmp_path: Path, source: str) -> None:
    (tmp_path / "boot.sh").write_text(f"#!/bin/sh\ncurl {SECRETS[7]}\n" if source == "file" else "#!/bin/sh\n")
    path = tmp_path / "s.yaml"
    path.write_text(
        "smplan: 1\nname: s\nvariables: {v: {type: string, default: a}}\n"
        "resources: {a: {kind: core.value, spec: {input: {file: boot.sh}}}}\n"
    )
    given = {"v": SECRETS[0]} if source == "variables" else {}
    environ = {"SMPLAN_VAR_v": SECRETS[0]} if source == "environ" else {}
    with pytest.raises(BlueprintInvalid) as caught:
        load(path, catalogue=catalogue(), variables=given, environ=environ)
    (found,) = caught.value.diagnostics
    assert found.message.startswith("this is a")
    assert (found.file, found.line) == {
        "variables": ("--var v", 0),
        "environ": ("SMPLAN_VAR_v", 0),
        "file": (str(tmp_path / "boot.sh"), 2),
    }[source]
