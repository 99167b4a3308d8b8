"""Every field of the Stream Manager kinds changed, one at a time: the plan, the nodes meanwhile, the plan after."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from smplan.core.blueprint import Blueprint
from smplan.core.plan.model import Plan
from smplan.core.spec import CLIENT_ONLY, fields
from smplan.core.values import Secret
from smplan.drivers import registry
from smplan.drivers.aws.client import Aws
from smplan.engine.apply import Applier
from smplan.engine.executor import Outcome
from smplan.engine.plan import plan
from smplan.engine.providers import Providers
from smplan.engine.runtime import Runtime
from smplan.engine.waiter import CancelToken
from smplan.errors import BlueprintInvalid
from smplan.sandbox.stream_manager.responses import Behaviour
from smplan.stores.interface import LockHolder
from smplan.stores.local import LocalStore
from tests.drivers.red5.stage import SimulatedStreamManager
from tests.sandbox.stream_manager.world import GUIDE, instance
from tests.support.blueprints import blueprint, resource
from tests.support.recorder import EventRecorder

REGIONS = ("us-east-1", "us-west-2")
ROLES = [
    {"role": "origin", "min_limit": 1, "max_limit": 2},
    {"role": "edge", "min_limit": 2, "max_limit": 4},
]
LAUNCHED = [
    {"role": "origin", "instance_type": "c5.large", "connection_capacity": 20},
    {"role": "edge", "instance_type": "c5.large", "connection_capacity": 200},
]
SPECS: dict[str, dict[str, Any]] = {
    "policy": {"name": "policy", "description": "before", "targets": ROLES},
    "config": {"name": "config", "description": "before", "image": "red5pro-node", "targets": LAUNCHED},
    "nodes": {
        "name": "group",
        "regions": ["us-east-1"],
        "launch_config": "${config.name}",
        "scale_policy": "${policy.name}",
    },
}
REACHED = {"url": "http://sm.example.com:5080", "access_token": Secret("env:RED5_ADMIN_TOKEN")}
KINDS = {"policy": "red5.scale_policy", "config": "red5.launch_config", "nodes": "red5.nodegroup"}
POLICY = ["policy:replace", "nodes:replace", "nodes:delete", "policy:delete"]
CONFIG = ["config:replace", "nodes:replace", "nodes:delete", "config:delete"]
GROUP = ["nodes:replace", "nodes:delete"]
CHANGES: list[tuple[str, str, dict[str, Any], list[str]]] = [
    ("policy", "name", {"name": "other"}, POLICY),
    ("policy", "targets", {"targets": [ROLES[0], {**ROLES[1], "min_limit": 3}]}, ["policy:update"]),
    ("policy", "targets", {"targets": [ROLES[0], {**ROLES[1], "max_limit": 9}]}, ["policy:update"]),
    ("policy", "targets", {"targets": [*ROLES, {**ROLES[1], "region": "us-east-1"}]}, POLICY),
    ("policy", "targets", {"targets": [*ROLES, {"role": "relay", "min_limit": 0, "max_limit": 1}]}, POLICY),
    ("config", "name", {"name": "other"}, CONFIG),
    ("config", "description", {"description": "after"}, ["config:update"]),
    ("config", "image", {"image": "red5pro-node-2"}, CONFIG),
    ("config", "targets", {"targets": [LAUNCHED[0], {**LAUNCHED[1], "instance_type": "c5.xlarge"}]}, CONFIG),
    ("config", "properties", {"properties": {"UserData": "base64:aGk="}}, CONFIG),
    ("config", "metadata", {"metadata": {"team": "video"}}, CONFIG),
    ("nodes", "name", {"name": "other"}, GROUP),
    ("nodes", "regions", {"regions": list(REGIONS)}, GROUP),
    ("nodes", "timeout", {"timeout": 999}, []),
]
ELSEWHERE = {("policy", "description"), ("nodes", "launch_config"), ("nodes", "scale_policy")}
"""Fields that another test changes: a refused one, and those that follow a change of what they refer to."""


def wanted(address: str = "", changes: dict[str, Any] | None = None) -> Blueprint:
    specs = {each: {**spec, **(changes or {})} if each == address else spec for each, spec in SPECS.items()}
    resources = [resource(each, KINDS[each], spec) for each, spec in specs.items()]
    return blueprint(*resources, stream_manager=REACHED)


class VirtualTime(Runtime):
    """The simulator's time: it passes while a run waits."""

    def __init__(self, stage: SimulatedStreamManager) -> None:
        self._stage, self._lock = stage, threading.Lock()

    def now(self) -> float:
        return self._stage.world.clock.now()

    def wait(self, event: threading.Event, seconds: float) -> bool:
        with self._lock:
            self._stage.later(seconds)
        return event.is_set()


class Fleet:
    """A state and a simulated Stream Manager."""

    def __init__(self, folder: Path, **behaviour: Any) -> None:
        self.stage = SimulatedStreamManager(Behaviour(regions=REGIONS, **behaviour))
        self.store = LocalStore(folder / "toys.state.json")
        self.serving: list[int] = []
        self._time = VirtualTime(self.stage)

    def _providers(self) -> Providers:
        return Providers(Aws("us-east-1"), connect=lambda _: self.stage.api(), secrets=str, runtime=self._time)

    def plan(self, blueprint: Blueprint) -> Plan:
        return plan(blueprint, store=self.store, world=self._providers(), report=EventRecorder())

    def apply(self, made: Plan) -> Outcome:
        holder = LockHolder("t", "apply", uuid4().hex, "now")
        stop = CancelToken(self._time)
        return Applier(self.store, self._providers(), holder, self._look, stop).run(made)

    def _look(self, _: object) -> None:
        self.serving.append(self.in_service())

    def in_service(self) -> int:
        nodes = self.stage.gateway.stream_managers.store.nodes.values()
        return sum(node.state == "inservice" for node in nodes)

    def groups(self) -> list[str]:
        return sorted(str(group["name"]) for group in self.stage.api().groups())


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    made = Fleet(tmp_path)
    assert made.apply(made.plan(wanted())).outcome == "complete"
    made.serving.clear()
    yield made
    made.stage.gateway.stop()


def test_every_field_is_changed_here() -> None:
    every = {(address, name) for address, kind in KINDS.items() for name in fields(registry.drivers()[kind].spec)}
    assert {(address, name) for address, name, *_ in CHANGES} | ELSEWHERE == every
    assert fields(registry.drivers()["red5.nodegroup"].spec)["timeout"].has(CLIENT_ONLY)


@pytest.mark.parametrize(("address", "name", "changes", "steps"), CHANGES)
def test_a_change_never_leaves_fewer_nodes_in_service(
    fleet: Fleet, address: str, name: str, changes: dict[str, Any], steps: list[str]
) -> None:
    before, others = fleet.in_service(), fleet.stage.api()
    others.create_group(
        {"name": "foreign", "regions": ["us-east-1"], "launchConfig": "config", "scalePolicy": "policy"}
    )
    foreign = "foreign"
    if {"policy:delete", "config:delete"} & set(steps):
        others.delete_group(foreign)  # its settings would be in use
        foreign = ""
    made = fleet.plan(wanted(address, changes))
    assert [f"{step.address}:{step.op}" for step in made.steps] == steps
    outcome = fleet.apply(made)
    assert outcome.outcome == "complete", outcome.failed
    assert min(fleet.serving, default=before) >= before == 3
    again = fleet.plan(wanted(address, changes))
    assert again.empty, [f"{step.address}:{step.op}" for step in again.steps]
    assert (foreign in fleet.groups()) == bool(foreign)
    assert len(fleet.groups()) == 1 + bool(foreign)


def test_a_raised_minimum_is_waited_for(fleet: Fleet) -> None:
    made = fleet.plan(wanted("policy", {"targets": [ROLES[0], {**ROLES[1], "min_limit": 4}]}))
    assert fleet.apply(made).outcome == "complete"
    nodes = fleet.stage.api().nodes("group")
    assert Counter(each["role"] for each in nodes if each["state"] == "inservice") == {"origin": 1, "edge": 4}


def test_the_description_of_a_policy_in_use_is_refused_by_the_plan(fleet: Fleet) -> None:
    with pytest.raises(BlueprintInvalid) as caught:
        fleet.plan(wanted("policy", {"description": "after"}))
    (told,) = caught.value.diagnostics
    assert "the scale policy policy is in use by group: its description cannot be changed" in told.message


def test_while_the_new_nodes_do_not_come_up_the_old_group_keeps_serving(fleet: Fleet) -> None:
    alike = (instance(id, user_data=GUIDE) for id in ("i-2", "i-3"))
    fleet.stage.world.add(*alike)  # two Stream Managers with one address: nodes report to neither
    outcome = fleet.apply(fleet.plan(wanted("config", {"image": "broken"})))
    assert outcome.outcome != "complete"
    assert "is gone" in str(outcome.failed)
    assert (fleet.in_service(), min(fleet.serving)) == (3, 3)
    assert "group" in fleet.groups()


def test_no_token_is_in_the_state(fleet: Fleet) -> None:
    texts = [path.read_text(errors="replace") for path in fleet.store.path.parent.rglob("*") if path.is_file()]
    assert texts
    assert not any("sandbox-admin-token" in text for text in texts)
