"""Each updatable attribute of each kind, changed by hand outside: the plan shows it and no other, apply puts it back.

The specs are those of the conformance cases; planning and applying go through the whole engine and over the wire.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from smplan.core.blueprint import Blueprint
from smplan.core.plan.model import Op, Plan
from smplan.core.spec import RELEASED_LAST, fields
from smplan.core.values import Ref, decode, get_path, resolve
from smplan.drivers.aws.client import Aws
from smplan.engine.apply import Applier
from smplan.engine.plan import plan
from smplan.engine.providers import Providers
from smplan.engine.waiter import CancelToken
from smplan.sandbox.sandbox import Sandbox
from smplan.stores.interface import LockHolder
from smplan.stores.local import LocalStore
from tests.drivers.conformance import Case, cases, judged, updatable
from tests.support.blueprints import (
    blueprint,
    resource,
    tree,
)
from tests.support.rate_limits import unlimited
from tests.support.recorder import (
    EventRecorder,
)

RECORD = "aws.route53.record"
TOGETHER = {
    ("aws.autoscaling.scaling_policy", "policy_type"),
    ("aws.elbv2.listener", "protocol"),
    ("aws.elbv2.listener", "certificate_arn"),
    (RECORD, "type"),
}
"""Attributes that only change together with another one: HTTPS needs a certificate, an A record has addresses."""


def managed(case: Case, name: str) -> bool:
    """Whether the spec of the case says something of a field, so that a change of it is drift."""
    return name in case.spec or judged()[case.kind].spec.model_fields[name].default is not None


PLAYED = [
    (case, name)
    for case in cases()
    if case.kind in judged()
    for name in case.updates
    if managed(case, name) and (case.kind, name) not in TOGETHER and str(case) != f"{RECORD}-type"
]
EACH = [pytest.param(case, name, id=f"{case}-{name}") for case, name in PLAYED]


@dataclass
class Deployed:
    """The setup and the subject of a case, made by an apply."""

    case: Case
    wanted: Blueprint
    store: LocalStore
    world: Providers
    run: str
    box: Sandbox

    def plan(self, mode: str = "apply") -> Plan:
        """A plan of it."""
        return plan(self.wanted, store=self.store, world=self.world, mode=mode, report=EventRecorder())

    def apply(self, made: Plan) -> None:
        """Apply a plan; it must complete."""
        holder = LockHolder("tester", "apply", uuid4().hex, "now")
        outcome = Applier(self.store, self.world, holder, EventRecorder(), CancelToken()).run(made)
        assert outcome.outcome == "complete", outcome.failed

    def change_outside(self, name: str) -> None:
        """What somebody does by hand: one attribute of the subject gets another value."""
        folded = self.store.read().folded
        assert folded is not None
        entries = folded.state.resources
        driver = self.world.driver(self.case.kind)
        live = driver.read_many([entries["subject"].id])[entries["subject"].id]

        def known(ref: Ref) -> Any:
            entry = entries.get(ref.address)
            if entry is None:
                return self._given(ref)
            return get_path({**entry.outputs, **entry.spec, "id": entry.id}, ref.path)

        value = resolve(tree(self.case.updates[name]), known)
        driver.update(live, driver.spec.model_validate({**decode(entries["subject"].spec), name: value}))

    def _given(self, ref: Ref) -> Any:
        return given(ref, self.box, self.run)


def given(ref: Ref, box: Sandbox, run: str) -> Any:
    """What cases refer to beside their own setup."""
    if ref.root == "run":
        return run
    return get_path(asdict(box.facts), ref.path) if ref.root == "box" else ref


@pytest.fixture(scope="module")
def deployed(box: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Deploys a case when it is first asked for, and takes all away at the end."""
    made: dict[str, Deployed] = {}

    def deploy(case: Case) -> Deployed:
        if str(case) not in made:
            made[str(case)] = _deployed(case, box, tmp_path_factory.mktemp("case"))
        return made[str(case)]

    yield deploy
    for each in made.values():
        if each.case.spec.get("deletion_protection"):  # AWS refuses to delete it until that is off
            each.change_outside("deletion_protection")
        each.apply(each.plan("destroy"))


def _deployed(case: Case, box: Sandbox, folder: Path) -> Deployed:
    run = uuid4().hex[:8]

    def filled(spec: Any) -> Any:
        return resolve(tree(dict(spec)), lambda ref: given(ref, box, run))

    resources = [resource(each["as"], each["kind"], filled(each["spec"])) for each in case.setup]
    wanted = blueprint(*resources, resource("subject", case.kind, filled(case.spec)), name=f"case-{run}")
    world = Providers(Aws(box.facts.region, rate_limiter=unlimited()), connect=_nobody, secrets=_nobody)
    deployed = Deployed(case, wanted, LocalStore(folder / "case.state.json"), world, run, box)
    deployed.apply(deployed.plan())
    assert deployed.plan().empty
    return deployed


def _nobody(*_: object) -> Any:
    raise AssertionError("not needed here")


@pytest.mark.parametrize(("case", "name"), EACH)
def test_an_attribute_changed_outside_is_the_only_drift_and_is_restored(deployed: Any, case: Case, name: str) -> None:
    there = deployed(case)
    there.change_outside(name)
    made = there.plan()
    assert {(step.address, step.op) for step in made.steps} == {("subject", Op.UPDATE)}
    # what was added by hand is then taken out in a step of its own, the last
    released_last = fields(judged()[case.kind].spec)[name].has(RELEASED_LAST)
    assert len(made.steps) <= 1 + released_last
    assert {change.path.split(".")[0] for step in made.steps for change in step.changes} == {name}
    assert made.steps[0].reasons == tuple(f"{change.path}: changed outside smplan" for change in made.steps[0].changes)
    tracked = {each for each, output in judged()[case.kind].outputs.items() if output.tracked}  # another version
    assert {change.path.split(".")[0] for drift in made.drift for change in drift.changes} - (tracked - {name}) == {
        name
    }
    there.apply(made)
    assert there.plan().empty


@pytest.mark.parametrize("kind", sorted(judged()))
def test_every_updatable_attribute_of_a_kind_is_changed_in_some_case(kind: str) -> None:
    played = {name for case, name in PLAYED if case.kind == kind} | {name for each, name in TOGETHER if each == kind}
    assert {name for name, facts in fields(judged()[kind].spec).items() if updatable(facts)} <= played
