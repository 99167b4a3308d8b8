"""Disks for the local store that fail on request."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from smplan.stores.files import Disk

T = TypeVar("T")


class Killed(BaseException):
    """Ends the process, as SIGKILL would."""


class NoFsyncDisk(Disk):
    """A disk without fsync, for tests in which power does not fail."""

    def sync(self, descriptor: int) -> None:
        pass


class FaultyDisk(NoFsyncDisk):
    """A disk that fails at one chosen call, or from that call on (``lasting``).

    With ``halves`` each write takes half of its data, so that faults also strike between the halves.
    """

    def __init__(self, *, halves: bool = False) -> None:
        self.halves = halves
        self.names: list[str] = []
        self.written = 0
        self.arm()

    def arm(self, at: int = 0, problem: BaseException | None = None, *, lasting: bool = False) -> None:
        """Count calls from now on, and fail at call number ``at``; 0 for none."""
        self.names = []
        self.written = 0
        self._at, self._problem, self._lasting = at, problem or Killed(), lasting

    @property
    def calls(self) -> int:
        """The number of calls since ``arm``."""
        return len(self.names)

    def _maybe_fail(self, name: str, call: Callable[[], T]) -> T:
        self.names.append(name)
        if self.calls == self._at or (self._lasting and 0 < self._at < self.calls):
            raise self._problem
        return call()

    def open(self, path: Path, flags: int) -> int:
        return self._maybe_fail("open", lambda: super(FaultyDisk, self).open(path, flags))

    def mkdir(self, folder: Path) -> None:
        self._maybe_fail("mkdir", lambda: super(FaultyDisk, self).mkdir(folder))

    def chmod(self, descriptor: int) -> None:
        self._maybe_fail("chmod", lambda: super(FaultyDisk, self).chmod(descriptor))

    def write(self, descriptor: int, data: bytes) -> int:
        taken = data[: len(data) // 2 or 1] if self.halves else data
        written = self._maybe_fail("write", lambda: super(FaultyDisk, self).write(descriptor, taken))
        self.written += written
        return written

    def sync(self, descriptor: int) -> None:
        self._maybe_fail("sync", lambda: super(FaultyDisk, self).sync(descriptor))

    def truncate(self, descriptor: int, length: int) -> None:
        self._maybe_fail("truncate", lambda: super(FaultyDisk, self).truncate(descriptor, length))

    def rename(self, source: Path, target: Path) -> None:
        self._maybe_fail("rename", lambda: super(FaultyDisk, self).rename(source, target))

    def unlink(self, path: Path) -> None:
        self._maybe_fail("unlink", lambda: super(FaultyDisk, self).unlink(path))
