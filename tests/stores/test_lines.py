from __future__ import annotations

import zlib
from dataclasses import replace

import pytest

from smplan.core.ids import canonical
from smplan.errors import StoreError
from smplan.stores import lines
from tests.stores.samples import BEGAN, create, intent, state

BASE = state(serial=4)
HEAD = lines.header(BASE)
FIRST = lines.batch([BEGAN, *create("a")])
LAST = lines.batch([intent("b")])
WHOLE = HEAD + FIRST + LAST
KEPT = (BEGAN, *create("a"))


def line(data: object) -> bytes:
    body = canonical(data)
    return b"%08x %s\n" % (zlib.crc32(body), body)


def test_a_journal_is_read_batch_by_batch() -> None:
    journal = lines.read(WHOLE, "it", BASE)
    assert journal == lines.Journal((*KEPT, intent("b")), len(WHOLE))


def test_a_last_line_cut_anywhere_was_never_relied_upon() -> None:
    for cut in range(2, len(LAST)):
        journal = lines.read(WHOLE[:-cut], "it", BASE)
        assert (journal.entries, journal.length, journal.torn) == (KEPT, len(HEAD + FIRST), True)


def test_a_last_line_that_lacks_only_its_end_counts() -> None:
    journal = lines.read(WHOLE[:-1], "it", BASE)
    assert journal.entries == (*KEPT, intent("b"))
    assert (journal.length, journal.missing, journal.torn) == (len(WHOLE) - 1, b"\n", False)


def test_a_last_line_of_which_pieces_never_reached_the_disk_is_left_out() -> None:
    kept = HEAD + FIRST
    whole = kept + lines.batch([intent("b" * 2000)])
    sector = (len(kept) // 512 + 1) * 512
    for torn in (
        whole[:sector] + bytes(len(whole) - sector),
        whole[:sector] + bytes(512) + whole[sector + 512 :],
        kept + bytes(sector - len(kept)) + whole[sector:],
        kept + bytes(100),
    ):
        journal = lines.read(torn, "it", BASE)
        assert (journal.entries, journal.length, journal.torn) == (KEPT, len(kept), True)


def test_any_flipped_bit_is_found() -> None:
    for at in range(len(WHOLE)):
        for bit in (0x01, 0x20, 0x80):
            with pytest.raises(StoreError, match="is damaged"):
                lines.read(WHOLE[:at] + bytes([WHOLE[at] ^ bit]) + WHOLE[at + 1 :], "it", BASE)


def test_a_journal_cut_in_its_first_line_is_damaged() -> None:
    for cut in range(len(HEAD) - 1):
        with pytest.raises(StoreError, match="is damaged"):
            lines.read(WHOLE[:cut], "it", BASE)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "line 1 has no end"),
        (HEAD[:4], "it has no first line"),
        (HEAD + b"\n" + LAST, "it:2 is damaged: its check sum is wrong"),
        (HEAD + FIRST[:-5] + b"\n" + LAST, "it:2 is damaged: its check sum is wrong"),
        (HEAD + FIRST + b"some words", "line 3 has no end"),
        (HEAD + line({"a": 1}), "it:2 is damaged: it is not a batch"),
        (HEAD + line([{"type": "melted"}]), "it:2 is damaged: entry.type"),
        (HEAD + b"%08x [1, 2]\n" % zlib.crc32(b"[1, 2]"), "it:2 is damaged: it is JSON, but not"),
        (line([1]), "it:1 is not an object"),
        (line({"format": "smplan/state", "format_version": 1}), "is a smplan/state, not a smplan/journal"),
        (lines.header(replace(BASE, serial=5)) + LAST, "it builds on .* serial 5, the state is .* serial 4"),
        (lines.header(replace(BASE, lineage="other")) + LAST, "it builds on other serial 4"),
    ],
)
def test_a_bad_line_is_refused_with_its_number(data: bytes, message: str) -> None:
    with pytest.raises(StoreError, match=message):
        lines.read(data, "it", BASE)


def test_a_journal_of_an_earlier_state_counts_for_nothing() -> None:
    assert lines.read(WHOLE, "it", replace(BASE, serial=5)) == lines.Journal(stale=True)
