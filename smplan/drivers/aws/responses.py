"""Rejection of malformed AWS responses, which botocore parses as empty results.

An HTML page of a proxy with status 200, an empty body, half a JSON document: for some protocols botocore parses these
into an empty dict, as if nothing existed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

_ROOT = re.compile(rb"\s*(?:<\?xml[^>]*\?>\s*)?<(?:[\w.-]+:)?\w*Response[\s/>]")
"""The root element of every XML response (protocols query, ec2 and rest-xml): ``<…Response>``."""


def check(operation_model: Any, response_dict: Mapping[str, Any], **_: object) -> None:
    """Check a response before it is parsed. Raises ResponseParserError for a success that AWS cannot have sent."""
    body = response_dict["body"]
    if response_dict["status_code"] >= 300 or not isinstance(body, bytes):
        return
    has_members = bool(operation_model.output_shape and operation_model.output_shape.members)
    if not _readable(operation_model.service_model.resolved_protocol, body.strip(), has_members):
        from botocore.parsers import ResponseParserError

        raise ResponseParserError(f"not a response of {operation_model.name}")


def _readable(protocol: str, body: bytes, has_members: bool) -> bool:
    if protocol == "json":
        return _is_object(body) if body else not has_members
    if protocol == "rest-xml" and not body:
        return not has_members
    return protocol not in ("query", "ec2", "rest-xml") or bool(_ROOT.match(body))


def _is_object(body: bytes) -> bool:
    try:
        return isinstance(json.loads(body), dict)
    except ValueError:
        return False
