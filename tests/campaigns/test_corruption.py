from __future__ import annotations

from tests.campaigns.corruption import Size, campaign
from tests.campaigns.mutations import MUTATIONS


def test_a_damaged_file_is_refused_or_read_as_it_was_written() -> None:
    report = campaign(5, [Size("small", things=1, length=20, most=60)], by_command=10)
    assert report.violations == []
    assert {way for _, way in report.cases} >= {*MUTATIONS, "another's content", "smplan state list"}
    assert {what for what, _ in report.cases} >= {
        "state, small",
        "journal, small",
        "S3 batch, small",
        "lock",
        "S3 lock",
    }
