from __future__ import annotations

from tests.campaigns.damaged import Size, campaign
from tests.campaigns.damages import WAYS


def test_what_is_damaged_is_refused_or_read_as_it_was_written() -> None:
    tally = campaign(5, [Size("small", things=1, length=20, most=60)], by_command=10)
    assert tally.told == []
    assert {way for _, way in tally.cases} >= {*WAYS, "another's content", "smplan state list"}
    assert {what for what, _ in tally.cases} >= {"state, small", "journal, small", "S3 batch, small", "lock", "S3 lock"}
