from __future__ import annotations

import json
import zlib
from dataclasses import replace
from typing import Any

import pytest

from smplan.core.canonical_json import canonical
from smplan.core.state.journal import JournalEntry, ResourceCreated, RunEnded, StepFailed, StepSucceeded
from smplan.errors import StoreError
from smplan.stores import journal_file
from tests.stores.samples import BEGAN, create, intent, state

BASE = state(serial=4)
HEAD = journal_file.header(BASE)
FIRST = journal_file.record([BEGAN, *create("a")], journal_file.checksum(HEAD))
LAST = journal_file.record([intent("b")], journal_file.checksum(FIRST))
WHOLE = HEAD + FIRST + LAST
KEPT = (BEGAN, *create("a"))


def line(data: object, after: bytes = b"") -> bytes:
    return raw(canonical(data), after)


def raw(body: bytes, after: bytes = HEAD) -> bytes:
    return b"%08x %s\n" % (zlib.crc32(body, zlib.crc32(journal_file.checksum(after))), body)


ENTRIES: list[tuple[JournalEntry, dict[str, Any]]] = [
    (
        BEGAN,
        {
            "type": "RunBegan",
            "run": "r1",
            "plan_id": "p1",
            "plan_digest": "d1",
            "base_serial": 1,
            "at": "2026-11-23T03:00:00Z",
        },
    ),
    (
        intent("a"),
        {
            "type": "StepIntent",
            "step": "s-a",
            "op": "create",
            "resource": {
                "address": "a",
                "kind": "core.value",
                "id": "",
                "spec": {"input": "a"},
                "outputs": {},
                "dependencies": [],
                "generation": 1,
                "name": "",
                "status": "ready",
                "prevent_destroy": False,
                "keep": False,
            },
            "key": "",
            "token": "",
            "previous_address": "",
        },
    ),
    (ResourceCreated("s-a", "i"), {"type": "ResourceCreated", "step": "s-a", "id": "i"}),
    (
        StepFailed("s-b", "no ‒ really", "then", never_sent=False),
        {"type": "StepFailed", "step": "s-b", "error": "no ‒ really", "at": "then", "never_sent": False},
    ),
    (
        StepSucceeded("s-a", "i", {"input": [1, {"$ref": "b.id"}]}, {"output": None}),
        {
            "type": "StepSucceeded",
            "step": "s-a",
            "id": "i",
            "spec": {"input": [1, {"$ref": "b.id"}]},
            "outputs": {"output": None},
        },
    ),
    (
        RunEnded("r1", "complete", {"url": "x"}, "then"),
        {"type": "RunEnded", "run": "r1", "outcome": "complete", "outputs": {"url": "x"}, "at": "then"},
    ),
]


def test_the_format_of_every_entry() -> None:
    record = journal_file.record([entry for entry, _ in ENTRIES], journal_file.checksum(HEAD))
    assert json.loads(record[9:]) == [data for _, data in ENTRIES]
    assert journal_file.read(HEAD + record, "it", BASE).entries == tuple(entry for entry, _ in ENTRIES)


def test_a_journal_is_read_record_by_record() -> None:
    journal = journal_file.read(WHOLE, "it", BASE)
    assert journal == journal_file.Journal((*KEPT, intent("b")), WHOLE, journal_file.checksum(LAST))


def test_a_last_line_cut_anywhere_is_left_out() -> None:
    for cut in range(2, len(LAST)):
        journal = journal_file.read(WHOLE[:-cut], "it", BASE)
        assert (journal.entries, journal.whole, journal.torn) == (KEPT, HEAD + FIRST, True)


def test_a_last_line_without_its_newline_counts() -> None:
    for torn in (WHOLE[:-1], WHOLE[:-1] + b"\0"):
        journal = journal_file.read(torn, "it", BASE)
        assert (journal.entries, journal.whole, journal.torn) == ((*KEPT, intent("b")), WHOLE, False)


def test_a_last_line_with_missing_sectors_is_left_out() -> None:
    kept = HEAD + FIRST
    whole = kept + journal_file.record([intent("b" * 2000)], journal_file.checksum(FIRST))
    sector = (len(kept) // 512 + 1) * 512
    for torn in (
        whole[:sector] + bytes(len(whole) - sector),
        whole[:sector] + bytes(512) + whole[sector + 512 :],
        kept + bytes(sector - len(kept)) + whole[sector:],
        kept + bytes(100),
    ):
        journal = journal_file.read(torn, "it", BASE)
        assert (journal.entries, journal.whole, journal.torn) == (KEPT, kept, True)


def test_a_single_zeroed_byte_is_damage() -> None:
    spaces = journal_file.record([intent(" " * 2000)], journal_file.checksum(FIRST))
    whole = HEAD + FIRST + spaces
    at = (len(HEAD + FIRST) // 512 + 2) * 512
    assert whole[at] == ord(" ")
    with pytest.raises(StoreError, match="is damaged"):
        journal_file.read(whole[:at] + b"\0" + whole[at + 1 :], "it", BASE)


@pytest.mark.parametrize("damaged", [HEAD + LAST, HEAD + FIRST + FIRST + LAST, HEAD + LAST + FIRST, FIRST + LAST])
def test_a_line_missing_doubled_or_out_of_order_is_damage(damaged: bytes) -> None:
    with pytest.raises(StoreError, match="is damaged"):
        journal_file.read(damaged, "it", BASE)


def test_any_flipped_bit_is_found() -> None:
    for at in range(len(WHOLE)):
        for bit in (0x01, 0x20, 0x80):
            with pytest.raises(StoreError, match="is damaged"):
                journal_file.read(WHOLE[:at] + bytes([WHOLE[at] ^ bit]) + WHOLE[at + 1 :], "it", BASE)


def test_a_journal_cut_before_the_end_of_its_first_record_is_damaged() -> None:
    for cut in range(len(HEAD + FIRST) - 1):
        with pytest.raises(StoreError, match="is damaged"):
            journal_file.read(WHOLE[:cut], "it", BASE)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "line 1 has no end"),
        (HEAD[:4], "it has no first line"),
        (HEAD + b"\n" + LAST, "it:2 is damaged: its checksum is wrong"),
        (HEAD + FIRST[:-5] + b"\n" + LAST, "it:2 is damaged: its checksum is wrong"),
        (HEAD + FIRST + b"some words", "line 3 has no end"),
        (HEAD + line({"a": 1}, HEAD), "it:2 is damaged: entries is not a list"),
        (HEAD + line([{"type": "melted"}], HEAD), "it:2 is damaged: entries\\[0\\].type"),
        (HEAD + raw(b"[1, 2]"), "it:2 is damaged: it is JSON, but not"),
        (line([1]), "it:1 is not an object"),
        (line({"format": "smplan/state", "format_version": 1}), "is a smplan/state, not a smplan/journal"),
        (journal_file.header(replace(BASE, serial=5)), "it builds on .* serial 5, the state is .* serial 4"),
        (journal_file.header(replace(BASE, lineage="other")), "it builds on other serial 4"),
    ],
)
def test_a_bad_line_is_refused_with_its_number(data: bytes, message: str) -> None:
    with pytest.raises(StoreError, match=message):
        journal_file.read(data, "it", BASE)


def test_a_journal_of_an_earlier_state_is_ignored() -> None:
    assert journal_file.read(WHOLE, "it", replace(BASE, serial=5)) == journal_file.Journal(stale=True)
