"""The command itself: its words for wrong usage, its exit codes for what went wrong, and what it loads."""

from __future__ import annotations

import errno
import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import ClassVar

import pytest

from smplan import __version__
from smplan.cli import main, wiring
from smplan.errors import (
    BlueprintInvalid,
    Bug,
    GuardRefused,
    Interrupted,
    Locked,
    Partial,
    SmplanError,
    Stale,
    TimedOut,
)
from tests.cli.conftest import TOY, Shell
from tests.cli.process import COMMAND, TIMEOUT, environment, finished, ran

HEAVY = ("boto3", "botocore", "networkx", "pydantic")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["frobnicate"], "No such command"),
        (["plna", "toy.yaml"], "plan"),
        (["state", "lst"], "list"),
        (["plan"], "Missing argument"),
        (["plan", "toy.yaml", "--nope"], "No such option"),
        (["plan", "toy.yaml", "--var", "word"], "`word` is not NAME=VALUE"),
        (["plan", "toy.yaml", "--var", "=x"], "`=x` is not NAME=VALUE"),
        (["apply", "--parallel", "0"], "--parallel"),
        (["apply", "--lock-wait", "soon"], "--lock-wait"),
        (["graph", "toy.yaml", "--format", "png"], "--format"),
        (["output", "one", "two"], "two"),
    ],
)
def test_usage_error_is_reported_in_two_lines(smplan: Shell, arguments: list[str], expected: str) -> None:
    done = smplan(*arguments)
    assert done.code == 1
    assert done.out == ""
    assert expected in done.err
    usage, message = done.err.splitlines()
    assert usage.startswith("Usage: smplan")
    assert message.startswith("smplan: ")


@pytest.mark.parametrize("arguments", [[], ["state"], ["sandbox"]])
def test_without_a_command_the_help_is_shown_once(smplan: Shell, arguments: list[str]) -> None:
    done = smplan(*arguments)
    assert done.code == 1
    assert (done.out + done.err).count("Usage:") == 1
    assert "Commands:" in done.out + done.err


@pytest.mark.parametrize("option", ["-h", "--help"])
def test_help_lists_every_exit_code(smplan: Shell, option: str) -> None:
    shown = " ".join(smplan.ok(option).out.split())
    listed = [int(code) for code in re.findall(r"(?:^|· )(\d+) ", shown.partition("Exit codes: ")[2])]
    assert listed == [*range(13)]


def test_version_is_printed(smplan: Shell) -> None:
    assert smplan.ok("--version").out == f"smplan {__version__}\n"


@pytest.mark.parametrize("option", ["--version", "--help"])
def test_help_and_version_import_nothing_heavy(tmp_path: Path, option: str) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "smplan", option],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=True,
    )
    loaded = {line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines()}
    assert "typer" in loaded
    assert loaded.isdisjoint(HEAVY)


def test_the_process_ends_with_the_exit_code(tmp_path: Path) -> None:
    done = ran(tmp_path, "plan", "nothere.yaml")
    assert done.returncode == 3
    assert "no such file" in done.stderr


def test_unencodable_characters_do_not_fail(tmp_path: Path) -> None:
    (tmp_path / "toy.yaml").write_text(TOY)
    done = finished(tmp_path, [*COMMAND, "apply", "toy.yaml", "--yes"], {"PYTHONIOENCODING": "latin-1"})
    assert (done.returncode, done.stderr) == (0, "")
    assert "? first: create done" in done.stdout


def test_run_ends_the_process(smplan: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["smplan", "show"])
    with pytest.raises(SystemExit) as ended:
        main.run()
    assert ended.value.code == 1
    with pytest.raises(SystemExit) as ended:
        main.run(["--version"])
    assert ended.value.code == 0


def test_closed_pipe_is_not_an_error(tmp_path: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-m", "smplan", "kinds"],
        cwd=tmp_path,
        env=environment(),
        stdout=write,
        stderr=subprocess.PIPE,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    os.close(write)
    assert (done.returncode, done.stderr) == (1, "")


def test_remaining_output_to_a_broken_pipe_is_discarded(monkeypatch: pytest.MonkeyPatch) -> None:
    class System:
        """What of ``os`` puts one file in the place of another, remembered."""

        devnull, O_WRONLY = os.devnull, os.O_WRONLY
        put: ClassVar[list[tuple[str, int]]] = []

        @staticmethod
        def open(path: str, flags: int) -> str:
            assert flags == os.O_WRONLY
            return path

        @staticmethod
        def dup2(source: str, target: int) -> None:
            System.put.append((source, target))

    monkeypatch.setattr(main, "os", System)

    def broken() -> None:
        raise BrokenPipeError

    monkeypatch.setattr(sys, "stdout", SimpleNamespace(fileno=lambda: 99, flush=broken))
    assert main._os_error(BrokenPipeError(errno.EPIPE, "Broken pipe")) == 1
    assert System.put == [(os.devnull, 99)]


def failing(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    """Let every command that reads a blueprint run into ``error``."""

    def load(*_: object) -> None:
        raise error

    monkeypatch.setattr(wiring, "load", load)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (SmplanError("no"), 1),
        (BlueprintInvalid([]), 3),
        (Stale("no"), 4),
        (GuardRefused("no"), 6),
        (Locked("no"), 7),
        (Partial("no"), 8),
        (Interrupted("no"), 9),
        (TimedOut("no"), 10),
    ],
)
def test_each_error_has_its_exit_code(
    smplan: Shell, monkeypatch: pytest.MonkeyPatch, error: SmplanError, code: int
) -> None:
    failing(monkeypatch, error)
    done = smplan("plan", "toy.yaml")
    assert done.code == code
    assert done.err == f"error: {error.message}\n"


def test_ctrl_c_is_reported_in_one_line(smplan: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    failing(monkeypatch, KeyboardInterrupt())
    done = smplan("plan", "toy.yaml")
    assert (done.code, done.err) == (9, "smplan: interrupted; run the same command again to resume\n")


@pytest.mark.parametrize(
    ("number", "hint"),
    [
        (errno.ENOSPC, "make room"),
        (errno.EACCES, "let this user"),
        (errno.EROFS, "read-only"),
        (errno.ENOENT, "check the path"),
        (errno.EISDIR, "give a file"),
        (errno.ENOTDIR, "check the path"),
    ],
)
def test_os_errors_have_a_hint(smplan: Shell, monkeypatch: pytest.MonkeyPatch, number: int, hint: str) -> None:
    failing(monkeypatch, OSError(number, os.strerror(number), "some/file"))
    done = smplan("plan", "toy.yaml")
    assert done.code == 1
    message, hint = done.err.splitlines()
    assert message == f"smplan: some/file: {os.strerror(number)}"
    assert hint.startswith("  = ")
    assert hint in hint


def test_os_error_without_number_or_file_is_reported(smplan: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    failing(monkeypatch, OSError("odd"))
    done = smplan("plan", "toy.yaml")
    assert (done.code, done.err) == (1, "smplan: odd\n")


@pytest.mark.parametrize("error", [ZeroDivisionError("by MY_SECRET hunter2"), Bug("by MY_SECRET hunter2")])
def test_bug_is_reported_and_saved_without_secrets(
    smplan: Shell, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    monkeypatch.setenv("MY_TOKEN", "hunter2")
    failing(monkeypatch, error)
    done = smplan("plan", "toy.yaml")
    assert done.code == 1
    message, hint = done.err.splitlines()
    assert "this is a bug in smplan" in message
    assert "hunter2" not in done.err
    [path] = (smplan.folder / ".smplan").glob("bug-*.txt")
    assert str(path.relative_to(smplan.folder)) in hint
    assert path.stat().st_mode & 0o777 == 0o600
    kept = path.read_text()
    assert "Traceback" in kept
    assert "[MY_TOKEN]" in kept
    assert "hunter2" not in kept
