"""What AWS says in a refusal for a missing permission: which action on which resource."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

from smplan.errors import Denied, DriverError

_PERFORM = re.compile(r"perform:? (?P<action>[\w-]+:\w+)(?: on (?:the )?resource:? (?P<resource>[^\s,]+))?")
_ENCODED = re.compile(r"\s*Encoded authorization failure message: (?P<message>[\w+/=-]+)")
_TEMPLATE = re.compile(r"not authorized to use launch template", re.IGNORECASE)
_OF_TEMPLATES = "ec2:RunInstances, ec2:CreateTags, and iam:PassRole for its instance profile"
"""What a group that launches from a template needs of its caller (Auto Scaling user guide, launch template support)."""


def needed(action: str, text: str) -> str:
    """The permission that ``text``, the refusal of ``action``, says is missing, with its resource if it names one."""
    if _TEMPLATE.search(text):
        return _OF_TEMPLATES
    found = _PERFORM.search(text)
    return _on(found["action"], found["resource"] or "") if found else action


def _on(action: str, resource: str) -> str:
    resource = resource.strip("\"'.")
    return f"{action} on {resource}" if resource and resource != "*" else action


def decoded(error: Denied, decode: Callable[[str], str]) -> Denied:
    """``error`` with the action and resource of its encoded message, or without that message if it cannot be decoded.

    ``decode`` asks STS, and may be refused itself.
    """
    found = _ENCODED.search(error.message)
    if found is None:
        return error
    message = error.message.replace(found[0], "")
    try:
        context = json.loads(decode(found["message"]))["context"]
        permission = _on(str(context["action"]), str(context.get("resource", "")))
    except (DriverError, ValueError, KeyError, TypeError):
        hint = f"{error.hint} (to read AWS's details, allow sts:DecodeAuthorizationMessage)"
        return Denied(message, hint=hint, code=error.code, action=error.action)
    hint = f"allow {permission} to these credentials, then run the same command again"
    return Denied(f"{message}; refused: {permission}", hint=hint, code=error.code, action=error.action)
