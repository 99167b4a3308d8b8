"""HTTP as a simulated Stream Manager speaks it: requests, responses, errors, and where servers differ."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from smplan.sandbox.ids import REGION

HTML = "text/html;charset=utf-8"
TEXT = "text/plain;charset=utf-8"
JSON = "application/json;charset=utf-8"


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """Where servers differ, or nothing is documented: how the simulated ones behave."""

    bad_token_status: int = 400
    """HTTP status for a wrong or missing access token."""
    wraps_posted_config: bool = False
    """Whether a POST of a launch configuration returns ``{"launchconfig": ...}``, as the documents say, or bare."""
    wraps_config: bool = True
    """The same for GET, PUT and DELETE."""
    honours_names: bool = True
    """Whether a new group gets the requested name; else ``group-<uuid>``."""
    drops_new_groups: bool = False
    """Whether a group without an origin is removed after 180 s."""
    nodes_report: bool = True
    """Whether nodes report to the Stream Manager; else they never get past ``running``."""
    silent_roles: frozenset[str] = frozenset()
    """Roles whose nodes never report, such as edges with another cluster password."""
    listing_seconds: float = 0.0
    """How long a new group or node is missing in lists: in ours, as the documents give no figure."""
    regions: tuple[str, ...] = (REGION,)
    """The regions in which nodes can be launched: those with a VPC of the configured name."""
    deploy_seconds: float = 0.0
    """How long the web app takes to start once the server answers on ``/``."""
    cloud: str = "Amazon Web Services"
    """The active cloud controller; another one if the settings of the image were not finished."""
    refusal: str = ""
    """The text of each refusal, where it is not to be ours: none is documented."""
    missing_status: int = 404
    """HTTP status for what does not exist: 400 or 404."""


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request. ``path`` is as it was sent, without the query."""

    method: str
    path: str
    query: Mapping[str, str]
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Response:
    """One HTTP response."""

    status: int
    content_type: str
    body: bytes


class ApiError(Exception):
    """What the API refuses: an HTTP status and a text for people."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


def json_response(status: int, data: Any) -> Response:
    """``data`` as JSON, text as it is. Keys come in an order of the server's own."""
    if isinstance(data, str):
        return Response(status, TEXT, data.encode())
    return Response(status, JSON, json.dumps(data, sort_keys=True).encode())


def error_response(refused: ApiError, now: float) -> Response:
    """The API's error envelope."""
    return json_response(refused.status, {"errorMessage": refused.message, "timestamp": milliseconds(now)})


def html_page(status: int, title: str) -> Response:
    """A page for people, as Tomcat and load balancers send them."""
    text = f"<html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>"
    return Response(status, HTML, text.encode())


def milliseconds(seconds: float) -> int:
    """A time as the API writes it."""
    return int(seconds * 1000)
