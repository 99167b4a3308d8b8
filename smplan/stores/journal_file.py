"""The lines of a local journal: one record per line, with a checksum of itself and of the checksum before it.

This detects a line that is cut off, missing, doubled or out of order. A record holds the entries of one append.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from smplan.core.state.journal import JournalEntry
from smplan.core.state.model import State
from smplan.core.state.strict_json import from_json, to_json
from smplan.core.values import Json
from smplan.errors import StoreError
from smplan.stores.codec import JOURNAL, damaged, parse, plain, with_header, without_header

_SECTOR = 512
_SUM = 8
_BEGINNING = re.compile(rb"[0-9a-f]{1,8}(?: (?:\[[ -~]*)?)?\Z")

_Record: TypeAlias = tuple[JournalEntry, ...]


@dataclass(frozen=True, slots=True)
class _Base:
    lineage: str
    serial: int


@dataclass(frozen=True, slots=True)
class Journal:
    """A local journal as read. ``whole``: its valid bytes; ``sum``: the checksum that the next line builds on.

    A ``stale`` one builds on an earlier state and is ignored. ``torn``: an unfinished last line was left out.
    """

    entries: tuple[JournalEntry, ...] = ()
    whole: bytes = field(default=b"", repr=False)
    sum: bytes = b""
    stale: bool = False
    torn: bool = False


def header(state: State) -> bytes:
    """The first line of a local journal: which state it builds on."""
    return _line(plain(with_header(JOURNAL, to_json(_Base(state.lineage, state.serial)))), b"")


def record(entries: Sequence[JournalEntry], after: bytes) -> bytes:
    """``entries`` as one line, which is read as a whole or not at all. ``after``: the checksum of the line before."""
    return _line(plain(to_json(entries, _Record)), after)


def checksum(line: bytes) -> bytes:
    """The checksum that ``line`` begins with."""
    return line[:_SUM]


def _line(body: bytes, after: bytes) -> bytes:
    return b"%08x %s\n" % (_crc(body, after), body)


def _crc(body: bytes, after: bytes) -> int:
    return zlib.crc32(body, zlib.crc32(after))


def read(data: bytes, place: str, state: State) -> Journal:
    """The journal in ``data``, if it builds on ``state``. Raises StoreError naming the line that cannot be trusted."""
    start = data.rfind(b"\n", 0, -1) + 1
    after = checksum(data[data.rfind(b"\n", 0, max(start - 1, 0)) + 1 : start])
    last = _complete_tail(data, start, after, place)
    whole = data[:start] + last
    lines = whole.split(b"\n")[:-1]
    sums = [b"", *map(checksum, lines)]
    bodies = [_body(line, sums[at], f"{place}:{at + 1}") for at, line in enumerate(lines)]
    if not bodies:
        raise damaged(place, "it has no first line", JOURNAL)
    if not _builds_on(bodies[0], state, place):
        return Journal(stale=True)
    if len(bodies) == 1:  # both are written at once
        raise damaged(place, "it ends before its first record", JOURNAL)
    entries = tuple(entry for number, body in enumerate(bodies[1:], 2) for entry in _entries(body, f"{place}:{number}"))
    return Journal(entries, whole, sums[-1], torn=not last)


def _complete_tail(data: bytes, start: int, after: bytes, place: str) -> bytes:
    """The last line, at ``start``, completed; empty if it was being written when the machine stopped."""
    last = data[start:]
    if last.endswith(b"\n") and b"\0" not in last:
        return last
    text = last.rstrip(b"\0")
    if _checked(text, after):
        return text + b"\n"
    if _unwritten(data, start):
        return b""
    if _checked(last[:-1], after) or not _BEGINNING.match(last):
        raise damaged(place, f"line {data.count(10) + 1} has no end", JOURNAL)
    return b""


def _unwritten(data: bytes, start: int) -> bool:
    """Whether part of the line at ``start`` never reached the disk: sectors of one write may be lost separately."""
    first = data.find(b"\0", start)
    if first != start and (first < 0 or first % _SECTOR):
        return False
    return not data[first : first - first % _SECTOR + _SECTOR].strip(b"\0")


def _checked(line: bytes, after: bytes) -> bytes | None:
    """The JSON of a line whose checksum is right, else None."""
    crc, _, body = line.partition(b" ")
    return body if body and crc == b"%08x" % _crc(body, after) else None


def _body(line: bytes, after: bytes, place: str) -> Json:
    body = _checked(line, after)
    try:
        if body is None:
            raise ValueError("its checksum is wrong")
        return parse(body)
    except ValueError as error:
        raise damaged(place, str(error), JOURNAL) from error


def _builds_on(first: Json, state: State, place: str) -> bool:
    _, members = without_header((JOURNAL,), first, f"{place}:1")
    base = from_json(_Base, members, f"{place}:1")
    if base.lineage != state.lineage or base.serial > state.serial:
        raise damaged(
            place,
            f"it builds on {base.lineage} serial {base.serial}, the state is {state.lineage} serial {state.serial}",
            JOURNAL,
        )
    return base.serial == state.serial


def _entries(body: Json, place: str) -> _Record:
    try:
        return from_json(_Record, body, "entries")
    except StoreError as error:
        raise damaged(place, str(error), JOURNAL) from error
