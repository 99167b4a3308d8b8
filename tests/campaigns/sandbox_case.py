"""A sandbox with its own account for campaigns, and smplan's commands as processes that can be killed.

Processes are forked from one that has smplan and boto3 loaded, which saves a second each. The sandbox lives in the
campaign's process, so it survives its commands.
"""

from __future__ import annotations

import contextlib
import gc
import logging
import multiprocessing
import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from multiprocessing.context import ForkServerContext
from pathlib import Path

from smplan.sandbox import inventory as sandbox_inventory
from smplan.sandbox.network.gateway import Gateway
from smplan.sandbox.sandbox import Sandbox
from tests.campaigns import preload
from tests.campaigns.fault_points import Fault, FaultPoint, read_log

SPEED = 2000.0
TIMEOUT_SECONDS = 180
LEASE = {"lease_seconds": 4.0, "renew_seconds": 1.0}
_accounts = count(int(f"5{os.getpid() % 1000:03d}00000000"))


def _context() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([preload.__name__, __name__])  # this module too: each process unpickles `command`
    return context


@dataclass(frozen=True)
class RunResult:
    """The exit code of a command (negative: a signal), its output, its fault points, and those struck."""

    code: int
    text: str
    points: list[FaultPoint] = field(repr=False)
    struck: list[FaultPoint]


@dataclass(frozen=True)
class SandboxCase:
    """A sandbox with its Stream Managers, and a folder to work in."""

    box: Sandbox
    folder: Path
    more: Mapping[str, str] = field(default_factory=dict)
    """Environment variables in addition to the sandbox's own."""

    def run(self, *arguments: str, fault: Fault | None = None) -> RunResult:
        """Run ``smplan`` with ``arguments`` in a process of its own, with ``fault`` injected."""
        log, output = self.folder / "points.log", self.folder / "output.txt"
        log.unlink(missing_ok=True)
        env = {**self.box.env(), **self.more}
        process = _context().Process(target=command, args=(arguments, self.folder, env, fault, log, output))
        process.start()
        try:
            process.join(TIMEOUT_SECONDS)
            if process.exitcode is None:
                raise AssertionError(f"smplan {' '.join(arguments)} did not end: {output.read_text()}")
            return RunResult(process.exitcode, output.read_text(), *read_log(log))
        finally:
            process.kill()
            process.join()

    def run_ok(self, *arguments: str) -> RunResult:
        """The same without a fault; it must exit with 0."""
        result = self.run(*arguments)
        assert result.code == 0, f"smplan {' '.join(arguments)}: {result.code}\n{result.text}"
        return result

    def inventory(self) -> set[str]:
        """Every resource in the sandbox."""
        return sandbox_inventory.inventory(self.box.env())


def command(
    arguments: tuple[str, ...], folder: Path, env: Mapping[str, str], fault: Fault | None, log: Path, output: Path
) -> None:
    """Body of such a process: the command, with fault injection and its output in a file."""
    from smplan.cli.main import main
    from smplan.stores.s3 import S3Store
    from tests.campaigns.fault_points import install

    gc.freeze()  # scanning the preloaded objects again costs up to a fifth of the run time
    os.chdir(folder)
    os.environ.update(env)
    to = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.dup2(to, 1)
    os.dup2(to, 2)
    sys.stdout = sys.stderr = open(to, "w", buffering=1, encoding="utf-8")  # noqa: SIM115 - until the process ends
    logging.disable(logging.CRITICAL)
    install(log, fault)
    defaults = S3Store.__init__.__kwdefaults__
    assert defaults is not None
    defaults.update(LEASE)  # the next run waits for the lease of a killed one
    sys.exit(main(list(arguments)))


@contextlib.contextmanager
def open_sandbox(folder: Path, speed: float = SPEED, **more: str) -> Iterator[SandboxCase]:
    """A sandbox of an account of its own, in an empty folder that is removed afterwards."""
    folder.mkdir(parents=True)
    try:
        with Sandbox(speed=speed, account=str(next(_accounts)), gateway=Gateway) as box:
            yield SandboxCase(box, folder, more)
    finally:
        shutil.rmtree(folder)
