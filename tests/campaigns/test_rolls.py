"""A slice of the seeded roll-outs, one of each way; all of them: ``make rolls``."""

from __future__ import annotations

import pytest

from tests.campaigns.rolls.campaign import run_seed
from tests.campaigns.rolls.situation import FATAL, Situation


def _first(way: str, *, fatal: bool) -> int:
    """The first seed of that way in which at least one run is killed."""
    for seed in range(1000):
        found = Situation.of(seed)
        if found.way == way and bool(found.kills) and (found.ill in FATAL) == fatal:
            return seed
    raise AssertionError(way)


@pytest.mark.parametrize(
    ("way", "fatal"),
    [("configuration, WebRTC", False), ("configuration", True), ("template, drained", False)],
)
def test_roll_outs_keep_every_promise_and_come_to_an_end(way: str, fatal: bool) -> None:
    verdict = run_seed(_first(way, fatal=fatal))
    assert verdict.violations == ()
    assert verdict.outcome == ("clean stop, gone back" if fatal else "complete")
