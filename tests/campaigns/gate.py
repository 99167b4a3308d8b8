"""moto's S3 on a port of its own, behind a gate that does one request after the other, notes each, and can hold one.

S3 promises that a conditional write is one step; moto looks first and writes then, so here requests take turns.
"""

from __future__ import annotations

import io
import logging
import re
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

_WHO = re.compile(r"Credential=([^/]+)/")
PATIENCE = 120


@dataclass(frozen=True, slots=True)
class Seen:
    """A request that was answered: whose access key signed it, and the answer's status."""

    who: str
    method: str
    path: str
    status: int


@dataclass(slots=True)
class Hold:
    """One request to be held, ``before`` it is done or when its answer is ready; ``go`` lets it pass.

    ``part`` is in its path, or is its end if there is a ``$`` after it.
    """

    who: str
    method: str
    part: str
    before: bool
    arrived: threading.Event = field(default_factory=threading.Event)
    go: threading.Event = field(default_factory=threading.Event)


class Gate:
    """The server, running while in its ``with`` block; ``seen`` is every request so far."""

    def __init__(self) -> None:
        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        self.seen: list[Seen] = []
        self.holds: list[Hold] = []
        self._app = DomainDispatcherApplication(create_backend_app)
        self._turn = threading.Lock()
        self._server = make_server("127.0.0.1", 0, self, threaded=True)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Gate:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        for hold in self.holds:
            hold.go.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Answer a request, as WSGI does."""
        found = _WHO.search(environ.get("HTTP_AUTHORIZATION", ""))
        who, method, path = found[1] if found else "", environ["REQUEST_METHOD"], environ["PATH_INFO"]
        if environ.get("CONTENT_LENGTH"):  # nobody else waits while somebody sends
            environ["wsgi.input"] = io.BytesIO(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))
        self._stop(who, method, path, before=True)
        answer: list[Any] = []
        with self._turn:
            chunks = list(self._app(environ, lambda *words: answer.extend(words)))
            self.seen.append(Seen(who, method, path, int(answer[0][:3])))
        self._stop(who, method, path, before=False)
        start_response(*answer)
        return chunks

    def _stop(self, who: str, method: str, path: str, *, before: bool) -> None:
        for hold in self.holds:
            mine = (hold.who, hold.method, hold.before) == (who, method, before) and hold.part in f"{path}$"
            if mine and not hold.arrived.is_set():
                hold.arrived.set()
                hold.go.wait(PATIENCE)
