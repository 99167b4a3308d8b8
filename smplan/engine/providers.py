"""What the engine reaches AWS and Stream Manager through: the drivers and lookups of every kind."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeAlias

from smplan.core.events import Retried
from smplan.core.resource_type import ResourceType
from smplan.core.values import PartialValue, Secret, known
from smplan.drivers import registry
from smplan.drivers.base import Driver, Lookup
from smplan.drivers.context import Context, HttpFactory
from smplan.drivers.http import HttpClient
from smplan.drivers.inventory import Inventory
from smplan.drivers.retry import Pause, sleep
from smplan.engine.runtime import SYSTEM, Runtime
from smplan.errors import Bug, Unreachable

if TYPE_CHECKING:
    from smplan.drivers.aws.client import Aws
    from smplan.drivers.red5.client import StreamManager

Secrets: TypeAlias = Callable[[str], str]
"""Fetches a secret from its source ("env:NAME", "ssm:/path", ...), when a call needs it."""

Connect: TypeAlias = "Callable[[Mapping[str, Any]], StreamManager]"
"""A client for settings (url, connect_to, access_token, api_version). Sends nothing yet."""


class Providers:
    """One account and region, and the Stream Managers in it; the time and threads of ``runtime``."""

    def __init__(
        self,
        aws: Aws,
        *,
        connect: Connect,
        secrets: Secrets,
        http: HttpFactory = HttpClient,
        runtime: Runtime = SYSTEM,
        clock: Callable[[], float] | None = None,
    ) -> None:
        """``clock``: seconds as they pass where AWS is; those of ``runtime`` by default."""
        self.aws = aws
        self.runtime = runtime
        self.secret = secrets
        self._connect = connect
        self._settings: Callable[[], PartialValue] = dict
        self._open: tuple[PartialValue, StreamManager] | None = None
        self._patient = False
        self._drivers: dict[str, Driver[Any]] = {}
        self._lock = threading.RLock()
        self.clock = clock or runtime.now
        self._context = Context(aws, self._stream_manager, http, self.clock)

    def set_stream_manager_settings(self, settings: Callable[[], PartialValue]) -> None:
        """Have ``settings`` called whenever a driver needs Stream Manager."""
        self._settings = settings

    def on_retry(self, report: Callable[[Retried], None], wait: Pause = sleep) -> None:
        """From now on, call ``report`` before each retry of a request, and ``wait`` with its delay in seconds."""
        self.aws.retry_policy.on_retry = report
        self.aws.retry_policy.pause = wait

    @property
    def inventory(self) -> Inventory:
        """What requests to AWS may name, and what of it is new."""
        return self.aws.inventory

    @contextmanager
    def guard_writes(self, check: Callable[[], None]) -> Iterator[None]:
        """Inside the ``with`` block, ``check`` is called before each request that may change something.

        A Stream Manager that does not respond is waited for there.
        """
        before, self.aws.before_write, self._patient = self.aws.before_write, check, True
        try:
            yield
        finally:
            self.aws.before_write, self._patient = before, False

    def driver(self, kind: str) -> Driver[Any]:
        """The driver of ``kind``, always the same one."""
        with self._lock:
            if kind not in self._drivers:
                found = registry.driver(kind)
                if found is None:
                    raise Bug(f"no driver serves the kind {kind}")
                self._drivers[kind] = found(self._context)
            return self._drivers[kind]

    def kind(self, name: str) -> ResourceType:
        """What the kind ``name`` declares. Raises KeyError if there is no such kind."""
        found = registry.driver(name)
        if found is None:
            raise KeyError(name)
        return found

    def lookup(self, kind: str) -> Lookup:
        """A lookup of ``kind``."""
        found = registry.lookup(kind)
        if found is None:
            raise Bug(f"no lookup serves the kind {kind}")
        return found(self._context)

    def _stream_manager(self) -> StreamManager:
        settings = self._settings()
        if not settings or not known(settings):
            raise Unreachable("there is no Stream Manager yet")
        with self._lock:
            if self._open is None or self._open[0] != settings:
                self._open = (settings, self._connect(settings))
            self._open[1].patient = self._patient
            return self._open[1]


def resolve_secrets(tree: PartialValue, secret: Secrets) -> PartialValue:
    """``tree`` with every secret fetched; never store the result."""
    if isinstance(tree, Secret):
        return secret(tree.source)
    if isinstance(tree, Mapping):
        return {key: resolve_secrets(value, secret) for key, value in tree.items()}
    if isinstance(tree, list):
        return [resolve_secrets(value, secret) for value in tree]
    return tree
