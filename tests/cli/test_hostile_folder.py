"""A blueprint in a folder of unknown origin: nothing of it is executed, followed out of it, or read without end."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Shell
from tests.cli.process import COMMAND, TIMEOUT, environment, ran


def test_planning_runs_no_program_that_the_repository_names(smplan: Shell) -> None:
    trap = smplan.write("trap.sh", f"#!/bin/sh\ntouch {smplan.folder}/executed\n")
    trap.chmod(0o755)
    git = ["git", "-C", str(smplan.folder), "-c", "user.name=a", "-c", "user.email=a@example.com"]
    for command in (["init", "-q"], ["add", "toy.yaml"], ["commit", "-qm", "x"], ["config", "core.fsmonitor", trap]):
        subprocess.run([*git, *map(str, command)], check=True, capture_output=True)
    (smplan.folder / "executed").unlink(missing_ok=True)
    for arguments in (
        ("validate", "toy.yaml"),
        ("plan", "toy.yaml"),
        ("show",),
        ("drift", "toy.yaml"),
        ("doctor", "toy.yaml", "--state"),
    ):
        smplan.ok(*arguments)
    assert not (smplan.folder / "executed").exists()


def test_modules_of_the_current_folder_are_not_imported(tmp_path: Path) -> None:
    for name in ("typer", "yaml", "pydantic", "boto3", "json", "click", "dataclasses"):
        (tmp_path / f"{name}.py").write_text(f"open({str(tmp_path / 'executed')!r}, 'w')")
    done = ran(tmp_path, "--version")
    assert (done.returncode, done.stderr) == (0, "")
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize("what", [".smplan", ".smplan/plan.json"])
def test_plans_are_not_saved_through_a_link_nor_read(smplan: Shell, tmp_path: Path, what: str) -> None:
    smplan.ok("plan", "toy.yaml", "--out", "real.json")
    outside = smplan.folder / "outside"
    outside.mkdir()
    link = smplan.folder / what
    link.parent.mkdir(exist_ok=True)
    target = outside / "plan.json"
    target.write_bytes((smplan.folder / "real.json").read_bytes())
    link.symlink_to(target if what.endswith("json") else outside)
    before = target.read_bytes()
    for command in (("plan", "toy.yaml"), ("show",), ("apply", "--yes"), ("apply", "toy.yaml", "--yes")):
        done = smplan(*command)
        assert done.code == 1
        assert f"{what} is a symbolic link, which smplan does not follow" in done.err
    assert target.read_bytes() == before
    assert [path.name for path in outside.iterdir()] == ["plan.json"]
    assert not (smplan.folder / "state").exists()


@pytest.mark.parametrize("command", ["validate", "plan", "drift", "graph", "destroy", "apply", "doctor"])
def test_a_blueprint_that_is_a_pipe_is_refused_at_once(smplan: Shell, command: str) -> None:
    os.mkfifo(smplan.folder / "pipe.yaml")
    done = smplan(command, "pipe.yaml")
    assert done.code in (1, 3)
    assert "pipe.yaml" in done.out + done.err
    assert "not a regular file" in smplan("validate", "pipe.yaml").err


def test_pipes_and_endless_files_are_refused_wherever_one_is_read(smplan: Shell) -> None:
    os.mkfifo(smplan.folder / "pipe")
    endless = smplan.folder / "endless"
    endless.touch()
    os.truncate(endless, 1 << 40)
    for name, words in (("pipe", "not a regular file"), ("endless", "larger than 1 MiB"), ("/dev/zero", "regular")):
        assert words in smplan("plan", name).err
        assert words in smplan("plan", "toy.yaml", "--var-file", name).err
    for name, words in (("pipe", "it is not a regular file"), ("endless", "it is larger than 256 MiB")):
        assert words in smplan("show", name).err
    assert "larger than 1 MiB" in smplan("apply", "endless", "--yes").err
    endless.rename(smplan.folder / "plan.json")
    assert "it is larger than 256 MiB" in smplan("apply", "plan.json", "--yes").err


def test_the_last_plan_may_not_be_a_pipe(smplan: Shell) -> None:
    (smplan.folder / ".smplan").mkdir()
    os.mkfifo(smplan.folder / ".smplan" / "plan.json")
    for command in (("show",), ("apply", "--yes"), ("state", "list")):
        assert "it is not a regular file" in smplan(*command).err


def test_what_the_shell_passes_is_read(smplan: Shell) -> None:
    text = (smplan.folder / "toy.yaml").read_text()
    done = subprocess.run(
        [*COMMAND, "validate", "/dev/stdin"],
        cwd=smplan.folder,
        env=environment(),
        input=text,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "\nNext: smplan plan /dev/stdin\n")
    assert sys.executable in COMMAND
