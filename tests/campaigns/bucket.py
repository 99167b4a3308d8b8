"""An S3 of one process, for campaigns that ask it very often: objects in a dict, conditional writes, the time."""

from __future__ import annotations

import hashlib
import io
import threading
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

from botocore.exceptions import ClientError


class Memory:
    """What the S3 store asks of a client. ``objects`` may be changed from behind; ``later`` moves its clock."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.later = timedelta()
        self._mutex = threading.Lock()

    def get_object(self, *, Bucket: str, Key: str) -> dict[str, Any]:  # noqa: N803 - AWS's own names
        with self._mutex:
            body = self._found(Key)
            return self._answer(Body=io.BytesIO(body), ContentLength=len(body), ETag=_etag(body))

    def head_object(self, *, Bucket: str, Key: str) -> dict[str, Any]:  # noqa: N803
        with self._mutex:
            return self._answer(ETag=_etag(self._found(Key)))

    def put_object(self, *, Bucket: str, Key: str, Body: bytes, **condition: str) -> dict[str, Any]:  # noqa: N803
        with self._mutex:
            there = self.objects.get(Key)
            if "IfNoneMatch" in condition and there is not None:
                raise self._error("PreconditionFailed")
            if "IfMatch" in condition and _etag(self._found(Key)) != condition["IfMatch"]:
                raise self._error("PreconditionFailed")
            self.objects[Key] = Body
            return self._answer(ETag=_etag(Body))

    def delete_object(self, *, Bucket: str, Key: str, IfMatch: str) -> dict[str, Any]:  # noqa: N803
        with self._mutex:
            if _etag(self._found(Key)) != IfMatch:
                raise self._error("PreconditionFailed")
            del self.objects[Key]
            return self._answer()

    def delete_objects(self, *, Bucket: str, Delete: dict[str, Any]) -> dict[str, Any]:  # noqa: N803
        with self._mutex:
            for each in Delete["Objects"]:
                self.objects.pop(each["Key"], None)
            return self._answer()

    def get_paginator(self, name: str) -> Memory:
        """Itself: there is one page."""
        return self

    def paginate(self, *, Bucket: str, Prefix: str) -> list[dict[str, Any]]:  # noqa: N803
        with self._mutex:
            return [{"Contents": [{"Key": key} for key in self.objects if key.startswith(Prefix)]}]

    def _found(self, key: str) -> bytes:
        if key not in self.objects:
            raise self._error("NoSuchKey")
        return self.objects[key]

    def _answer(self, **members: Any) -> dict[str, Any]:
        date = format_datetime(datetime.now(UTC) + self.later, usegmt=True)
        return {**members, "ResponseMetadata": {"HTTPHeaders": {"date": date}}}

    def _error(self, code: str) -> ClientError:
        answer: Any = {"Error": {"Code": code, "Message": code}, **self._answer()}
        return ClientError(answer, "S3")


def _etag(body: bytes) -> str:
    return f'"{hashlib.md5(body).hexdigest()}"'
