"""The lines of a local journal: one batch a line, each with its check sum, so that half a line is known as such."""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

from smplan.core.journal import JournalEntry
from smplan.core.state import State
from smplan.core.stored import Members
from smplan.core.values import Json
from smplan.errors import StoreError
from smplan.stores.codec import JOURNAL, VERSION, check_format, damaged, entry_json, parse, parse_entry, plain

_SECTOR = 512
_BEGINNING = re.compile(rb"[0-9a-f]{1,8}(?: (?:\[[ -~]*)?)?\Z")


@dataclass(frozen=True, slots=True)
class Journal:
    """A local journal as read. ``length``: how many bytes of it stand; ``missing``: what the next line must follow.

    A ``stale`` one builds on an earlier state and counts for nothing. ``torn``: an unfinished line was left out.
    """

    entries: tuple[JournalEntry, ...] = ()
    length: int = 0
    missing: bytes = b""
    stale: bool = False
    torn: bool = False


def header(state: State) -> bytes:
    """The first line of a local journal: which state it builds upon."""
    first = {"format": JOURNAL, "format_version": VERSION, "lineage": state.lineage, "serial": state.serial}
    return _line(plain(first))


def batch(entries: Sequence[JournalEntry]) -> bytes:
    """One line of a local journal: a batch that is there as a whole, or not at all."""
    return _line(plain([entry_json(entry) for entry in entries]))


def _line(body: bytes) -> bytes:
    return b"%08x %s\n" % (zlib.crc32(body), body)


def read(data: bytes, place: str, state: State) -> Journal:
    """The journal in ``data``, if it builds on ``state``. Raises StoreError naming the line that cannot be trusted."""
    end = _end(data, place)
    lines = data[:end].split(b"\n")
    bodies = [_body(line, place, number) for number, line in enumerate(lines, 1) if line or number < len(lines)]
    if not bodies:
        raise damaged(place, "it has no first line", JOURNAL)
    if not _builds_on(bodies[0], state, place):
        return Journal(stale=True)
    entries = tuple(entry for number, body in enumerate(bodies[1:], 2) for entry in _batch(body, f"{place}:{number}"))
    missing = b"" if data[:end].endswith(b"\n") else b"\n"
    return Journal(entries, end, missing, torn=end < len(data))


def _end(data: bytes, place: str) -> int:
    """Where the last whole line ends. What follows was being written when the machine stopped, or is damage."""
    start = data.rfind(b"\n", 0, -1) + 1
    last = data[start:]
    if _unwritten(data, start):
        return start
    if last.endswith(b"\n") or _checked(last):
        return len(data)
    if _checked(last[:-1]) or not _BEGINNING.match(last):
        raise damaged(place, f"line {data.count(10) + 1} has no end", JOURNAL)
    return start


def _unwritten(data: bytes, start: int) -> bool:
    """Whether part of the line at ``start`` never reached the disk: the sectors of one write do not all reach it."""
    zeros = data.find(b"\0", start)
    return zeros == start or (zeros > start and zeros % _SECTOR == 0)


def _checked(line: bytes) -> bytes | None:
    """The JSON of a line whose check sum is right, else None."""
    crc, _, body = line.partition(b" ")
    return body if body and crc == b"%08x" % zlib.crc32(body) else None


def _body(line: bytes, place: str, number: int) -> Json:
    body = _checked(line)
    try:
        if body is None:
            raise ValueError("its check sum is wrong")
        return parse(body)
    except ValueError as error:
        raise damaged(f"{place}:{number}", str(error), JOURNAL) from error


def _builds_on(first: Json, state: State, place: str) -> bool:
    members = Members(first, f"{place}:1")
    check_format(members, JOURNAL, place)
    lineage, serial = members.text("lineage"), members.number("serial")
    members.end()
    if lineage != state.lineage or serial > state.serial:
        raise damaged(
            place,
            f"it builds on {lineage} serial {serial}, the state is {state.lineage} serial {state.serial}",
            JOURNAL,
        )
    return serial == state.serial


def _batch(body: Json, place: str) -> list[JournalEntry]:
    try:
        if not isinstance(body, list):
            raise StoreError("it is not a batch of entries")
        return [parse_entry(item, "entry") for item in body]
    except StoreError as error:
        raise damaged(place, str(error), JOURNAL) from error
