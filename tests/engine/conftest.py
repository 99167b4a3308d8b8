"""What engine tests share: a toy cloud, a local store, and the two operations over them."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from smplan.core.blueprint import Blueprint
from smplan.core.plan.model import Plan
from smplan.core.state.model import State
from smplan.engine.apply import Applier
from smplan.engine.executor import Outcome
from smplan.engine.plan import plan
from smplan.engine.waiter import CancelToken
from smplan.stores.interface import LockHolder
from smplan.stores.local import LocalStore
from tests.support.fake_cloud import (
    FakeCloud,
    FakeProviders,
)
from tests.support.recorder import (
    EventRecorder,
)

RUNS = itertools.count(1)
NOON = datetime(2026, 1, 2, 12, 0, tzinfo=UTC)


@dataclass
class Bench:
    """A cloud, a store, and what can be done with them."""

    folder: Path
    cloud: FakeCloud = field(default_factory=FakeCloud)
    log: EventRecorder = field(default_factory=EventRecorder)
    secrets: dict[str, str] = field(default_factory=dict)
    stop: CancelToken = field(default_factory=CancelToken)
    now: Callable[[], datetime] = lambda: NOON
    parallel: int = 4

    @property
    def store(self) -> LocalStore:
        """The store, opened anew each time, as a new process would."""
        return LocalStore(self.folder / "toys.state.json")

    def world(self) -> FakeProviders:
        """The world, as a new process would find it."""
        return FakeProviders(self.cloud, self.secrets)

    def plan(self, blueprint: Blueprint, mode: str = "apply", **more: Any) -> Plan:
        """Plan it."""
        settings: dict[str, Any] = {"store": self.store, "world": self.world(), "report": self.log, "now": self.now}
        return plan(blueprint, mode=mode, **settings, **more)

    def apply(self, made: Plan, **more: Any) -> Outcome:
        """Apply it."""
        holder = LockHolder("tester@here pid 1", "apply", f"run-{next(RUNS)}", "2026-01-02T12:00:00+00:00")
        settings: dict[str, Any] = {"parallel": self.parallel, "stop": self.stop, "now": self.now} | more
        return Applier(self.store, self.world(), holder, self.log, **settings).run(made)

    def make(self, blueprint: Blueprint) -> Outcome:
        """Plan and apply it; the run must be complete."""
        outcome = self.apply(self.plan(blueprint))
        assert outcome.outcome == "complete", outcome
        return outcome

    @property
    def state(self) -> State:
        """The state as it is now."""
        folded = self.store.read().folded
        assert folded is not None
        return folded.state


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """A bench of its own for each test."""
    return Bench(tmp_path)
