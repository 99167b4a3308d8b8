"""The register of the plans that this user made: outside every workspace, where only this user can write.

One small file a plan, named by the plan's digest, so that commands that run side by side do not wait for each other.
"""

from __future__ import annotations

import json
import os
import stat
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from smplan.cli.settings import user_folder
from smplan.engine.preconditions import PLAN_TTL
from smplan.errors import SmplanError

FOLDER = Path("smplan") / "plans"
"""In ``$XDG_STATE_HOME``."""
SMALL = 16 * 1024
_SHARED = stat.S_IWGRP | stat.S_IWOTH


class RegisterUnusable(SmplanError):
    """The register cannot be read or written safely; the message says why."""


@dataclass(frozen=True)
class Entry:
    """What the register says of a plan: the workspace it was made for, and whether it was ``derived`` again there."""

    workspace: Path
    derived: bool


@dataclass(frozen=True)
class Register:
    """The register in ``folder``; None where the environment gives no place for it."""

    folder: Path | None

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> Register:
        """That of this user."""
        base = user_folder(environ, "XDG_STATE_HOME", Path(".local", "state"))
        return cls(base / FOLDER if base else None)

    def add(self, digest: str, entry: Entry) -> None:
        """Record a plan, and forget those that have expired. Raises RegisterUnusable."""
        folder, name = self._checked(entry.workspace, create=True), ""
        try:
            descriptor, name = tempfile.mkstemp(dir=folder, prefix=".new-")
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                json.dump({"workspace": str(entry.workspace), "derived": entry.derived}, file)
            Path(name).replace(folder / digest)
            _prune(folder)
        except OSError as error:
            if name:
                Path(name).unlink(missing_ok=True)
            raise RegisterUnusable(f"{folder} cannot be written: {error.strerror}") from None

    def find(self, digest: str, workspace: Path) -> Entry | None:
        """What is recorded of a plan, for a command in ``workspace``. Raises RegisterUnusable."""
        path = self._checked(workspace, create=False) / digest
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise RegisterUnusable(f"{path} cannot be read: {error.strerror}") from None
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode) or not _is_own(status):
                raise RegisterUnusable(f"{path} is not a file that only you can write")
            return _entry(os.read(descriptor, SMALL))
        finally:
            os.close(descriptor)

    def has(self, digest: str, workspace: Path) -> bool:
        """Whether a plan is recorded for ``workspace``; not where the register is unusable."""
        try:
            found = self.find(digest, workspace)
        except RegisterUnusable:
            return False
        return found is not None and found.workspace == workspace

    def _checked(self, workspace: Path, *, create: bool) -> Path:
        """The folder, if nobody else can write there. Raises RegisterUnusable."""
        if self.folder is None:
            raise RegisterUnusable("neither XDG_STATE_HOME nor HOME is an absolute path")
        try:
            inside = self.folder.resolve().is_relative_to(workspace)
        except (OSError, RuntimeError):  # links that lead round in a circle
            raise RegisterUnusable(f"{self.folder} cannot be located") from None
        if inside:
            raise RegisterUnusable(f"{self.folder} is in the workspace, which others may write")
        for folder in (self.folder.parent, self.folder):
            try:
                if create:
                    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                status = folder.lstat()
            except FileNotFoundError:
                continue  # then there is nothing in it
            except OSError as error:
                raise RegisterUnusable(f"{folder} cannot be used: {error.strerror}") from None
            if not stat.S_ISDIR(status.st_mode) or not _is_own(status):
                raise RegisterUnusable(f"{folder} is not a folder that only you can write")
        return self.folder


def _is_own(status: os.stat_result) -> bool:
    return status.st_uid == os.geteuid() and not status.st_mode & _SHARED


def _entry(data: bytes) -> Entry | None:
    """The entry in ``data``; None for anything else, such as an entry that was cut off."""
    try:
        found = json.loads(data)
        return Entry(Path(found["workspace"]), found["derived"] is True)
    except (ValueError, TypeError, KeyError):  # also of what is not UTF-8
        return None


def _prune(folder: Path) -> None:
    """Remove the entries of plans that can no longer be applied."""
    oldest = time.time() - PLAN_TTL.total_seconds() - 24 * 3600
    for entry in os.scandir(folder):
        with suppress(OSError):  # another command has removed it
            if entry.stat(follow_symlinks=False).st_mtime < oldest:
                os.unlink(entry.path)
