"""The API of a simulated Stream Manager: a call, and the table of handlers."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from smplan.sandbox.stream_manager.database import Database
from smplan.sandbox.stream_manager.fleet import Fleet
from smplan.sandbox.stream_manager.responses import ApiError, Behaviour


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiCall:
    """One call of the API, with everything its handler needs."""

    store: Database
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
            raise ApiError(400, "the body is not JSON") from None
        if not isinstance(data, dict):
            raise ApiError(400, "the body must be a JSON object")
        return data


Handler = Callable[[ApiCall], Any]
_routes: list[tuple[str, re.Pattern[str], int, Handler]] = []


def route(method: str, path: str, *, status: int = 200) -> Callable[[Handler], Handler]:
    """Let a handler serve ``method`` on ``path`` (below ``/admin/``; ``{name}`` matches one part of it)."""
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
