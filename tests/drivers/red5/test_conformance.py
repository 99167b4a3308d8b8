"""The laws of ``drivers/base.py`` for the kinds behind a Stream Manager, over the simulated one and its real API."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from smplan.core import spec as specs
from smplan.core.diff import diff
from smplan.core.values import encode
from smplan.drivers import registry
from smplan.drivers.base import Progress
from smplan.errors import Conflict, Denied, InUse, Invalid, LostAnswer, NotFound, Unreachable
from smplan.sandbox.ids import ADMIN_TOKEN
from smplan.sandbox.stream_manager.responses import (
    Behaviour,
)
from tests.drivers.conformance import differences, updatable
from tests.drivers.red5.stage import CASES, CLAIM, SimulatedStreamManager, equal, spec_of

NAMELESS = Behaviour(honours_names=False)
PLAIN = ("red5.scale_policy", "red5.launch_config")
each_kind = pytest.mark.parametrize("kind", CASES)


@pytest.fixture
def stage() -> Iterator[SimulatedStreamManager]:
    made = SimulatedStreamManager()
    yield made
    made.gateway.stop()


@pytest.fixture
def nameless() -> Iterator[SimulatedStreamManager]:
    """A server that gives groups names of its own."""
    made = SimulatedStreamManager(NAMELESS)
    yield made
    made.gateway.stop()


def test_every_kind_behind_a_fleet_is_judged_here() -> None:
    assert {kind for kind, found in registry.drivers().items() if found.via_stream_manager and not found.gate} == set(
        CASES
    )


@each_kind
def test_every_updatable_field_has_another_value_in_its_case(kind: str) -> None:
    form: Any = type(spec_of(kind))
    fields = specs.fields(form)
    assert {name for name, facts in fields.items() if updatable(facts)} == set(CASES[kind].updates)


@each_kind
def test_law_1_reading_gives_the_spec_back(stage: SimulatedStreamManager, kind: str) -> None:
    live = stage.read(kind, stage.made(kind))
    assert equal(spec_of(kind), live)
    assert live is not None
    assert set(live.outputs) == set(stage.driver(kind).outputs)
    assert live.owner is None


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind in PLAIN for name in CASES[kind].updates])
def test_law_2_an_update_gives_the_new_spec_and_twice_is_as_once(
    stage: SimulatedStreamManager, kind: str, name: str
) -> None:
    id = stage.made(kind)
    live, wanted = stage.read(kind, id), spec_of(kind, **{name: CASES[kind].updates[name]})
    assert live is not None
    assert set(differences(wanted, live.spec)) == {name}
    driver = stage.driver(kind)
    driver.update(live, wanted)
    once = stage.read(kind, id)
    assert once is not None
    assert equal(wanted, once)
    driver.update(live, wanted)
    driver.update(once, wanted)
    assert stage.read(kind, id) == once


def test_law_2_what_was_added_can_be_removed(stage: SimulatedStreamManager) -> None:
    kind = "red5.launch_config"
    id = stage.made(kind, **CASES[kind].updates)
    live = stage.read(kind, id)
    assert live is not None
    stage.driver(kind).update(live, spec_of(kind))
    assert equal(spec_of(kind), stage.read(kind, id))


WAITS = {"scaleInWaitTime": 1000, "scaleOutWaitTime": 2000, "estimatedWarmUpTime": 150000, "coolDownPeriod": 180000}


@pytest.mark.parametrize(
    "changes",
    [{"targets": [{"role": "origin", "min_limit": 1, "max_limit": 9}]}, {"description": "after"}],
    ids=["targets", "description"],
)
def test_law_8_an_update_keeps_the_waits_and_warm_ups_of_a_scale_policy(
    stage: SimulatedStreamManager, changes: dict[str, Any]
) -> None:
    id, api = stage.made("red5.scale_policy"), stage.api()
    policy = api.scale_policy(id)
    for region in policy["targets"]["region"]:
        for target in region["target"]:
            target.update(WAITS)
    api.put_scale_policy(policy, new=False)
    live = stage.read("red5.scale_policy", id)
    assert live is not None
    stage.driver("red5.scale_policy").update(live, spec_of("red5.scale_policy", **changes))
    for region in api.scale_policy(id)["targets"]["region"]:
        for target in region["target"]:
            assert target.items() >= WAITS.items()


def test_while_a_group_uses_a_scale_policy_only_its_limits_change(stage: SimulatedStreamManager) -> None:
    kind = "red5.scale_policy"
    group = stage.made("red5.nodegroup")
    id = spec_of(kind).name
    live, driver = stage.read(kind, id), stage.driver(kind)
    assert live is not None
    assert group.startswith("a group#")
    with pytest.raises(Conflict, match="in use by a group: its description cannot be changed"):
        driver.update(live, spec_of(kind, description="after"))
    fewer = spec_of(kind, targets=spec_of(kind).managed_fields()["targets"][:2])
    assert [change.replaces for change in diff(fewer, live.spec)] == [True]
    with pytest.raises(Invalid, match="only its limits"):
        driver.update(live, fewer)
    targets = [{**each, "max_limit": each["max_limit"] + 1} for each in spec_of(kind).managed_fields()["targets"]]
    driver.update(live, spec_of(kind, targets=targets))
    assert equal(spec_of(kind, targets=targets), stage.read(kind, id))


@each_kind
def test_law_3_after_delete_nothing_is_found_and_delete_succeeds_again(
    stage: SimulatedStreamManager, kind: str
) -> None:
    id = stage.made(kind)
    driver = stage.driver(kind)
    driver.delete(id)
    stage.wait(driver.wait_deleted(id))
    assert stage.read(kind, id) is None
    assert driver.find(spec_of(kind)) is None
    driver.delete(id)
    assert list(driver.wait_deleted(id)) == []


@each_kind
def test_law_4_reading_many_is_reading_one_by_one(stage: SimulatedStreamManager, kind: str) -> None:
    stage.prepare(kind)
    driver = stage.driver(kind)
    ids = [driver.create(spec_of(kind, name=name), CLAIM) for name in ("one", "two", "three")]
    single = {id: driver.read_many([id])[id] for id in ids}
    assert driver.read_many([*ids, "gone"]) == single
    assert driver.read_many([]) == {}


@each_kind
@pytest.mark.parametrize("fault", ["token", "nobody", "silence"])
def test_law_4_a_read_that_fails_raises(stage: SimulatedStreamManager, kind: str, fault: str) -> None:
    id = stage.made(kind)
    driver = stage.driver(kind, token="wrong" if fault == "token" else ADMIN_TOKEN)
    if fault == "nobody":
        stage.route()
    if fault == "silence":
        stage.gateway.stop()
    with pytest.raises(Denied if fault == "token" else Unreachable):
        driver.read_many([id])
    with pytest.raises(Denied if fault == "token" else Unreachable):
        driver.find(spec_of(kind))


@each_kind
def test_law_5_find_returns_what_a_lost_create_made(stage: SimulatedStreamManager, kind: str) -> None:
    stage.prepare(kind)
    driver, spec = stage.driver(kind), spec_of(kind)
    assert driver.find(spec) is None
    stage.gateway.deaf = True
    with pytest.raises(LostAnswer):
        driver.create(spec, CLAIM)
    stage.gateway.deaf = False
    found = driver.find(spec)
    assert equal(spec, found)
    assert found is not None
    assert found == stage.read(kind, found.id)


@pytest.mark.parametrize("kind", PLAIN)
def test_law_5_a_lost_update_and_a_lost_delete_can_be_done_again(stage: SimulatedStreamManager, kind: str) -> None:
    id = stage.made(kind)
    driver, live = stage.driver(kind), stage.read(kind, id)
    assert live is not None
    wanted = spec_of(kind, description="after")
    stage.gateway.deaf = True
    with pytest.raises(LostAnswer):
        driver.update(live, wanted)
    with pytest.raises(LostAnswer):
        driver.delete(id)
    stage.gateway.deaf = False
    driver.delete(id)
    assert stage.read(kind, id) is None


@each_kind
@pytest.mark.parametrize("fault", ["token", "nobody"])
def test_law_6_what_is_refused_leaves_as_an_error_of_ours(stage: SimulatedStreamManager, kind: str, fault: str) -> None:
    id = stage.made(kind)
    driver = stage.driver(kind, token="wrong" if fault == "token" else ADMIN_TOKEN)
    if fault == "nobody":
        stage.route()
    for call in (lambda: driver.create(spec_of(kind, name="other"), CLAIM), lambda: driver.delete(id)):
        with pytest.raises(Denied if fault == "token" else Unreachable):
            call()


@each_kind
def test_law_6_creating_the_same_twice_is_refused(stage: SimulatedStreamManager, kind: str) -> None:
    stage.made(kind)
    with pytest.raises(Invalid, match="already exists"):
        stage.driver(kind).create(spec_of(kind), CLAIM)


@pytest.mark.parametrize("kind", PLAIN)
def test_what_a_group_uses_is_in_use(stage: SimulatedStreamManager, kind: str) -> None:
    stage.made("red5.nodegroup")
    id = spec_of(kind).name
    with pytest.raises(InUse):
        stage.driver(kind).delete(id)
    assert equal(spec_of(kind), stage.read(kind, id))


def test_a_group_of_what_is_not_there_is_refused(stage: SimulatedStreamManager) -> None:
    with pytest.raises(Invalid, match="nodes/1 does not exist"):
        stage.driver("red5.nodegroup").create(spec_of("red5.nodegroup"), CLAIM)


def test_wait_ready_reports_each_role_and_ends_when_all_are_in_service(stage: SimulatedStreamManager) -> None:
    kind = "red5.nodegroup"
    stage.prepare(kind)
    driver, spec = stage.driver(kind), spec_of(kind)
    id = driver.create(spec, CLAIM)
    driver.configure(id, spec)
    assert stage.api().nodes(spec.name) == []
    seen = stage.wait(driver.wait_ready(id, spec))
    assert {each.waiting_for for each in seen} == {"the nodes of a group"}
    assert seen[0].status == "origin 0 of 1, edge 0 of 2 in service"
    assert seen[1].status == "origin 0 of 1, edge 0 of 2 in service; 1 pending"
    assert "origin 1 of 1, edge 0 of 2 in service; 2 running" in [each.status for each in seen]
    shares = [each.fraction for each in seen]
    assert shares[0] == 0.0
    assert shares[-1] == pytest.approx(1 / 3)
    live = stage.read(kind, id)
    assert live is not None
    assert live.outputs == {"group": "a group", "state": "active", "nodes_in_service": 3}
    assert driver.timeout(spec) == 1800
    assert driver.timeout(spec_of(kind, timeout=60)) == 60


def test_wait_deleted_counts_the_nodes_that_are_left(stage: SimulatedStreamManager) -> None:
    id = stage.made("red5.nodegroup")
    driver = stage.driver("red5.nodegroup")
    driver.delete(id)
    seen = stage.wait(driver.wait_deleted(id))
    assert seen[0] == Progress("the node group a group to be deleted", "3 nodes left")
    assert {node for node in stage.world.machines if node.startswith("i-node")} == set()


def test_a_group_whose_nodes_never_report_raises_not_found() -> None:
    stage = SimulatedStreamManager(Behaviour(nodes_report=False))
    try:
        with pytest.raises(NotFound, match="the node group a group is gone") as caught:
            stage.made("red5.nodegroup")
        assert "check the log of its nodes" in caught.value.hint
    finally:
        stage.gateway.stop()


def test_a_server_that_names_groups_itself_gives_the_id(nameless: SimulatedStreamManager) -> None:
    kind = "red5.nodegroup"
    id = nameless.made(kind)
    spec = spec_of(kind)
    assert id.startswith("group-")
    live = nameless.read(kind, id)
    assert live is not None
    assert diff(spec, live.spec, encode(spec.managed_fields())) == (), "or each plan would replace the group"
    assert nameless.driver(kind).find(spec) == live


def test_a_lost_create_is_found_under_the_servers_own_name(nameless: SimulatedStreamManager) -> None:
    kind = "red5.nodegroup"
    nameless.prepare(kind)
    driver, spec = nameless.driver(kind), spec_of(kind)
    nameless.gateway.deaf = True
    with pytest.raises(LostAnswer):
        driver.create(spec, CLAIM)
    nameless.gateway.deaf = False
    found = driver.find(spec)
    assert found is not None
    assert found.id.startswith("group-")
    assert driver.find(spec_of(kind, regions=["us-west-2"])) is None
    assert driver.find(spec_of(kind, scale_policy="another")) is None


def test_another_group_of_the_same_kind_of_nodes_is_not_taken_for_it(stage: SimulatedStreamManager) -> None:
    stage.made("red5.nodegroup", name="somebody's")
    assert stage.driver("red5.nodegroup").find(spec_of("red5.nodegroup")) is None


def test_a_new_name_in_the_blueprint_means_another_group(stage: SimulatedStreamManager) -> None:
    live = stage.read("red5.nodegroup", stage.made("red5.nodegroup"))
    assert live is not None
    applied = encode(spec_of("red5.nodegroup").managed_fields())
    (change,) = diff(spec_of("red5.nodegroup", name="another"), live.spec, applied)
    assert (change.path, change.replaces) == ("name", True)
