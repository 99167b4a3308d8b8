"""AWS account access: typed boto3 clients with rate limits and retries, whose errors are those of ``smplan.errors``.

The SDK sends each request once: its retries would repeat a create after a time-out, which only the engine may do after
a check. Requests that are safe to repeat are retried by ``RetryPolicy``, each page of a list separately. Retry mode and
attempts are pinned because their defaults changed between botocore releases.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, cast

from smplan.drivers.aws import authorization, credentials, errors, responses
from smplan.drivers.aws.clock_skew import SkewMonitor
from smplan.drivers.aws.rate_limit import RateLimiter
from smplan.drivers.context import AwsClients
from smplan.drivers.inventory import Inventory
from smplan.drivers.retry import RetryPolicy
from smplan.errors import Denied, DriverError, NotFound

if TYPE_CHECKING:
    from botocore.client import BaseClient

CONNECT_SECONDS = 5
READ_SECONDS = 20
"""Short, because a read is retried."""
WRITE_SECONDS = 60
"""Long, because a write is sent once: a lost response costs a check of what happened."""
CONNECTIONS = 32


class Aws:
    """One account and region. ``on_call`` is called with ``service:Action`` just before each request is sent.

    ``before_write`` is called before each request that may change something, and raises if that is no longer allowed.
    What is new by the ``inventory`` may not show yet: requests that name it are retried.
    """

    def __init__(
        self,
        region: str | None = None,
        *,
        on_call: Callable[[str], None] | None = None,
        retry_policy: RetryPolicy | None = None,
        rate_limiter: RateLimiter | None = None,
        skew_monitor: SkewMonitor | None = None,
    ) -> None:
        self._region = region
        self._on_call = on_call
        self.retry_policy = retry_policy or RetryPolicy()
        self._rate_limiter = rate_limiter or RateLimiter()
        self._skew_monitor = skew_monitor or SkewMonitor()
        self.before_write: Callable[[], None] = lambda: None
        self.inventory = Inventory()
        self._lock = threading.RLock()
        self.read = AwsClients(partial(self.client, write=False))
        self.write = AwsClients(partial(self.client, write=True))

    @cached_property
    def _session(self) -> Any:
        import boto3

        return boto3.session.Session(region_name=self._region)

    @property
    def region(self) -> str:
        """The region given, else the environment's or the profile's. Raises Invalid without one."""
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
    def skew_seconds(self) -> float | None:
        """Seconds by which this machine's clock is ahead of AWS's; negative if behind, None before a response."""
        return self._skew_monitor.skew_seconds

    @property
    def credentials_expire_at(self) -> datetime | None:
        """When the credentials expire, if they cannot be renewed and it is known."""
        with errors.opening():
            found = self._session.get_credentials()
        return credentials.expires_at(found.method, os.environ) if found else None

    def client(self, service: str, *, write: bool) -> BaseClient:
        """A client of ``service``, by boto3's name, with rate limit, retries and translated errors."""
        from botocore.config import Config

        config = Config(
            retries={"mode": "standard", "total_max_attempts": 1},
            connect_timeout=CONNECT_SECONDS,
            read_timeout=WRITE_SECONDS if write else READ_SECONDS,
            max_pool_connections=CONNECTIONS,
        )
        with self._lock, errors.opening():
            client = self._session.client(service, region_name=self.region, config=config)
        self._register_hooks(client, service, write=write)
        self._add_retries(client, write=write)
        return cast("BaseClient", _Paging(client, write=write))

    def _register_hooks(self, client: Any, service: str, *, write: bool) -> None:
        """Before each request take a token, check the lock, report it; check time and form of each response."""

        def sending(event_name: str, **_: object) -> None:
            self._rate_limiter.take(service)
            if write:
                self.before_write()
            if self._on_call:
                self._on_call(errors.action_of(client, event_name.rsplit(".", 1)[-1]))
            self._skew_monitor.sent()

        def received(response_dict: Any, **_: object) -> None:
            if response_dict is not None:
                self._skew_monitor.received(response_dict["headers"])

        client.meta.events.register("before-send.*", sending)
        client.meta.events.register("response-received.*", received)
        client.meta.events.register("before-parse.*", responses.check)

    def _add_retries(self, client: Any, *, write: bool) -> None:
        """Retry each operation of ``client`` where that is safe; its paginators call the same methods."""
        for name, operation in client.meta.method_to_api_mapping.items():
            setattr(client, name, self._retried(getattr(client, name), errors.action_of(client, operation), write))

    def _retried(self, method: Callable[..., Any], action: str, write: bool) -> Callable[..., Any]:
        def call(*arguments: Any, **keywords: Any) -> Any:
            def once() -> Any:
                with errors.translated(action, write=write):
                    return method(*arguments, **keywords)

            def final(error: DriverError) -> bool:
                if errors.passes(error):
                    return False
                named = self.inventory.missing(error.message, keywords) if isinstance(error, NotFound) else []
                return not any(each.new for each in named)

            try:
                return self.retry_policy.call(action, once, final=final)
            except NotFound as error:
                if named := self.inventory.missing(error.message, keywords):
                    raise errors.explained(error, named) from error
                raise
            except Denied as error:
                raise authorization.decoded(error, self._decode) from error

        return call

    def _decode(self, message: str) -> str:
        return self.read.sts.decode_authorization_message(EncodedMessage=message)["DecodedMessage"]


class _Paging:
    """A client, or a paginator of one, that translates errors between two pages too."""

    def __init__(self, target: Any, *, write: bool, action: str = "") -> None:
        self._target = target
        self._write = write
        self._action = action

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self._target, name)
        if name == "get_paginator":
            return lambda operation: _Paging(attribute(operation), write=self._write, action=self._action_of(operation))
        if name == "paginate":
            return lambda **arguments: self._pages(attribute, arguments)
        return attribute

    def _action_of(self, method: str) -> str:
        return errors.action_of(self._target, self._target.meta.method_to_api_mapping.get(method, method))

    def _pages(self, paginate: Callable[..., Any], arguments: dict[str, Any]) -> Iterator[Any]:
        with errors.translated(self._action, write=self._write):
            yield from paginate(**arguments)
