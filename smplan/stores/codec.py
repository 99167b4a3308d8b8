"""The bytes that stores keep: canonical JSON, sealed with its digest. Bytes that smplan did not write are refused."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar, cast

from smplan.core.canonical_json import canonical
from smplan.core.state.journal import StepIntent
from smplan.core.state.model import State, integrity_errors
from smplan.core.state.strict_json import from_json, to_json
from smplan.core.values import Json
from smplan.errors import Bug, StoreError
from smplan.stores.move_marker import MoveMarker

T = TypeVar("T")

STATE_BYTES = 256 * 1024 * 1024
JOURNAL_BYTES = 1024 * 1024 * 1024
LOCK_BYTES = 64 * 1024
DEPTH = 200
"""How deep a stored document may nest: a blueprint's 64 levels, and what is put around them."""

VERSION = 1
STATE = "smplan/state"
MOVED = "smplan/moved"
INCOMING = "smplan/incoming"
JOURNAL = "smplan/journal"
LOCK = "smplan/lock"

_BEGIN = b'{"digest":"'
_SEAL_BYTES = len(_BEGIN) + 64 + len('",')
_SEAL = re.compile(rb'\{"digest":"([0-9a-f]{64})",')
_HINT = {
    STATE: "restore a trusted copy, from a backup or an earlier version of it",
    JOURNAL: "restore state and journal from the same backup",
    LOCK: "if no apply is running, delete it and run the same command again",
}


@dataclass(frozen=True, slots=True)
class StateDocument:
    """A stored state, the pending creates kept beside it, who wrote it (S3 only), and when (ISO, UTC)."""

    state: State
    pending_creates: tuple[StepIntent, ...] = ()
    writer: str = ""
    saved: str = ""


@dataclass(frozen=True, slots=True)
class IncomingDocument(StateDocument):
    """A stored state that a move has copied here, and that may not be used before the move is complete."""

    marker: MoveMarker = field(kw_only=True)


@dataclass(frozen=True, slots=True)
class MovedDocument:
    """What a move leaves in the old place of a state."""

    marker: MoveMarker


_STATES: dict[str, type[StateDocument | MovedDocument]] = {
    STATE: StateDocument,
    INCOMING: IncomingDocument,
    MOVED: MovedDocument,
}


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
    """The JSON that ``plain`` made ``data`` from. Raises ValueError for anything else."""
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


def seal(format: str, document: object) -> bytes:
    """The dataclass ``document`` as one line of JSON that starts with the SHA-256 of the rest of itself."""
    body = plain(with_header(format, to_json(document)))
    return b'{"digest":"%s",%s\n' % (hashlib.sha256(body).hexdigest().encode(), body[1:])


def may_be_ours(data: bytes) -> bool:
    """Whether ``data`` begins as everything sealed does, or ends before that shows.

    So does what begins with zeros: after a power failure, a sector that was never written reads as such.
    """
    if not data[:_SEAL_BYTES].strip(b"\0"):
        return True
    return bool(_SEAL.match(data)) or (len(data) < _SEAL_BYTES and data[: len(_BEGIN)] == _BEGIN[: len(data)])


def unseal(formats: Mapping[str, type[T]], data: bytes, place: str) -> tuple[T, str]:
    """The document that ``seal`` made ``data`` from, in one of ``formats``, and its digest.

    Raises StoreError for any other bytes, as damage to the first of the formats.
    """
    expected, *_ = formats
    seal = _SEAL.match(data)
    if not seal or not data.endswith(b"}\n"):
        raise damaged(place, "it is not whole, or not written by smplan" if data else "it is empty", expected)
    body, digest = b"{" + data[seal.end() : -1], seal[1].decode()
    if hashlib.sha256(body).hexdigest() != digest:
        raise damaged(place, "its contents do not match its digest", expected)
    try:
        parsed = parse(body)
    except ValueError as error:
        raise damaged(place, str(error), expected) from error
    format, members = without_header(formats, parsed, place)
    try:
        return from_json(formats[format], members, ""), digest
    except StoreError as error:
        raise damaged(place, str(error), expected) from error


def with_header(format: str, members: Json) -> Json:
    """``members`` with the format that they are in."""
    return {**members, "format": format, "format_version": VERSION}


def without_header(formats: Iterable[str], data: Json, place: str) -> tuple[str, dict[str, Json]]:
    """The format of a document and its own members. Raises StoreError if it is in none of ``formats``."""
    members = dict(from_json(dict, data, place))
    format = from_json(str, members.pop("format", None), f"{place}.format")
    version = from_json(int, members.pop("format_version", None), f"{place}.format_version")
    if format not in formats:
        raise StoreError(f"{place} is a {format[:40]}, not a {next(iter(formats))}", hint="check the path")
    if version != VERSION:
        raise StoreError(f"{place} has format version {version}; this smplan knows {VERSION}", hint="upgrade smplan")
    return format, members


def encode_state(state: State, pending_creates: Sequence[StepIntent] = (), writer: str = "", saved: str = "") -> bytes:
    """A whole state file, or object, ``saved`` at that time (ISO, UTC)."""
    return _limited(seal(STATE, StateDocument(state, tuple(pending_creates), writer, saved)))


def encode_incoming(marker: MoveMarker, state: State, pending_creates: Sequence[StepIntent], saved: str) -> bytes:
    """A whole state on its way to a new place, where it cannot be used before the move is complete."""
    return _limited(seal(INCOMING, IncomingDocument(state, tuple(pending_creates), "", saved, marker=marker)))


def encode_moved(marker: MoveMarker) -> bytes:
    """The marker in the old place of a state."""
    return seal(MOVED, MovedDocument(marker))


def _limited(data: bytes) -> bytes:
    if len(data) > STATE_BYTES:
        raise StoreError(f"the state is larger than {STATE_BYTES >> 20} MiB", hint="split the blueprint")
    return data


def decode_state(data: bytes, place: str) -> StateDocument:
    """What ``encode_state`` made ``data`` from. Raises StoreError saying what is wrong with ``place``."""
    document, marker, _ = decode_document(data, place)
    if marker:
        raise marker.refusal(place)
    return cast("StateDocument", document)


def decode_document(data: bytes, place: str) -> tuple[StateDocument | None, MoveMarker | None, str]:
    """What is stored in the place of a state, with its digest: a state, an incoming one and its marker, or a marker."""
    found, digest = unseal(_STATES, data, place)
    document = found if isinstance(found, StateDocument) else None
    marker = found.marker if isinstance(found, IncomingDocument | MovedDocument) else None
    for problem in _problems(document, marker):
        raise damaged(place, problem, STATE)
    return document, marker, digest


def _problems(document: StateDocument | None, marker: MoveMarker | None) -> Iterator[str]:
    if document:
        yield from integrity_errors(document.state)
    if marker and marker.incoming != bool(document):
        yield "marker.incoming does not fit the format"
    for end, config in (("source", marker.source), ("target", marker.target)) if marker else ():
        for name in ("bucket", "key") if config.backend == "s3" else ("path",):
            if type(config.options.get(name)) is not str:
                yield f"marker.{end}.options.{name} is not text"
