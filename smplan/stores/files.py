"""Durable files for their owner only: read with checks, replaced as a whole or not at all."""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from smplan.errors import StoreError

_OURS = re.compile(rb'\{"digest":"[0-9a-f]{64}",|[0-9a-f]{8} \{"format":"smplan/journal",')
"""How a state and a journal begin."""

_HINT = {
    errno.ENOSPC: "free some space",
    errno.EDQUOT: "free some space, or raise the quota",
    errno.EROFS: "make the file system writable, or choose another path in `state`",
    errno.EACCES: "grant your user access to it",
    errno.EPERM: "grant your user access to it",
    errno.EIO: "check the disk",
    errno.ELOOP: "replace the symbolic link by the file itself",
    errno.ENOTDIR: "choose another path in `state`",
    errno.EISDIR: "choose another path in `state`",
}


class Disk:
    """The system calls that local state needs. Tests replace it by one that fails."""

    def open(self, path: Path, flags: int) -> int:
        """A descriptor; new files are for the owner only, symbolic links are not followed, pipes not waited for."""
        return os.open(path, flags | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600)

    def mkdir(self, folder: Path) -> None:
        """Create ``folder``, for the owner only."""
        os.mkdir(folder, 0o700)

    def chmod(self, descriptor: int) -> None:
        """Read and write for the owner only."""
        os.fchmod(descriptor, 0o600)

    def write(self, descriptor: int, data: bytes) -> int:
        """How many bytes of ``data`` were written."""
        return os.write(descriptor, data)

    def sync(self, descriptor: int) -> None:
        """Return when everything written is on the disk."""
        os.fsync(descriptor)

    def truncate(self, descriptor: int, length: int) -> None:
        """Cut the file off after ``length`` bytes."""
        os.ftruncate(descriptor, length)

    def rename(self, source: Path, target: Path) -> None:
        """Put ``source`` in the place of ``target``, at once."""
        os.replace(source, target)

    def unlink(self, path: Path) -> None:
        """Remove the name ``path``."""
        os.unlink(path)


@dataclass(frozen=True, slots=True)
class File:
    """The bytes of a file; ``stamp`` differs from one version of it to the next."""

    data: bytes
    stamp: tuple[int, int, int]


@contextmanager
def translate_os_errors(path: Path, doing: str) -> Iterator[None]:
    """Raise OSError as StoreError with the path and a hint."""
    try:
        yield
    except OSError as error:
        hint = _HINT.get(error.errno or 0, "fix the cause")
        raise StoreError(
            f"{path} cannot be {doing}: {error.strerror}",
            hint=f"{hint}, then run the same command again; what was saved is intact",
        ) from error


def read(disk: Disk, path: Path, limit: int, on_warning: Callable[[str], None]) -> File | None:
    """The file at ``path``, None if there is none. The mode of one that smplan wrote is fixed, with a warning."""
    with translate_os_errors(path, "read"):
        try:
            descriptor = disk.open(path, os.O_RDONLY)
        except FileNotFoundError:
            return None
        with os.fdopen(descriptor, "rb") as file:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise StoreError(f"{path} is not a regular file", hint="move it away and restore the state")
            if status.st_size > limit:
                raise StoreError(f"{path} is larger than {limit >> 20} MiB", hint="not written by smplan; inspect it")
            data = file.read()
            if status.st_mode & 0o077 and _OURS.match(data):
                disk.chmod(descriptor)
                on_warning(f"{path} was readable by other users; its mode is now 0600")
            return File(data, (status.st_ino, status.st_mtime_ns, status.st_size))


def stamp(path: Path) -> tuple[int, int, int] | None:
    """The stamp of the file now at ``path``, None if there is none."""
    with translate_os_errors(path, "read"):
        try:
            status = os.stat(path, follow_symlinks=False)
        except FileNotFoundError:
            return None
    return (status.st_ino, status.st_mtime_ns, status.st_size)


def replace(disk: Disk, path: Path, data: bytes) -> None:
    """Put ``data`` at ``path``, durably. Readers find the old file or the new one, whatever happens meanwhile."""
    temporary = path.with_name(path.name + ".tmp")
    with translate_os_errors(path, "written"):
        with suppress(FileNotFoundError):
            disk.unlink(temporary)
        descriptor = disk.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        try:
            try:
                disk.chmod(descriptor)
                write(disk, descriptor, data)
                disk.sync(descriptor)
            finally:
                os.close(descriptor)
            disk.rename(temporary, path)
        except OSError:
            with suppress(OSError):
                disk.unlink(temporary)
            raise
        sync_folder(disk, path.parent)


def back_up(disk: Disk, path: Path, data: bytes) -> str:
    """Write ``data`` beside ``path`` as ``….moved``, or ``….moved-2`` and so on if that exists; the new path."""
    copy = path.with_name(f"{path.name}.moved")
    number = 1
    while stamp(copy):
        number += 1
        copy = path.with_name(f"{path.name}.moved-{number}")
    replace(disk, copy, data)
    return str(copy)


def write(disk: Disk, descriptor: int, data: bytes) -> None:
    """Write all of ``data``; the system may take it in parts."""
    rest = memoryview(data)
    while rest:
        rest = rest[disk.write(descriptor, bytes(rest)) :]


def make_folder(disk: Disk, folder: Path) -> None:
    """Create ``folder`` and those above it, durably, where they are missing."""
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    for each in reversed(missing):
        with suppress(FileExistsError):
            disk.mkdir(each)
        sync_folder(disk, each.parent)


def sync_folder(disk: Disk, folder: Path) -> None:
    """Make new names in ``folder`` durable."""
    descriptor = disk.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        disk.sync(descriptor)
    finally:
        os.close(descriptor)
