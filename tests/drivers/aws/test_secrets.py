"""Secrets from three sources, which no message contains."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest

from smplan.drivers.aws import secrets
from smplan.drivers.aws.client import Aws
from smplan.errors import Denied, Invalid, NotFound, SmplanError
from smplan.sandbox.sandbox import Sandbox
from tests.drivers.conformance import Script, answering

CANARY = "canary-5ecret"


@pytest.fixture
def name(box: Sandbox) -> Iterator[str]:
    """A name that a parameter and a secret have, both holding the canary."""
    made = f"red5-{uuid4().hex[:8]}"
    box.aws.moto.call("ssm", "PutParameter", {"Name": f"/{made}", "Value": CANARY, "Type": "SecureString"})
    box.aws.moto.call("secretsmanager", "CreateSecret", {"Name": made, "SecretString": CANARY})
    yield made
    box.aws.moto.call("ssm", "DeleteParameter", {"Name": f"/{made}"})
    box.aws.moto.call("secretsmanager", "DeleteSecret", {"SecretId": made, "ForceDeleteWithoutRecovery": True})


def test_an_environment_variable_is_read_by_name(aws: Aws) -> None:
    assert secrets.resolve("env:TOKEN", aws=aws, environ={"TOKEN": CANARY}) == CANARY


def test_a_parameter_comes_decrypted(aws: Aws, name: str) -> None:
    assert secrets.resolve(f"ssm:/{name}", aws=aws, environ={}) == CANARY


def test_a_secret_of_secrets_manager_comes_as_text(aws: Aws, name: str) -> None:
    assert secrets.resolve(f"secretsmanager:{name}", aws=aws, environ={}) == CANARY


@pytest.mark.parametrize(
    ("source", "hint"),
    [
        ("env:TOKEN", "set TOKEN"),
        ("ssm:/nowhere", "create it in us-east-1: aws ssm put-parameter --type SecureString --name /nowhere"),
        ("secretsmanager:nowhere", "create it in us-east-1: aws secretsmanager create-secret --name nowhere"),
    ],
)
def test_a_missing_secret_has_a_hint_how_to_create_it(aws: Aws, source: str, hint: str) -> None:
    with pytest.raises(NotFound) as caught:
        secrets.resolve(source, aws=aws, environ={"OTHER": CANARY})
    assert hint in caught.value.hint


@pytest.mark.parametrize("source", ["env", "env:", "vault:x", "", CANARY, f"{CANARY}:x"])
def test_an_unknown_source_lists_the_three_known_ones(aws: Aws, source: str) -> None:
    with pytest.raises(Invalid) as caught:
        secrets.resolve(source, aws=aws, environ={})
    assert caught.value.hint == "write env:NAME, ssm:/path or secretsmanager:id"
    assert CANARY not in caught.value.message, "somebody may have written the secret itself"


def test_a_denied_secret_names_the_permission(box: Sandbox) -> None:
    denied = answering("us-east-1", "AccessDeniedException", 400)
    with pytest.raises(Denied) as caught:
        secrets.resolve("ssm:/red5/token", aws=denied, environ={})
    assert caught.value.action == "ssm:GetParameter"
    assert "/red5/token" in caught.value.message
    assert "allow ssm:GetParameter" in caught.value.hint


@pytest.mark.parametrize(
    ("source", "answers", "says"),
    [
        ("env:EMPTY", {}, "is empty"),
        ("ssm:/p", {"GetParameter": [{"Parameter": {"Value": ""}}]}, "is empty"),
        ("secretsmanager:s", {"GetSecretValue": [{"SecretString": ""}]}, "is empty"),
        ("secretsmanager:s", {"GetSecretValue": [{"SecretBinary": CANARY.encode()}]}, "contains bytes"),
    ],
)
def test_a_secret_that_is_no_text_is_refused_without_showing_it(
    box: Sandbox, source: str, answers: dict[str, list[Any]], says: str
) -> None:
    with pytest.raises(SmplanError, match=says) as caught:
        secrets.resolve(source, aws=Script(answers).aws(), environ={"EMPTY": "", "OTHER": CANARY})
    assert isinstance(caught.value, Invalid)
    assert CANARY not in f"{caught.value.message} {caught.value.hint}"
