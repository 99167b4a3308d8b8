from __future__ import annotations

import pytest
from botocore import exceptions as botocore

from smplan.errors import StoreError
from smplan.stores.s3 import errors
from smplan.stores.s3.errors import Ambiguous, Expired, NotFound, PreconditionFailed


def answer(code: str, status: int = 400, text: str = "said so") -> dict[str, object]:
    return {"Error": {"Code": code, "Message": text}, "ResponseMetadata": {"HTTPStatusCode": status}}


@pytest.mark.parametrize(
    ("code", "status", "kind", "hint"),
    [
        ("PreconditionFailed", 412, PreconditionFailed, "run the same"),
        ("NoSuchKey", 404, NotFound, "run the same"),
        ("404", 404, NotFound, "run the same"),
        ("ConditionalRequestConflict", 409, Ambiguous, "run the same"),
        ("SlowDown", 503, Ambiguous, "run the same"),
        ("InternalError", 500, Ambiguous, "in a minute"),
        ("", 502, Ambiguous, "in a minute"),
        ("NoSuchBucket", 404, StoreError, "create the bucket"),
        ("AccessDenied", 403, StoreError, "s3:PutObject"),
        ("403", 403, StoreError, "s3:ListBucket"),
        ("ExpiredToken", 400, Expired, "renew the credentials"),
        ("TokenRefreshRequired", 400, Expired, "resumable"),
        ("InvalidAccessKeyId", 403, StoreError, "use other credentials"),
        ("PermanentRedirect", 301, StoreError, "set AWS_REGION"),
        ("KMS.DisabledException", 400, StoreError, "KMS key"),
        ("RequestTimeTooSkewed", 403, StoreError, "clock"),
        ("NotImplemented", 501, StoreError, "If-Match"),
        ("Whatever", 400, StoreError, "check the bucket"),
    ],
)
def test_an_error_response_becomes_an_error_with_the_object_and_a_hint(
    code: str, status: int, kind: type[StoreError], hint: str
) -> None:
    error = errors.from_response(answer(code, status), "s3://bucket/key")
    assert type(error) is kind
    assert str(error) == f"s3://bucket/key: said so ({code})"
    assert hint in error.hint


def test_a_signature_that_is_wrong_never_repeats_what_was_signed() -> None:
    error = errors.from_response(
        answer("SignatureDoesNotMatch", 403, "No match.\n\nx-amz-token:abc"), "s3://bucket/key"
    )
    assert str(error) == "s3://bucket/key: No match. (SignatureDoesNotMatch)"


def test_an_empty_error_response_is_an_error() -> None:
    assert type(errors.from_response({}, "s3://bucket/key")) is StoreError


@pytest.mark.parametrize(
    ("problem", "kind", "text"),
    [
        (botocore.NoCredentialsError(), StoreError, "no AWS credentials"),
        (botocore.ProfileNotFound(profile="x"), StoreError, "could not be found"),
        (botocore.ParamValidationError(report="bad name"), StoreError, "bad name"),
        (botocore.EndpointConnectionError(endpoint_url="http://x"), Ambiguous, "got no response"),
        (botocore.ReadTimeoutError(endpoint_url="http://x"), Ambiguous, "got no response"),
    ],
)
def test_a_request_without_a_response_becomes_an_error_with_a_hint(
    problem: Exception, kind: type[StoreError], text: str
) -> None:
    error = errors.from_library(problem, "s3://bucket/key")
    assert type(error) is kind
    assert text in str(error)
    assert error.hint
