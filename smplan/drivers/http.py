"""HTTP client whose connections may go to another host than the URL's, as with curl's ``--connect-to``.

URL, Host header and TLS name (SNI and verification) always stay the real ones. The connection may go to the load
balancer's DNS name before a CNAME has spread, or to a sandbox's gateway on this machine.
"""

from __future__ import annotations

import ipaddress
import logging
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urlsplit

from smplan.errors import Invalid, LostAnswer, Unreachable

if TYPE_CHECKING:
    import httpx

CONNECT_SECONDS = 5.0
READ_SECONDS = 30.0

_PORTS = {"http": 80, "https": 443}
_METADATA = (ipaddress.ip_network("169.254.0.0/16"), ipaddress.ip_network("fd00:ec2::254/128"))
_TOKEN = re.compile(r"(accessToken=)[^&\s\"'>]*", re.IGNORECASE)


class _NoTokens(logging.Filter):
    """Redacts access tokens: httpx and httpcore log whole URLs."""

    def filter(self, record: logging.LogRecord) -> bool:
        message = record.getMessage()
        if "accesstoken=" in message.lower():
            record.msg, record.args = redacted(message), ()
        return True


@cache
def _quiet() -> None:
    for name in ("httpx", "httpcore.http11", "httpcore.connection", "httpcore.proxy", "httpcore"):
        logging.getLogger(name).addFilter(_NoTokens())


def redacted(text: str) -> str:
    """``text`` without access tokens."""
    return _TOKEN.sub(r"\1[redacted]", text)


@dataclass(frozen=True, slots=True)
class Response:
    """A response: its status, and its body as text."""

    status: int
    text: str


class HttpClient:
    """The client of one server: ``url`` is its address, ``connect_to`` a host to connect to instead of the URL's.

    ``connect_map`` holds ``HOST1:PORT1:HOST2:PORT2`` entries, separated by commas, as curl takes them: a connection to
    the first pair goes to the second; an empty HOST1 or PORT1 matches any. ``ca_file`` is trusted in place of the
    system's certificates. Redirects are never followed, and proxies and ``.netrc`` never used.
    """

    def __init__(
        self, url: str, *, connect_to: str | None = None, connect_map: str = "", ca_file: str | None = None
    ) -> None:
        self._at = _checked(url)
        self.host = self._at.hostname or ""
        self._real = f"{self._at.scheme}://{self._at.netloc}"
        self._target = _target(self._at, connect_to, connect_map)
        self._ca_file = ca_file
        self._made: httpx.Client | None = None

    def __repr__(self) -> str:
        return f"HttpClient({self.host})"

    @property
    def path(self) -> str:
        """The path of the URL, without a slash at its end."""
        return self._at.path.rstrip("/")

    def send(
        self, method: str, path: str, *, query: Mapping[str, str] | None = None, json: object = None, once: bool = False
    ) -> Response:
        """Send one request. ``once`` marks one that must not be repeated blindly.

        Raises Unreachable without a connection or a response, LostAnswer instead if ``once`` and the request may have
        been processed, Invalid for a redirect.
        """
        import httpx

        try:
            response = self._client().request(
                method,
                f"{self._target}{path}",
                params=dict(query or {}),
                json=json,
                headers={"Host": self._at.netloc},
                extensions={"sni_hostname": self.host},
            )
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise Unreachable(f"{self._real} cannot be reached: {redacted(str(error))}") from None
        except httpx.HTTPError as error:
            kind = LostAnswer if once else Unreachable
            raise kind(
                f"{method} {self._real}{path} got no response: {redacted(str(error)) or type(error).__name__}"
            ) from None
        if response.is_redirect:
            raise Invalid(f"{self.host} sent a redirect, which is not followed", hint="write the final URL")
        return Response(response.status_code, response.text)

    def _client(self) -> httpx.Client:
        import httpx

        _quiet()
        if self._made is None:
            context = ssl.create_default_context(cafile=self._ca_file)
            timeout = httpx.Timeout(READ_SECONDS, connect=CONNECT_SECONDS)
            limits = httpx.Limits(max_keepalive_connections=0)
            self._made = httpx.Client(
                verify=context, trust_env=False, follow_redirects=False, timeout=timeout, limits=limits
            )
        return self._made


def _checked(url: str) -> SplitResult:
    """``url``, split. Raises Invalid unless it is plain http(s) to an allowed host."""
    try:
        at = urlsplit(url)
        port = at.port
    except ValueError as error:
        raise Invalid(f"not a URL: {error}") from None
    if at.scheme not in _PORTS or not at.hostname or port == 0:
        raise Invalid("the URL must begin with http:// or https:// and name a host")
    if at.username or at.password:
        raise Invalid("the URL contains a user name or password", hint="remove it; write a token as `access_token`")
    _refuse_metadata(at.hostname)
    return at


def _refuse_metadata(host: str) -> None:
    """Raise Invalid for the addresses that serve a cloud's credentials."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return
    if any(address in network for network in _METADATA):
        raise Invalid(f"{host} is a metadata address, not a Stream Manager")


def _target(at: SplitResult, connect_to: str | None, connect_map: str) -> str:
    """The URL to connect to: scheme, host and port."""
    host, port = at.hostname or "", at.port or _PORTS[at.scheme]
    if connect_to:
        host = connect_to
        _refuse_metadata(host)
    for names in ((host, port), (at.hostname or "", port)):
        found = _mapped(names, connect_map)
        if found:
            host, port = found
            break
    shown = f"[{host}]" if ":" in host else host
    return f"{at.scheme}://{shown}:{port}"


def _mapped(names: tuple[str, int], connect_map: str) -> tuple[str, int] | None:
    for entry in filter(None, connect_map.split(",")):
        found = re.fullmatch(r"(\[[^\]]*\]|[^:]*):(\d*):(\[[^\]]*\]|[^:]*):(\d*)", entry.strip())
        if not found:
            raise Invalid(f"`{entry}` is not HOST1:PORT1:HOST2:PORT2", hint="fix SMPLAN_CONNECT_TO")
        host, port, to_host, to_port = found.groups()
        if host.strip("[]") in ("", names[0]) and port in ("", str(names[1])):
            return to_host.strip("[]") or names[0], int(to_port or names[1])
    return None
