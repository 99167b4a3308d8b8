"""On a terminal: a question before anything is changed, colors, and a live table."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.cli.conftest import TOY
from tests.cli.process import COMMAND, TIMEOUT, environment, ran


@dataclass
class Terminal:
    """smplan on a terminal of its own, and the person in front of it."""

    child: subprocess.Popen[bytes]
    descriptor: int
    shown: str = ""

    def see(self, words: str) -> None:
        """Read until ``words`` are shown."""
        deadline = time.monotonic() + TIMEOUT
        while words not in self.shown:
            assert time.monotonic() < deadline, self.shown
            assert self._read(), self.shown

    def _read(self) -> bool:
        if not select.select([self.descriptor], [], [], 1)[0]:
            return True
        try:
            data = os.read(self.descriptor, 65536)
        except OSError:  # Linux: the other side is closed
            return False
        self.shown += data.decode(errors="replace")
        return bool(data)

    def type(self, keys: str) -> None:
        """Type."""
        os.write(self.descriptor, keys.encode())

    def end(self) -> int:
        """The exit code, once everything is read."""
        while self._read() and self.child.poll() is None:
            pass
        while self._read() and select.select([self.descriptor], [], [], 0)[0]:
            pass
        return self.child.wait(TIMEOUT)


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    """An apply of the toy's plan, that waits for an answer."""
    (tmp_path / "toy.yaml").write_text(TOY)
    assert ran(tmp_path, "plan", "toy.yaml").returncode == 0
    ours, theirs = pty.openpty()
    child = subprocess.Popen(
        [*COMMAND, "apply"],
        cwd=tmp_path,
        env=environment({"TERM": "xterm-256color"}),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    made = Terminal(child, ours)
    made.see("Apply these 2 steps? [y/N]: ")
    yield made
    child.kill()
    child.wait()
    os.close(ours)


def test_a_yes_applies(tmp_path: Path, terminal: Terminal) -> None:
    assert "\x1b[32m+ first" in terminal.shown
    terminal.type("y\n")
    assert terminal.end() == 0
    assert "Done. 2 steps completed." in terminal.shown
    assert (tmp_path / "state" / "toy.state.json").exists()


@pytest.mark.parametrize("keys", ["n\n", "\n", "\x04"])
def test_anything_else_changes_nothing(tmp_path: Path, terminal: Terminal, keys: str) -> None:
    terminal.type(keys)
    assert terminal.end() == 9
    assert "stopped; nothing was changed" in terminal.shown
    assert not (tmp_path / "state").exists()


def test_invalid_answer_is_asked_again(terminal: Terminal) -> None:
    terminal.type("x\n")
    terminal.see("invalid input")
    terminal.type("y\n")
    assert terminal.end() == 0
