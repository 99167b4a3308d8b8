"""The sandbox as a whole: an emulated AWS on loopback, its prerequisites, its clock, and how to reach it."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from functools import cache, partial
from types import TracebackType
from typing import Any, Protocol, Self, cast

from smplan.sandbox import fixtures
from smplan.sandbox.aws import handlers, moto_state
from smplan.sandbox.aws.alarm_evaluation import put_load
from smplan.sandbox.aws.elbv2 import targets
from smplan.sandbox.aws.moto_client import Application, MotoClient
from smplan.sandbox.aws.server import AwsServer
from smplan.sandbox.aws.state.account import Account
from smplan.sandbox.clock import Clock
from smplan.sandbox.ids import ACCESS_KEY, ACCOUNT, ADMIN_TOKEN, REGION, SECRET_KEY, Prerequisites
from smplan.sandbox.interface import AwsView
from smplan.sandbox.network.aws_view import MotoAwsView
from smplan.sandbox.network.gateway import Gateway
from smplan.sandbox.network.viewers import Viewers

POLL_SECONDS = 0.05
"""Wall time within which the server sees that it is to stop."""
TICK_SECONDS = (0.05, 1.0)
"""Wall time between two checks of what is due: at the least and at the most."""
TICK_VIRTUAL_SECONDS = 15.0
"""Virtual time between two checks, within those bounds."""
_taken: set[str] = set()


class NetworkGateway(Protocol):
    """The way of packets into the sandbox: load balancers and Stream Managers."""

    def start(self) -> object:
        """Open the servers."""

    def stop(self) -> None:
        """Close them."""

    def env(self) -> dict[str, str]:
        """SMPLAN_CONNECT_TO and SMPLAN_CA_FILE."""

    def tick(self) -> None:
        """Apply what the passing of virtual time brings."""

    def health(self, instance_id: str, port: int, path: str) -> bool:
        """Whether a health check of the instance passes."""


class Sandbox:
    """An AWS to practise on. Use it as a context manager; ``facts`` and ``env()`` are there once it has started."""

    facts: Prerequisites
    aws: Account

    def __init__(
        self,
        *,
        speed: float = 600.0,
        account: str = ACCOUNT,
        clock: Clock | None = None,
        port: int = 0,
        gateway: Callable[[AwsView, Clock], NetworkGateway] | None = Gateway,
    ) -> None:
        """``speed``: virtual seconds in a second. ``port``: of the emulated AWS, 0 for a free one.

        Two sandboxes in one process need two ``account`` ids. Without a ``gateway`` no Stream Manager responds, and
        every instance that has booted passes its health checks.
        """
        self._port = port
        self.clock = clock or Clock(speed)
        self.account = account
        self._make_gateway = gateway
        self._gateway: NetworkGateway | None = None
        self._lock = threading.RLock()
        self._ticking = threading.Lock()
        self._stopped = threading.Event()
        self._threads: list[threading.Thread] = []
        self._server: Any = None
        self._viewers: list[Viewers] = []

    def start(self) -> Self:
        """Make the prerequisites and open the servers on free loopback ports. Raises RuntimeError: account taken."""
        if self.account in _taken:
            raise RuntimeError(f"this process has a sandbox for account {self.account} already")
        _taken.add(self.account)
        handlers.load()
        moto = _moto(self.account)
        self.aws = Account(self.clock, MotoClient(moto), self.account)
        self.facts = fixtures.make(self.aws)
        self.world = MotoAwsView(self.aws, self.facts, self._lock)
        self._serve(AwsServer(self.aws, moto, self._lock, check_health=self.tick, handled=self._look))
        if self._make_gateway is not None:
            self._gateway = self._make_gateway(self.world, self.clock)
            self._gateway.start()
        self._begin(self._tick_on, "sandbox-time")
        return self

    def _serve(self, front: AwsServer) -> None:
        from moto.moto_server.werkzeug_app import MotoRequestHandler
        from werkzeug.serving import make_server

        logging.getLogger("werkzeug").setLevel(logging.ERROR)  # a line for each request is noise
        self._server = make_server("127.0.0.1", self._port, front, threaded=True, request_handler=MotoRequestHandler)
        self._begin(partial(self._server.serve_forever, POLL_SECONDS), "sandbox-aws")

    def _begin(self, work: Callable[[], None], name: str) -> None:
        thread = threading.Thread(target=work, name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _tick_on(self) -> None:
        least, most = TICK_SECONDS
        pause = max(least, min(most, self.clock.wall(TICK_VIRTUAL_SECONDS)))
        while not self._stopped.wait(pause):
            self.tick()

    def stop(self) -> None:
        """Close the servers; what was made in them is forgotten."""
        if self._server is None:
            return
        self._stopped.set()
        if self._gateway is not None:
            self._gateway.stop()
        self._server.shutdown()
        self._server.server_close()
        for thread in self._threads:
            thread.join()
        self._server = None
        moto_state.forget(self.account)
        _taken.discard(self.account)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    @property
    def port(self) -> int:
        """The port of the emulated AWS on 127.0.0.1."""
        return int(self._server.server_address[1])

    def env(self) -> dict[str, str]:
        """The variables that point any AWS tool, and smplan, at this sandbox."""
        return {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.port}",
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "SMPLAN_CLOCK_SPEED": f"{self.clock.speed:f}",
            "SMPLAN_CONNECT_TO": "",
            "SMPLAN_CA_FILE": "",
            "RED5_ADMIN_TOKEN": ADMIN_TOKEN,
            **(self._gateway.env() if self._gateway else {}),
        }

    def tick(self) -> None:
        """Apply at once what the passing of virtual time brings, health checks included."""
        with self._ticking:
            for _ in range(8):
                if self._gateway is not None:
                    self._gateway.tick()
                with self._lock:
                    self.aws.tick()
                    self._look()
                    due = list(targets.due_checks(self.aws))
                # Outside the lock: a Stream Manager that is asked may itself ask the emulated AWS.
                outcomes = [(check, self._failure(check)) for check in due]
                with self._lock:
                    changed = [targets.record_check(self.aws, check, failure) for check, failure in outcomes]
                    self.aws.tick()
                    self._look()
                if not any(changed):
                    return

    def put_load(self, group: str, percent: float) -> None:
        """Give the instances of a scaling group this much work to share from now on; 100 keeps one of them busy."""
        with self._lock:
            put_load(self.aws, group, percent)

    def viewers(
        self, name: str, *, port: int = 443, protocol: str = "HTTPS", number: int = 12, silent_seconds: float = 20.0
    ) -> Viewers:
        """Viewers of a name who connect now, and of whom the sandbox sees from then on what happens to them."""
        with self._lock:
            made = Viewers(self.aws, name, port, protocol, number, silent_seconds)
            self._viewers.append(made)
            return made

    def dismiss(self, viewers: Viewers) -> None:
        """Let viewers leave: nothing is seen of them any more."""
        with self._lock:
            self._viewers.remove(viewers)

    def _look(self) -> None:
        for each in self._viewers:
            each.look()

    def _failure(self, check: targets.HealthCheck) -> str:
        """The reason code of a health check that fails; "" if it passes."""
        instance_id = check.target.instance_id
        if not self.world.may_reach_target(check.balancer_arn, instance_id, check.port):
            return "Target.Timeout"
        if self._gateway is None:
            passed = self.world.has_booted(instance_id)
        else:
            passed = self._gateway.health(instance_id, check.port, check.path)
        return "" if passed else "Target.FailedHealthChecks"


@cache
def _method_names(of: type) -> list[str]:
    from moto.core.utils import method_names_from_class

    return method_names_from_class(of)


def _moto(account: str) -> Application:
    """moto as a WSGI application in which every request belongs to ``account``."""
    os.environ.setdefault("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")  # a thousand images that are not needed; 1 s
    import moto.core.responses
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

    # With each request moto lists its own folder and all methods of a class. Neither ever changes.
    application: Any = DomainDispatcherApplication(create_backend_app)
    application.get_backend_for_host = cache(application.get_backend_for_host)
    cast("Any", moto.core.responses).method_names_from_class = _method_names

    def serve(environ: dict[str, Any], start_response: Any) -> Any:
        environ["HTTP_X_MOTO_ACCOUNT_ID"] = account
        return application(environ, start_response)

    return serve
