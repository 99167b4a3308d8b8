"""Translation of AWS errors to errors of ``smplan.errors``, by code first and message second.

Codes come from the service models of botocore and from the error texts in the AWS documentation of each action.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from smplan.core import aws_errors, clock_skew
from smplan.errors import (
    Conflict,
    Denied,
    DriverError,
    Expired,
    InUse,
    Invalid,
    LostAnswer,
    NotFound,
    SmplanError,
    Throttled,
    Unreachable,
)

IAM_PREFIX = {
    "elbv2": "elasticloadbalancing",
    "resourcegroupstaggingapi": "tag",
    "service-quotas": "servicequotas",
}

_CODES: tuple[tuple[type[DriverError], re.Pattern[str]], ...] = (
    (
        Throttled,
        re.compile(r"Throttl|RequestLimitExceeded|TooManyRequests|PriorRequestNotComplete|SlowDown|BandwidthLimit"),
    ),
    (Expired, aws_errors.EXPIRED_CODES),
    (Expired, re.compile(r"InvalidClientTokenId|UnrecognizedClient")),
    (
        Denied,
        re.compile(
            r"AccessDenied|UnauthorizedOperation|AuthorizationError|NotAuthorized|OptInRequired"
            r"|AuthFailure|SignatureDoesNotMatch|InvalidSignature|RequestTimeTooSkewed|RequestInTheFuture"
        ),
    ),
    (
        InUse,
        re.compile(
            r"ResourceInUse|DependencyViolation|ScalingActivityInProgress|InUse$|InstanceRefreshInProgress|ResourceContention"
        ),
    ),
    (Conflict, re.compile(r"AlreadyExists|Duplicate|IdempotentParameterMismatch")),
    (NotFound, re.compile(r"NotFound|NoSuch|InvalidAMIID\.Unavailable|NonExistent|InvalidInstanceID\.Malformed")),
)
_UNKNOWN_KEYS = re.compile(r"InvalidClientTokenId|UnrecognizedClient|AuthFailure")
_UNKNOWN_TEXT = re.compile(r"validate the provided access credentials", re.IGNORECASE)
"""EC2 returns AuthFailure both for unknown credentials and for a missing permission (EC2 API reference, error codes):
only the message differs."""
_CLOCK_CODES = re.compile(r"RequestTimeTooSkewed|RequestInTheFuture")
_PERHAPS_CLOCK_CODES = re.compile(r"RequestExpired|AuthFailure|SignatureDoesNotMatch|InvalidSignature")
"""Codes that may mean a wrong clock; wrong keys and expired credentials have the same."""
_CLOCK_TEXT = re.compile(
    r"signature expired|not yet current|too skewed|difference between the request time", re.IGNORECASE
)
_GONE_TEXT = re.compile(r"not found|does not exist|no such|doesn't exist", re.IGNORECASE)
_EXISTS_TEXT = re.compile(r"already exists", re.IGNORECASE)
_VAGUE = {"ValidationError", "InvalidChangeBatch", "InvalidInput", "ValidationException", "InvalidParameter"}

_RERUN = "run the same command again"
_CHECKS_FIRST = f"{_RERUN}: it first checks whether the request was processed"
RENEW = f"renew the credentials (for example with `aws sso login`), then {_RERUN}"

_LAUNCH_CONFIGURATIONS_CLOSED = (
    "accounts created since 2024-10-01 cannot create launch configurations: "
    "use a resource of kind aws.ec2.launch_template"
)


def action_of(client: Any, operation: str) -> str:
    """``service:Operation`` as IAM writes it."""
    service = client.meta.service_model.service_name
    return f"{IAM_PREFIX.get(service, service)}:{operation}"


def no_region() -> Invalid:
    """The error for a run without a region."""
    return Invalid("no AWS region is set", hint="write `aws: {region: …}` in the blueprint, or set AWS_REGION")


@contextmanager
def translated(action: str, *, write: bool) -> Iterator[None]:
    """Raise botocore's errors as errors of smplan. A ``write`` without a response raises LostAnswer."""
    from botocore.exceptions import BotoCoreError, ClientError
    from botocore.parsers import ResponseParserError

    try:
        yield
    except ClientError as error:
        raise from_response(error.response, action, write=write) from error
    except (BotoCoreError, ResponseParserError) as error:  # a malformed response is not a BotoCoreError
        raise from_library(error, action, write=write) from error
    except RuntimeError as error:
        if not aws_errors.has_expired(error):
            raise
        raise Expired(f"{action}: the credentials have expired", hint=RENEW, action=action) from error


@contextmanager
def opening() -> Iterator[None]:
    """Translate errors of the settings, such as an unknown profile, before anything is sent."""
    try:
        with translated("aws", write=False):
            yield
    except ValueError as error:  # botocore has no error of its own for an invalid endpoint URL
        hint = (
            "set AWS_ENDPOINT_URL to a whole URL, such as http://127.0.0.1:5000, and "
            "AWS_CREDENTIAL_EXPIRATION, if at all, to a time, such as 2026-01-31T12:00:00Z"
        )
        raise Invalid(f"no AWS client can be made: {error}", hint=hint) from error


def from_response(response: Any, action: str, *, write: bool) -> SmplanError:
    """The error for an error response of AWS."""
    code, text = aws_errors.code_and_message(response)
    metadata = response.get("ResponseMetadata", {})
    kind = _kind(code, text, int(metadata.get("HTTPStatusCode", 0)), write=write)
    wrong = _clock_is_wrong(code, text, metadata.get("HTTPHeaders", {}).get("date", ""))
    hint = clock_skew.FIX_CLOCK_HINT if wrong else _hint(kind, action, code, text)
    return kind(f"{action}: {text} ({code})", hint=hint, code=code, action=action)


def _clock_is_wrong(code: str, text: str, date: str) -> bool:
    """Whether AWS rejected a request for its time, by code and message or by the date of the response."""
    if _CLOCK_CODES.search(code) or (_PERHAPS_CLOCK_CODES.search(code) and _CLOCK_TEXT.search(text)):
        return True
    now = time.time()
    ahead = clock_skew.skew_seconds(date, now, now) or 0.0
    return bool(_PERHAPS_CLOCK_CODES.search(code)) and abs(ahead) > clock_skew.MAX_SECONDS


def _kind(code: str, text: str, status: int, *, write: bool) -> type[DriverError]:
    if code == "AuthFailure" and _UNKNOWN_TEXT.search(text):
        return Expired
    for kind, pattern in _CODES:
        if pattern.search(code):
            return kind
    if code in _VAGUE:
        if _EXISTS_TEXT.search(text):
            return Conflict
        return NotFound if _GONE_TEXT.search(text) else Invalid
    if status >= 500:
        return LostAnswer if write else Unreachable
    return Denied if status in (401, 403) else Invalid


def _hint(kind: type[DriverError], action: str, code: str, text: str) -> str:
    if "Launch Configuration creation operation is not available" in text:
        return _LAUNCH_CONFIGURATIONS_CLOSED
    if kind is Expired and _UNKNOWN_KEYS.search(code):
        return aws_errors.UNKNOWN_CREDENTIALS_HINT
    if "Signature" in code:
        return "set AWS_ACCESS_KEY_ID and the AWS_SECRET_ACCESS_KEY that belongs to it, then " + _RERUN
    return {
        Denied: f"allow {action} to these credentials, then {_RERUN}",
        Expired: RENEW,
        Throttled: "run the same command again in a minute: AWS limits the request rate",
        Unreachable: f"{_RERUN} later: the error is on AWS's side (health.aws.amazon.com lists larger ones)",
        LostAnswer: _CHECKS_FIRST,
    }.get(kind, "")


def from_library(error: Exception, action: str, *, write: bool) -> SmplanError:
    """The error for a request that got no response, or was never sent."""
    from botocore import exceptions as botocore
    from botocore.parsers import ResponseParserError

    if aws_errors.has_no_credentials(error):
        return Denied(
            "no AWS credentials were found",
            hint=f'{aws_errors.NO_CREDENTIALS_HINT}; for the sandbox: `eval "$(smplan sandbox env)"`',
            action=action,
        )
    if aws_errors.has_expired(error):
        return Expired(f"{action}: {error}", hint=RENEW, action=action)
    if isinstance(error, botocore.ProfileNotFound):
        return Denied(str(error), hint="set AWS_PROFILE to a profile of ~/.aws/config", action=action)
    if isinstance(error, botocore.NoRegionError):
        return no_region()
    if isinstance(error, (botocore.ConfigParseError, botocore.InvalidRegionError)):
        return Invalid(str(error), hint="fix AWS_REGION, or ~/.aws/config", action=action)
    if isinstance(error, (botocore.ParamValidationError, botocore.UnknownServiceError)):
        return Invalid(f"{action}: {error}", action=action)
    why = "the response cannot be parsed" if isinstance(error, ResponseParserError) else error  # it repeats the body
    if write and not isinstance(error, (botocore.EndpointConnectionError, botocore.ConnectTimeoutError)):
        return LostAnswer(f"{action} was sent, but no response arrived: {why}", hint=_CHECKS_FIRST, action=action)
    hint = f"check the network and AWS_ENDPOINT_URL, then {_RERUN}"
    return Unreachable(f"{action} got no response: {why}", hint=hint, action=action)
