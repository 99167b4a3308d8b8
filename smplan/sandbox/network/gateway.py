"""The way of packets into the sandbox: listeners of load balancers on loopback, and Stream Managers behind them.

A client connects to 127.0.0.1 in place of a load balancer, and says by Host and SNI whom it wants: what curl calls
``--connect-to``. The listener's port is the Host header's, or the scheme's own.
"""

from __future__ import annotations

import ssl
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from socket import socket
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from smplan.sandbox.clock import Clock
from smplan.sandbox.interface import AwsView, Route
from smplan.sandbox.network.certificates import CertificateAuthority
from smplan.sandbox.stream_manager.responses import (
    Behaviour,
    Request,
    Response,
    html_page,
)
from smplan.sandbox.stream_manager.simulator import StreamManagers

HOST = "127.0.0.1"
LARGEST_BODY = 2 * 1024 * 1024
"""Tomcat's default limit."""
SILENCE_SECONDS = 10.0
"""Wall time after which a client that says nothing is dropped."""
POLL_SECONDS = 0.02
DROPPED_SECONDS = 60.0
"""Wall time for which a connection that no security group admits stays silent: longer than clients wait."""
_CLOSED = ("not active", "not admitted", "no listener")
_UNAVAILABLE = "503 Service Temporarily Unavailable"


class Gateway:
    """Everything that serves in the sandbox besides AWS. ``stream_managers`` may be called without a socket."""

    def __init__(self, world: AwsView, clock: Clock, behaviour: Behaviour | None = None) -> None:
        self.stream_managers = StreamManagers(world, clock, behaviour)
        self._world = world
        self._turn = count()
        self._authority: CertificateAuthority | None = None
        self._servers: list[_Server] = []
        self._threads: list[threading.Thread] = []
        self._stopped = threading.Event()

    def start(self) -> Gateway:
        """Open both listeners on free loopback ports; itself."""
        self._authority = CertificateAuthority()
        context = self._authority.context(())
        context.sni_callback = self._choose
        self._servers = [_Server(self), _Server(self, context)]
        for server in self._servers:
            thread = threading.Thread(
                target=server.serve_forever, args=(POLL_SECONDS,), name="sandbox-gateway", daemon=True
            )
            thread.start()
            self._threads.append(thread)
        return self

    def stop(self) -> None:
        """Close them. May be called again."""
        self._stopped.set()
        for server in self._servers:
            server.shutdown()
            server.server_close()
        for thread in self._threads:
            thread.join()
        self._servers, self._threads = [], []
        if self._authority is not None:
            self._authority.close()

    def env(self) -> dict[str, str]:
        """SMPLAN_CONNECT_TO and SMPLAN_CA_FILE of a gateway that has started."""
        if self._authority is None or not self._servers:
            raise RuntimeError("the gateway does not run")
        plain, tls = (server.server_address[1] for server in self._servers)
        ways = (f":5080:{HOST}:{plain}", f":80:{HOST}:{plain}", f":443:{HOST}:{tls}")
        return {"SMPLAN_CONNECT_TO": ",".join(ways), "SMPLAN_CA_FILE": str(self._authority.ca_file)}

    def health(self, instance_id: str, port: int, path: str) -> bool:
        """Whether the instance responds with 200 now."""
        url = urlsplit(path)
        request = Request("GET", url.path, dict(parse_qsl(url.query)))
        response = self.stream_managers.respond(instance_id, port, request)
        return response is not None and response.status == 200

    def tick(self) -> None:
        """Let the passing of time have its effect on groups and nodes."""
        self.stream_managers.tick()

    def respond(self, host: str, request: Request, *, tls: bool) -> Response | None:
        """A load balancer's response to a request for ``host`` (with a port, or not); None: nothing listens.

        Also None, after DROPPED_SECONDS, where no security group admits the client.
        """
        name, _, port = host.partition(":")
        route = self._world.load_balancer_for(name, int(port) if port.isdigit() else 443 if tls else 80)
        if route is None:
            return html_page(404, "404 Not Found")
        if route.problem == "not admitted":
            self._stopped.wait(DROPPED_SECONDS)
            return None
        if route.problem in _CLOSED:
            return None
        if tls != (route.listener_protocol == "HTTPS"):
            return html_page(400, "400 The plain HTTP request was sent to HTTPS port")
        return self._forwarded(route, request)

    def _forwarded(self, route: Route, request: Request) -> Response:
        if not route.healthy:
            return html_page(503, _UNAVAILABLE)
        target = route.healthy[next(self._turn) % len(route.healthy)]
        if not self._world.may_reach_target(route.load_balancer_arn, target.instance_id, target.port):
            return html_page(504, "504 Gateway Time-out")
        return self.stream_managers.respond(target.instance_id, target.port, request) or html_page(
            502, "502 Bad Gateway"
        )

    def _choose(self, connection: ssl.SSLObject, name: str | None, context: ssl.SSLContext) -> int | None:
        """Show the certificate of the listener whom the client wants; to others, one for no name."""
        route = self._world.load_balancer_for(name, 443) if name else None
        if route is not None and route.problem == "not admitted":
            self._stopped.wait(DROPPED_SECONDS)
        if route is not None and (route.problem in _CLOSED or route.listener_protocol != "HTTPS"):
            return ssl.ALERT_DESCRIPTION_HANDSHAKE_FAILURE
        if route is not None and self._authority is not None:
            connection.context = self._authority.context(route.certificate_domains)
        return None


class _Server(ThreadingHTTPServer):
    """One listener. TLS begins in the thread of its connection, so that no client can keep the others waiting."""

    daemon_threads = True

    def __init__(self, gateway: Gateway, context: ssl.SSLContext | None = None) -> None:
        self.gateway = gateway
        self.context = context
        super().__init__((HOST, 0), _Connection)

    def get_request(self) -> tuple[socket, Any]:
        connection, address = super().get_request()
        if self.context is not None:
            connection = self.context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        return connection, address

    def shutdown_request(self, request: Any) -> None:
        with suppress(OSError, ValueError):  # the client may have closed the connection
            super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that go away, or that do not trust the certificate, are no news."""


class _Connection(BaseHTTPRequestHandler):
    """One request, one response, and the connection is closed."""

    protocol_version = "HTTP/1.1"
    timeout = SILENCE_SECONDS
    server: _Server

    def _serve(self) -> None:
        self.close_connection = True
        length = self.headers.get("Content-Length", "0")
        if not length.isdecimal() or int(length) > LARGEST_BODY:
            self._send(html_page(413, "413 Request Entity Too Large"))
            return
        origin, host = self.headers.get("Origin"), self.headers.get("Host", "")
        if origin is not None and origin.partition("://")[2] != host:  # a page of another site
            self._send(html_page(403, "403 Forbidden"))
            return
        url = urlsplit(self.path)
        query = dict(parse_qsl(url.query, keep_blank_values=True))
        request = Request(self.command, url.path, query, self.rfile.read(int(length)))
        tls = self.server.context is not None
        response = self.server.gateway.respond(self.headers.get("Host", ""), request, tls=tls)
        if response is not None:
            self._send(response)

    do_GET = do_POST = do_PUT = do_DELETE = _serve  # noqa: N815 - http.server calls these names

    def _send(self, response: Response) -> None:
        self.send_response(response.status)
        self.send_header("Content-Type", response.content_type)
        self.send_header("Content-Length", str(len(response.body)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(response.body)

    def log_message(self, format: str, *args: Any) -> None:
        """No log: the access token is in the URL."""
