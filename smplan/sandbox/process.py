"""The sandbox as a process of its own: started, stopped and found again by what it keeps in a folder.

Whether it runs is known from a lock that it holds as long as it lives, not by a process id, which may be another
else's by now. Only the holder of that lock is ever sent a signal.
"""

from __future__ import annotations

import argparse
import fcntl
import importlib.util
import json
import os
import shlex
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from smplan.errors import SmplanError

if TYPE_CHECKING:
    from smplan.sandbox.sandbox import Sandbox

FOLDER = Path(".smplan")
START_SECONDS = 60.0
STOP_SECONDS = 15.0
LOOK_SECONDS = 0.05
SPEED = 60.0
"""Default of the command line: a minute of AWS in a second."""

_children: dict[int, subprocess.Popen[bytes]] = {}
"""Those that this very process started, so that they leave no zombie when they end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A sandbox that runs as a process of its own; ``env`` points any AWS tool, and smplan, at it."""

    pid: int
    speed: float
    port: int
    launch_configurations: bool
    env: Mapping[str, str]

    def exports(self) -> str:
        """Lines that a POSIX shell can evaluate: ``export NAME=value``."""
        return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in sorted(self.env.items()))


def status(directory: Path = FOLDER) -> Running | None:
    """The sandbox that runs in this folder; None if there is none. What a killed one left behind is cleared away."""
    _reap()
    if _alive(directory):
        return _read(directory)
    for name in ("sandbox.json", "sandbox.env"):
        (directory / name).unlink(missing_ok=True)
    return None


def start(
    speed: float = SPEED, directory: Path = FOLDER, *, port: int = 0, launch_configurations: bool = True
) -> Running:
    """Start one and wait until it responds. Raises SmplanError: one runs already, the extra is missing, it failed."""
    if _alive(directory):
        raise SmplanError(
            "a sandbox runs here already",
            hint='use it: `eval "$(smplan sandbox env)"`; or stop it: `smplan sandbox stop`',
        )
    if importlib.util.find_spec("moto") is None:
        raise SmplanError("the sandbox is not installed", hint="pip install 'smplan[sandbox]'")
    directory.mkdir(parents=True, exist_ok=True)
    status(directory)
    command = [sys.executable, "-P", "-m", "smplan.sandbox.process", "--speed", str(speed)]
    command += ["--directory", str(directory.resolve()), "--port", str(port)]
    command += [] if launch_configurations else ["--no-launch-configurations"]
    log = directory / "sandbox.log"
    with _private(log) as output:
        child = subprocess.Popen(  # noqa: S603 - our own interpreter, our own module
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )
    _children[child.pid] = child
    _until(lambda: child.poll() is not None or _ready(directory), START_SECONDS)
    found = status(directory) if child.poll() is None else None
    if found is None:
        child.kill()
        child.wait()
        raise SmplanError("the sandbox did not start", hint=f"its last words are in {log}: {_tail(log)}")
    return found


def stop(directory: Path = FOLDER) -> bool:
    """Stop it, and wait until it has ended; whether one ran. Raises SmplanError if it cannot be stopped."""
    if not _alive(directory):
        status(directory)
        return False
    pid = int((directory / "sandbox.lock").read_text() or "0")
    if pid <= 0:
        raise SmplanError("the sandbox is just starting", hint="try again in a few seconds")
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.kill(pid, number)
        if _until(lambda: not _alive(directory), STOP_SECONDS):
            break
    else:
        raise SmplanError(f"the sandbox (process {pid}) does not stop", hint="end that process yourself")
    if pid in _children:
        _children[pid].wait()
    status(directory)
    return True


def _reap() -> None:
    for pid, child in list(_children.items()):
        if child.poll() is not None:
            del _children[pid]


def reset(directory: Path = FOLDER) -> Running:
    """A fresh sandbox in place of the one that runs: same speed, same AWS port. Raises SmplanError if none runs."""
    held = status(directory)
    if held is None:
        raise SmplanError("no sandbox runs here", hint="start one: `smplan sandbox start`")
    stop(directory)
    return start(held.speed, directory, port=held.port, launch_configurations=held.launch_configurations)


def _alive(directory: Path) -> bool:
    """Whether the lock is held."""
    try:
        with (directory / "sandbox.lock").open("r+") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def _ready(directory: Path) -> bool:
    return (directory / "sandbox.json").exists() and _alive(directory)


def _read(directory: Path) -> Running | None:
    """What the running sandbox wrote; None while it is still starting."""
    try:
        return Running(**json.loads((directory / "sandbox.json").read_text()))
    except FileNotFoundError:
        return None


def _until(true: Callable[[], bool], seconds: float) -> bool:
    """Wait for ``true``; whether it came within ``seconds``."""
    pause = threading.Event()
    for _ in range(int(seconds / LOOK_SECONDS)):
        if true():
            return True
        pause.wait(LOOK_SECONDS)
    return true()


def _tail(log: Path) -> str:
    lines = log.read_text().strip().splitlines()
    return lines[-1] if lines else "(nothing)"


@contextmanager
def _private(path: Path) -> Iterator[int]:
    """A file descriptor of a new file that only its owner may read."""
    number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        os.fchmod(number, 0o600)
        yield number
    finally:
        os.close(number)


def _write(path: Path, text: str) -> None:
    """Replace ``path`` at once, readable by its owner only: it holds the sandbox's keys."""
    fresh = path.with_name(f"{path.name}.new")
    with _private(fresh) as number:
        os.write(number, text.encode())
    fresh.replace(path)


def main(arguments: list[str] | None = None) -> int:
    """The process itself: hold the lock, run the sandbox, and end on SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="smplan.sandbox.process")
    parser.add_argument("--speed", type=float, default=SPEED)
    parser.add_argument("--directory", type=Path, default=FOLDER)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--no-launch-configurations", dest="launch_configurations", action="store_false")
    options = parser.parse_args(arguments)
    with (options.directory / "sandbox.lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return 1
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        return _run(options)


def _run(options: argparse.Namespace) -> int:
    from smplan.sandbox.sandbox import Sandbox

    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # the terminal may close
    with Sandbox(speed=options.speed, port=options.port) as box:
        box.aws.launch_configurations = options.launch_configurations
        running = _describe(options, box)
        _write(options.directory / "sandbox.env", running.exports())
        _write(options.directory / "sandbox.json", json.dumps(asdict(running), indent=2) + "\n")
        ended.wait()
    for name in ("sandbox.json", "sandbox.env"):
        (options.directory / name).unlink(missing_ok=True)
    return 0


def _describe(options: argparse.Namespace, box: Sandbox) -> Running:
    return Running(
        pid=os.getpid(),
        speed=options.speed,
        port=box.port,
        launch_configurations=options.launch_configurations,
        env=box.env(),
    )


if __name__ == "__main__":
    raise SystemExit(main())
