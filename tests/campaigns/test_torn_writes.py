from __future__ import annotations

import errno
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.campaigns import torn_writes
from tests.campaigns.generators import MEMORY
from tests.campaigns.report import Report
from tests.campaigns.torn_writes import WRITES, Size, Work, Write

SMALL = ("the first save", "the first batch", "the end of a run")
"""Interrupted at every byte; the others are longer."""
WORK = Work(Size(things=1, length=20), seed=7)


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="torn-", dir=MEMORY) as name:
        yield Path(name)


@pytest.mark.parametrize("write", WRITES, ids=lambda write: write.name)
def test_a_disk_error_at_any_call_is_reported_and_a_retry_succeeds(write: Write, folder: Path) -> None:
    report = Report("")
    torn_writes.faults(write, WORK, folder / "it", report, codes=(errno.ENOSPC,))
    assert report.violations == []
    assert write.arms_disk or report.exit_code == 0


@pytest.mark.parametrize("write", WRITES, ids=lambda write: write.name)
def test_a_write_interrupted_anywhere_leaves_the_old_or_the_new_content(write: Write, folder: Path) -> None:
    report = Report("")
    torn_writes.cuts(write, WORK, folder / "it", report, every=1 if write.name in SMALL else 50)
    assert report.violations == []
    assert {"between operations", "power lost"} <= {kind for _, kind in report.cases}


def test_a_violation_is_printed_with_the_command_that_repeats_it() -> None:
    report = Report("python -m it")
    report.case(("a", "b"), lambda: "")
    report.case(("a", "b"), lambda: "wrong")
    assert report.exit_code == 1
    assert "violation: wrong\n    again: python -m it --only 'a|b|2'" in report.text(("x", "y"))
    again = Report("", "a|b|2")
    again.case(("a", "b"), lambda: "not this one")
    assert again.violations == []
