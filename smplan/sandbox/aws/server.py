"""The door of the emulated AWS: one request at a time, answered by a handler if there is one, else by moto."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable
from http.client import responses
from typing import Any

from smplan.sandbox import admission
from smplan.sandbox.aws import consistency, protocol, quotas, validation
from smplan.sandbox.aws.errors import AwsError, Fields
from smplan.sandbox.aws.moto_client import Application, run_wsgi
from smplan.sandbox.aws.requests import HANDLERS, Call
from smplan.sandbox.aws.state.account import Account

_OMITTED = re.compile(r"content-length|access-control-.*", re.IGNORECASE)
"""Headers that are not passed on: the length is counted anew, and no web page may read a response."""


_READS = re.compile(rb"\bAction=(Describe|Get|List)")


class AwsServer:
    """A WSGI application. ``lock`` is held while a request runs, because moto is not thread-safe.

    ``check_health`` is called, without the lock, before the health of targets is described; ``handled``, with it, after
    each request that may have changed something.
    """

    def __init__(
        self,
        account: Account,
        moto: Application,
        lock: threading.RLock,
        *,
        check_health: Callable[[], None] = lambda: None,
        handled: Callable[[], None] = lambda: None,
    ) -> None:
        self._account = account
        self._moto = moto
        self._lock = lock
        self._check_health = check_health
        self._handled = handled

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Respond to one request."""
        refused = admission.refusal(environ)
        if refused:
            return _refused(*refused, start_response)
        body = protocol.body_of(environ)  # before the lock: a client that stalls in the middle does not hold up others
        if b"Action=DescribeTargetHealth" in body:
            self._check_health()
        with self._lock:
            status, headers, content = self._respond(environ)
            if environ["REQUEST_METHOD"] != "GET" and not _READS.search(body):
                self._handled()
        headers = {name: value for name, value in headers.items() if not _OMITTED.fullmatch(name)}
        headers["Content-Length"] = str(len(content))
        start_response(f"{status} {responses.get(status, 'Unknown')}", list(headers.items()))
        return [content]

    def _respond(self, environ: dict[str, Any]) -> tuple[int, dict[str, str], bytes]:
        request = protocol.read(environ)
        if request is None:
            return self._forward_to_moto(environ)
        try:
            return self._dispatch(request, environ)
        except AwsError as error:
            return protocol.write(request, error)

    def _dispatch(self, request: protocol.ParsedRequest, environ: dict[str, Any]) -> tuple[int, dict[str, str], bytes]:
        if request.region != self._account.region and request.service not in protocol.GLOBAL:
            raise AwsError("UnsupportedOperation", f"the sandbox has no region but {self._account.region}")
        params = _checked(request)
        invisible = consistency.check(self._account, request.service, request.operation, params)
        if invisible is not None:
            return protocol.write(request, invisible)
        with moto_errors_as_aws_errors(f"{request.service}:{request.action}"):
            response = self._handle(request, params, environ)
        consistency.note(self._account, request.action, params, response[2])
        return response

    def _handle(
        self, request: protocol.ParsedRequest, params: Fields, environ: dict[str, Any]
    ) -> tuple[int, dict[str, str], bytes]:
        quotas.check(self._account, request.service, request.action, params)
        handler = HANDLERS.get((request.service, request.action))
        if handler is None:
            if request.service in self._account.without_moto:
                raise NotImplementedError
            return _reject_html_404(run_wsgi(self._moto, environ))
        self._account.tick()
        response: Fields | None = handler(Call(self._account, request.service, request.action, params))
        return protocol.write(request, response)

    def _forward_to_moto(self, environ: dict[str, Any]) -> tuple[int, dict[str, str], bytes]:
        try:
            return run_wsgi(self._moto, environ)
        except Exception as error:  # moto's own mistakes must not kill the connection
            return 400, {"Content-Type": "text/plain"}, f"the sandbox cannot handle this: {error!r}".encode()


def _refused(status: int, why: str, start_response: Callable[..., Any]) -> Iterable[bytes]:
    """A response to a request that is not even read."""
    body = f"{why}\n".encode()
    headers = [("Content-Type", "text/plain"), ("Content-Length", str(len(body))), ("Connection", "close")]
    start_response(f"{status} {responses[status]}", headers)
    return [body]


def _checked(request: protocol.ParsedRequest) -> Fields:
    """The parameters of ``request``. Raises AwsError if the service's model refuses them."""
    try:
        params = request.params()
    except Exception as error:  # moto's parsers raise whatever the conversion raises
        raise validation.malformed(request.service, error) from error
    validation.check(request.service, request.operation, params)
    return params


def _reject_html_404(response: tuple[int, dict[str, str], bytes]) -> tuple[int, dict[str, str], bytes]:
    """``response``, unless it is the web page that moto has for paths it does not know."""
    status, headers, _ = response
    if status == 404 and headers.get("Content-Type", "").startswith("text/html"):
        raise NotImplementedError
    return response


class moto_errors_as_aws_errors:  # noqa: N801 - reads as a statement
    """Turn moto's "not implemented" and its crashes into refusals that name the action."""

    def __init__(self, action: str) -> None:
        self._action = action

    def __enter__(self) -> None:
        """Nothing to prepare."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        if error is None or isinstance(error, AwsError) or not isinstance(error, Exception):
            return
        text = str(error).partition(" has not been implemented")[0]
        if text.startswith("The filter"):
            # EC2 refuses filters it does not know; so it does those that only the sandbox does not know.
            raise AwsError("InvalidParameterValue", f"{text} is not known to the sandbox") from error
        if isinstance(error, NotImplementedError):
            raise AwsError("InvalidAction", f"the sandbox does not know {self._action}") from error
        raise AwsError("InternalFailure", f"the sandbox failed at {self._action}: {error!r}", status=500) from error
