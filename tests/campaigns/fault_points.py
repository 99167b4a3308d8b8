"""Every boundary between one smplan process and the world, counted, with something going wrong at chosen ones.

A point is a request to AWS or to Stream Manager, or a call of the disk that changes a file. ``install`` is called in
the process itself, before smplan's command begins. What is crossed is written to a log, a line a point, so that it
is known after the process was killed, too.
"""

from __future__ import annotations

import contextlib
import os
import random
import re
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from botocore.exceptions import ConnectionClosedError, ReadTimeoutError
from botocore.httpsession import URLLib3Session

from smplan.engine import operations
from smplan.engine.operations import Result, RunContext
from smplan.engine.prepare import PreparedStep
from smplan.stores.files import Disk

KILLS = ("killed before", "killed after")
CUTS = ("response lost", "connection reset")
PASSING = ("throttled", "500", "503 HTML", "truncated", "timed out")
LASTING = ("denied", "expired")
MIXED = "mixed"
DISK_CALLS = ("write", "sync", "truncate", "rename", "unlink")
READING = ("Describe", "Get", "List", "Head")
_SCOPE = re.compile(r"Credential=[^/]+/\d{8}/[^/]+/(?P<service>[^/]+)/aws4_request")


@dataclass(frozen=True)
class FaultPoint:
    """One point: its number (from 1; the wire and the disk count apart), and the kind of the step it was for."""

    number: int
    kind: str
    """Empty outside steps."""
    to: str
    """``aws``, ``s3``, ``red5`` or ``disk``."""
    what: str

    @property
    def wire(self) -> bool:
        """Whether it goes over the wire."""
        return self.to != "disk"

    @property
    def reads(self) -> bool:
        """Whether it only asks."""
        return self.what.rpartition(":")[2].startswith((*READING, "GET", "HEAD"))

    @property
    def row(self) -> str:
        """What it counts as in a table: the kind of its step, the state, or what is asked beside all steps."""
        if self.to in ("disk", "s3"):
            return f"state ({'files' if self.to == 'disk' else 'S3'})"
        return self.kind or "beside steps"


@dataclass(frozen=True)
class Fault:
    """What goes wrong: ``fault`` (MIXED: one of PASSING, by ``seed``) at point ``at`` of the wire or the disk.

    Without ``at``, it goes wrong at a ``share`` of all points, by ``seed``.
    """

    kind: str
    at: int = 0
    wire: bool = True
    share: float = 0.0
    seed: int = 0

    def strikes(self, wire: bool, number: int, dice: random.Random) -> bool:
        """Whether it goes wrong at this point."""
        if wire is not self.wire:
            return False
        return number == self.at if self.at else dice.random() < self.share


def read_log(path: Path) -> tuple[list[FaultPoint], list[FaultPoint]]:
    """All points of a process in their order, and those at which trouble struck."""
    points, struck = [], []
    for line in path.read_text().splitlines() if path.exists() else ():
        number, hit, kind, to, what = line.split("\t")
        points.append(FaultPoint(int(number), kind, to, what))
        if hit:
            struck.append(points[-1])
    return points, struck


class FaultInjector:
    """The one of this process."""

    def __init__(self, log: Path, fault: Fault | None) -> None:
        self._log = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._fault = fault
        self._dice = random.Random(fault.seed if fault else 0)
        self._counts = {True: 0, False: 0}
        self._lock = threading.Lock()
        self.step = threading.local()

    def cross(self, to: str, what: str, act: Callable[[], Any], wrong: Callable[[str, Callable[[], Any]], Any]) -> Any:
        """Do ``act``, unless now is the time for fault: then ``wrong``, or the end."""
        wire = to != "disk"
        with self._lock:
            self._counts[wire] += 1
            number = self._counts[wire]
            struck = self._fault is not None and self._fault.strikes(wire, number, self._dice)
            kind = getattr(self.step, "kind", "")
            fault = self._chosen_kind() if struck else ""
            os.write(self._log, f"{number}\t{fault}\t{kind}\t{to}\t{what}\n".encode())
        if not fault:
            return act()
        if fault == "killed before":
            _end()
        if fault == "killed after":
            with contextlib.suppress(Exception):  # a call that fails is over, too
                act()
            _end()
        return wrong(fault, act)

    def _chosen_kind(self) -> str:
        assert self._fault is not None
        return self._dice.choice(PASSING) if self._fault.kind == MIXED else self._fault.kind


def _end() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
    signal.pause()


def install(log: Path, fault: Fault | None) -> None:
    """Watch all boundaries of this process from now on."""
    boundary = FaultInjector(log, fault)
    _watch_steps(boundary)
    _watch_aws(boundary)
    _watch_stream_manager(boundary)
    _watch_disk(boundary)


def _watch_steps(boundary: FaultInjector) -> None:
    apply_step = operations.apply_step

    def watched(run: RunContext, prepared: PreparedStep) -> Result:
        boundary.step.kind = prepared.step.kind
        try:
            return apply_step(run, prepared)
        finally:
            boundary.step.kind = ""

    operations.apply_step = watched  # this process is made for being watched


def _watch_aws(boundary: FaultInjector) -> None:
    send = URLLib3Session.send

    def watched(self: URLLib3Session, request: Any) -> Any:
        service, action = asked(request)

        def wrong(fault: str, act: Callable[[], Any]) -> Any:
            if fault == "response lost":
                act()
            if fault in ("response lost", "timed out"):
                raise ReadTimeoutError(endpoint_url=request.url)
            if fault == "connection reset":
                raise ConnectionClosedError(endpoint_url=request.url)
            return _answer(fault, request, act)

        to = "s3" if service == "s3" else "aws"
        return boundary.cross(to, f"{service}:{action}", lambda: send(self, request), wrong)

    URLLib3Session.send = watched  # type: ignore[method-assign]  # this process is run only to be watched


def asked(request: Any) -> tuple[str, str]:
    """Service and action of a signed request, as far as its wire format shows them."""
    scope = _SCOPE.search(_text(request.headers.get("Authorization", "")))
    service = scope["service"] if scope else "unknown"
    target = _text(request.headers.get("X-Amz-Target", ""))
    at = urlsplit(request.url)
    body = _text(request.body if isinstance(request.body, (bytes, str)) else b"")
    action = parse_qs(body).get("Action", [""])[0] if body.startswith(("Action=", "Version=")) else ""
    if not action and "/operation/" in at.path:
        action = at.path.rpartition("/")[2]
    return service, action or target.rpartition(".")[2] or f"{request.method} {_plain(at.path)}"


def _plain(path: str) -> str:
    """A path without what differs from run to run."""
    return re.sub(r"\d{8}\.json|[0-9A-Z]{10,}", "#", path)


def _text(value: bytes | str) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


class _Raw:
    """A body as urllib3 gives it."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    def stream(self, *_: object, **__: object) -> Any:
        """The body in one piece."""
        yield self._body

    def read(self, *_: object) -> bytes:
        """The body."""
        body, self._body = self._body, b""
        return body


_CODES = {
    "throttled": (400, "Throttling", "Rate exceeded"),
    "500": (500, "InternalFailure", "An internal error has occurred"),
    "denied": (403, "AccessDenied", "You are not authorized to perform this operation"),
    "expired": (403, "ExpiredToken", "The security token included in the request is expired"),
}


def _answer(fault: str, request: Any, act: Callable[[], Any]) -> AWSResponse:
    """What comes in place of the server's answer; a truncated one is its own: it was asked, and did it."""
    if fault == "truncated":
        real = act()
        body = real.content
        return AWSResponse(request.url, real.status_code, real.headers, _Raw(body[: len(body) // 2]))
    if fault == "503 HTML":
        page = b"<html><body><h1>503 Service Unavailable</h1></body></html>"
        return AWSResponse(request.url, 503, _headers({"content-type": "text/html"}), _Raw(page))
    status, code, message = _CODES[fault]
    kind, body = _error(request, code, message)
    return AWSResponse(request.url, status, _headers({"content-type": kind, "x-amzn-errortype": code}), _Raw(body))


def _headers(headers: dict[str, str]) -> HTTPHeaders:
    found = HTTPHeaders()
    for name, value in headers.items():
        found[name] = value
    return found


def _error(request: Any, code: str, message: str) -> tuple[str, bytes]:
    """An error in the wire format that the request speaks."""
    kind = _text(request.headers.get("Content-Type", ""))
    service, _ = asked(request)
    if "json" in kind:
        return kind, f'{{"__type": "{code}", "message": "{message}"}}'.encode()
    inner = f"<Code>{code}</Code><Message>{message}</Message>"
    if service == "ec2":
        return (
            "text/xml",
            f"<Response><Errors><Error>{inner}</Error></Errors><RequestID>r</RequestID></Response>".encode(),
        )
    if service == "s3":
        return "text/xml", f"<Error>{inner}</Error>".encode()
    return "text/xml", f"<ErrorResponse><Error>{inner}</Error><RequestId>r</RequestId></ErrorResponse>".encode()


def _watch_stream_manager(boundary: FaultInjector) -> None:
    handle = httpx.HTTPTransport.handle_request

    def watched(self: httpx.HTTPTransport, request: httpx.Request) -> httpx.Response:
        def wrong(fault: str, act: Callable[[], Any]) -> httpx.Response:
            if fault == "response lost":
                act().close()
            if fault in ("response lost", "timed out"):
                raise httpx.ReadTimeout("timed out", request=request)
            if fault == "connection reset":
                raise httpx.ReadError("connection reset by peer", request=request)
            return _answer_of_stream_manager(fault, request, act)

        what = f"red5:{request.method} {_plain(request.url.path)}"
        found: httpx.Response = boundary.cross("red5", what, lambda: handle(self, request), wrong)
        return found

    httpx.HTTPTransport.handle_request = watched  # type: ignore[method-assign]


def _answer_of_stream_manager(fault: str, request: httpx.Request, act: Callable[[], Any]) -> httpx.Response:
    if fault == "truncated":
        real = act()
        body = b"".join(real.stream)
        return httpx.Response(real.status_code, content=body[: len(body) // 2])
    if fault == "503 HTML":
        return httpx.Response(503, html="<html><h1>503 Service Temporarily Unavailable</h1></html>")
    status = {"throttled": 429, "500": 500, "denied": 403, "expired": 401}[fault]
    return httpx.Response(status, json={"errorMessage": f"injected: {fault}"})


def _watch_disk(boundary: FaultInjector) -> None:
    for name in DISK_CALLS:
        _watch_disk_call(boundary, name)


def _watch_disk_call(boundary: FaultInjector, name: str) -> None:
    real = getattr(Disk, name)

    def watched(self: Disk, *arguments: Any) -> Any:
        def act() -> Any:
            return real(self, *arguments)

        return boundary.cross("disk", f"disk:{name}", act, lambda fault, act: act())  # only kills are for disks

    setattr(Disk, name, watched)
