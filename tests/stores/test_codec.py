from __future__ import annotations

import json
from dataclasses import replace

import pytest

from smplan.core.canonical_json import canonical
from smplan.core.state.journal import JournalEntry, ResourceCreated, RunBegan, RunEnded, StepFailed, StepSucceeded
from smplan.core.state.model import to_json
from smplan.errors import Bug, StoreError
from smplan.stores import codec
from tests.stores.samples import BEGAN, HOLDER, intent, state

EVERY_ENTRY: list[JournalEntry] = [
    BEGAN,
    intent("a"),
    ResourceCreated("s1", "i1"),
    StepSucceeded("s1", "i1", {"input": [1, {"$ref": "b.id"}]}, {"output": None}),
    StepFailed("s2", "no ‒ really", "2026-11-23T03:00:00Z"),
    RunEnded("r1", "complete", {"url": "x"}, "2026-11-23T03:00:00Z"),
]


@pytest.mark.parametrize("entry", EVERY_ENTRY, ids=lambda entry: type(entry).__name__)
def test_an_entry_comes_back_from_its_json(entry: JournalEntry) -> None:
    assert codec.parse_entry(json.loads(json.dumps(codec.entry_json(entry))), "entry") == entry


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"type": "melted"}, "entry.type `melted` is not known"),
        ({"type": "made", "step": "s1"}, "entry.id is missing"),
        ({"type": "made", "step": "s1", "id": "x", "at": ""}, "entry.at is not known"),
        ("made", "entry is not an object"),
    ],
)
def test_an_entry_that_does_not_fit_is_refused(data: object, message: str) -> None:
    with pytest.raises(StoreError, match=message):
        codec.parse_entry(data, "entry")


def test_a_stored_state_comes_back_with_all_that_is_kept_beside_it() -> None:
    stored = codec.decode_state(codec.encode_state(state("a"), [intent("b")], "me"), "it")
    assert (stored.state, stored.pending_creates, stored.writer) == (state("a"), (intent("b"),), "me")


def test_any_flipped_bit_and_any_cut_is_found() -> None:
    whole = codec.encode_state(state("a"), [intent("b")])
    for at in range(len(whole)):
        for bit in (0x01, 0x20, 0x80):
            with pytest.raises(StoreError):
                codec.decode_state(whole[:at] + bytes([whole[at] ^ bit]) + whole[at + 1 :], "it")
        with pytest.raises(StoreError):
            codec.decode_state(whole[:at], "it")


def sealed(body: bytes) -> bytes:
    import hashlib

    return b'{"digest":"' + hashlib.sha256(body).hexdigest().encode() + b'",' + body[1:] + b"\n"


STATE_TEXT = canonical(to_json(state())).decode()


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ('{"a":1,"a":2}', "not as smplan writes it"),
        ('{"a": 1}', "not as smplan writes it"),
        ('{"a":NaN}', "not JSON compliant"),
        ('{"a":1e999}', "not JSON compliant"),
        ('{"a":"ü"}', "ascii"),
        ('{"a":}', "Expecting value"),
        ('{"a":' + "[" * 300 + "]" * 300 + "}", "nests deeper than 200 levels"),
        ('{"a":' + "[" * 100_000 + "}", "nests deeper than 200 levels"),
        ('{"a":' + "9" * 5000 + "}", "digits"),
        ("{}", "format is missing"),
        ('{"format":"smplan/plan","format_version":1}', "is a smplan/plan, not a smplan/state"),
        ('{"format":"smplan/state","format_version":2}', "format version 2"),
        ('{"format":"smplan/state","format_version":1}', "it.state is missing"),
        ('{"format":"smplan/state","format_version":1,"open":[],"state":{},"writer":""}', "state.name is missing"),
        (
            '{"format":"smplan/state","format_version":1,"open":[{"id":"","step":"","type":"made"}],"state":'
            + STATE_TEXT
            + ',"writer":""}',
            "open holds something that is not an intent",
        ),
        (
            '{"format":"smplan/state","format_version":1,"open":[],"state":'
            + STATE_TEXT.replace('"serial":0', '"serial":-1')
            + ',"writer":""}',
            "serial -1 is negative",
        ),
    ],
)
def test_a_forged_document_is_refused_however_it_is_bent(body: str, message: str) -> None:
    with pytest.raises(StoreError, match=message) as caught:
        codec.decode_state(sealed(body.encode()), "it")
    assert caught.value.hint or "missing" in message


def test_what_could_not_be_read_back_is_not_written(monkeypatch: pytest.MonkeyPatch) -> None:
    deep: list[object] = []
    for _ in range(300):
        deep = [deep]
    with pytest.raises(Bug, match="nests deeper"):
        codec.encode_state(replace(state(), outputs={"x": deep}))
    monkeypatch.setattr(codec, "STATE_BYTES", 100)
    with pytest.raises(StoreError, match="larger than"):
        codec.encode_state(state())


def test_a_holder_comes_back_from_its_json() -> None:
    assert codec.parse_holder(codec.holder_json(HOLDER)) == HOLDER


def test_a_plain_scalar_is_json_too() -> None:
    assert codec.parse(codec.plain(5)) == 5


def test_times_of_a_run_are_kept_as_written() -> None:
    began = RunBegan("r", "p", "d", 0, "whenever")
    assert codec.parse_entry(codec.entry_json(began), "entry") == began
