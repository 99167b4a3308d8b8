"""What S3's answers mean to whoever keeps state there, and what to do about them."""

from __future__ import annotations

import re
from typing import Any

from botocore import exceptions as botocore

from smplan.core.clock_skew import FIX_CLOCK_HINT
from smplan.errors import StoreError


class NotFound(StoreError):
    """There is no such object."""


class PreconditionFailed(StoreError):
    """The condition of a write did not hold: somebody else wrote first."""


class Ambiguous(StoreError):
    """No clear answer: what was asked may or may not have been done."""


class Expired(StoreError):
    """The credentials have run out. What was journalled before is safe, and the lock's lease runs out by itself."""

    exit_code = 9

    def __init__(self, message: str) -> None:
        super().__init__(message, hint=_RENEW)


_RENEW = (
    "renew the credentials, then run the same command again: a run is resumable, what was journalled is safe, "
    "and the lock runs out by itself within a minute or so"
)

_KINDS: tuple[tuple[re.Pattern[str], type[StoreError]], ...] = (
    (re.compile(r"PreconditionFailed|412"), PreconditionFailed),
    (re.compile(r"NoSuchKey|NotFound|404"), NotFound),
    (re.compile(r"ConditionalRequestConflict|OperationAborted|RequestTimeout|SlowDown|Throttling.*|409"), Ambiguous),
)
_EXPIRED = re.compile(r"ExpiredToken|ExpiredTokenException|TokenRefreshRequired|RequestExpired")
_HINTS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"NoSuchBucket"), "create the bucket, or mend `state.bucket` in the blueprint"),
    (
        re.compile(r"AccessDenied|AllAccessDisabled|403"),
        "allow s3:ListBucket on the bucket, and s3:GetObject, s3:PutObject, s3:DeleteObject on its key*",
    ),
    (
        re.compile(r"InvalidToken|InvalidAccessKeyId|SignatureDoesNotMatch"),
        "S3 does not know these credentials (deleted, disabled, mistyped?): use others, then run the same again",
    ),
    (
        re.compile(r"PermanentRedirect|AuthorizationHeaderMalformed|IllegalLocationConstraintException|301"),
        "set AWS_REGION to the region of the bucket",
    ),
    (re.compile(r"KMS\..*"), "look at the KMS key, and at whether these credentials may use it"),
    (re.compile(r"RequestTimeTooSkewed"), FIX_CLOCK_HINT),
    (
        re.compile(r"NotImplemented|501"),
        "keep state in a store that knows If-Match and If-None-Match: without them two runs could overwrite each other",
    ),
)


def from_answer(response: Any, place: str) -> StoreError:
    """The error that an answer of S3 stands for."""
    code = str(response.get("Error", {}).get("Code", ""))
    text = str(response.get("Error", {}).get("Message", "")) or code
    if "Signature" in code:  # what follows the first line is what was signed, session token and all
        text = text.partition("\n")[0]
    message = f"{place}: {text} ({code})"
    if _EXPIRED.fullmatch(code):
        return Expired(message)
    for pattern, kind in _KINDS:
        if pattern.fullmatch(code):
            return kind(message, hint="run the same command again")
    for pattern, hint in _HINTS:
        if pattern.fullmatch(code):
            return StoreError(message, hint=hint)
    if int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)) >= 500:
        return Ambiguous(message, hint="run the same command again in a minute")
    return StoreError(message, hint="look at the bucket, its policy and its region")


def from_library(error: Exception, place: str) -> StoreError:
    """The error for a request that got no answer that makes sense, or was never sent."""
    match error:
        case botocore.NoCredentialsError() | botocore.PartialCredentialsError() | botocore.CredentialRetrievalError():
            return StoreError(
                f"{place}: no AWS credentials were found",
                hint="set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
            )
        case (
            RuntimeError()
            | botocore.UnauthorizedSSOTokenError()
            | botocore.SSOTokenLoadError()
            | botocore.TokenRetrievalError()
            | botocore.RefreshWithMFAUnsupportedError()
            | botocore.LoginRefreshRequired()
            | botocore.LoginTokenLoadError()
        ):
            return Expired(f"{place}: the credentials have run out: {error}")
        case botocore.ProfileNotFound() | botocore.NoRegionError():
            return StoreError(f"{place}: {error}", hint="set AWS_PROFILE and AWS_REGION to what is meant")
        case botocore.ParamValidationError():
            return StoreError(f"{place}: {error}", hint="mend `state` in the blueprint")
        case _:
            return Ambiguous(
                f"{place} got no answer: {error}",
                hint="check the network and AWS_ENDPOINT_URL, then run the same command again",
            )
