"""Client-side rate limits."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from smplan.drivers.aws.rate_limit import OTHERS, RATES, Rate, RateLimiter


class Hours:
    """A clock that many threads look at. Pauses only say until when somebody waits: time is moved by hand."""

    def __init__(self) -> None:
        self.now = 0.0
        self.sent: list[float] = []
        self._lock = threading.Lock()

    def pause(self, seconds: float) -> None:
        with self._lock:
            self.sent.append(self.now + seconds)

    def pace(self, *, per_second: float = 5, burst: int = 3) -> RateLimiter:
        return RateLimiter({"x": Rate(per_second, burst, "test")}, clock=lambda: self.now, pause=self.pause)


def test_a_burst_goes_at_once_and_then_one_by_one() -> None:
    hours = Hours()
    pace = hours.pace()
    for _ in range(6):
        pace.take("x")
    assert hours.sent == pytest.approx([0.2, 0.4, 0.6])


def test_a_bucket_fills_again_but_never_over_its_brim() -> None:
    hours = Hours()
    pace = hours.pace()
    for _ in range(3):
        pace.take("x")
    hours.now = 100.0
    for _ in range(4):
        pace.take("x")
    assert hours.sent == pytest.approx([100.2])


def test_services_do_not_wait_for_each_other() -> None:
    hours = Hours()
    pace = hours.pace(burst=1)
    pace.take("x")
    pace.take("y")
    assert hours.sent == []


def test_many_threads_together_keep_the_rate() -> None:
    hours = Hours()
    pace = hours.pace()
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda _: pace.take("x"), range(53)))
    assert sorted(hours.sent) == pytest.approx([at / 5 for at in range(1, 51)])


def test_route_53_gets_five_requests_a_second_and_every_rate_has_a_source() -> None:
    assert (RATES["route53"].per_second, RATES["route53"].burst) == (5, 5)
    for rate in (*RATES.values(), OTHERS):
        assert rate.source
        assert rate.per_second > 0
        assert rate.burst >= 1


def test_by_default_it_really_waits() -> None:
    pace = RateLimiter({"x": Rate(200, 1, "test")})
    for _ in range(3):
        pace.take("x")
