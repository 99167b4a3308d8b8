"""An S3 in memory: as a client in the same process, or over HTTP for other processes."""

from __future__ import annotations

import hashlib
import io
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from html import escape, unescape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from botocore.exceptions import ClientError

# ruff: noqa: N803 - arguments have botocore's names

_STATUS = {"NoSuchKey": 404, "NotImplemented": 501, "PreconditionFailed": 412}
_WHO = re.compile(r"Credential=([^/]+)/")
_CONDITIONS = ("If-Match", "If-None-Match")
HOLD_SECONDS = 120
"""A held request passes after this time at the latest."""


def fixed() -> datetime:
    """A time that does not pass."""
    return datetime(2026, 11, 23, 3, tzinfo=UTC)


class MemoryS3:
    """A client of one bucket, with any name. ``objects`` are its bodies by key, and may be changed directly.

    ``conditional=False`` ignores If-Match and If-None-Match, as some stores with S3's API do. ``now`` is the server's
    clock, for the Date header.
    """

    def __init__(self, *, conditional: bool = True, now: Callable[[], datetime] = fixed) -> None:
        self.objects: dict[str, bytes] = {}
        self.conditional = conditional
        self.now = now
        self._mutex = threading.RLock()

    def put_object(self, *, Bucket: str, Key: str, Body: bytes, **more: Any) -> Any:
        with self._mutex:
            if "IfNoneMatch" in more and self.conditional and Key in self.objects:
                raise self.error("PreconditionFailed")
            self._check(Key, more.get("IfMatch"))
            self.objects[Key] = Body
        return self._response(ETag=_etag(Body))

    def get_object(self, *, Bucket: str, Key: str) -> Any:
        body = self._existing(Key)
        return self._response(ETag=_etag(body), ContentLength=len(body), Body=io.BytesIO(body))

    def head_object(self, *, Bucket: str, Key: str) -> Any:
        return self._response(ETag=_etag(self._existing(Key)))

    def delete_object(self, *, Bucket: str, Key: str, **more: Any) -> Any:
        with self._mutex:
            self._check(Key, more.get("IfMatch"))
            self.objects.pop(Key, None)
        return self._response()

    def delete_objects(self, *, Bucket: str, Delete: Any) -> Any:
        for each in Delete["Objects"]:
            self.objects.pop(each["Key"], None)
        return self._response()

    def get_paginator(self, name: str) -> Any:
        """Itself: all keys are on one page."""
        assert name == "list_objects_v2"
        return self

    def paginate(self, *, Bucket: str, Prefix: str) -> Iterator[Any]:
        with self._mutex:
            keys = sorted(key for key in self.objects if key.startswith(Prefix))
        yield self._response(Contents=[{"Key": key} for key in keys])

    def error(self, code: str) -> ClientError:
        """The error that botocore raises for a response with this code."""
        response: Any = {"Error": {"Code": code, "Message": code}, **self._response(_STATUS[code])}
        return ClientError(response, "any")

    def _check(self, key: str, etag: str | None) -> None:
        if etag is not None and self.conditional and _etag(self._existing(key)) != etag:
            raise self.error("PreconditionFailed")

    def _existing(self, key: str) -> bytes:
        with self._mutex:
            if key not in self.objects:
                raise self.error("NoSuchKey")
            return self.objects[key]

    def _response(self, status: int = 200, **members: Any) -> dict[str, Any]:
        headers = {"date": format_datetime(self.now(), usegmt=True)}
        return {"ResponseMetadata": {"HTTPStatusCode": status, "HTTPHeaders": headers}, **members}


def _etag(body: bytes) -> str:
    return f'"{hashlib.md5(body).hexdigest()}"'


@dataclass(frozen=True, slots=True)
class Request:
    """A request that was answered: the access key that signed it, and the status of the response."""

    who: str
    method: str
    path: str
    status: int


@dataclass(slots=True)
class Hold:
    """A request to be held, ``before`` it is done or when its response is ready, until ``go`` is set.

    ``part`` is in its path, or is the end of it if a ``$`` follows.
    """

    who: str
    method: str
    part: str
    before: bool
    arrived: threading.Event = field(default_factory=threading.Event)
    go: threading.Event = field(default_factory=threading.Event)


class S3Server:
    """``s3`` on a port of 127.0.0.1 while in the ``with`` block; ``requests`` is every request so far."""

    def __init__(self, s3: MemoryS3) -> None:
        self.s3 = s3
        self.requests: list[Request] = []
        self.holds: list[Hold] = []
        handler = type("Handler", (_Handler,), {"owner": self})
        self._server = _Server(("127.0.0.1", 0), handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> S3Server:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        for hold in self.holds:
            hold.go.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def wait(self, who: str, method: str, path: str, *, before: bool) -> None:
        """Return at once, or when the hold of this request is released."""
        for hold in self.holds:
            matches = (hold.who, hold.method, hold.before) == (who, method, before) and hold.part in f"{path}$"
            if matches and not hold.arrived.is_set():
                hold.arrived.set()
                hold.go.wait(HOLD_SECONDS)


class _Server(ThreadingHTTPServer):
    request_queue_size = 256  # many processes connect at once
    daemon_threads = True


class _Handler(BaseHTTPRequestHandler):
    """Translates requests to calls of the client, and its errors to responses."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    owner: S3Server

    def _handle(self) -> None:
        found = _WHO.search(self.headers.get("Authorization", ""))
        who, path = found[1] if found else "", unquote(urlsplit(self.path).path)
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.owner.wait(who, self.command, path, before=True)
        try:
            status, answer, headers = self._call(path, body)
        except ClientError as error:
            code = error.response["Error"]["Code"]
            status, headers = _STATUS[code], {}
            answer = f"<Error><Code>{code}</Code><Message>{code}</Message></Error>".encode()
        self.owner.requests.append(Request(who, self.command, path, status))
        self.owner.wait(who, self.command, path, before=False)
        self._send(status, answer, headers)

    do_GET = do_HEAD = do_PUT = do_DELETE = do_POST = _handle  # noqa: N815 - http.server's names

    def _call(self, path: str, body: bytes) -> tuple[int, bytes, dict[str, str]]:
        s3, query = self.owner.s3, parse_qs(urlsplit(self.path).query, keep_blank_values=True)
        bucket, _, key = path.lstrip("/").partition("/")
        where: Any = {"Bucket": bucket, "Key": key}
        conditions = {name.replace("-", ""): self.headers[name] for name in _CONDITIONS if name in self.headers}
        match self.command:
            case "GET" if "list-type" in query:
                page = next(s3.paginate(Bucket=bucket, Prefix=query.get("prefix", [""])[0]))
                keys = "".join(f"<Contents><Key>{escape(each['Key'])}</Key></Contents>" for each in page["Contents"])
                return 200, f"<ListBucketResult>{keys}</ListBucketResult>".encode(), {}
            case "GET" | "HEAD" if key:
                found = s3.get_object(**where)
                return 200, found["Body"].read(), {"ETag": found["ETag"]}
            case "PUT" if key:
                return 200, b"", {"ETag": s3.put_object(**where, Body=body, **conditions)["ETag"]}
            case "DELETE" if key:
                s3.delete_object(**where, **conditions)
                return 204, b"", {}
            case "POST" if "delete" in query:
                named = [{"Key": unescape(each)} for each in re.findall(r"<Key>(.*?)</Key>", body.decode())]
                s3.delete_objects(Bucket=bucket, Delete={"Objects": named})
                return 200, b"<DeleteResult/>", {}
        raise s3.error("NotImplemented")

    def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response_only(status)
        self.send_header("Date", format_datetime(self.owner.s3.now(), usegmt=True))
        for name, value in headers.items():
            self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing."""
