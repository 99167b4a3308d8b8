"""The check of every request before it is handled: against the service's model, and the rules of its documentation."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from smplan.sandbox.aws.errors import AwsError, Fields
from smplan.sandbox.aws.model import Violation, compiled, violations

_CODES = {
    "acm": "ValidationException",
    "ec2": "InvalidParameterValue",
    "route53": "InvalidInput",
    "secretsmanager": "ValidationException",
    "ssm": "ValidationException",
}
"""The code of a service's validation errors; of the others ValidationError."""
_MISSING = {"ec2": "MissingParameter", "elbv2": "ValidationError"}
_KEY_LIMIT = 128
_VALUE_LIMIT = 256
_ALPHABETS = {"sns": r"[\p{L}\p{Z}\p{N}_.:/=+\-@]*"}
"""The characters of tags where only the documentation limits them (SNS: API reference of Tag); elbv2's model has them.

EC2 accepts any character (EC2 User Guide, "Tag restrictions"), and so do Auto Scaling and CloudWatch.
"""


def check(service: str, operation: Any, params: Fields) -> None:
    """Raise the service's validation error if its model or documentation refuses ``params``."""
    found = list(violations(operation.input_shape, params)) if operation.input_shape else []
    found = found or [each for tag in _tags(params) for each in _of_tag(service, tag)]
    if not found:
        return
    code = _CODES.get(service, "ValidationError")
    if all(each.rule == "required" for each in found):
        code = _MISSING.get(service, code)
    count = f"{len(found)} validation error{'s' if len(found) > 1 else ''} detected"
    raise AwsError(code, f"{count}: {'; '.join(each.message for each in found[:10])}")


def malformed(service: str, error: Exception) -> AwsError:
    """The refusal of a request that cannot be parsed: text where the model has a number, for example."""
    return AwsError(_CODES.get(service, "ValidationError"), f"1 validation error detected: malformed input: {error}")


def _tags(tree: Any) -> Iterator[Fields]:
    """Every ``{Key, Value}`` in a list that is called ``Tags``, at any depth."""
    if isinstance(tree, list):
        for item in tree:
            yield from _tags(item)
    elif isinstance(tree, dict):
        for name, value in tree.items():
            if name == "Tags" and isinstance(value, list):
                yield from (tag for tag in value if isinstance(tag, dict) and "Key" in tag)
            else:
                yield from _tags(value)


def _of_tag(service: str, tag: Fields) -> Iterator[Violation]:
    """The limits of tags that all services share (AWS General Reference, "Tag naming limits and requirements")."""
    key, value = tag["Key"], tag.get("Value") or ""
    if re.match("aws:", key, re.IGNORECASE):
        yield Violation("Tags", "reserved", f"Tag keys cannot begin with 'aws:': {key}")
    if not 1 <= len(key) <= _KEY_LIMIT:
        yield Violation("Tags", "max", f"Tag key {key!r} must have 1 to {_KEY_LIMIT} characters")
    if len(value) > _VALUE_LIMIT:
        yield Violation("Tags", "max", f"The value of tag {key} must have at most {_VALUE_LIMIT} characters")
    alphabet = _ALPHABETS.get(service)
    if alphabet and not compiled(alphabet).fullmatch(key + value):
        yield Violation("Tags", "pattern", "The given tag(s) contain invalid characters")
