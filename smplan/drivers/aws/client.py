"""The way to AWS: typed clients made on first use, whose every fault leaves as an error of ``smplan.errors``.

The SDK sends everything once: after a time-out it would send a create again, and only the engine may decide that,
after looking. What may safely be sent again is, by smplan's own patience, each page of a list by itself. Retry mode and
attempts are pinned because their defaults changed between botocore releases.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, cast

from smplan.drivers.aws import credentials, errors, responses
from smplan.drivers.aws.clock_skew import SkewMonitor
from smplan.drivers.aws.rate_limit import RateLimiter
from smplan.drivers.context import AwsClients
from smplan.drivers.retry import RetryPolicy

if TYPE_CHECKING:
    from botocore.client import BaseClient

CONNECT_SECONDS = 5
READ_SECONDS = 20
"""A read is tried again, so it need not wait long."""
WRITE_SECONDS = 60
"""A write is sent once: better to wait for its answer than to have to look what became of it."""
CONNECTIONS = 32


class Aws:
    """One account and region. ``on_call`` hears each request as ``service:Action`` just before it is sent.

    ``patience`` says how calls are made again and who hears of it; ``pace`` how fast they may follow each other. Before
    each request that may change something ``guard`` is asked, which raises if that is not allowed any more.
    """

    def __init__(
        self,
        region: str | None = None,
        *,
        on_call: Callable[[str], None] | None = None,
        patience: RetryPolicy | None = None,
        pace: RateLimiter | None = None,
        watch: SkewMonitor | None = None,
    ) -> None:
        self._region = region
        self._on_call = on_call
        self.patience = patience or RetryPolicy()
        self._pace = pace or RateLimiter()
        self._watch = watch or SkewMonitor()
        self.guard: Callable[[], None] = lambda: None
        self._lock = threading.RLock()
        self.read = AwsClients(partial(self.client, write=False))
        self.write = AwsClients(partial(self.client, write=True))

    @cached_property
    def _session(self) -> Any:
        import boto3

        return boto3.session.Session(region_name=self._region)

    @property
    def region(self) -> str:
        """The region in force: the one given, else the environment's or the profile's. Raises Invalid without one."""
        with errors.opening():
            region = self._session.region_name
        if not region:
            raise errors.no_region()
        return cast("str", region)

    @cached_property
    def account(self) -> str:
        """The account id that the credentials belong to (one STS call)."""
        return self.read.sts.get_caller_identity()["Account"]

    @property
    def ahead(self) -> float | None:
        """Seconds by which this machine's clock is ahead of AWS's (behind: negative); None before AWS has told."""
        return self._watch.ahead

    @property
    def runs_out(self) -> datetime | None:
        """When the credentials run out, if they cannot renew themselves and it is known."""
        with errors.opening():
            found = self._session.get_credentials()
        return credentials.runs_out(found.method, os.environ) if found else None

    def client(self, service: str, *, write: bool) -> BaseClient:
        """A client of ``service``, by boto3's name, whose calls are paced and made again, and whose faults are ours."""
        from botocore.config import Config

        config = Config(
            retries={"mode": "standard", "total_max_attempts": 1},
            connect_timeout=CONNECT_SECONDS,
            read_timeout=WRITE_SECONDS if write else READ_SECONDS,
            max_pool_connections=CONNECTIONS,
        )
        with self._lock, errors.opening():
            client = self._session.client(service, region_name=self.region, config=config)
        self._listen(client, service, write=write)
        self._be_patient(client, write=write)
        return cast("BaseClient", _Paging(client, write=write))

    def _listen(self, client: Any, service: str, *, write: bool) -> None:
        """Let requests wait for a token and be heard just before they are sent; look at time and form of answers."""

        def sending(event_name: str, **_: object) -> None:
            self._pace.take(service)
            if write:
                self.guard()
            if self._on_call:
                self._on_call(errors.action_of(client, event_name.rsplit(".", 1)[-1]))
            self._watch.sent()

        def answered(response_dict: Any, **_: object) -> None:
            if response_dict is not None:
                self._watch.heard(response_dict["headers"])

        client.meta.events.register("before-send.*", sending)
        client.meta.events.register("response-received.*", answered)
        client.meta.events.register("before-parse.*", responses.check)

    def _be_patient(self, client: Any, *, write: bool) -> None:
        """Let each operation of ``client`` be made again where that is safe; its paginators ask by the same methods."""
        for name, operation in client.meta.method_to_api_mapping.items():
            setattr(client, name, self._patient(getattr(client, name), errors.action_of(client, operation), write))

    def _patient(self, method: Callable[..., Any], action: str, write: bool) -> Callable[..., Any]:
        def call(*arguments: Any, **keywords: Any) -> Any:
            def once() -> Any:
                with errors.translated(action, write=write):
                    return method(*arguments, **keywords)

            return self.patience.follow(action, once)

        return call


class _Paging:
    """A client, or a paginator of one, whose faults between two pages are ours too."""

    def __init__(self, target: Any, *, write: bool, action: str = "") -> None:
        self._target = target
        self._write = write
        self._action = action

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self._target, name)
        if name == "get_paginator":
            return lambda operation: _Paging(attribute(operation), write=self._write, action=self._named(operation))
        if name == "paginate":
            return lambda **arguments: self._pages(attribute, arguments)
        return attribute

    def _named(self, method: str) -> str:
        return errors.action_of(self._target, self._target.meta.method_to_api_mapping.get(method, method))

    def _pages(self, paginate: Callable[..., Any], arguments: dict[str, Any]) -> Iterator[Any]:
        with errors.translated(self._action, write=self._write):
            yield from paginate(**arguments)
