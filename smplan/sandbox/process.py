"""The sandbox as a process of its own: started, stopped and found again by what it keeps in a folder.

Whether it runs is known from a lock that it holds as long as it lives, not by a process id, which may be another's by
now. A signal is sent only to a process whose command line is that of the sandbox of this folder. Symbolic links in the
folder are not followed: it may have come with a blueprint.
"""

from __future__ import annotations

import argparse
import fcntl
import importlib.util
import json
import os
import re
import shlex
import signal
import stat
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
MODULE = "smplan.sandbox.process"
_NAME = re.compile(r"[A-Z][A-Z0-9_]*")
"""Names of variables that a shell may evaluate."""
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
    command = [sys.executable, "-P", "-m", MODULE, "--speed", str(speed)]
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
    pid = _pid(directory)
    if pid <= 0:
        raise SmplanError("the sandbox is just starting", hint="try again in a few seconds")
    for number in (signal.SIGTERM, signal.SIGKILL):
        _signal(pid, number, directory)
        if _until(lambda: not _alive(directory), STOP_SECONDS):
            break
    else:
        raise SmplanError(f"the sandbox (process {pid}) does not stop", hint="end that process yourself")
    if pid in _children:
        _children[pid].wait()
    status(directory)
    return True


def _pid(directory: Path) -> int:
    """The process that wrote the lock; 0 if it has not yet."""
    text = _text(directory / "sandbox.lock") or ""
    return int(text) if re.fullmatch(r"[0-9]{1,9}", text) else 0


def _signal(pid: int, number: int, directory: Path) -> None:
    """Send a signal to the sandbox of ``directory``. Raises SmplanError if ``pid`` is another process."""
    try:
        handle = os.pidfd_open(pid) if hasattr(os, "pidfd_open") else None  # a process, whoever gets its id later
    except ProcessLookupError:
        return
    try:
        command = _command(pid)
        if command and not (MODULE in command and str(directory.resolve()) in command):
            raise SmplanError(
                f"process {pid}, which {directory}/sandbox.lock names, is not the sandbox of this folder",
                hint=f"end that process yourself, or delete {directory}/sandbox.lock",
            )
        with suppress(ProcessLookupError):
            if handle is None:
                os.kill(pid, number)
            else:
                signal.pidfd_send_signal(handle, number)
    finally:
        if handle is not None:
            os.close(handle)


def _command(pid: int) -> list[str]:
    """The command line of a process; empty if it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    except ProcessLookupError:
        return []
    except FileNotFoundError:  # it has ended, or this is not Linux
        shown = subprocess.run(["/bin/ps", "-ww", "-o", "command=", "-p", str(pid)], capture_output=True, check=False)  # noqa: S603 - a number
        return shown.stdout.decode(errors="replace").split()


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


def _open(path: Path, flags: int = os.O_RDONLY) -> int:
    """A descriptor of a regular file for its owner only, of no link or pipe. Raises SmplanError for anything else."""
    try:
        number = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o600)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise SmplanError(f"{path} cannot be opened: {error.strerror}", hint=f"delete it: rm {path}") from None
    if not stat.S_ISREG(os.fstat(number).st_mode):
        os.close(number)
        raise SmplanError(f"{path} is not a regular file", hint=f"delete it: rm {path}")
    return number


def _text(path: Path) -> str | None:
    """The start of a small file; None if there is none."""
    try:
        number = _open(path)
    except FileNotFoundError:
        return None
    try:
        return os.read(number, 65536).decode(errors="replace")
    finally:
        os.close(number)


def _folder(directory: Path) -> Path:
    """``directory``. Raises SmplanError if it is a link: what smplan keeps there would be elsewhere."""
    if directory.is_symlink():
        raise SmplanError(
            f"{directory} is a symbolic link, which smplan does not follow", hint=f"delete it: rm {directory}"
        )
    return directory


def _alive(directory: Path) -> bool:
    """Whether the lock is held."""
    try:
        number = _open(_folder(directory) / "sandbox.lock")
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(number)
    return False


def _ready(directory: Path) -> bool:
    return (directory / "sandbox.json").exists() and _alive(directory)


def _read(directory: Path) -> Running | None:
    """What the running sandbox wrote; None while it is still starting. Raises SmplanError for anything else."""
    path = directory / "sandbox.json"
    text = _text(path)
    if text is None:
        return None
    try:
        running = Running(**json.loads(text))
        if all(_NAME.fullmatch(name) and isinstance(value, str) for name, value in running.env.items()):
            return running
    except (ValueError, TypeError, AttributeError, RecursionError):
        pass
    raise SmplanError(f"{path} was not written by the sandbox", hint="stop it with `smplan sandbox stop`")


def _until(true: Callable[[], bool], seconds: float) -> bool:
    """Wait for ``true``; whether it came within ``seconds``."""
    pause = threading.Event()
    for _ in range(int(seconds / LOOK_SECONDS)):
        if true():
            return True
        pause.wait(LOOK_SECONDS)
    return true()


def _tail(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines()
    return lines[-1] if lines else "(nothing)"


@contextmanager
def _private(path: Path) -> Iterator[int]:
    """A file descriptor of a new file that only its owner may read."""
    number = _open(path, os.O_WRONLY | os.O_CREAT)
    try:
        os.ftruncate(number, 0)
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
    parser = argparse.ArgumentParser(prog=MODULE)
    parser.add_argument("--speed", type=float, default=SPEED)
    parser.add_argument("--directory", type=Path, default=FOLDER)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--no-launch-configurations", dest="launch_configurations", action="store_false")
    options = parser.parse_args(arguments)
    with os.fdopen(_open(_folder(options.directory) / "sandbox.lock", os.O_RDWR | os.O_CREAT), "r+") as lock:
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
