"""Whether an answer of AWS is one. botocore takes much garbage for an answer in which nothing is.

An HTML page of a proxy with status 200, an empty body, half a JSON document: for some protocols botocore parses these
into an empty dict, which looks as if nothing existed. What cannot be AWS's is refused before it is parsed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

_ROOT = re.compile(rb"\s*(?:<\?xml[^>]*\?>\s*)?<(?:[\w.-]+:)?\w*Response[\s/>]")
"""Every answer in XML, of the protocols query, ec2 and rest-xml, is called after its action: ``<…Response>``."""


def check(operation_model: Any, response_dict: Mapping[str, Any], **_: object) -> None:
    """Hear of an answer before it is parsed. Raises ResponseParserError for a success that AWS cannot have said."""
    body = response_dict["body"]
    if response_dict["status_code"] >= 300 or not isinstance(body, bytes):
        return
    says_something = bool(operation_model.output_shape and operation_model.output_shape.members)
    if not _readable(operation_model.service_model.resolved_protocol, body.strip(), says_something):
        from botocore.parsers import ResponseParserError

        raise ResponseParserError(f"what came back is no answer of {operation_model.name}")


def _readable(protocol: str, body: bytes, says_something: bool) -> bool:
    if protocol == "json":
        return _is_object(body) if body else not says_something
    if protocol == "rest-xml" and not body:
        return not says_something
    return protocol not in ("query", "ec2", "rest-xml") or bool(_ROOT.match(body))


def _is_object(body: bytes) -> bool:
    try:
        return isinstance(json.loads(body), dict)
    except ValueError:
        return False
