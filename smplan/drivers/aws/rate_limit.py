"""Client-side rate limits: a token bucket per AWS service, so that throttling is the exception.

AWS counts per account (and mostly per region and action), and others use the account too, so these rates are below
AWS's limits. Throttled requests are retried (``drivers.retry``).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from smplan.drivers.retry import Pause, sleep


@dataclass(frozen=True, slots=True)
class Rate:
    """``burst`` requests at once, then ``per_second``; ``source`` is where the limit is documented."""

    per_second: float
    burst: int
    source: str


RATES: Mapping[str, Rate] = {
    "route53": Rate(
        5,
        5,
        "five requests a second per account, all actions together "
        "(docs.aws.amazon.com/Route53/latest/DeveloperGuide/DNSLimitations.html)",
    ),
    "ec2": Rate(
        5,
        50,
        "the smallest of its usual buckets, for each mutating action; reads have 100, and 20 a second "
        "(docs.aws.amazon.com/ec2/latest/devguide/ec2-api-throttling.html)",
    ),
    "elbv2": Rate(
        10,
        40,
        "all non-mutating actions together "
        "(docs.aws.amazon.com/elasticloadbalancing/latest/userguide/elb-api-throttling.html)",
    ),
    "cloudwatch": Rate(
        3,
        9,
        "DescribeAlarms 9 a second, most others about alarms 3 "
        "(docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch_limits.html)",
    ),
}
OTHERS = Rate(
    10, 20, "a cautious guess: ACM grants 10 DescribeCertificate a second, SNS 30 lists, others more or undocumented"
)


class TokenBucket:
    """Tokens of one service. Thread-safe; each caller waits for its own token, in order of arrival."""

    def __init__(self, rate: Rate, *, clock: Callable[[], float], pause: Pause) -> None:
        self._rate = rate
        self._clock = clock
        self._pause = pause
        self._level = float(rate.burst)
        self._at = clock()
        self._lock = threading.Lock()

    def take(self) -> None:
        """Take a token; waits until there is one."""
        with self._lock:
            now = self._clock()
            self._level = min(self._level + (now - self._at) * self._rate.per_second, self._rate.burst) - 1
            self._at = now
            wait = -self._level / self._rate.per_second
        if wait > 0:
            self._pause(wait)


class RateLimiter:
    """A bucket per service, by boto3's name, made on first use."""

    def __init__(
        self,
        rates: Mapping[str, Rate] = RATES,
        *,
        clock: Callable[[], float] = time.monotonic,
        pause: Pause = sleep,
    ) -> None:
        self._rates = rates
        self._clock = clock
        self._pause = pause
        self._buckets: dict[str, TokenBucket] = {}
        self._lock = threading.Lock()

    def take(self, service: str) -> None:
        """Take a token of ``service``; waits until there is one."""
        with self._lock:
            if service not in self._buckets:
                rate = self._rates.get(service, OTHERS)
                self._buckets[service] = TokenBucket(rate, clock=self._clock, pause=self._pause)
            bucket = self._buckets[service]
        bucket.take()
