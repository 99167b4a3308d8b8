"""HTTP client whose connections may go to another host than the URL's, as with curl's ``--connect-to``.

URL, Host header and TLS name (SNI and verification) always stay the real ones. The connection may go to the load
balancer's DNS name before a CNAME has spread, or to a sandbox's gateway on this machine. A host is resolved once per
connection: the addresses that were checked are those that are connected to.
"""

from __future__ import annotations

import json
import logging
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import SplitResult, urlsplit

from smplan.drivers import destinations
from smplan.drivers.destinations import SecretHosts
from smplan.errors import Invalid, LostAnswer, Unreachable
from smplan.redaction import KNOWN, redacted

if TYPE_CHECKING:
    import httpx

CONNECT_SECONDS = 5.0
READ_SECONDS = 30.0
TOTAL_SECONDS = 60.0
"""From the connection to the last byte of the response."""
RESPONSE_BYTES = 16 * 1024 * 1024
RESPONSE_DEPTH = 64
"""How deep JSON may nest in a response."""

_PORTS = {"http": 80, "https": 443}


class _NoTokens(logging.Filter):
    """Redacts secrets: httpx and httpcore log whole URLs, and the headers of responses."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = redacted(record.getMessage()), ()
        return True


@cache
def _quiet() -> None:
    for name in ("httpx", "httpcore.http11", "httpcore.connection", "httpcore.proxy", "httpcore"):
        logging.getLogger(name).addFilter(_NoTokens())


@dataclass(frozen=True, slots=True)
class Response:
    """A response: its status, and its body as text without the secrets that this process knows."""

    status: int
    text: str

    def json(self) -> Any:
        """The body as JSON, whose texts are Unicode and without secrets.

        Raises ValueError for anything else, also for NaN and what nests too deep.
        """
        try:
            value = json.loads(self.text, parse_constant=_not_json, parse_float=_finite)
        except RecursionError:
            raise ValueError("it nests too deep") from None
        _check_depth(value)
        return KNOWN.tree(_unicode(value))


def _not_json(text: str) -> NoReturn:
    raise ValueError(f"{text} is not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise ValueError("a number is too large")
    return number


def _check_depth(value: Any) -> None:
    level = [value]
    for _ in range(RESPONSE_DEPTH):
        level = [
            item
            for each in level
            if isinstance(each, (dict, list))
            for item in (each.values() if isinstance(each, dict) else each)
        ]
        if not level:
            return
    raise ValueError(f"it nests deeper than {RESPONSE_DEPTH} levels")


def _unicode(value: Any) -> Any:
    """``value`` with U+FFFD for halves of characters, which no file can hold."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [_unicode(item) for item in value]
    if isinstance(value, dict):
        return {_unicode(key): _unicode(item) for key, item in value.items()}
    return value


class HttpClient:
    """The client of one server: ``url`` is its address, ``connect_to`` a host to connect to instead of the URL's.

    ``connect_map`` holds ``HOST1:PORT1:HOST2:PORT2`` entries, separated by commas, as curl takes them: a connection to
    the first pair goes to the second; an empty HOST1 or PORT1 matches any. ``ca_file`` is trusted in place of the
    system's certificates. Redirects are never followed, and proxies and ``.netrc`` never used.
    """

    def __init__(
        self,
        url: str,
        *,
        connect_to: str | None = None,
        connect_map: str = "",
        ca_file: str | None = None,
        lookup: destinations.Lookup | None = None,
        total_seconds: float = TOTAL_SECONDS,
    ) -> None:
        self._at = _checked(url)
        self.host = self._at.hostname or ""
        self._real = f"{self._at.scheme}://{self._at.netloc}"
        self._connect = _connect(self._at, connect_to, connect_map)
        self._ca_file = ca_file
        self._lookup = lookup
        self._total_seconds = total_seconds
        self._made: httpx.Client | None = None

    def __repr__(self) -> str:
        return f"HttpClient({self.host})"

    @property
    def port(self) -> int:
        """The port of the URL."""
        return self._at.port or _PORTS[self._at.scheme]

    @property
    def path(self) -> str:
        """The path of the URL, without a slash at its end."""
        return self._at.path.rstrip("/")

    @property
    def query(self) -> str:
        """The query of the URL, with its question mark; empty if there is none."""
        return f"?{self._at.query}" if self._at.query else ""

    def check_secrets_allowed(self, allowed: SecretHosts) -> None:
        """Raise GuardRefused unless secrets may be sent there: by ``allowed``, or because the operator redirected it.

        In clear text what is connected to must be allowed; with TLS the name that the server proves.
        """
        if not self._connect.by_operator:
            host = self.host if self._at.scheme == "https" else self._connect.host
            allowed.check(self._at.scheme, host, self._connect.port)

    def send(
        self, method: str, path: str, *, query: Mapping[str, str] | None = None, json: object = None, once: bool = False
    ) -> Response:
        """Send one request. ``once`` marks one that must not be repeated blindly.

        Raises Unreachable without a connection or a response, LostAnswer instead if ``once`` and the request may have
        been processed, Invalid for a redirect and for a forbidden address.
        """
        import httpx

        try:
            with self._client().stream(
                method,
                f"{self._at.scheme}://{self._connect.netloc}{path}",
                params=dict(query) if query else None,
                json=json,
                headers={"Host": self._at.netloc, "Accept-Encoding": "identity"},
                extensions={"sni_hostname": self.host},
            ) as response:
                if response.is_redirect:
                    raise Invalid(f"{self.host} sent a redirect, which is not followed", hint="write the final URL")
                return Response(response.status_code, redacted(self._body(response)))
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise Unreachable(f"{self._real} cannot be reached: {error}") from None
        except httpx.InvalidURL as error:
            raise Invalid(f"not a URL: {error}") from None
        except httpx.HTTPError as error:
            kind = LostAnswer if once else Unreachable
            raise kind(f"{method} {self._real}{path} got no response: {str(error) or type(error).__name__}") from None

    def _body(self, response: httpx.Response) -> str:
        """The body as text. Raises httpx.DecodingError if it is too large."""
        import httpx

        body = bytearray()
        for chunk in response.iter_bytes():
            body += chunk
            if len(body) > RESPONSE_BYTES:
                raise httpx.DecodingError(f"the response is larger than {RESPONSE_BYTES >> 20} MiB")
        return body.decode(errors="replace")

    def _client(self) -> httpx.Client:
        import httpx

        from smplan.drivers.connections import transport

        _quiet()
        if self._made is None:
            context = ssl.create_default_context(cafile=self._ca_file)
            timeout = httpx.Timeout(READ_SECONDS, connect=CONNECT_SECONDS)
            self._made = httpx.Client(
                transport=transport(context, self._total_seconds, self._lookup),
                trust_env=False,
                follow_redirects=False,
                timeout=timeout,
            )
        return self._made


def check_url(url: str) -> None:
    """Raise Invalid unless ``url`` is http(s), without a password, and leads to no forbidden address by itself."""
    _checked(url)


def check_connect_to(host: str) -> None:
    """Raise Invalid unless ``host`` is the name of a host, or an allowed address."""
    destinations.checked_host(host.strip("[]"), "`connect_to`")


def _checked(url: str) -> SplitResult:
    """``url``, split. Raises Invalid unless it is plain http(s) to an allowed host."""
    try:
        at = urlsplit(url)
        port = at.port
    except ValueError as error:
        raise Invalid(f"not a URL: {error}") from None
    if at.scheme not in _PORTS or not at.hostname or port == 0:
        raise Invalid("the URL must begin with http:// or https:// and name a host")
    if "@" in at.netloc:
        raise Invalid("the URL contains a user name or password", hint="remove it; write a token as `access_token`")
    host = destinations.checked_host(at.hostname, "the host of the URL")
    shown = f"[{host}]" if ":" in host else host
    return at._replace(netloc=shown if port is None else f"{shown}:{port}")


@dataclass(frozen=True, slots=True)
class _Connect:
    """What is connected to; ``by_operator`` if the environment names it."""

    host: str
    port: int
    by_operator: bool = False

    @property
    def netloc(self) -> str:
        """Host and port as in a URL."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def _connect(at: SplitResult, connect_to: str | None, connect_map: str) -> _Connect:
    host, port = at.hostname or "", at.port or _PORTS[at.scheme]
    if connect_to:
        host = destinations.checked_host(connect_to.strip("[]"), "`connect_to`")
    for name in (host, at.hostname or ""):
        found = _mapped(name, port, connect_map)
        if found:
            destinations.checked_host(found.host, "the target in SMPLAN_CONNECT_TO")
            return found
    return _Connect(host, port)


def _mapped(name: str, number: int, connect_map: str) -> _Connect | None:
    for entry in filter(None, connect_map.split(",")):
        found = re.fullmatch(r"(\[[^\]]*\]|[^:]*):(\d*):(\[[^\]]*\]|[^:]*):(\d*)", entry.strip())
        if not found:
            raise Invalid(f"`{entry}` is not HOST1:PORT1:HOST2:PORT2", hint="fix SMPLAN_CONNECT_TO")
        host, port, to_host, to_port = found.groups()
        if host.strip("[]") in ("", name) and port in ("", str(number)):
            return _Connect(to_host.strip("[]") or name, int(to_port or number), by_operator=bool(to_host))
    return None
