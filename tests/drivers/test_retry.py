"""The retry policy: which calls, how often, after which pauses."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from smplan.core.events import Retried
from smplan.drivers import retry
from smplan.drivers.retry import LONGEST_PAUSE, THROTTLED_SECONDS, UNREACHABLE_ATTEMPTS, RetryPolicy
from smplan.errors import Denied, Expired, Interrupted, Invalid, LostAnswer, SmplanError, Throttled, Unreachable


@dataclass
class Hours:
    """A clock that stands still but for the pauses."""

    now: float = 0.0
    told: list[Retried] = field(default_factory=list)
    paused: list[float] = field(default_factory=list)

    def pause(self, seconds: float) -> None:
        self.paused.append(seconds)
        self.now += seconds

    def patience(self, draw: float = 1.0) -> RetryPolicy:
        return RetryPolicy(on_retry=self.told.append, pause=self.pause, clock=lambda: self.now, draw=lambda: draw)


def failing(*errors: SmplanError, forever: bool = False) -> Callable[[], str]:
    """Raises these one after the other, and then returns (or begins anew)."""
    left = itertools.cycle(errors) if forever else iter(errors)

    def once() -> str:
        error = next(left, None)
        if error:
            raise error
        return "done"

    return once


def test_what_works_is_done_once() -> None:
    hours = Hours()
    assert hours.patience().call("ec2:X", failing()) == "done"
    assert (hours.told, hours.paused) == ([], [])


def test_each_retry_is_reported_before_it_happens() -> None:
    hours = Hours()
    assert hours.patience().call("ec2:X", failing(Throttled("slow down"), Unreachable("no answer"))) == "done"
    assert hours.told == [Retried("ec2:X", "slow down", 2, 0.5), Retried("ec2:X", "no answer", 3, 0.4)]
    assert hours.paused == [0.5, 0.4]


def test_throttling_is_waited_out_until_a_deadline_by_short_pauses() -> None:
    hours = Hours()
    with pytest.raises(Throttled):
        hours.patience().call("ec2:X", failing(Throttled("slow down"), forever=True))
    assert THROTTLED_SECONDS - LONGEST_PAUSE < hours.now <= THROTTLED_SECONDS
    assert max(hours.paused) == LONGEST_PAUSE
    assert hours.paused == sorted(hours.paused)


def test_a_call_without_a_response_is_retried_a_few_times_only() -> None:
    hours = Hours()
    with pytest.raises(Unreachable):
        hours.patience().call("ec2:X", failing(Unreachable("no answer"), forever=True))
    assert len(hours.paused) == UNREACHABLE_ATTEMPTS - 1


def test_throttling_does_not_use_up_the_attempts_without_a_response() -> None:
    hours = Hours()
    errors = [Unreachable("no answer"), *[Throttled("slow down")] * 5, Unreachable("no answer")]
    assert hours.patience().call("ec2:X", failing(*errors)) == "done"


def test_pauses_have_jitter() -> None:
    soon, late = Hours(), Hours()
    for hours, draw in ((soon, 0.0), (late, 1.0)):
        hours.patience(draw).call("ec2:X", failing(*[Throttled("slow down")] * 3))
    assert [early * 2 for early in soon.paused] == late.paused == [0.5, 1.0, 2.0]


@pytest.mark.parametrize("error", [LostAnswer("?"), Expired("old"), Denied("no"), Invalid("wrong")])
def test_nothing_else_is_made_again(error: SmplanError) -> None:
    hours = Hours()
    with pytest.raises(type(error)):
        hours.patience().call("ec2:X", failing(error))
    assert hours.paused == []


def test_a_pause_that_is_interrupted_ends_the_call() -> None:
    def stopped(seconds: float) -> None:
        raise Interrupted("stopped on request")

    hours = Hours()
    patient = hours.patience()
    patient.pause = stopped
    with pytest.raises(Interrupted):
        patient.call("ec2:X", failing(Throttled("slow down")))


def test_by_default_it_reports_nothing_and_sleeps() -> None:
    retry.sleep(0)
    patient = RetryPolicy(pause=lambda _: None)
    assert patient.call("ec2:X", failing(Throttled("slow down"))) == "done"
