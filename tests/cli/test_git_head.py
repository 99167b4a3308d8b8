"""The commit of a blueprint, from the files of its repository alone."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from smplan.cli.git_head import commit_of, work_tree


class Repository:
    """A repository made by git itself."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(exist_ok=True)
        self.git("init", "-q")
        self.commit()

    def git(self, *arguments: str) -> str:
        """Run git; its output."""
        settings = ["-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "protocol.file.allow=always"]
        done = subprocess.run(
            ["git", "-C", str(self.folder), *settings, *arguments], check=True, capture_output=True, text=True
        )
        return done.stdout.strip()

    def commit(self) -> str:
        """A new commit."""
        self.git("commit", "-q", "--allow-empty", "-m", "x")
        return self.git("rev-parse", "HEAD")


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "repository")


def test_outside_a_work_tree_there_is_no_commit(tmp_path: Path) -> None:
    assert commit_of(tmp_path) == ""
    assert work_tree(tmp_path) is None


def test_the_commit_is_that_of_head_however_git_stores_it(repository: Repository) -> None:
    expected = repository.commit()
    below = repository.folder / "a" / "b"
    below.mkdir(parents=True)
    assert work_tree(below) == repository.folder
    assert commit_of(below) == expected
    repository.git("pack-refs", "--all")
    assert commit_of(below) == expected
    repository.git("checkout", "-q", "-b", "feature/x")
    assert repository.commit() == commit_of(below) != expected
    repository.git("checkout", "-q", "--detach", expected)
    assert commit_of(below) == expected


def test_linked_work_trees_and_submodules_have_their_own_commit(repository: Repository, tmp_path: Path) -> None:
    repository.git("worktree", "add", "-q", str(tmp_path / "linked"), "-b", "other")
    for packed in (False, True):
        repository.git("pack-refs", "--all") if packed else None
        assert commit_of(tmp_path / "linked") == repository.git("rev-parse", "other")
    outer = Repository(tmp_path / "outer")
    outer.git("submodule", "add", "-q", str(repository.folder), "inner")
    assert commit_of(outer.folder / "inner") == repository.git("rev-parse", "HEAD")


def test_a_changed_work_tree_has_the_same_commit(repository: Repository) -> None:
    (repository.folder / "file").write_text("1")
    repository.git("add", "file")
    assert commit_of(repository.folder) == repository.git("rev-parse", "HEAD")


def test_nothing_of_the_repository_is_executed(repository: Repository, tmp_path: Path) -> None:
    trap = tmp_path / "trap.sh"
    trap.write_text(f"#!/bin/sh\ntouch {tmp_path}/executed\n")
    trap.chmod(0o755)
    expected = repository.git("rev-parse", "HEAD")
    for name in ("core.fsmonitor", "core.hooksPath", "core.pager", "filter.x.clean", "core.sshCommand"):
        repository.git("config", name, str(trap))
    repository.git("config", "include.path", str(trap))
    assert commit_of(repository.folder) == expected
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize(
    "head",
    [
        "ref: refs/heads/../../../other/.git/refs/heads/main",
        "ref: ../../secret",
        "ref: /etc/hostname",
        "ref: refs/heads/.hidden",
        "ref: refs/heads/missing",
        "ref: refs/heads/x\0y",
        "ref: ",
        "0123",
        "",
        "x" * 5000,
    ],
)
def test_a_head_that_is_not_one_is_no_commit(tmp_path: Path, head: str) -> None:
    (tmp_path / ".git" / "refs" / "heads").mkdir(parents=True)
    (tmp_path / ".git" / "refs" / "heads" / ".hidden").write_text("a" * 40)
    (tmp_path / ".git" / "HEAD").write_text(head)
    assert commit_of(tmp_path) == ""


@pytest.mark.parametrize("name", [".git/HEAD", ".git/refs/heads/main", ".git/packed-refs"])
@pytest.mark.parametrize("what", ["pipe", "link", "folder", "endless", "bytes"])
def test_links_pipes_and_endless_files_are_not_read(tmp_path: Path, name: str, what: str) -> None:
    (tmp_path / ".git" / "refs" / "heads").mkdir(parents=True)
    (tmp_path / "other").write_text("a" * 40)
    if name != ".git/HEAD":
        (tmp_path / ".git" / "HEAD").write_text("ref: refs/heads/main\n")
    path = tmp_path / name
    if what == "pipe":
        os.mkfifo(path)
    elif what == "link":
        path.symlink_to(tmp_path / "other")
    elif what == "folder":
        path.mkdir()
    elif what == "bytes":
        path.write_bytes(b"\xff\xfe")
    else:
        path.touch()
        os.truncate(path, 1 << 40)
    assert commit_of(tmp_path) == ""


@pytest.mark.parametrize("what", [".git", ".git/refs", ".git/refs/heads"])
def test_a_repository_by_a_link_is_not_read(repository: Repository, tmp_path: Path, what: str) -> None:
    mine = Repository(tmp_path / "mine")
    (mine.folder / what).rename(tmp_path / "aside")
    (mine.folder / what).symlink_to(repository.folder / what)
    assert commit_of(mine.folder) == ""
    assert work_tree(mine.folder) == mine.folder


@pytest.mark.parametrize("text", ["gitdir: {other}/.git", "gitdir: nowhere", "{other}/.git", ""])
def test_a_repository_that_does_not_name_the_work_tree_is_not_its_own(
    repository: Repository, tmp_path: Path, text: str
) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / ".git").write_text(text.format(other=repository.folder))
    assert commit_of(folder) == ""
