"""Every file system state possible after a crash, computed from recorded file operations.

When the process ends, all its operations are on disk. When power fails, whatever no fsync followed may be lost in part:
of data, any 512-byte sector (zeros, or its former content) and any part of the length; of names, each creation, rename
and removal by itself. POSIX allows this, and it is more than any one file system shows.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import product
from math import prod
from pathlib import Path

from tests.support.disks import FaultyDisk

SECTOR = 512
FOLDER = 0
"""The file number of the folder itself."""
EXHAUSTIVE = 6
"""Up to this many sectors, every subset is tried."""


@dataclass(frozen=True, slots=True)
class Op:
    """One operation on a file, identified by a number that is never reused, or on the names in the folder."""

    kind: str
    file: int
    name: str = ""
    data: bytes = b""
    at: int = 0

    @property
    def of_names(self) -> bool:
        """Whether an fsync of the folder, not of the file, makes it durable."""
        return self.kind in ("create", "rename", "unlink")


@dataclass(slots=True)
class Image:
    """Names of files, and the bytes of each."""

    names: dict[str, int] = field(default_factory=dict)
    files: dict[int, bytes] = field(default_factory=dict)

    def copy(self) -> Image:
        """An independent copy."""
        return Image(dict(self.names), dict(self.files))

    def seen(self) -> dict[str, bytes]:
        """The files by name."""
        return {name: self.files.get(file, b"") for name, file in self.names.items()}

    def do(self, op: Op) -> None:
        """Apply ``op``. The removal of a file that no longer has that name does nothing."""
        before = self.files.get(op.file, b"")
        match op.kind:
            case "create":
                self.names[op.name] = op.file
            case "rename":
                self.names = {name: file for name, file in self.names.items() if file != op.file}
                self.names[op.name] = op.file
            case "unlink" if self.names.get(op.name) == op.file:
                del self.names[op.name]
            case "write":
                self.files[op.file] = before[: op.at].ljust(op.at, b"\0") + op.data + before[op.at + len(op.data) :]
            case "truncate":
                self.files[op.file] = before[: op.at].ljust(op.at, b"\0")
            case _:
                pass


class RecordingDisk(FaultyDisk):
    """A disk that records in ``ops`` what happens to the files of ``folder``; ``start`` is their initial content."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        there = {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
        self.start = Image({name: at for at, name in enumerate(there, 1)}, dict(enumerate(there.values(), 1)))
        self.ops: list[Op] = []
        self._folder = folder
        self._now = self.start.copy()
        self._last = len(there)
        self._opened: dict[int, tuple[int, bool]] = {}
        self._places: dict[int, int] = {}

    def _note(self, op: Op) -> None:
        self.ops.append(op)
        self._now.do(op)

    def open(self, path: Path, flags: int) -> int:
        descriptor = super().open(path, flags)
        if path != self._folder and path.name not in self._now.names:
            self._last += 1
            self._note(Op("create", self._last, path.name))
        file = FOLDER if path == self._folder else self._now.names[path.name]
        self._opened[descriptor] = (file, bool(flags & os.O_APPEND))
        self._places[descriptor] = 0
        return descriptor

    def write(self, descriptor: int, data: bytes) -> int:
        written = super().write(descriptor, data)
        file, appends = self._opened[descriptor]
        at = len(self._now.files.get(file, b"")) if appends else self._places[descriptor]
        self._note(Op("write", file, data=data[:written], at=at))
        self._places[descriptor] = at + written
        return written

    def sync(self, descriptor: int) -> None:
        super().sync(descriptor)
        self._note(Op("sync", self._opened[descriptor][0]))

    def truncate(self, descriptor: int, length: int) -> None:
        super().truncate(descriptor, length)
        self._note(Op("truncate", self._opened[descriptor][0], at=length))

    def rename(self, source: Path, target: Path) -> None:
        super().rename(source, target)
        self._note(Op("rename", self._now.names[source.name], target.name))

    def unlink(self, path: Path) -> None:
        super().unlink(path)
        self._note(Op("unlink", self._now.names[path.name], path.name))


def after_exit(start: Image, ops: Iterable[Op]) -> dict[str, bytes]:
    """The files when the process ends after ``ops``."""
    image = start.copy()
    for op in ops:
        image.do(op)
    return image.seen()


def after_partial_write(start: Image, ops: list[Op]) -> Iterator[dict[str, bytes]]:
    """The files when the process ends within the last of ``ops``, a write: after each of its bytes but the last."""
    before, last = start.copy(), ops[-1]
    for op in ops[:-1]:
        before.do(op)
    for length in range(1, len(last.data)):
        image = before.copy()
        image.do(Op("write", last.file, data=last.data[:length], at=last.at))
        yield image.seen()


def after_power_loss(start: Image, ops: list[Op], chance: random.Random, most: int) -> Iterator[dict[str, bytes]]:
    """The possible files when power fails after ``ops``, each state once.

    Every piece of every file, with every fate of the names; the pieces of several files in all combinations if these
    are ``most`` at most.
    """
    seen_before: set[frozenset[tuple[str, bytes]]] = set()
    now = start.copy()
    for op in ops:
        now.do(op)
    fates = {file: fate for file, fate in _data(start, ops, now, chance).items() if len(fate) > 1}
    for names in _names(start, ops):
        visible = [file for file in fates if file in names.values()]
        for fate in _combined([fates[file] for file in visible], most):
            seen = Image(names, {**now.files, **dict(zip(visible, fate, strict=True))}).seen()
            key = frozenset(seen.items())
            if key not in seen_before:
                seen_before.add(key)
                yield seen


def _combined(fates: list[list[bytes]], most: int) -> Iterator[tuple[bytes, ...]]:
    if prod(map(len, fates)) <= most:
        yield from product(*fates)
        return
    for at in range(max(map(len, fates))):
        yield tuple(fate[at % len(fate)] for fate in fates)


def _names(start: Image, ops: list[Op]) -> Iterator[dict[str, int]]:
    """The possible names: each change after the last fsync of the folder happened or not."""
    synced = max((at for at, op in enumerate(ops) if (op.kind, op.file) == ("sync", FOLDER)), default=-1)
    later = [op for op in ops[synced + 1 :] if op.of_names]
    for happened in product((True, False), repeat=len(later)):
        image = Image(dict(start.names))
        for op in (*ops[: synced + 1], *(op for op, yes in zip(later, happened, strict=True) if yes)):
            if op.of_names:
                image.do(op)
        yield image.names


def _data(start: Image, ops: list[Op], now: Image, chance: random.Random) -> dict[int, list[bytes]]:
    """The possible contents of each file, by its number."""
    fates = {}
    for file, data in now.files.items():
        durable = Image(files={file: start.files.get(file, b"")})
        mine = [op for op in ops if op.file == file and not op.of_names]
        synced = max((at for at, op in enumerate(mine) if op.kind == "sync"), default=-1)
        for op in mine[: synced + 1]:
            durable.do(op)
        fates[file] = list(pieces(durable.files[file], data, chance))
        chance.shuffle(fates[file])
    return fates


def pieces(before: bytes, after: bytes, chance: random.Random) -> Iterator[bytes]:
    """The possible contents between ``before`` and ``after``, each once: any sectors, any length."""
    seen_before: set[bytes] = set()
    length = max(len(before), len(after))
    old, new = before.ljust(length, b"\0"), after.ljust(length, b"\0")
    sectors = [at for at in range(0, length, SECTOR) if old[at : at + SECTOR] != new[at : at + SECTOR]]
    for arrived in _subsets(sectors, chance):
        mixed = b"".join((new if at in arrived else old)[at : at + SECTOR] for at in range(0, length, SECTOR))
        low, high = sorted((len(before), len(after)))
        for size in (len(before), len(after), chance.randint(low, high)):
            if mixed[:size] not in seen_before:
                seen_before.add(mixed[:size])
                yield mixed[:size]


def _subsets(sectors: list[int], chance: random.Random) -> Iterator[set[int]]:
    """Every subset of few; of many: all, none, each alone, all but each, the first so many, and as many at random."""
    if len(sectors) <= EXHAUSTIVE:
        for chosen in product((True, False), repeat=len(sectors)):
            yield {at for at, yes in zip(sectors, chosen, strict=True) if yes}
        return
    for number, sector in enumerate(sectors):
        yield {sector}
        yield set(sectors) - {sector}
        yield set(sectors[:number])
        yield {at for at in sectors if chance.random() < 0.5}
    yield set(sectors)
