"""How far a clock is off, from one answer."""

from __future__ import annotations

import pytest

from smplan.core.clock_skew import skew_seconds

NOON = "Fri, 02 Jan 2026 12:00:00 GMT"
AT = 1767355200.0


@pytest.mark.parametrize(
    ("sent", "heard", "off"),
    [
        (AT, AT + 0.1, 0),
        (AT - 20, AT + 20, 0),  # a slow answer proves nothing
        (AT + 0.9, AT + 0.95, 0),  # the date is cut to the second
        (AT + 76, AT + 77, 75),
        (AT - 77, AT - 75, -75),
        (AT + 300, AT + 390, 299),
        (AT - 390, AT - 300, -300),
    ],
)
def test_skew_is_what_the_time_of_the_request_cannot_explain(sent: float, heard: float, off: float) -> None:
    assert skew_seconds(NOON, sent, heard) == off


@pytest.mark.parametrize("date", ["", "yesterday", "Fri, 99 Jan 2026 12:00:00 GMT"])
def test_without_a_date_the_skew_is_unknown(date: str) -> None:
    assert skew_seconds(date, AT, AT) is None
