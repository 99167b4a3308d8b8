"""Dependencies of drivers: an AWS account, an HTTP factory, and the Stream Manager client.

Only the interfaces are here, so that no family of drivers depends on another one's client.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, cast

from smplan.drivers.http import HttpClient

if TYPE_CHECKING:
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


class AwsClients:
    """Typed boto3 clients by service. ``open`` is called when one is first used."""

    def __init__(self, open: Callable[[str], Any]) -> None:
        self._open = open
        self._clients: dict[str, Any] = {}
        self._lock = threading.Lock()

    def _client(self, service: str) -> Any:
        with self._lock:
            if service not in self._clients:
                self._clients[service] = self._open(service)
            return self._clients[service]

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
    def iam(self) -> Any:
        """IAM."""
        return self._client("iam")

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
    def service_quotas(self) -> Any:
        """Service Quotas."""
        return self._client("service-quotas")

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


class AwsAccount(Protocol):
    """One account and region; ``drivers.aws.client.Aws`` is the real one."""

    read: AwsClients
    """For requests that change nothing."""
    write: AwsClients
    """For requests that may change something: sent once, and only while the state lock is held."""

    @property
    def account(self) -> str:
        """The account id that the credentials belong to."""

    @property
    def region(self) -> str:
        """The region in force."""


class HttpFactory(Protocol):
    """Makes the client of one server. The command line binds what the environment sets: CA file, redirected hosts."""

    def __call__(self, url: str, *, connect_to: str | None = None) -> HttpClient:
        """The client of ``url``; ``connect_to`` is a host to connect to instead. Raises Invalid for a bad URL."""


@dataclass(frozen=True)
class Context:
    """What drivers are built with. Making one sends nothing."""

    aws: AwsAccount
    stream_manager: Callable[[], Any]
    """The client of the Stream Manager API (``drivers.red5.client``). Raises Unreachable while there is none."""
    http: HttpFactory = HttpClient
    clock: Callable[[], float] = time.monotonic
    """Seconds as they pass where AWS is: the sandbox's pass faster than this machine's."""
