"""Requests to a simulated Stream Manager, their answers, and the table of what it can do."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from smplan.sandbox.stream_manager.database import Store

if TYPE_CHECKING:
    from smplan.sandbox.stream_manager.fleet import Fleet

HTML = "text/html;charset=utf-8"
TEXT = "text/plain;charset=utf-8"
JSON = "application/json;charset=utf-8"


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """Where servers differ, or nothing is documented: how the simulated ones behave."""

    bad_token_status: int = 400
    """HTTP status for a wrong or missing access token."""
    wraps_posted_config: bool = False
    """Whether a POST of a launch configuration answers ``{"launchconfig": ...}``, as the documents say, or bare."""
    wraps_config: bool = True
    """The same for GET, PUT and DELETE."""
    honours_names: bool = True
    """Whether a new group gets the name that was asked for; else ``group-<uuid>``."""
    drops_new_groups: bool = False
    """Whether a group without an origin is removed after 180 s."""
    nodes_report: bool = True
    """Whether nodes report to the Stream Manager; else they never get past ``running``."""


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request. ``path`` is as it was sent, without the query."""

    method: str
    path: str
    query: Mapping[str, str]
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer."""

    status: int
    content_type: str
    body: bytes


class Refused(Exception):
    """What the API refuses: an HTTP status and a text for people."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call of the API, with everything its handler needs."""

    store: Store
    fleet: Fleet
    behaviour: Behaviour
    now: float
    version: str
    names: Mapping[str, str]
    query: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The body. Refused if it is no JSON object."""
        try:
            data = json.loads(self.body)
        except ValueError:
            raise Refused(400, "the body is not JSON") from None
        if not isinstance(data, dict):
            raise Refused(400, "the body must be a JSON object")
        return data


Handler = Callable[[Call], Any]
_routes: list[tuple[str, re.Pattern[str], int, Handler]] = []


def route(method: str, path: str, *, status: int = 200) -> Callable[[Handler], Handler]:
    """Let a handler answer ``method`` on ``path`` (below ``/admin/``; ``{name}`` stands for one part of it)."""
    pattern = re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", path))

    def add(handler: Handler) -> Handler:
        _routes.append((method, pattern, status, handler))
        return handler

    return add


def find(method: str, path: str) -> tuple[Handler, int, dict[str, str]] | None:
    """The handler of a request, the status of its success, and the names in its path."""
    for verb, pattern, status, handler in _routes:
        found = pattern.fullmatch(path)
        if verb == method and found:
            return handler, status, {key: unquote(value) for key, value in found.groupdict().items()}
    return None


def told(status: int, data: Any) -> Answer:
    """``data`` as JSON, text as it is. Keys come in an order of the server's own."""
    if isinstance(data, str):
        return Answer(status, TEXT, data.encode())
    return Answer(status, JSON, json.dumps(data, sort_keys=True).encode())


def refusal(refused: Refused, now: float) -> Answer:
    """The API's error envelope."""
    return told(refused.status, {"errorMessage": refused.message, "timestamp": milliseconds(now)})


def page(status: int, title: str) -> Answer:
    """A page for people, as Tomcat and load balancers send them."""
    text = f"<html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>"
    return Answer(status, HTML, text.encode())


def milliseconds(seconds: float) -> int:
    """A time as the API writes it."""
    return int(seconds * 1000)
