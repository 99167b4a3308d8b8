"""How the emulated AWS refuses a request, and the fields that requests and responses are made of."""

from __future__ import annotations

from typing import Any, TypeAlias

Fields: TypeAlias = dict[str, Any]
"""The fields of a request or a response, named as in AWS's API reference."""


class AwsError(Exception):
    """AWS's way to say no: its error ``code``, its ``message``, and the HTTP status if it is not the model's."""

    def __init__(self, code: str, message: str, *, status: int | None = None) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status
