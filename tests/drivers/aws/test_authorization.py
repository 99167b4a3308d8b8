"""Missing permissions: the action and the resource of a refusal."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

from smplan.drivers.aws import authorization
from smplan.errors import Denied
from tests.drivers.conformance import FaultyAws

ENCODED = "You are not authorized to perform this operation. Encoded authorization failure message: abc-DEF_1"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "User: x is not authorized to perform: sns:CreateTopic on resource: arn:aws:sns:us-east-1:1:t because",
            "sns:CreateTopic on arn:aws:sns:us-east-1:1:t",
        ),
        ("User: x is not authorized to perform: iam:PassRole on resource: role/r", "iam:PassRole on role/r"),
        ("User: x is not authorized to perform: route53:ListHostedZones", "route53:ListHostedZones"),
        ("You are not authorized to use launch template: lt-1", "ec2:RunInstances, ec2:CreateTags, and iam:PassRole"),
        ("You are not authorized to perform this operation.", "service:Action"),
    ],
)
def test_the_permission_is_the_one_that_aws_names(text: str, expected: str) -> None:
    assert authorization.needed("service:Action", text).startswith(expected)


def answering(decoded: str | None) -> Any:
    """A client that is denied everything but, unless ``decoded`` is None, the decoding of messages."""

    def answer(model: Any, **_: Any) -> tuple[Any, dict[str, Any]]:
        if model.name == "DecodeAuthorizationMessage" and decoded is not None:
            return SimpleNamespace(status_code=200), {"DecodedMessage": decoded}
        error = {"Code": "UnauthorizedOperation", "Message": ENCODED}
        return SimpleNamespace(status_code=403), {"Error": error, "ResponseMetadata": {"HTTPStatusCode": 403}}

    return FaultyAws("us-east-1", lambda client, _: client.meta.events.register("before-call.*", answer))


def denied(decoded: str | None) -> Denied:
    with pytest.raises(Denied) as caught:
        answering(decoded).write.ec2.create_image(InstanceId="i-1", Name="name")
    return caught.value


def test_an_encoded_message_is_decoded() -> None:
    context = {"action": "ec2:CreateImage", "resource": "arn:aws:ec2:us-east-1::image/*"}
    error = denied(json.dumps({"allowed": False, "context": context}))
    assert "abc-DEF_1" not in error.message
    assert error.message.endswith("refused: ec2:CreateImage on arn:aws:ec2:us-east-1::image/*")
    assert "allow ec2:CreateImage on arn:aws:ec2:us-east-1::image/* to these credentials" in error.hint


@pytest.mark.parametrize("decoded", ["no JSON", "{}", "[]"])
def test_an_encoded_message_that_cannot_be_decoded_is_left_out(decoded: str | None) -> None:
    error = denied(decoded)
    assert "Encoded" not in error.message
    assert "allow ec2:CreateImage" in error.hint
    assert "sts:DecodeAuthorizationMessage" in error.hint


def test_without_the_permission_to_decode_it_is_left_out() -> None:
    refused = Denied(f"ec2:X: {ENCODED} (UnauthorizedOperation)", hint="allow ec2:X", code="c", action="ec2:X")

    def decode(_: str) -> str:
        raise Denied("no")

    error = authorization.decoded(refused, decode)
    assert error.message == "ec2:X: You are not authorized to perform this operation. (UnauthorizedOperation)"
    assert (error.code, error.action) == ("c", "ec2:X")
    assert authorization.decoded(error, decode) is error
