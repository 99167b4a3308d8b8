from __future__ import annotations

from typing import Any

import pytest
from botocore import exceptions as botocore

from smplan.core import aws_errors

NO_CREDENTIALS = [
    botocore.NoCredentialsError(),
    botocore.PartialCredentialsError(provider="env", cred_var="x"),
    botocore.CredentialRetrievalError(provider="process", error_msg="x"),
]
EXPIRED = [
    botocore.UnauthorizedSSOTokenError(),
    botocore.SSOTokenLoadError(error_msg="x"),
    botocore.TokenRetrievalError(provider="sso", error_msg="x"),
    botocore.RefreshWithMFAUnsupportedError(),
    botocore.LoginRefreshRequired(),
    botocore.LoginTokenLoadError(error_msg="x"),
    RuntimeError("Credentials were refreshed, but the refreshed credentials are still expired."),
]
OTHER = [botocore.NoRegionError(), botocore.ConnectTimeoutError(endpoint_url="x"), RuntimeError("x"), ValueError("x")]


@pytest.mark.parametrize("error", [*NO_CREDENTIALS, *EXPIRED, *OTHER], ids=repr)
def test_missing_and_expired_credentials_are_recognized(error: Exception) -> None:
    assert aws_errors.has_no_credentials(error) == (error in NO_CREDENTIALS)
    assert aws_errors.has_expired(error) == (error in EXPIRED)


def test_a_subclass_is_recognized_too() -> None:
    class Ours(botocore.NoCredentialsError):
        pass

    assert aws_errors.has_no_credentials(Ours())


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        ({}, ("", "")),
        ({"Error": {"Code": "Throttling"}}, ("Throttling", "Throttling")),
        ({"Error": {"Code": "A", "Message": "one\ntwo"}}, ("A", "one\ntwo")),
        (
            {"Error": {"Code": "SignatureDoesNotMatch", "Message": "one\nx-amz-token:abc"}},
            ("SignatureDoesNotMatch", "one"),
        ),
    ],
)
def test_a_message_never_repeats_what_was_signed(response: Any, expected: tuple[str, str]) -> None:
    assert aws_errors.code_and_message(response) == expected
