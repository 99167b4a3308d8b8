"""Every fault point of one smplan process, logged, with a fault injected at chosen ones.

A fault point is a request to AWS or to Stream Manager, or a call of the disk that changes a file. ``install`` is called
in the process itself before smplan's command begins. Each point is written to a log, one per line, which survives a
killed process.
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
    """A request or disk call: its number (from 1, wire and disk apart), and the kind of the step it is for."""

    number: int
    kind: str
    """Empty outside steps."""
    to: str
    """``aws``, ``s3``, ``red5`` or ``disk``."""
    what: str

    @property
    def wire(self) -> bool:
        """Whether it is a request, not a disk call."""
        return self.to != "disk"

    @property
    def reads(self) -> bool:
        """Whether it is a request that changes nothing."""
        return self.what.rpartition(":")[2].startswith((*READING, "GET", "HEAD"))

    @property
    def row(self) -> str:
        """The table row it counts in: the kind of its step, the state, or requests outside steps."""
        if self.to in ("disk", "s3"):
            return f"state ({'files' if self.to == 'disk' else 'S3'})"
        return self.kind or "outside steps"


@dataclass(frozen=True)
class Fault:
    """A fault of one ``kind`` (MIXED: any of PASSING, by ``seed``) at point number ``at`` of the wire or the disk.

    Without ``at``, it strikes a ``share`` of all points, chosen by ``seed``.
    """

    kind: str
    at: int = 0
    wire: bool = True
    share: float = 0.0
    seed: int = 0

    def strikes(self, wire: bool, number: int, dice: random.Random) -> bool:
        """Whether the fault strikes this point."""
        if wire is not self.wire:
            return False
        return number == self.at if self.at else dice.random() < self.share


def read_log(path: Path) -> tuple[list[FaultPoint], list[FaultPoint]]:
    """All fault points of a process in order, and those that a fault struck."""
    points, struck = [], []
    for line in path.read_text().splitlines() if path.exists() else ():
        number, hit, kind, to, what = line.split("\t")
        points.append(FaultPoint(int(number), kind, to, what))
        if hit:
            struck.append(points[-1])
    return points, struck


class FaultInjector:
    """Logs each fault point of this process, and injects ``fault``."""

    def __init__(self, log: Path, fault: Fault | None) -> None:
        self._log = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._fault = fault
        self._dice = random.Random(fault.seed if fault else 0)
        self._counts = {True: 0, False: 0}
        self._lock = threading.Lock()
        self.step = threading.local()

    def cross(self, to: str, what: str, act: Callable[[], Any], inject: Callable[[str, Callable[[], Any]], Any]) -> Any:
        """Do ``act``; if the fault strikes here, do ``inject`` instead, or kill the process."""
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
            _kill()
        if fault == "killed after":
            with contextlib.suppress(Exception):  # a failed call has ended, too
                act()
            _kill()
        return inject(fault, act)

    def _chosen_kind(self) -> str:
        assert self._fault is not None
        return self._dice.choice(PASSING) if self._fault.kind == MIXED else self._fault.kind


def _kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
    signal.pause()


def install(log: Path, fault: Fault | None) -> None:
    """Log and disturb all fault points of this process from now on."""
    injector = FaultInjector(log, fault)
    _watch_steps(injector)
    _watch_aws(injector)
    _watch_stream_manager(injector)
    _watch_disk(injector)


def _watch_steps(injector: FaultInjector) -> None:
    apply_step = operations.apply_step

    def watched(run: RunContext, prepared: PreparedStep) -> Result:
        injector.step.kind = prepared.step.kind
        try:
            return apply_step(run, prepared)
        finally:
            injector.step.kind = ""

    operations.apply_step = watched  # this process exists only for the campaign


def _watch_aws(injector: FaultInjector) -> None:
    send = URLLib3Session.send

    def watched(self: URLLib3Session, request: Any) -> Any:
        service, action = asked(request)

        def inject(fault: str, act: Callable[[], Any]) -> Any:
            if fault == "response lost":
                act()
            if fault in ("response lost", "timed out"):
                raise ReadTimeoutError(endpoint_url=request.url)
            if fault == "connection reset":
                raise ConnectionClosedError(endpoint_url=request.url)
            return _response(fault, request, act)

        to = "s3" if service == "s3" else "aws"
        return injector.cross(to, f"{service}:{action}", lambda: send(self, request), inject)

    URLLib3Session.send = watched  # type: ignore[method-assign]  # this process exists only for the campaign


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
    """A path without the parts that differ between runs."""
    return re.sub(r"\d{8}\.json|[0-9A-Z]{10,}", "#", path)


def _text(value: bytes | str) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


class _Raw:
    """A response body with urllib3's interface."""

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


def _response(fault: str, request: Any, act: Callable[[], Any]) -> AWSResponse:
    """The injected response. A truncated one is half of the server's own, after it handled the request."""
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
    """An error in the wire format of the request."""
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


def _watch_stream_manager(injector: FaultInjector) -> None:
    handle = httpx.HTTPTransport.handle_request

    def watched(self: httpx.HTTPTransport, request: httpx.Request) -> httpx.Response:
        def inject(fault: str, act: Callable[[], Any]) -> httpx.Response:
            if fault == "response lost":
                act().close()
            if fault in ("response lost", "timed out"):
                raise httpx.ReadTimeout("timed out", request=request)
            if fault == "connection reset":
                raise httpx.ReadError("connection reset by peer", request=request)
            return _stream_manager_response(fault, request, act)

        what = f"red5:{request.method} {_plain(request.url.path)}"
        found: httpx.Response = injector.cross("red5", what, lambda: handle(self, request), inject)
        return found

    httpx.HTTPTransport.handle_request = watched  # type: ignore[method-assign]  # this process exists only for the campaign


def _stream_manager_response(fault: str, request: httpx.Request, act: Callable[[], Any]) -> httpx.Response:
    if fault == "truncated":
        real = act()
        body = b"".join(real.stream)
        return httpx.Response(real.status_code, content=body[: len(body) // 2])
    if fault == "503 HTML":
        return httpx.Response(503, html="<html><h1>503 Service Temporarily Unavailable</h1></html>")
    status = {"throttled": 429, "500": 500, "denied": 403, "expired": 401}[fault]
    return httpx.Response(status, json={"errorMessage": f"injected: {fault}"})


def _watch_disk(injector: FaultInjector) -> None:
    for name in DISK_CALLS:
        _watch_disk_call(injector, name)


def _watch_disk_call(injector: FaultInjector, name: str) -> None:
    real = getattr(Disk, name)

    def watched(self: Disk, *arguments: Any) -> Any:
        def act() -> Any:
            return real(self, *arguments)

        return injector.cross("disk", f"disk:{name}", act, lambda fault, act: act())  # a disk is only ever killed at

    setattr(Disk, name, watched)
