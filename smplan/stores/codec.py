"""The bytes that stores keep: JSON in one form, sealed with its digest. What does not fit is refused."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import assert_never, cast

from smplan.core.blueprint import BackendConfig
from smplan.core.canonical_json import canonical
from smplan.core.state import model as states
from smplan.core.state.journal import (
    JournalEntry,
    ResourceCreated,
    RunBegan,
    RunEnded,
    StepFailed,
    StepIntent,
    StepSucceeded,
)
from smplan.core.state.model import State, resource_from_json, resource_to_json
from smplan.core.state.strict_json import ObjectReader
from smplan.core.values import Json
from smplan.errors import Bug, StoreError
from smplan.stores.interface import LockHolder
from smplan.stores.move_marker import MoveMarker

STATE_BYTES = 256 * 1024 * 1024
JOURNAL_BYTES = 1024 * 1024 * 1024
LOCK_BYTES = 64 * 1024
DEPTH = 200
"""How deep a stored document may nest: a blueprint's 64 levels, and what is put around them."""

VERSION = 1
STATE = "smplan/state"
MOVED = "smplan/moved"
COMING = "smplan/coming"
JOURNAL = "smplan/journal"
LOCK = "smplan/lock"

_SEAL = re.compile(rb'\{"digest":"([0-9a-f]{64})",')
_HINT = {
    STATE: "put back a copy that you trust, from a backup or an earlier version of it",
    JOURNAL: "put back state and journal from the same backup",
    LOCK: "when nobody is applying, delete it and run the same command again",
}


@dataclass(frozen=True, slots=True)
class StoredState:
    """A stored state, the pending creates kept beside it, who wrote it (S3 only), the digest of all of it, and when."""

    state: State
    pending_creates: tuple[StepIntent, ...]
    writer: str
    version: str
    saved: str = ""


def damaged(place: str, why: str, format: str) -> StoreError:
    """The error for stored bytes that cannot be trusted."""
    return StoreError(f"{place} is damaged: {why}", hint=f"{_HINT[format]}; nothing was changed")


def plain(data: Json) -> bytes:
    """``data`` in canonical JSON. Raises Bug for what could not be read back."""
    try:
        _check_depth(data)
        return canonical(data)
    except (ValueError, TypeError, RecursionError) as error:
        raise Bug(f"this cannot be stored: {error}") from error


def parse(data: bytes) -> Json:
    """The JSON that ``plain`` made ``data`` from. Raises ValueError for anything else, however it is bent."""
    try:
        parsed = json.loads(data.decode("ascii"))
        _check_depth(parsed)
        if canonical(parsed) != data:  # a member twice, white space, NaN: smplan writes none of these
            raise ValueError("it is JSON, but not as smplan writes it")
    except RecursionError:
        raise ValueError(f"it nests deeper than {DEPTH} levels") from None
    return parsed


def _check_depth(data: Json) -> None:
    level: list[Json] = [[data]]
    for _ in range(DEPTH):
        level = [
            child
            for node in level
            for child in (node.values() if isinstance(node, dict) else node)
            if isinstance(child, (dict, list, tuple))
        ]
        if not level:
            return
    raise ValueError(f"it nests deeper than {DEPTH} levels")


def seal(format: str, document: dict[str, Json]) -> bytes:
    """``document`` as one line of JSON that starts with the SHA-256 of the rest of itself."""
    body = plain({**document, "format": format, "format_version": VERSION})
    return b'{"digest":"%s",%s\n' % (hashlib.sha256(body).hexdigest().encode(), body[1:])


def unseal(format: str, data: bytes, place: str) -> tuple[ObjectReader, str]:
    """The document that ``seal`` made ``data`` from, and its digest. Raises StoreError for any other bytes."""
    members, digest = _opened(format, data, place)
    check_format(members, format, place)
    return members, digest


def _opened(format: str, data: bytes, place: str) -> tuple[ObjectReader, str]:
    head = _SEAL.match(data)
    if not head or not data.endswith(b"}\n"):
        raise damaged(place, "it is empty" if not data else "it is not whole, or not written by smplan", format)
    body = b"{" + data[head.end() : -1]
    digest = head[1].decode()
    if hashlib.sha256(body).hexdigest() != digest:
        raise damaged(place, "its contents do not match its digest", format)
    try:
        return ObjectReader(parse(body), place), digest
    except ValueError as error:
        raise damaged(place, str(error), format) from error


def check_format(members: ObjectReader, format: str, place: str) -> None:
    """Refuse a document of another format or version with StoreError."""
    found, version = members.text("format"), members.number("format_version")
    if found != format:
        raise StoreError(f"{place} is a {found[:40]}, not a {format}", hint="name the file or object that is meant")
    if version != VERSION:
        raise StoreError(f"{place} has format version {version}; this smplan knows {VERSION}", hint="upgrade smplan")


def encode_state(state: State, pending_creates: Sequence[StepIntent] = (), writer: str = "", saved: str = "") -> bytes:
    """A whole state file, or object, ``saved`` at that time (ISO, UTC)."""
    return _limited(seal(STATE, _state_json(state, pending_creates, writer, saved)))


def encode_coming(mark: MoveMarker, state: State, pending_creates: Sequence[StepIntent], saved: str) -> bytes:
    """A whole state on its way to a new place, where nobody may use it before the move is over."""
    return _limited(seal(COMING, {**_state_json(state, pending_creates, "", saved), "mark": _mark_json(mark)}))


def encode_moved(mark: MoveMarker) -> bytes:
    """The note in the old place of a state."""
    return seal(MOVED, {"mark": _mark_json(mark)})


def _state_json(state: State, pending_creates: Sequence[StepIntent], writer: str, saved: str) -> dict[str, Json]:
    told = [entry_json(intent) for intent in pending_creates]
    return {"state": states.to_json(state), "open": told, "writer": writer, "saved": saved}


def _limited(data: bytes) -> bytes:
    if len(data) > STATE_BYTES:
        raise StoreError(f"the state is larger than {STATE_BYTES >> 20} MiB", hint="split the blueprint in several")
    return data


def decode_state(data: bytes, place: str) -> StoredState:
    """What ``encode_state`` made ``data`` from. Raises StoreError saying what is wrong with ``place``."""
    stored, mark = decode_document(data, place)
    if mark:
        raise mark.refusal(place)
    return cast("StoredState", stored)


def decode_document(data: bytes, place: str) -> tuple[StoredState | None, MoveMarker | None]:
    """What lies where a state may lie: a state, one that is coming and its note, or the note where it went."""
    members, digest = _opened(STATE, data, place)
    format = members.text("format") if "format" in members else ""
    check_format(members, format if format in (MOVED, COMING) else STATE, place)
    try:
        stored = None if format == MOVED else _stored(members, digest)
        mark = None if format == STATE else _mark(members.anything("mark"), coming=format == COMING)
        members.end()
    except StoreError as error:
        raise damaged(place, str(error), STATE) from error
    return stored, mark


def _stored(members: ObjectReader, digest: str) -> StoredState:
    state = states.from_json(members.table("state"))
    pending_creates = tuple(_intent(item) for item in members.items("open"))
    writer = members.text("writer")
    saved = members.text("saved") if "saved" in members else ""  # smplan did not always write it down
    unsound = states.integrity_errors(state)
    if unsound:
        raise StoreError(unsound[0])
    return StoredState(state, pending_creates, writer, digest, saved)


def _mark_json(mark: MoveMarker) -> dict[str, Json]:
    return {
        "move": mark.move,
        "source": {"backend": mark.source.backend, "options": dict(mark.source.options)},
        "target": {"backend": mark.target.backend, "options": dict(mark.target.options)},
        "lineage": mark.lineage,
        "at": mark.at,
    }


def _mark(data: Json, *, coming: bool) -> MoveMarker:
    members = ObjectReader(data, "mark")
    source, target = (_place(members.anything(name), f"mark.{name}") for name in ("source", "target"))
    mark = MoveMarker(coming, members.text("move"), source, target, members.text("lineage"), members.text("at"))
    members.end()
    return mark


def _place(data: Json, at: str) -> BackendConfig:
    members = ObjectReader(data, at)
    place = BackendConfig(members.text("backend"), members.table("options"))
    members.end()
    options = ObjectReader(place.options, f"{at}.options")
    for name in ("bucket", "key") if place.backend == "s3" else ("path",):
        options.text(name)
    return place


def _intent(data: Json) -> StepIntent:
    entry = parse_entry(data, "open")
    if not isinstance(entry, StepIntent):
        raise StoreError("open holds something that is not an intent")
    return entry


def holder_json(holder: LockHolder) -> dict[str, Json]:
    """``holder`` as plain JSON."""
    return {"who": holder.who, "operation": holder.operation, "run": holder.run, "since": holder.since}


def parse_holder(data: Json) -> LockHolder:
    """The holder that ``holder_json`` made ``data`` from. Raises StoreError."""
    members = ObjectReader(data, "holder")
    holder = LockHolder(members.text("who"), members.text("operation"), members.text("run"), members.text("since"))
    members.end()
    return holder


def entry_json(entry: JournalEntry) -> dict[str, Json]:
    """``entry`` as plain JSON, its type in ``type``."""
    match entry:
        case RunBegan():
            return {
                "type": "began",
                "run": entry.run,
                "plan_id": entry.plan_id,
                "plan_digest": entry.plan_digest,
                "base_serial": entry.base_serial,
                "at": entry.at,
            }
        case StepIntent():
            told = {
                "type": "intent",
                "step": entry.step,
                "op": str(entry.op),
                "resource": resource_to_json(entry.resource),
            }
            return told | {"key": entry.key, "token": entry.token}
        case ResourceCreated():
            return {"type": "made", "step": entry.step, "id": entry.id}
        case StepSucceeded():
            outputs = dict(entry.outputs)
            return {"type": "done", "step": entry.step, "id": entry.id, "spec": entry.spec, "outputs": outputs}
        case StepFailed():
            failed = {"type": "failed", "step": entry.step, "error": entry.error, "at": entry.at}
            return failed | {"not_begun": entry.never_sent}
        case RunEnded():
            outputs = dict(entry.outputs)
            return {"type": "ended", "run": entry.run, "outcome": entry.outcome, "outputs": outputs, "at": entry.at}
        case _:
            assert_never(entry)


def parse_entry(data: Json, at: str) -> JournalEntry:
    """The entry that ``entry_json`` made ``data`` from; ``at`` names its place in errors. Raises StoreError."""
    members = ObjectReader(data, at)
    entry = _parsed(members, at)
    members.end()
    return entry


def _parsed(take: ObjectReader, at: str) -> JournalEntry:
    match take.text("type"):
        case "began":
            return RunBegan(
                take.text("run"),
                take.text("plan_id"),
                take.text("plan_digest"),
                take.number("base_serial"),
                take.text("at"),
            )
        case "intent":
            about = resource_from_json(take.anything("resource"), f"{at}.resource")
            return StepIntent(take.text("step"), take.text("op"), about, take.text("key"), take.text("token"))
        case "made":
            return ResourceCreated(take.text("step"), take.text("id"))
        case "done":
            return StepSucceeded(take.text("step"), take.text("id"), take.anything("spec"), take.table("outputs"))
        case "failed":
            return StepFailed(take.text("step"), take.text("error"), take.text("at"), take.flag("not_begun"))
        case "ended":
            return RunEnded(take.text("run"), take.text("outcome"), take.table("outputs"), take.text("at"))
        case other:
            raise StoreError(f"{at}.type `{other[:40]}` is not known to this version of smplan")
