"""Files that survive: read only what can be trusted, replaced as a whole or not at all, for their owner's eyes only."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from smplan.errors import StoreError

_HINT = {
    errno.ENOSPC: "free some space",
    errno.EDQUOT: "free some space, or have the quota raised",
    errno.EROFS: "make the file system writable, or name another place in `state`",
    errno.EACCES: "give yourself permission to it",
    errno.EPERM: "give yourself permission to it",
    errno.EIO: "check the disk",
    errno.ELOOP: "put the file itself there in place of a symbolic link",
    errno.ENOTDIR: "name another place in `state`",
    errno.EISDIR: "name another place in `state`",
}


class Disk:
    """The few system calls that local state needs. Tests put a failing one in its place."""

    def open(self, path: Path, flags: int) -> int:
        """A descriptor; new files are for the owner only, symbolic links are not followed, pipes not waited for."""
        return os.open(path, flags | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600)

    def mkdir(self, folder: Path) -> None:
        """Make ``folder``, for the owner only."""
        os.mkdir(folder, 0o700)

    def chmod(self, descriptor: int) -> None:
        """Read and write for the owner, nothing for anybody else."""
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
    """Let faults of the system out as StoreError with the path and a hint."""
    try:
        yield
    except OSError as error:
        hint = _HINT.get(error.errno or 0, "mend the cause")
        raise StoreError(
            f"{path} cannot be {doing}: {error.strerror}",
            hint=f"{hint}, then run the same command again; what was saved is still there",
        ) from error


def read(disk: Disk, path: Path, limit: int, on_warning: Callable[[str], None]) -> File | None:
    """The file at ``path``, None if there is none. One that others may read is mended, and ``say`` is told."""
    with translate_os_errors(path, "read"):
        try:
            descriptor = disk.open(path, os.O_RDONLY)
        except FileNotFoundError:
            return None
        with os.fdopen(descriptor, "rb") as file:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode):
                raise StoreError(f"{path} is not a regular file", hint="move it away, and put the state back")
            if found.st_size > limit:
                raise StoreError(
                    f"{path} is larger than {limit >> 20} MiB", hint="smplan wrote no such file: look at it"
                )
            if found.st_mode & 0o077:
                disk.chmod(descriptor)
                on_warning(f"{path} could be read by others than you; it is now yours alone (0600)")
            return File(file.read(), (found.st_ino, found.st_mtime_ns, found.st_size))


def stamp(path: Path) -> tuple[int, int, int] | None:
    """The stamp of the file now at ``path``, None if there is none."""
    with translate_os_errors(path, "read"):
        try:
            found = os.stat(path, follow_symlinks=False)
        except FileNotFoundError:
            return None
    return (found.st_ino, found.st_mtime_ns, found.st_size)


def replace(disk: Disk, path: Path, data: bytes) -> None:
    """Put ``data`` at ``path``, durably. Whatever happens on the way, a reader finds the old file or the new one."""
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
    """Put ``data`` beside ``path`` as ``….moved``, or ``….moved-2`` and so on: what lies there already stays."""
    copy = path.with_name(f"{path.name}.moved")
    number = 1
    while stamp(copy):
        number += 1
        copy = path.with_name(f"{path.name}.moved-{number}")
    replace(disk, copy, data)
    return str(copy)


def write(disk: Disk, descriptor: int, data: bytes) -> None:
    """Write all of ``data``; the system may take it in pieces."""
    rest = memoryview(data)
    while rest:
        rest = rest[disk.write(descriptor, bytes(rest)) :]


def make_folder(disk: Disk, folder: Path) -> None:
    """Make ``folder``, and those above it, if they are not there; durably."""
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
