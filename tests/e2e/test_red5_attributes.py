"""Drift of each updatable attribute behind the fleet: planned alone, restored by apply."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from smplan.core.plan.model import Op
from smplan.core.values import Secret
from smplan.drivers.aws.client import Aws
from smplan.engine.apply import Applier
from smplan.engine.plan import plan
from smplan.engine.providers import Providers
from smplan.engine.waiter import CancelToken
from smplan.stores.interface import LockHolder
from smplan.stores.local import LocalStore
from tests.drivers.red5.stage import CASES, SimulatedStreamManager, spec_of
from tests.support.blueprints import (
    blueprint,
    resource,
)
from tests.support.recorder import (
    EventRecorder,
)

REACHED = {"url": "http://sm.example.com:5080", "access_token": Secret("env:RED5_ADMIN_TOKEN")}
EACH = [(kind, name) for kind, case in CASES.items() for name in case.updates]


@pytest.fixture
def stage() -> Iterator[SimulatedStreamManager]:
    found = SimulatedStreamManager()
    yield found
    found.gateway.stop()


@pytest.mark.parametrize(("kind", "name"), EACH)
def test_an_attribute_changed_outside_is_the_only_drift_and_is_restored(
    stage: SimulatedStreamManager, tmp_path: Path, kind: str, name: str
) -> None:
    wanted = blueprint(resource("subject", kind, spec_of(kind).managed_fields()), stream_manager=REACHED)
    store = LocalStore(tmp_path / "toys.state.json")

    def world() -> Providers:
        return Providers(Aws("us-east-1"), connect=lambda _: stage.api(), secrets=str)

    def planned() -> Any:
        return plan(wanted, store=store, world=world(), report=EventRecorder())

    def apply(made: Any) -> None:
        outcome = Applier(
            store, world(), LockHolder("t", "apply", uuid4().hex, "now"), EventRecorder(), CancelToken()
        ).run(made)
        assert outcome.outcome == "complete", outcome.failed

    apply(planned())
    assert planned().empty
    live = stage.read(kind, str(spec_of(kind).managed_fields()["name"]))
    assert live is not None
    stage.driver(kind).update(live, spec_of(kind, **{name: CASES[kind].updates[name]}))

    made = planned()
    assert [(step.address, step.op) for step in made.steps] == [("subject", Op.UPDATE)]
    assert {change.path.split(".")[0] for change in made.steps[0].changes} == {name}
    apply(made)
    assert planned().empty
