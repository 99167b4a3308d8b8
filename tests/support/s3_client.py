"""An S3 client between the store and another client: records calls, sets the time, and injects faults."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

from botocore.exceptions import ClientError, ConnectionClosedError, ReadTimeoutError

from smplan.stores.interface import Clock

LOST = ReadTimeoutError(endpoint_url="http://s3")
"""The response is lost; the request may have been done."""
CUT = ConnectionClosedError(endpoint_url="http://s3")
EXPIRED = ClientError({"Error": {"Code": "ExpiredToken", "Message": "too old"}}, "PutObject")


class Faults:
    """Raises ``problem`` in the next ``times`` calls of ``name``; for ``Wire.before`` and ``Wire.after``."""

    def __init__(self, problem: Exception, name: str = "put_object", times: int = 1) -> None:
        self.problem = problem
        self.name = name
        self.times = times

    def __call__(self, name: str, *_: Any) -> None:
        if name == self.name and self.times > 0:
            self.times -= 1
            raise self.problem


class Wire:
    """Passes calls on to ``client`` and records them; its responses have the time of ``clock``, if there is one.

    ``before`` and ``after`` are called around each call, and may raise.
    """

    def __init__(self, client: Any, clock: Clock | None = None) -> None:
        self.client = client
        self.clock = clock
        self.calls: list[str] = []
        self.before: Callable[[str, dict[str, Any]], None]
        self.after: Callable[[str, dict[str, Any], Any], None]
        self.clear_faults()

    def clear_faults(self) -> None:
        """Call nothing around the next calls."""
        self.before = lambda name, arguments: None
        self.after = lambda name, arguments, response: None

    def get_paginator(self, name: str) -> Any:
        return self.client.get_paginator(name)

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.client, name)

        def call(**arguments: Any) -> Any:
            self.calls.append(name)
            self.before(name, arguments)
            try:
                answer = method(**arguments)
            except ClientError as error:
                self._tell_time(error.response)
                raise
            self._tell_time(answer)
            self.after(name, arguments, answer)
            return answer

        return call

    def _tell_time(self, answer: Any) -> None:
        if self.clock:
            date = datetime(2026, 11, 23, 3, tzinfo=UTC) + timedelta(seconds=self.clock.now())
            answer["ResponseMetadata"]["HTTPHeaders"]["date"] = format_datetime(date, usegmt=True)
