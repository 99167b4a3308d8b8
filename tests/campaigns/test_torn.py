from __future__ import annotations

import errno
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.campaigns import torn
from tests.campaigns.tally import Tally
from tests.campaigns.torn import WRITES, Size, Work, Write

SMALL = ("the first save", "the first batch", "the end of a run")
"""Cut at every byte; the others are as long again, or longer."""
WORK = Work(Size(things=1, length=20), seed=7)


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="torn-", dir=torn.MEMORY) as name:
        yield Path(name)


@pytest.mark.parametrize("write", WRITES, ids=lambda write: write.name)
def test_a_disk_that_fails_at_any_call_is_told_and_the_write_may_be_tried_again(write: Write, folder: Path) -> None:
    tally = Tally("")
    torn.faults(write, WORK, folder / "it", tally, codes=(errno.ENOSPC,))
    assert tally.told == []
    assert write.meddles or tally.exit_code == 0


@pytest.mark.parametrize("write", WRITES, ids=lambda write: write.name)
def test_a_write_cut_anywhere_leaves_the_old_or_the_new(write: Write, folder: Path) -> None:
    tally = Tally("")
    torn.cuts(write, WORK, folder / "it", tally, every=1 if write.name in SMALL else 50)
    assert tally.told == []
    assert {"between operations", "power lost"} <= {kind for _, kind in tally.cases}


def test_a_law_that_is_broken_is_told_with_the_command_that_breaks_it_again() -> None:
    tally = Tally("python -m it")
    tally.case(("a", "b"), lambda: "")
    tally.case(("a", "b"), lambda: "wrong")
    assert tally.exit_code == 1
    assert "violation: wrong\n    again: python -m it --only 'a|b|2'" in tally.report(("x", "y"))
    again = Tally("", "a|b|2")
    again.case(("a", "b"), lambda: "not this one")
    assert again.told == []
