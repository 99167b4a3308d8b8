"""The sandbox as a whole: an emulated AWS on loopback, its prerequisites, its clock, and how to reach it."""

from __future__ import annotations

import logging
import threading
from types import TracebackType
from typing import Any, Self

from smplan.sandbox import prerequisites
from smplan.sandbox.clock import Clock
from smplan.sandbox.facts import ACCESS_KEY, ACCOUNT, ADMIN_TOKEN, REGION, SECRET_KEY, Facts


class Sandbox:
    """An AWS to practise on. Use it as a context manager; ``facts`` and ``env()`` are there once it has started."""

    facts: Facts

    def __init__(self, *, speed: float = 600.0, account: str = ACCOUNT) -> None:
        self.clock = Clock(speed)
        self.account = account
        self._server: Any = None
        self._thread: threading.Thread | None = None

    def start(self) -> Self:
        """Open the servers on free loopback ports and make the prerequisites."""
        from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
        from werkzeug.serving import make_server

        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        app = DomainDispatcherApplication(create_backend_app)
        lock = threading.RLock()

        def serialised(environ: dict[str, Any], start_response: Any) -> Any:
            environ["HTTP_X_MOTO_ACCOUNT_ID"] = self.account
            with lock:
                return app(environ, start_response)

        self._server = make_server("127.0.0.1", 0, serialised, threaded=True, request_handler=MotoRequestHandler)
        self._thread = threading.Thread(target=self._server.serve_forever, name="sandbox-aws", daemon=True)
        self._thread.start()
        self.facts = prerequisites.make(self._session(), self.env()["AWS_ENDPOINT_URL"])
        return self

    def _session(self) -> Any:
        import boto3

        return boto3.session.Session(aws_access_key_id=ACCESS_KEY, aws_secret_access_key=SECRET_KEY, region_name=REGION)

    def stop(self) -> None:
        """Close the servers; what was made in them is forgotten."""
        if self._server is not None and self._thread is not None:
            self._server.shutdown()
            self._server.server_close()
            self._thread.join()
            self._server = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    def env(self) -> dict[str, str]:
        """The variables that point any AWS tool, and smplan, at this sandbox."""
        host, port = self._server.server_address[:2]
        return {
            "AWS_ENDPOINT_URL": f"http://{host}:{port}",
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "SMPLAN_CONNECT_TO": "",
            "SMPLAN_CA_FILE": "",
            "RED5_ADMIN_TOKEN": ADMIN_TOKEN,
        }

    def tick(self) -> None:
        """Apply at once what the passing of virtual time brings."""
