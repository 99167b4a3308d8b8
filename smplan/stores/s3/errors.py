"""The errors of S3 as StoreError, with a hint."""

from __future__ import annotations

import re
from typing import Any

from botocore import exceptions as botocore

from smplan.core import aws_errors
from smplan.core.clock_skew import FIX_CLOCK_HINT
from smplan.errors import StoreError


class NotFound(StoreError):
    """The object does not exist."""


class PreconditionFailed(StoreError):
    """The condition of a write did not hold: another process wrote first."""


class Ambiguous(StoreError):
    """No clear response: the request may or may not have been carried out."""


class Expired(StoreError):
    """The credentials have expired. What was journaled before is safe, and the lease expires by itself."""

    exit_code = 9

    def __init__(self, message: str) -> None:
        super().__init__(message, hint=_RENEW)


_RENEW = (
    "renew the credentials, then run the same command again: a run is resumable, what was journaled is safe, "
    "and the lock expires within about a minute"
)

_CLASSES: tuple[tuple[re.Pattern[str], type[StoreError]], ...] = (
    (re.compile(r"PreconditionFailed|412"), PreconditionFailed),
    (re.compile(r"NoSuchKey|NotFound|404"), NotFound),
    (re.compile(r"ConditionalRequestConflict|OperationAborted|RequestTimeout|SlowDown|Throttling.*|409"), Ambiguous),
)
_HINTS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"NoSuchBucket"), "create the bucket, or fix `state.bucket` in the blueprint"),
    (
        re.compile(r"AccessDenied|AllAccessDisabled|403"),
        "allow s3:ListBucket on the bucket, and s3:GetObject, s3:PutObject, s3:DeleteObject on its key*",
    ),
    (re.compile(r"InvalidToken|InvalidAccessKeyId|SignatureDoesNotMatch"), aws_errors.UNKNOWN_CREDENTIALS_HINT),
    (
        re.compile(r"PermanentRedirect|AuthorizationHeaderMalformed|IllegalLocationConstraintException|301"),
        "set AWS_REGION to the region of the bucket",
    ),
    (re.compile(r"KMS\..*"), "check the KMS key, and that these credentials may use it"),
    (re.compile(r"RequestTimeTooSkewed"), FIX_CLOCK_HINT),
    (
        re.compile(r"NotImplemented|501"),
        "keep state in a store that supports If-Match and If-None-Match: without, two runs could overwrite each other",
    ),
)


def from_response(response: Any, place: str) -> StoreError:
    """The error for an error response of S3."""
    code, text = aws_errors.code_and_message(response)
    message = f"{place}: {text} ({code})"
    if aws_errors.EXPIRED_CODES.fullmatch(code):
        return Expired(message)
    for pattern, kind in _CLASSES:
        if pattern.fullmatch(code):
            return kind(message, hint="run the same command again")
    for pattern, hint in _HINTS:
        if pattern.fullmatch(code):
            return StoreError(message, hint=hint)
    if int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)) >= 500:
        return Ambiguous(message, hint="run the same command again in a minute")
    return StoreError(message, hint="check the bucket, its policy and its region")


def from_library(error: Exception, place: str) -> StoreError:
    """The error for a request that got no valid response, or was never sent."""
    if aws_errors.has_no_credentials(error):
        return StoreError(f"{place}: no AWS credentials were found", hint=aws_errors.NO_CREDENTIALS_HINT)
    if aws_errors.has_expired(error):
        return Expired(f"{place}: the credentials have expired: {error}")
    match error:
        case botocore.ProfileNotFound() | botocore.NoRegionError():
            return StoreError(f"{place}: {error}", hint="set AWS_PROFILE and AWS_REGION")
        case botocore.ParamValidationError():
            return StoreError(f"{place}: {error}", hint="fix `state` in the blueprint")
        case _:
            return Ambiguous(
                f"{place} got no response: {error}",
                hint="check the network and AWS_ENDPOINT_URL, then run the same command again",
            )
