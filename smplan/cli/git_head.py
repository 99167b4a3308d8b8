"""The commit of a git work tree, read from its files: running git would obey the configuration of the repository."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path

GIT = ".git"
_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_REF = re.compile(r"refs(?:/[A-Za-z0-9_+@=,#%-][A-Za-z0-9_+@=,#%.-]*)+")
_SMALL = 4096
_PACKED = 16 * 1024 * 1024
"""Larger files of refs are not read."""


def work_tree(folder: Path) -> Path | None:
    """The top of the git work tree that ``folder``, an absolute path, is in; None if it is in none."""
    return next((each for each in (folder, *folder.parents) if os.path.lexists(each / GIT)), None)


def commit_of(folder: Path) -> str:
    """The commit that is checked out in the work tree of ``folder``; empty outside one, and where it is not clear.

    Whether files were changed since is not known. Runs no program, and reads no link, pipe or large file.
    """
    folder = folder.resolve()
    top = work_tree(folder)
    git = _git_folder(top) if top else None
    if git is None:
        return ""
    head = _read(git / "HEAD").strip()
    if not head.startswith("ref: "):
        return _commit(head)
    ref = head.removeprefix("ref: ").strip()
    return _resolved(git, ref) if _REF.fullmatch(ref) else ""


def _git_folder(top: Path) -> Path | None:
    """The repository of the work tree ``top``: its `.git`, or the folder that the file `.git` names."""
    git = top / GIT
    if git.is_symlink():
        return None
    if git.is_dir():
        return git
    kind, _, name = _read(git).strip().partition(": ")
    if kind != "gitdir":
        return None
    found = (top / name).resolve()
    return found if _belongs(found, git) else None


def _belongs(found: Path, git: Path) -> bool:
    """Whether the repository ``found`` names the file ``git`` (a linked work tree), or is one of its submodules."""
    named = _read(found / "gitdir").strip()
    if named and (found / named).resolve() == git:
        return True
    return any(found.is_relative_to(each / GIT / "modules") for each in git.parent.parents)


def _resolved(git: Path, ref: str) -> str:
    """The commit of ``ref``, from its own file or from that of the packed refs."""
    common = _read(git / "commondir").strip()
    folders = (git, (git / common).resolve()) if common else (git,)
    for folder in folders:
        found = _commit(_read(folder.joinpath(ref)).strip()) if _has_no_link(folder, ref) else ""
        if found:
            return found
    return next((commit for name, commit in _packed(folders[-1]) if name == ref), "")


def _has_no_link(folder: Path, ref: str) -> bool:
    return folder.joinpath(ref).resolve() == folder.resolve() / ref


def _packed(folder: Path) -> Iterator[tuple[str, str]]:
    """The packed refs, each with its commit."""
    for line in _read(folder / "packed-refs", _PACKED).splitlines():
        commit, _, name = line.partition(" ")
        if _commit(commit):
            yield name, commit


def _commit(text: str) -> str:
    return text if _COMMIT.fullmatch(text) else ""


def _read(path: Path, limit: int = _SMALL) -> str:
    """The text of a regular file of at most ``limit`` bytes; empty for anything else."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except (OSError, ValueError):
        return ""
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_size > limit:
            return ""
        return os.read(descriptor, limit).decode(errors="replace")
    finally:
        os.close(descriptor)
