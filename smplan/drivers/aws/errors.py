"""Translation of AWS errors to errors of ``smplan.errors``, by code first and message second.

Codes come from the service models of botocore and from the error texts in the AWS documentation of each action.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from smplan.core import aws_errors, clock_skew
from smplan.drivers.aws import authorization
from smplan.drivers.inventory import Named
from smplan.drivers.quotas import quota_hint
from smplan.drivers.retry import THROTTLED_SECONDS
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
            r"ResourceInUse|DependencyViolation|InUse$|InstanceRefreshInProgress|ScalingActivityInProgress"
            r"|ResourceContention|ServiceLinkedRoleFailure|OperationAborted|Concurrent(Access|Modification|Update)"
            r"|Incorrect(Instance)?State"
        ),
    ),
    (Conflict, re.compile(r"AlreadyExists|Duplicate|IdempotentParameterMismatch")),
    (
        NotFound,
        re.compile(r"NotFound|NoSuch|NotExist|InvalidAMIID\.Unavailable|NonExistent|InvalidInstanceID\.Malformed"),
    ),
)
_PASSING = re.compile(
    r"ResourceContention|ServiceLinkedRoleFailure|OperationAborted|Concurrent|Incorrect|ScalingActivityInProgress"
)
"""Codes of refusals by a state that passes by itself: some have status 500, but nothing was done (API references)."""
_ENDED_TEXT = re.compile(r"terminated|shutting-down")
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
_GONE_TEXT = re.compile(
    r"not found|do(es)? not exist|no such|doesn't exist|could not find|ensure (that )?(it|they) exist", re.IGNORECASE
)
_PROFILE_TEXT = re.compile(r"invalid iam ?instance ?profile", re.IGNORECASE)
"""How EC2 and Auto Scaling refuse an instance profile that IAM has not spread yet."""
_EXISTS_TEXT = re.compile(r"already exists", re.IGNORECASE)
_VAGUE = {"ValidationError", "InvalidChangeBatch", "InvalidInput", "ValidationException", "InvalidParameter"}
_OF_PROFILES = {*_VAGUE, "InvalidParameterValue"}

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


def passes(error: DriverError) -> bool:
    """Whether ``error`` refuses a request that will be accepted once AWS has settled, so that it may be sent again.

    A delete of what is still at work is left to the engine, which reports what it waits for.
    """
    deletes = error.action.partition(":")[2].startswith("Delete")
    if error.action == "ec2:ModifyLaunchTemplate" and error.code.endswith("VersionNotFound"):
        return True  # the version was created just before
    return (
        isinstance(error, InUse)
        and bool(_PASSING.match(error.code))
        and not (deletes and error.code == "ScalingActivityInProgress")
    )


def explained(error: NotFound, named: Sequence[Named]) -> NotFound:
    """``error`` with the addresses of what may be missing."""
    listed = ", ".join(sorted({f"{each.address} ({each.value})" for each in named}))
    if any(each.new for each in named):
        why = f"AWS does not show it yet, {THROTTLED_SECONDS:.0f} s after the first attempt: this run created {listed}"
        hint = f"{_RERUN} to resume"
    else:
        why, hint = f"the request names {listed}", "make a new plan with `smplan plan`: it shows what no longer exists"
    return NotFound(f"{error.message}; {why}", hint=error.hint or hint, code=error.code, action=error.action)


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
    if code in _OF_PROFILES and _PROFILE_TEXT.search(text):
        return NotFound
    if code.startswith("Incorrect") and _ENDED_TEXT.search(text):
        return Invalid
    for kind, pattern in _CODES:
        if pattern.search(code):
            return kind
    if code in _VAGUE:
        if _EXISTS_TEXT.search(text):
            return Conflict
        return NotFound if _GONE_TEXT.search(text) else Invalid
    if status >= 500 and "Capacity" not in code:
        return LostAnswer if write else Unreachable
    return Denied if status in (401, 403) else Invalid


def _hint(kind: type[DriverError], action: str, code: str, text: str) -> str:
    if "Launch Configuration creation operation is not available" in text:
        return _LAUNCH_CONFIGURATIONS_CLOSED
    if kind is Expired and _UNKNOWN_KEYS.search(code):
        return aws_errors.UNKNOWN_CREDENTIALS_HINT
    if "Signature" in code:
        return "set AWS_ACCESS_KEY_ID and the AWS_SECRET_ACCESS_KEY that belongs to it, then " + _RERUN
    if _PASSING.match(code) and kind is InUse:
        return f"{_RERUN}: AWS still works on an earlier request"
    return {
        Denied: f"allow {authorization.needed(action, text)} to these credentials, then {_RERUN}",
        Expired: RENEW,
        Throttled: "run the same command again in a minute: AWS limits the request rate",
        Unreachable: f"{_RERUN} later: the error is on AWS's side (health.aws.amazon.com lists larger ones)",
        LostAnswer: _CHECKS_FIRST,
        Invalid: quota_hint(action, f"{code} {text}"),
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
