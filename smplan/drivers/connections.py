"""Connections of the HTTP client: to checked addresses only, and with one deadline for everything on them."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Iterable
from typing import Any

import httpcore
import httpx

from smplan.drivers.destinations import Lookup, addresses


def transport(context: ssl.SSLContext, seconds: float, lookup: Lookup | None = None) -> httpx.HTTPTransport:
    """A transport whose connections end ``seconds`` after they began, and serve one request each.

    ``lookup`` resolves host names, by default as the system does.
    """
    made = httpx.HTTPTransport(verify=context, trust_env=False)
    made.close()
    made._pool = httpcore.ConnectionPool(
        ssl_context=context,
        max_keepalive_connections=0,
        network_backend=_Backend(seconds, lookup or socket.getaddrinfo),
    )
    return made


class _Backend(httpcore.NetworkBackend):
    """Connects to the addresses that were checked; the name is not resolved again."""

    def __init__(self, seconds: float, lookup: Lookup) -> None:
        self._seconds = seconds
        self._lookup = lookup
        self._sockets = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """A connection to the first address of ``host`` that accepts one."""
        until = time.monotonic() + self._seconds
        failed: Exception = httpcore.ConnectError(f"{host} has no address")
        try:
            found = addresses(host, port, self._lookup)
        except OSError as error:
            raise httpcore.ConnectError(str(error)) from error
        for address in found:
            try:
                stream = self._sockets.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failed = error
            else:
                return _Stream(stream, until)
        raise failed


class _Stream(httpcore.NetworkStream):
    """A connection on which everything, however slow, ends at one time."""

    def __init__(self, stream: httpcore.NetworkStream, until: float) -> None:
        self._stream = stream
        self._until = until

    def _left(self, timeout: float | None) -> float:
        left = self._until - time.monotonic()
        if left <= 0:
            raise httpcore.ReadTimeout("the response takes too long")
        return left if timeout is None else min(left, timeout)

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Some bytes."""
        return self._stream.read(max_bytes, self._left(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send ``buffer``."""
        self._stream.write(buffer, self._left(timeout))

    def close(self) -> None:
        """Close the connection."""
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        """The same connection, encrypted, with the same deadline."""
        return _Stream(self._stream.start_tls(ssl_context, server_hostname, self._left(timeout)), self._until)

    def get_extra_info(self, info: str) -> Any:
        """A fact about the connection."""
        return self._stream.get_extra_info(info)
