"""An S3 in memory, for tests that end many processes: as much of it as the store asks for, conditions included."""

from __future__ import annotations

import hashlib
import io
import threading
from typing import Any

from botocore.exceptions import ClientError

# ruff: noqa: N803 - arguments are called as botocore calls them

_DATE = "Mon, 23 Nov 2026 03:00:00 GMT"


class MemoryS3:
    """A client of one bucket, whatever it is called; ``objects`` by key."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self._mutex = threading.Lock()

    def put_object(self, *, Bucket: str, Key: str, Body: bytes, **more: Any) -> Any:
        with self._mutex:
            there = self.objects.get(Key)
            if "IfNoneMatch" in more and there is not None:
                raise _error("PreconditionFailed", 412)
            if "IfMatch" in more:
                if there is None:
                    raise _error("NoSuchKey", 404)
                if _etag(there) != more["IfMatch"]:
                    raise _error("PreconditionFailed", 412)
            self.objects[Key] = Body
        return _answer(ETag=_etag(Body))

    def get_object(self, *, Bucket: str, Key: str) -> Any:
        body = self._there(Key)
        return _answer(ETag=_etag(body), ContentLength=len(body), Body=io.BytesIO(body))

    def head_object(self, *, Bucket: str, Key: str) -> Any:
        return _answer(ETag=_etag(self._there(Key)))

    def delete_object(self, *, Bucket: str, Key: str, IfMatch: str) -> Any:
        with self._mutex:
            if _etag(self._there(Key)) != IfMatch:
                raise _error("PreconditionFailed", 412)
            del self.objects[Key]
        return _answer()

    def delete_objects(self, *, Bucket: str, Delete: Any) -> Any:
        for each in Delete["Objects"]:
            self.objects.pop(each["Key"], None)
        return _answer()

    def get_paginator(self, name: str) -> Any:
        assert name == "list_objects_v2"
        return self

    def paginate(self, *, Bucket: str, Prefix: str) -> Any:
        yield _answer(Contents=[{"Key": key} for key in sorted(self.objects) if key.startswith(Prefix)])

    def _there(self, key: str) -> bytes:
        if key not in self.objects:
            raise _error("NoSuchKey", 404)
        return self.objects[key]


def _etag(body: bytes) -> str:
    return f'"{hashlib.md5(body).hexdigest()}"'


def _answer(**members: Any) -> dict[str, Any]:
    return {"ResponseMetadata": {"HTTPStatusCode": 200, "HTTPHeaders": {"date": _DATE}}, **members}


def _error(code: str, status: int) -> ClientError:
    answer: Any = {
        "Error": {"Code": code, "Message": code},
        "ResponseMetadata": {"HTTPStatusCode": status, "HTTPHeaders": {"date": _DATE}},
    }
    return ClientError(answer, "any")
