"""Commands in a process of their own, and what that process opened, executed and connected to: its audit events."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.cli.process import finished

_SCRIPT = """\
import json, os, sys
from smplan.cli.main import main

log = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
_FIRST = ("open", "os.", "shutil.", "subprocess.", "pty.", "socket.connect", "socket.getaddrinfo", "socket.sendto")

def note(event, arguments):
    if event.startswith(_FIRST) and event not in ("os.listdir", "os.scandir", "os.putenv", "os.unsetenv"):
        shown = [value if isinstance(value, int) else os.fsdecode(value) if isinstance(value, bytes) else str(value)
                 for value in arguments]
        os.write(log, (json.dumps([event, shown]) + "\\n").encode())

sys.addaudithook(note)
print("\\0" + json.dumps([main(command) for command in json.loads(sys.argv[2])]))
"""
_EXECUTING = ("subprocess.", "pty.", "os.exec", "os.posix_spawn", "os.spawn", "os.system", "os.fork")
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC


@dataclass(frozen=True)
class Watched:
    """Exit codes, all output, and the audit events: each with its name and arguments."""

    folder: Path
    codes: list[int]
    output: str
    events: list[tuple[str, list[str | int]]]

    @property
    def executed(self) -> list[str]:
        """Programs that were started."""
        return [f"{name} {arguments}" for name, arguments in self.events if name.startswith(_EXECUTING)]

    @property
    def connected(self) -> list[str]:
        """Addresses that were connected to, and names that were resolved."""
        return [str(arguments[-1] if name == "socket.connect" else arguments[0]) for name, arguments in self._sockets()]

    def _sockets(self) -> list[tuple[str, list[str | int]]]:
        return [(name, arguments) for name, arguments in self.events if name.startswith("socket.")]

    @property
    def read(self) -> set[Path]:
        """Files that were opened; of links that are not followed, the link."""
        return {path for path, flags in self._opened() if not flags & _WRITING}

    @property
    def changed(self) -> set[Path]:
        """Files that were opened to be written, and what was created, renamed, removed or chmodded by its path."""
        others = {
            self._path(argument)
            for name, arguments in self.events
            if name.startswith(("os.", "shutil.")) and not name.startswith(_EXECUTING)
            for argument in arguments
            if isinstance(argument, str) and "/" in str(self._path(argument))
        }
        written = {path for path, flags in self._opened() if flags & _WRITING}
        return {path for path in written | others if path != Path(os.devnull) and path.suffix != ".pyc"}

    def _opened(self) -> list[tuple[Path, int]]:
        return [
            (self._path(str(arguments[0]), follow=not int(arguments[2]) & os.O_NOFOLLOW), int(arguments[2]))
            for name, arguments in self.events
            if name == "open" and isinstance(arguments[0], str)
        ]

    def _path(self, name: str, *, follow: bool = False) -> Path:
        path = Path(self.folder, name)
        return path.resolve() if follow else path.parent.resolve() / path.name


def watched(folder: Path, *commands: Sequence[str], env: Mapping[str, str] | None = None) -> Watched:
    """Run ``commands`` in ``folder``, one after the other."""
    log = folder.parent / f"{folder.name}.audit"
    log.unlink(missing_ok=True)
    words = [sys.executable, "-P", "-B", "-c", _SCRIPT, str(log), json.dumps(commands)]
    done = finished(folder, words, env)
    assert "Traceback" not in done.stdout + done.stderr, done
    assert "bug in smplan" not in done.stderr, done
    output, _, codes = done.stdout.rpartition("\0")
    events = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    return Watched(folder, json.loads(codes), output + done.stderr, [(name, rest) for name, rest in events])
