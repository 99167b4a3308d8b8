"""The check of every request before it is handled: against the service's model, and the rules of its documentation."""

from __future__ import annotations

from typing import Any

from smplan.sandbox.aws import documented
from smplan.sandbox.aws.errors import AwsError, Fields
from smplan.sandbox.aws.model import violations

_CODES = {
    "acm": "ValidationException",
    "ec2": "InvalidParameterValue",
    "route53": "InvalidInput",
    "secretsmanager": "ValidationException",
    "ssm": "ValidationException",
}
"""The code of a service's validation errors; of the others ValidationError."""
_MISSING = {"ec2": "MissingParameter", "elbv2": "ValidationError"}


def check(service: str, operation: Any, params: Fields) -> None:
    """Raise the service's validation error if its model or documentation refuses ``params``."""
    found = list(violations(operation.input_shape, params)) if operation.input_shape else []
    if not found:
        documented.check(service, operation.name, params, _CODES.get(service, "ValidationError"))
        return
    code = _CODES.get(service, "ValidationError")
    if all(each.rule == "required" for each in found):
        code = _MISSING.get(service, code)
    count = f"{len(found)} validation error{'s' if len(found) > 1 else ''} detected"
    raise AwsError(code, f"{count}: {'; '.join(each.message for each in found[:10])}")


def malformed(service: str, error: Exception) -> AwsError:
    """The refusal of a request that cannot be parsed: text where the model has a number, for example."""
    return AwsError(_CODES.get(service, "ValidationError"), f"1 validation error detected: malformed input: {error}")
