from __future__ import annotations

import json
from dataclasses import replace

import pytest

from smplan.core.canonical_json import canonical
from smplan.core.state.strict_json import to_json
from smplan.errors import Bug, StoreError
from smplan.stores import codec
from tests.stores.samples import LINEAGE, intent, state


def test_the_format_of_a_stored_state() -> None:
    document = json.loads(codec.encode_state(state("a"), [intent("b")], "me", "2026-11-23T03:00:00+00:00"))
    resource = {
        "address": "a",
        "kind": "core.value",
        "id": "a",
        "spec": {"input": "a"},
        "outputs": {},
        "dependencies": [],
        "generation": 1,
        "name": "",
        "status": "ready",
        "prevent_destroy": False,
        "keep": False,
    }
    assert document == {
        "digest": document["digest"],
        "format": "smplan/state",
        "format_version": 1,
        "state": {
            "name": "fleet",
            "lineage": LINEAGE,
            "serial": 0,
            "resources": {"a": resource},
            "deposed": [],
            "used_plans": [],
            "outputs": {},
        },
        "pending_creates": [
            {
                "step": "s-b",
                "op": "create",
                "resource": resource | {"address": "b", "id": "", "spec": {"input": "b"}},
                "key": "",
                "token": "",
                "previous_address": "",
            }
        ],
        "writer": "me",
        "saved": "2026-11-23T03:00:00+00:00",
    }


def test_a_stored_state_survives_the_round_trip_with_its_pending_creates() -> None:
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
DOCUMENT = canonical(json.loads(codec.encode_state(state())) | {"digest": None}).decode().replace('"digest":null,', "")


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
        ("{}", "it.format is not text"),
        ('{"format":"smplan/state"}', "it.format_version is not a whole number"),
        ('{"format":"smplan/plan","format_version":1}', "is a smplan/plan, not a smplan/state"),
        ('{"format":"smplan/state","format_version":2}', "format version 2"),
        ('{"format":"smplan/state","format_version":1}', "pending_creates is missing"),
        (DOCUMENT.replace(STATE_TEXT, "{}"), "state.deposed is missing"),
        (DOCUMENT.replace('"pending_creates":[]', '"pending_creates":[{}]'), r"pending_creates\[0\].key is missing"),
        (DOCUMENT.replace('"serial":0', '"serial":-1'), "serial -1 is negative"),
    ],
)
def test_a_forged_document_is_rejected(body: str, message: str) -> None:
    with pytest.raises(StoreError, match=message) as caught:
        codec.decode_state(sealed(body.encode()), "it")
    assert caught.value.hint or "is not" in message


def test_a_document_that_could_not_be_read_back_is_not_written(monkeypatch: pytest.MonkeyPatch) -> None:
    deep: list[object] = []
    for _ in range(300):
        deep = [deep]
    with pytest.raises(Bug, match="nests deeper"):
        codec.encode_state(replace(state(), outputs={"x": deep}))
    monkeypatch.setattr(codec, "STATE_BYTES", 100)
    with pytest.raises(StoreError, match="larger than"):
        codec.encode_state(state())


def test_a_plain_scalar_is_json_too() -> None:
    assert codec.parse(codec.plain(5)) == 5
