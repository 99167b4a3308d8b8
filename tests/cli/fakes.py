"""A lock holder, a terminal, a sandbox process and a run that fails, for tests of commands."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from smplan.engine import operations
from smplan.engine.operations import Result, RunContext
from smplan.engine.prepare import PreparedStep
from smplan.errors import Invalid
from smplan.sandbox.process import Running
from smplan.stores.interface import LockHolder
from tests.cli.conftest import TOY, Shell

HOLDER = LockHolder("ann@ci pid 7", "apply", "r1", "2026-11-23T03:00:00Z")
HERE = Running(
    pid=77,
    speed=60,
    port=5000,
    launch_configurations=True,
    env={"AWS_ENDPOINT_URL": "http://127.0.0.1:5000", "RED5_ADMIN_TOKEN": "it's"},
)


@dataclass
class Control:
    """A sandbox process that starts nothing, and records its starts."""

    running: Running | None = None
    started: list[tuple[float, Path]] = field(default_factory=list)

    def start(self, speed: float, directory: Path) -> Running:
        self.started.append((speed, directory))
        self.running = HERE
        return HERE

    def stop(self, directory: Path) -> bool:
        ran, self.running = self.running is not None, None
        return ran

    def status(self, directory: Path) -> Running | None:
        return self.running

    def reset(self, directory: Path) -> Running:
        return HERE


class Terminal(io.StringIO):
    """A terminal at which this text is typed."""

    def isatty(self) -> bool:
        return True


def in_s3(bucket: str) -> str:
    """The toy blueprint with its state in ``bucket``."""
    return TOY.replace("name: toy\n", f"name: toy\nstate: {{backend: s3, bucket: {bucket}, key: k/toy.json}}\n")


def failing_once(shell: Shell, monkeypatch: pytest.MonkeyPatch, *command: object) -> None:
    """Run ``command``, whose second step fails."""

    original = operations._apply_virtual

    def apply_virtual(run: RunContext, prepared: PreparedStep) -> Result:
        if prepared.step.address == "second":
            raise Invalid("not now")
        return original(run, prepared)

    with monkeypatch.context() as patch:
        patch.setattr(operations, "_apply_virtual", apply_virtual)
        assert shell(*command).code == 8
