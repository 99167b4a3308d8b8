"""AWS's wire formats, read and written by botocore's models with moto's parsers and serialisers."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

from moto.core.errors import COMMON_ERROR_CODES
from moto.core.exceptions import ServiceException
from moto.core.parse import PROTOCOL_PARSERS
from moto.core.request import Request, determine_request_protocol
from moto.core.routing import get_service_router
from moto.core.serialize import get_serializer_class
from moto.core.utils import get_service_model
from werkzeug.exceptions import NotFound

from smplan.sandbox.aws.errors import AwsError, Fields
from smplan.sandbox.aws.requests import has_handlers

_SCOPE = re.compile(r"Credential=[^/]+/\d{8}/(?P<region>[^/]+)/(?P<service>[^/]+)/aws4_request")
_SIGNING_NAMES = {"monitoring": "cloudwatch", "servicequotas": "service-quotas"}
"""Signing name -> service, where they differ."""
_MOTO_ALONE = {"rds", "secretsmanager", "ssm", "sts"}
"""Services without a handler whose unknown actions are rejected as AWS rejects them."""
GLOBAL = {"route53", "sts"}


@dataclass(frozen=True, slots=True)
class ParsedRequest:
    """A request as its service's model reads it."""

    service: str
    region: str
    operation: Any
    protocol: str
    uri_params: dict[str, Any]
    request: Request

    @property
    def action(self) -> str:
        """The operation's name, such as ``CreateImage``."""
        return str(self.operation.name)

    def params(self) -> Fields:
        """The request's fields by the model's names."""
        parser = PROTOCOL_PARSERS[self.protocol](self.operation)
        parsed = parser.parse(
            {
                "method": self.request.method,
                "values": self.request.values,
                "headers": self.request.headers,
                "body": self.request.data,
                "url_path": self.request.path,
                "url_params": self.uri_params,
            }
        )
        return {**{name: value for name, value in self.uri_params.items() if value is not None}, **parsed}


def body_of(environ: dict[str, Any]) -> bytes:
    """The request's body; ``environ`` can be read again afterwards.

    Raises ConnectionResetError if the client went away before it had sent all of it; then nothing is done or answered.
    """
    length = int(environ.get("CONTENT_LENGTH") or 0)
    body: bytes = environ["wsgi.input"].read(length)
    if len(body) < length:
        raise ConnectionResetError(f"{len(body)} of {length} bytes came")
    environ["wsgi.input"] = io.BytesIO(body)
    return body


def read(environ: dict[str, Any]) -> ParsedRequest | None:
    """The request in ``environ``; None if the service is left to moto as it is, or has no such operation."""
    body = body_of(environ)
    scope = _SCOPE.search(environ.get("HTTP_AUTHORIZATION", ""))
    service = _service(scope["service"], body) if scope else None
    if scope is None or service is None:
        return None
    model = get_service_model(service)
    request = Request({**environ, "wsgi.input": io.BytesIO(body)})
    try:
        protocol = determine_request_protocol(model, request.content_type)
        operation, uri_params = get_service_router(service).match(request)
    except (NotFound, NotImplementedError):
        return None
    return ParsedRequest(service, scope["region"], operation, protocol, uri_params, request)


def _service(scope: str, body: bytes) -> str | None:
    if scope == "elasticloadbalancing":  # two APIs share the signing name; the version distinguishes them
        return "elbv2" if parse_qs(body.decode()).get("Version") == ["2015-12-01"] else None
    name = _SIGNING_NAMES.get(scope, scope)
    return name if name in _MOTO_ALONE or has_handlers(name) else None


class _MotoError(ServiceException):
    """An AwsError in the shape that moto's serializers expect."""

    def __init__(self, error: AwsError) -> None:
        super().__init__(error.code, error.message)
        # AWS returns codes that its models omit; moto warns of each that is not in this list.
        if error.code not in COMMON_ERROR_CODES:
            COMMON_ERROR_CODES.append(error.code)


def write(request: ParsedRequest, response: Fields | AwsError | None) -> tuple[int, dict[str, str], bytes]:
    """``response`` as status, headers and body in the request's protocol."""
    serializer = get_serializer_class(request.service, request.protocol)(operation_model=request.operation)
    value = _MotoError(response) if isinstance(response, AwsError) else (response or {})
    written = serializer.serialize(value)
    status = int(written["status_code"])
    if isinstance(response, AwsError) and response.status:
        status = response.status
    body = written["body"]
    return status, dict(written["headers"]), body.encode() if isinstance(body, str) else body
