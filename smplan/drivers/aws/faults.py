"""What AWS's error codes mean to whoever has to act on them: the one table, code first and text second.

Codes come from the service models of botocore and from the error texts in the AWS documentation of each action.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

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

IAM_PREFIX = {"elbv2": "elasticloadbalancing", "resourcegroupstaggingapi": "tag"}

_CODES: tuple[tuple[type[DriverError], re.Pattern[str]], ...] = (
    (
        Throttled,
        re.compile(r"Throttl|RequestLimitExceeded|TooManyRequests|PriorRequestNotComplete|SlowDown|BandwidthLimit"),
    ),
    (
        Expired,
        re.compile(
            r"ExpiredToken|RequestExpired|AuthFailure|InvalidClientTokenId|UnrecognizedClient|TokenRefreshRequired"
        ),
    ),
    (
        Denied,
        re.compile(
            r"AccessDenied|UnauthorizedOperation|AuthorizationError|NotAuthorized|OptInRequired|SignatureDoesNotMatch"
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
_GONE_TEXT = re.compile(r"not found|does not exist|no such|doesn't exist", re.IGNORECASE)
_EXISTS_TEXT = re.compile(r"already exists", re.IGNORECASE)
_VAGUE = {"ValidationError", "InvalidChangeBatch", "InvalidInput", "ValidationException", "InvalidParameter"}

_LAUNCH_CONFIGURATIONS_CLOSED = (
    "accounts created since 2024-10-01 cannot create launch configurations: "
    "use a resource of kind aws.ec2.launch_template"
)


def action_of(client: Any, operation: str) -> str:
    """``service:Operation`` as IAM writes it."""
    service = client.meta.service_model.service_name
    return f"{IAM_PREFIX.get(service, service)}:{operation}"


def no_region() -> Invalid:
    """The error for a run that nobody told a region."""
    return Invalid("no AWS region is given", hint="write `aws: {region: …}` in the blueprint, or set AWS_REGION")


@contextmanager
def translated(action: str, *, write: bool) -> Iterator[None]:
    """Let faults of botocore out as errors of smplan. ``write`` says that silence may mean "done"."""
    from botocore.exceptions import BotoCoreError, ClientError
    from botocore.parsers import ResponseParserError

    try:
        yield
    except ClientError as error:
        raise from_answer(error.response, action, write=write) from error
    except (BotoCoreError, ResponseParserError) as error:  # garbage for an answer is no BotoCoreError
        raise from_library(error, action, write=write) from error


@contextmanager
def opening() -> Iterator[None]:
    """Let faults of the settings out, such as a profile that is not there, before anything is sent."""
    try:
        with translated("aws", write=False):
            yield
    except ValueError as error:  # botocore has no error of its own for an endpoint that is no URL
        hint = "AWS_ENDPOINT_URL must be a whole URL, such as http://127.0.0.1:5000"
        raise Invalid(f"AWS cannot be asked: {error}", hint=hint) from error


def from_answer(response: Any, action: str, *, write: bool) -> SmplanError:
    """The error that an answer of AWS stands for."""
    code = str(response.get("Error", {}).get("Code", ""))
    text = str(response.get("Error", {}).get("Message", "")) or code
    status = int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    kind = _kind(code, text, status, write=write)
    return kind(f"{action}: {text} ({code})", hint=_hint(kind, action, text), code=code, action=action)


def _kind(code: str, text: str, status: int, *, write: bool) -> type[DriverError]:
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


def _hint(kind: type[DriverError], action: str, text: str) -> str:
    if "Launch Configuration creation operation is not available" in text:
        return _LAUNCH_CONFIGURATIONS_CLOSED
    return {
        Denied: f"allow {action} to these credentials, then run the same command again",
        Expired: "renew the credentials, then run the same command again",
        Throttled: "AWS limits how often it may be asked; run the same command again in a minute",
    }.get(kind, "")


def from_library(error: Exception, action: str, *, write: bool) -> SmplanError:
    """The error for a request that got no answer, or was never sent."""
    from botocore import exceptions as botocore

    if isinstance(
        error, (botocore.NoCredentialsError, botocore.PartialCredentialsError, botocore.CredentialRetrievalError)
    ):
        return Denied(
            "no AWS credentials were found",
            hint="set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; "
            'for practice: `eval "$(smplan sandbox env)"`',
            action=action,
        )
    if isinstance(error, botocore.ProfileNotFound):
        return Denied(str(error), hint="set AWS_PROFILE to a profile of ~/.aws/config", action=action)
    if isinstance(error, botocore.NoRegionError):
        return no_region()
    if isinstance(error, (botocore.ConfigParseError, botocore.InvalidRegionError)):
        return Invalid(str(error), hint="mend AWS_REGION, or ~/.aws/config", action=action)
    if isinstance(error, (botocore.ParamValidationError, botocore.UnknownServiceError)):
        return Invalid(f"{action}: {error}", action=action)
    if write and not isinstance(error, (botocore.EndpointConnectionError, botocore.ConnectTimeoutError)):
        return LostAnswer(f"{action} was sent and no answer came back: {error}", action=action)
    return Unreachable(f"{action} got no answer: {error}", hint="check the network and AWS_ENDPOINT_URL", action=action)
