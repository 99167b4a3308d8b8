"""Real plans of the project's own blueprints on the sandbox, from the first one to that which destroys the fleet."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from smplan.cli import wiring
from smplan.core.blueprint import Blueprint
from smplan.core.plan.changes import Permits
from smplan.core.plan.model import Plan
from smplan.engine.apply import Applier
from smplan.engine.plan import plan as make_plan
from smplan.engine.plan import utc_now
from smplan.engine.plan_scale import plan_scale
from smplan.engine.waiter import CancelToken
from smplan.sandbox.network.gateway import Gateway
from smplan.sandbox.sandbox import Sandbox
from tests.campaigns.fleets import FLEETS
from tests.campaigns.forge.judge import Source

SPEED = 2000.0
ACCOUNT = "700000000000"
GROUP = "fleet"
GOALS = ("every kind", "every kind changed", "stopped", "started", "rolled out", "destroyed")


def fleet_sources(goals: tuple[str, ...] = GOALS) -> Iterator[Source]:
    """The plan that leads to each goal; it is applied when the next one is asked for."""
    with (
        TemporaryDirectory(prefix="smplan-forge-") as folder,
        Sandbox(speed=SPEED, account=ACCOUNT, gateway=Gateway) as box,
    ):
        os.environ.update(box.env())
        for goal in goals:
            source = _source(goal, Path(folder))
            yield source
            if goal != goals[-1]:
                outcome = source.attempt(source.plan)
                assert getattr(outcome, "outcome", "") == "complete", outcome


def _source(goal: str, folder: Path) -> Source:
    file, calls = folder / "fleet.yaml", Counter[str]()
    if goal in FLEETS:
        file.write_text(FLEETS[goal](), encoding="utf-8")
    blueprint = wiring.load(file, {}, ())
    derive = partial(_derived, goal, blueprint)

    def attempt(plan: Plan) -> object:
        world = wiring.providers(plan.region, on_call=lambda action: calls.update([action]))
        store = wiring.store_at(wiring.backend_of(blueprint), blueprint.name)
        return Applier(store, world, wiring.holder("forge"), wiring.ignore_event, CancelToken()).run(plan)

    return Source(
        name=f"fleet, {goal}",
        plan=derive(""),
        store=wiring.store_at(wiring.backend_of(blueprint), blueprint.name),
        providers=lambda: wiring.providers(None),
        derive=derive,
        attempt=attempt,
        calls=calls.total,
        now=utc_now,
    )


def _derived(goal: str, blueprint: Blueprint, id: str) -> Plan:
    store = wiring.store_at(wiring.backend_of(blueprint), blueprint.name)
    world, report = wiring.providers(blueprint.region), wiring.ignore_event
    if goal in ("stopped", "started"):
        size = 0 if goal == "stopped" else None
        return plan_scale(blueprint, {GROUP: size}, store=store, world=world, report=report)
    mode = "destroy" if goal == "destroyed" else "apply"
    permits = Permits(frozenset({"load_balancer"} if mode == "destroy" else ()))
    return make_plan(blueprint, store=store, world=world, mode=mode, permits=permits, report=report, id=id)
