"""smplan as a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.support import forked

COMMAND = (sys.executable, "-m", "smplan")
TIMEOUT = 60
_KEPT = ("PATH", "HOME", "LANG", "COVERAGE_PROCESS_START", "PYTHONPATH", "VIRTUAL_ENV", "XDG_STATE_HOME")


def environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """An environment that leads to no cloud at all."""
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    return kept | {"AWS_EC2_METADATA_DISABLED": "true", "HOME": "/nonexistent"} | dict(more or {})


def ran(folder: Path, *arguments: str, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """A command, run to its end."""
    return forked.run(arguments, folder, environment(env))


def finished(folder: Path, words: Sequence[str], env: Mapping[str, str] | None) -> subprocess.CompletedProcess[str]:
    """Any process, run to its end in ``folder``, in an environment that leads to no cloud."""
    return subprocess.run(
        words,
        cwd=folder,
        env=environment(env),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=TIMEOUT,
        check=False,
    )


@contextmanager
def started(folder: Path, *arguments: str, script: Path | None = None) -> Iterator[subprocess.Popen[str]]:
    """A command that goes on while the test does, and no longer; as ``script`` begins it, if there is one."""
    command = (sys.executable, str(script)) if script else COMMAND
    with subprocess.Popen(
        [*command, *arguments],
        cwd=folder,
        env=environment({"PYTHONUNBUFFERED": "1"}),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as child:
        try:
            yield child
        finally:
            child.kill()
