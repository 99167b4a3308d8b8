"""What S3's answers mean to whoever keeps state there, and what to do about them."""

from __future__ import annotations

import re
from typing import Any

from botocore import exceptions as botocore

from smplan.errors import StoreError


class Missing(StoreError):
    """There is no such object."""


class Refused(StoreError):
    """The condition of a write did not hold: somebody else wrote first."""


class Unclear(StoreError):
    """No clear answer: what was asked may or may not have been done."""


_KINDS: tuple[tuple[re.Pattern[str], type[StoreError]], ...] = (
    (re.compile(r"PreconditionFailed|412"), Refused),
    (re.compile(r"NoSuchKey|NotFound|404"), Missing),
    (re.compile(r"ConditionalRequestConflict|OperationAborted|RequestTimeout|SlowDown|Throttling.*|409"), Unclear),
)
_HINTS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"NoSuchBucket"), "create the bucket, or mend `state.bucket` in the blueprint"),
    (
        re.compile(r"AccessDenied|AllAccessDisabled|403"),
        "allow s3:ListBucket on the bucket, and s3:GetObject, s3:PutObject, s3:DeleteObject on its key*",
    ),
    (
        re.compile(r"ExpiredToken|InvalidToken|TokenRefreshRequired|InvalidAccessKeyId|SignatureDoesNotMatch"),
        "renew the credentials, then run the same command again",
    ),
    (
        re.compile(r"PermanentRedirect|AuthorizationHeaderMalformed|IllegalLocationConstraintException|301"),
        "set AWS_REGION to the region of the bucket",
    ),
    (re.compile(r"KMS\..*"), "look at the KMS key, and at whether these credentials may use it"),
    (re.compile(r"RequestTimeTooSkewed"), "set this machine's clock right"),
    (
        re.compile(r"NotImplemented|501"),
        "keep state in a store that knows If-Match and If-None-Match: without them two runs could overwrite each other",
    ),
)


def from_answer(response: Any, place: str) -> StoreError:
    """The error that an answer of S3 stands for."""
    code = str(response.get("Error", {}).get("Code", ""))
    text = str(response.get("Error", {}).get("Message", "")) or code
    message = f"{place}: {text} ({code})"
    for pattern, kind in _KINDS:
        if pattern.fullmatch(code):
            return kind(message, hint="run the same command again")
    for pattern, hint in _HINTS:
        if pattern.fullmatch(code):
            return StoreError(message, hint=hint)
    if int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)) >= 500:
        return Unclear(message, hint="run the same command again in a minute")
    return StoreError(message, hint="look at the bucket, its policy and its region")


def from_library(error: Exception, place: str) -> StoreError:
    """The error for a request that got no answer that makes sense, or was never sent."""
    match error:
        case botocore.NoCredentialsError() | botocore.PartialCredentialsError() | botocore.CredentialRetrievalError():
            return StoreError(
                f"{place}: no AWS credentials were found",
                hint="set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
            )
        case botocore.ProfileNotFound() | botocore.NoRegionError():
            return StoreError(f"{place}: {error}", hint="set AWS_PROFILE and AWS_REGION to what is meant")
        case botocore.ParamValidationError():
            return StoreError(f"{place}: {error}", hint="mend `state` in the blueprint")
        case _:
            return Unclear(f"{place} got no answer: {error}", hint="check the network and AWS_ENDPOINT_URL")
