"""The way to AWS: typed clients made on first use, whose every fault leaves as an error of ``smplan.errors``.

Reads may be repeated by the SDK. Writes are sent once: after a time-out botocore would send a create again, and
only the engine may decide that, after looking. Retry mode and attempts are pinned because their defaults changed
between botocore releases.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

from smplan.drivers.aws import faults

if TYPE_CHECKING:
    from botocore.client import BaseClient
    from mypy_boto3_acm.client import ACMClient
    from mypy_boto3_autoscaling.client import AutoScalingClient
    from mypy_boto3_cloudwatch.client import CloudWatchClient
    from mypy_boto3_ec2.client import EC2Client
    from mypy_boto3_elbv2.client import ElasticLoadBalancingv2Client
    from mypy_boto3_rds.client import RDSClient
    from mypy_boto3_route53.client import Route53Client
    from mypy_boto3_secretsmanager.client import SecretsManagerClient
    from mypy_boto3_sns.client import SNSClient
    from mypy_boto3_ssm.client import SSMClient
    from mypy_boto3_sts.client import STSClient

READ_ATTEMPTS = 4
CONNECT_SECONDS = 5
READ_SECONDS = 20
"""A read is tried again, so it need not wait long."""
WRITE_SECONDS = 60
"""A write is sent once: better to wait for its answer than to have to look what became of it."""
CONNECTIONS = 32


class Aws:
    """One account and region. ``on_call`` hears each request as ``service:Action`` just before it is sent."""

    def __init__(self, region: str | None = None, *, on_call: Callable[[str], None] | None = None) -> None:
        self._region = region
        self._on_call = on_call
        self._lock = threading.RLock()
        self.read = Clients(self, attempts=READ_ATTEMPTS)
        self.write = Clients(self, attempts=1)

    @cached_property
    def _session(self) -> Any:
        import boto3

        return boto3.session.Session(region_name=self._region)

    @property
    def region(self) -> str:
        """The region in force: the one given, else the environment's or the profile's. Raises Invalid without one."""
        with faults.opening():
            region = self._session.region_name
        if not region:
            raise faults.no_region()
        return cast("str", region)

    @cached_property
    def account(self) -> str:
        """The account id that the credentials belong to (one STS call)."""
        return self.read.sts.get_caller_identity()["Account"]

    def client(self, service: str, attempts: int) -> BaseClient:
        """A client whose faults are translated; ``attempts`` counts the first one too."""
        from botocore.config import Config

        config = Config(
            retries={"mode": "standard", "total_max_attempts": attempts},
            connect_timeout=CONNECT_SECONDS,
            read_timeout=WRITE_SECONDS if attempts == 1 else READ_SECONDS,
            max_pool_connections=CONNECTIONS,
        )
        with self._lock, faults.opening():
            client = self._session.client(service, region_name=self.region, config=config)
        if self._on_call:
            client.meta.events.register("before-send.*", self._heard(client))
        return cast("BaseClient", _Translating(client, write=attempts == 1))

    def _heard(self, client: Any) -> Callable[..., None]:
        on_call = cast("Callable[[str], None]", self._on_call)

        def hear(event_name: str, **_: object) -> None:
            on_call(faults.action_of(client, event_name.rsplit(".", 1)[-1]))

        return hear


class Clients:
    """Typed clients of one retry policy, made when first asked for."""

    def __init__(self, aws: Aws, attempts: int) -> None:
        self._aws = aws
        self._attempts = attempts
        self._made: dict[str, BaseClient] = {}
        self._lock = threading.Lock()

    def _client(self, service: str) -> Any:
        with self._lock:
            if service not in self._made:
                self._made[service] = self._aws.client(service, self._attempts)
            return self._made[service]

    @property
    def acm(self) -> ACMClient:
        """AWS Certificate Manager."""
        return cast("ACMClient", self._client("acm"))

    @property
    def autoscaling(self) -> AutoScalingClient:
        """EC2 Auto Scaling."""
        return cast("AutoScalingClient", self._client("autoscaling"))

    @property
    def cloudwatch(self) -> CloudWatchClient:
        """CloudWatch."""
        return cast("CloudWatchClient", self._client("cloudwatch"))

    @property
    def ec2(self) -> EC2Client:
        """EC2."""
        return cast("EC2Client", self._client("ec2"))

    @property
    def elbv2(self) -> ElasticLoadBalancingv2Client:
        """Elastic Load Balancing, version 2."""
        return cast("ElasticLoadBalancingv2Client", self._client("elbv2"))

    @property
    def rds(self) -> RDSClient:
        """RDS."""
        return cast("RDSClient", self._client("rds"))

    @property
    def route53(self) -> Route53Client:
        """Route 53."""
        return cast("Route53Client", self._client("route53"))

    @property
    def secretsmanager(self) -> SecretsManagerClient:
        """Secrets Manager."""
        return cast("SecretsManagerClient", self._client("secretsmanager"))

    @property
    def sns(self) -> SNSClient:
        """SNS."""
        return cast("SNSClient", self._client("sns"))

    @property
    def ssm(self) -> SSMClient:
        """Systems Manager."""
        return cast("SSMClient", self._client("ssm"))

    @property
    def sts(self) -> STSClient:
        """Security Token Service."""
        return cast("STSClient", self._client("sts"))


class _Translating:
    """A client, or a paginator of one, that raises errors of smplan in place of botocore's."""

    def __init__(self, target: Any, *, write: bool, action: str = "") -> None:
        self._target = target
        self._write = write
        self._action = action

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self._target, name)
        if name == "get_paginator":
            return lambda operation: _Translating(
                attribute(operation), write=self._write, action=self._named(operation)
            )
        if name == "paginate":
            return lambda **arguments: self._pages(attribute, arguments)
        return self._call(attribute, name) if callable(attribute) else attribute

    def _named(self, method: str) -> str:
        return faults.action_of(self._target, self._target.meta.method_to_api_mapping.get(method, method))

    def _call(self, method: Callable[..., Any], name: str) -> Callable[..., Any]:
        def call(*arguments: Any, **keywords: Any) -> Any:
            with faults.translated(self._named(name), write=self._write):
                return method(*arguments, **keywords)

        return call

    def _pages(self, paginate: Callable[..., Any], arguments: dict[str, Any]) -> Iterator[Any]:
        with faults.translated(self._action, write=self._write):
            yield from paginate(**arguments)
