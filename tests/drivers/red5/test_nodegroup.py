"""Node groups on the simulated Stream Manager: first origins, identity, deletion, and nodes that never come up."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice
from typing import Any

import pytest

from smplan.drivers.base import Progress
from smplan.drivers.red5.nodegroup import LISTED_SECONDS
from smplan.errors import Invalid, LostAnswer, NotFound
from smplan.sandbox.stream_manager.responses import Behaviour
from tests.drivers.red5.stage import CASES, CLAIM, SimulatedStreamManager, equal, spec_of

KIND = "red5.nodegroup"
Stages = Callable[..., SimulatedStreamManager]


@pytest.fixture
def staged() -> Iterator[Stages]:
    """Makes stages with a behaviour."""
    made: list[SimulatedStreamManager] = []

    def make(**behaviour: Any) -> SimulatedStreamManager:
        made.append(SimulatedStreamManager(Behaviour(**behaviour)))
        made[-1].prepare(KIND)
        return made[-1]

    yield make
    for each in made:
        each.gateway.stop()


@pytest.mark.parametrize("listing_seconds", [0.0, 40.0])
def test_a_lost_launch_of_the_origin_is_looked_for_and_not_repeated(staged: Stages, listing_seconds: float) -> None:
    stage = staged(listing_seconds=listing_seconds)
    driver, spec = stage.driver(KIND), spec_of(KIND)
    id = driver.create(spec, CLAIM)
    stage.later(listing_seconds)
    polls = driver.wait_ready(id, spec)
    stage.gateway.deaf = True
    assert "got no response" in next(polls).status
    stage.gateway.deaf = False
    stage.wait(driver.wait_ready(id, spec))
    assert [node["role"] for node in stage.api().nodes(spec.name)].count("origin") == 1
    assert len(stage.world.launched) == 3


def test_another_run_looks_for_the_origin_before_it_launches_one(staged: Stages) -> None:
    stage = staged(listing_seconds=40.0)
    first, spec = stage.driver(KIND), spec_of(KIND)
    id = first.create(spec, CLAIM)
    stage.later(40)
    next(first.wait_ready(id, spec))  # launches the origin, and the process is killed
    again = stage.driver(KIND)
    seen = stage.wait(again.wait_ready(id, spec))
    assert seen[0].status == "no origin is listed; one that was launched before is looked for, for 60 s more"
    assert len(stage.world.launched) == 3


def test_an_origin_that_was_never_launched_is_launched_by_another_run(staged: Stages) -> None:
    stage = staged()
    spec = spec_of(KIND)
    id = stage.driver(KIND).create(spec, CLAIM)
    driver = stage.driver(KIND)
    seen = stage.wait(driver.wait_ready(id, spec))
    assert sum("looked for" in each.status for each in seen) == LISTED_SECONDS / 15
    assert len(stage.world.launched) == 3


def test_a_refused_launch_is_an_error_unless_the_origin_is_there(staged: Stages) -> None:
    stage = staged()
    driver, spec = stage.driver(KIND), spec_of(KIND)
    id = driver.create(spec, CLAIM)
    stage.world.refusal = "there is no capacity"
    with pytest.raises(Invalid, match="there is no capacity"):
        next(driver.wait_ready(id, spec))
    stage.world.refusal = ""
    stage.wait(driver.wait_ready(id, spec))
    assert len(stage.world.launched) == 3


def test_an_active_group_keeps_its_minimums_itself(staged: Stages) -> None:
    stage = staged()
    id = stage.made_only(KIND)
    for node in [each for each in stage.world.machines if each.startswith("i-node")]:
        stage.world.terminate_node(node)
    stage.later(0)
    launched = len(stage.world.launched)
    stage.wait(stage.driver(KIND).wait_ready(id, spec_of(KIND)))
    assert len(stage.world.launched) == launched == 6


def test_a_group_whose_edges_never_come_up_never_counts_as_ready(staged: Stages) -> None:
    """The vendor's module succeeds then: it waits for the nodes that are listed, and no list is long enough."""
    stage = staged(silent_roles=frozenset({"edge"}))
    driver, spec = stage.driver(KIND), spec_of(KIND)
    id = driver.create(spec, CLAIM)
    seen: list[Progress] = []
    for progress in islice(driver.wait_ready(id, spec), 100):
        seen.append(progress)
        stage.later(15)
    assert len(seen) == 100
    assert seen[-1].status.startswith("origin 1 of 1, edge 0 of 2 in service")


def test_a_group_of_several_regions_needs_the_minimum_of_each(staged: Stages) -> None:
    stage = staged(regions=("us-east-1", "us-west-2"))
    driver, spec = stage.driver(KIND), spec_of(KIND, regions=["us-east-1", "us-west-2"])
    id = driver.create(spec, CLAIM)
    seen = stage.wait(driver.wait_ready(id, spec))
    assert "edge in us-east-1 0 of 2" in seen[0].status
    zones = sorted((each["role"], each["availabilityZone"][:-1]) for each in stage.api().nodes(spec.name))
    assert zones == [("edge", "us-east-1"), ("edge", "us-east-1"), ("origin", "us-east-1")]


def test_a_group_made_again_by_hand_under_the_same_name_is_not_ours(staged: Stages) -> None:
    stage = staged()
    driver, id = stage.driver(KIND), stage.made_only(KIND)
    api, spec = stage.api(), spec_of(KIND)
    api.delete_group(spec.name)
    stage.later(60)
    api.create_group(
        {
            "name": spec.name,
            "regions": spec.regions,
            "launchConfig": spec.launch_config,
            "scalePolicy": spec.scale_policy,
        }
    )
    assert driver.read_many([id]) == {}
    driver.delete(id)
    assert list(driver.wait_deleted(id)) == []
    assert [group["name"] for group in api.groups()] == [spec.name], "the vendor's module deletes every group there is"


def test_an_id_of_an_earlier_version_is_the_name_alone(staged: Stages) -> None:
    stage = staged()
    stage.made_only(KIND)
    driver = stage.driver(KIND)
    live = driver.read_many(["a group"])["a group"]
    assert equal(spec_of(KIND), live)
    driver.delete("a group")
    stage.wait(driver.wait_deleted("a group"))
    assert stage.api().groups() == []


def test_a_delete_is_repeated_while_the_group_ends(staged: Stages) -> None:
    stage = staged(refusal="Ungültige Anfrage")
    id = stage.made_only(KIND)
    driver = stage.driver(KIND)
    stage.gateway.deaf = True
    with pytest.raises(LostAnswer):
        driver.delete(id)
    stage.gateway.deaf = False
    driver.delete(id)
    seen = stage.wait(driver.wait_deleted(id))
    assert seen[0].status == "3 nodes left"
    driver.delete(id)


def test_a_refused_delete_of_a_living_group_is_an_error(staged: Stages) -> None:
    stage = staged()
    id = stage.made_only(KIND)

    class Refusing:
        def __getattr__(self, name: str) -> Any:
            return getattr(stage.api(), name)

        def delete_group(self, name: str) -> None:
            raise Invalid(f"{name} is busy")

    driver = stage.driver(KIND)
    driver.context = type(driver.context)(driver.context.aws, Refusing)
    with pytest.raises(Invalid, match="is busy"):
        driver.delete(id)


@pytest.mark.parametrize("missing_status", [400, 404])
def test_kinds_work_with_servers_that_refuse_in_other_words(staged: Stages, missing_status: int) -> None:
    stage = staged(refusal="Ungültige Anfrage", missing_status=missing_status, listing_seconds=3.0)
    id = stage.made_only(KIND)
    for kind, one in ((KIND, id), *((kind, spec_of(kind).name) for kind in CASES[KIND].after)):
        driver = stage.driver(kind)
        driver.delete(one)
        stage.wait(driver.wait_deleted(one))
        driver.delete(one)
        assert driver.read_many([one]) == {}


def test_a_group_that_is_still_listed_without_nodes_is_waited_for_poll_by_poll(staged: Stages) -> None:
    stage = staged()
    driver, spec = stage.driver(KIND), spec_of(KIND)
    id = driver.create(spec, CLAIM)
    stage.wait(driver.wait_ready(id, spec))
    asked: list[str] = []

    class Late:
        """A server whose list still has the group, while its nodes are not found any more."""

        def groups(self) -> list[dict[str, Any]]:
            asked.append("groups")
            return [{"name": spec.name, "id": id.rpartition("#")[2]}] * (len(asked) < 5)

        def nodes(self, name: str) -> list[dict[str, Any]]:
            raise NotFound(f"{name} is not found")

    driver.context = replace(driver.context, stream_manager=Late)
    assert [each.status for each in driver.wait_deleted(id)] == ["0 nodes left"] * 4
