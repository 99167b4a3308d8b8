"""A sandbox with its own account for campaigns, and smplan's commands as processes that can be killed.

The sandbox lives in the campaign's process, so it survives its commands.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from pathlib import Path

from smplan.sandbox import inventory as sandbox_inventory
from smplan.sandbox.network.gateway import Gateway
from smplan.sandbox.sandbox import Sandbox
from smplan.stores.s3 import S3Store
from tests.campaigns.fault_points import Fault, FaultPoint, install, read_log
from tests.support import forked

SPEED = 2000.0
LEASE = {"lease_seconds": 4.0, "renew_seconds": 1.0}
_accounts = count(int(f"5{os.getpid() % 1000:03d}00000000"))


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
        log = self.folder / "points.log"
        log.unlink(missing_ok=True)
        env = {**os.environ, **self.box.env(), **self.more}
        done = forked.run(arguments, self.folder, env, before=partial(_prepare, log, fault))
        return RunResult(done.returncode, done.stdout + done.stderr, *read_log(log))

    def run_ok(self, *arguments: str) -> RunResult:
        """The same without a fault; it must exit with 0."""
        result = self.run(*arguments)
        assert result.code == 0, f"smplan {' '.join(arguments)}: {result.code}\n{result.text}"
        return result

    def inventory(self) -> set[str]:
        """Every resource in the sandbox."""
        return sandbox_inventory.inventory(self.box.env())


def _prepare(log: Path, fault: Fault | None) -> None:
    """Inject the fault, and have locks in S3 expire soon: the next run waits for the lease of a killed one."""
    install(log, fault)
    defaults = S3Store.__init__.__kwdefaults__
    assert defaults is not None
    defaults.update(LEASE)


@contextlib.contextmanager
def open_sandbox(folder: Path, speed: float = SPEED, **more: str) -> Iterator[SandboxCase]:
    """A sandbox of an account of its own, in an empty folder that is removed afterwards."""
    folder.mkdir(parents=True)
    try:
        with Sandbox(speed=speed, account=str(next(_accounts)), gateway=Gateway) as box:
            yield SandboxCase(box, folder, more)
    finally:
        shutil.rmtree(folder)
