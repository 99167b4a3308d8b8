from __future__ import annotations

import base64
from typing import Any

import pytest

from smplan.sandbox.interface import PROPERTIES_PATH
from smplan.sandbox.stream_manager.responses import (
    Behaviour,
)
from tests.sandbox.stream_manager.world import PROPERTIES, Rig, config, group_body, instance, policy

ORIGIN = "nodegroup/group/node/origin"


@pytest.fixture
def rig() -> Rig:
    return Rig()


def started(rig: Rig, origins: tuple[int, int] = (1, 2), edges: tuple[int, int] = (1, 4)) -> Rig:
    """A group whose nodes are all in service."""
    rig.group(origins=origins, edges=edges)
    rig.ok("POST", ORIGIN)
    rig.later(80)
    rig.later(80)
    return rig


def test_a_new_group_has_no_nodes_and_the_name_asked_for(rig: Rig) -> None:
    rig.group()
    shown = rig.ok("GET", "nodegroup/group")
    assert (shown["name"], shown["state"], shown["regions"]) == ("group", "new", ["us-east-1"])
    assert shown["timestamp"] == int(rig.clock.now() * 1000)
    assert rig.ok("GET", "nodegroup") == [shown]
    assert rig.states() == []
    rig.later(1000)
    assert rig.states() == []


def test_servers_that_name_groups_themselves() -> None:
    rig = Rig(Behaviour(honours_names=False))
    rig.group()
    assert rig.ok("GET", "nodegroup")[0]["name"].startswith("group-")
    rig.refused("GET", "nodegroup/group", status=404)


def test_a_group_without_a_name_gets_one(rig: Rig) -> None:
    rig.group()
    assert rig.ok("POST", "nodegroup", group_body(None))["name"].startswith("group-")


def test_a_name_is_given_to_one_group(rig: Rig) -> None:
    rig.group()
    assert "already exists" in rig.refused("POST", "nodegroup", group_body())


@pytest.mark.parametrize("regions", [None, [], "us-east-1", [1]])
def test_a_group_needs_regions(rig: Rig, regions: Any) -> None:
    rig.group()
    assert "regions" in rig.refused("POST", "nodegroup", group_body("other", regions=regions))


def test_the_first_origin_starts_the_group(rig: Rig) -> None:
    rig.group()
    status, told = rig.call("POST", ORIGIN)
    now = int(rig.clock.now() * 1000)
    assert (status, told["role"], told["group"], told["requestTime"]) == (201, "origin", "group", now)
    assert told["identifier"] == f"node-us-east-1a-{now}" == rig.world.launched[0]["name"]
    seen = []
    for seconds in (0, 25, 54, 1, 25, 55):
        rig.later(seconds)
        seen.append((rig.ok("GET", "nodegroup/group")["state"], rig.states()))
    assert seen == [
        ("initializing", [("origin", "pending")]),
        ("initializing", [("origin", "running")]),
        ("initializing", [("origin", "running")]),
        ("active", [("edge", "pending"), ("origin", "inservice")]),
        ("active", [("edge", "running"), ("origin", "inservice")]),
        ("active", [("edge", "inservice"), ("origin", "inservice")]),
    ]


def test_every_role_is_filled_to_its_least_number(rig: Rig) -> None:
    started(rig, origins=(2, 3), edges=(3, 4))
    assert rig.states() == [("edge", "inservice")] * 3 + [("origin", "inservice")] * 2
    assert len({each["name"] for each in rig.world.launched}) == 5


def test_origins_up_to_the_most_that_the_policy_allows(rig: Rig) -> None:
    rig.group(origins=(1, 2))
    rig.ok("POST", ORIGIN)
    rig.ok("POST", ORIGIN)
    assert "all its origins" in rig.refused("POST", ORIGIN)


def test_one_origin_where_the_policy_names_none(rig: Rig) -> None:
    rig.group(name="other")
    rig.ok("POST", "configurations/scalepolicy", policy("edges", edge=(1, 1)))
    rig.ok("POST", "nodegroup", group_body(scalePolicy="edges"))
    rig.ok("POST", ORIGIN)
    assert "all its origins" in rig.refused("POST", ORIGIN)


def test_a_policy_changed_under_a_group_takes_effect(rig: Rig) -> None:
    started(rig)
    rig.ok("PUT", "configurations/scalepolicy/policy", policy(origin=(1, 2), edge=(2, 4)))
    rig.later(0)
    assert rig.states() == [("edge", "inservice"), ("edge", "pending"), ("origin", "inservice")]


def test_nodes_whose_instance_is_gone_are_replaced(rig: Rig) -> None:
    started(rig)
    rig.world.terminate_node("i-node1")
    rig.later(0)
    assert rig.states() == [("edge", "pending"), ("origin", "inservice")]


def test_a_deleted_group_goes_after_its_nodes(rig: Rig) -> None:
    started(rig)
    assert rig.ok("DELETE", "nodegroup/group")["state"] == "active"
    assert rig.ok("GET", "nodegroup/group")["state"] == "terminating"
    assert rig.states() == [("edge", "terminating"), ("origin", "terminating")]
    assert "terminating" in rig.refused("POST", ORIGIN)
    rig.later(10)
    assert "terminating" in rig.refused("DELETE", "nodegroup/group")
    rig.later(10)
    rig.refused("GET", "nodegroup/group", status=404)
    assert set(rig.world.machines) == {"i-1"}


def test_an_empty_group_goes_at_once(rig: Rig) -> None:
    rig.group()
    rig.ok("DELETE", "nodegroup/group")
    assert rig.ok("GET", "nodegroup") == []
    assert "not found" in rig.refused("DELETE", "nodegroup/group", status=404)


def test_nodes_that_never_report_are_swept_and_then_their_group() -> None:
    rig = Rig(Behaviour(nodes_report=False))
    rig.group()
    rig.ok("POST", ORIGIN)
    rig.later(179)
    assert rig.states() == [("origin", "running")]
    rig.later(1)
    assert rig.states() == []
    assert set(rig.world.machines) == {"i-1"}
    rig.later(180)
    rig.refused("GET", "nodegroup/group", status=404)


@pytest.mark.parametrize(("drops", "left"), [(True, 0), (False, 1)])
def test_groups_that_nobody_starts_may_be_dropped(drops: bool, left: int) -> None:
    rig = Rig(Behaviour(drops_new_groups=drops))
    rig.group()
    rig.later(180)
    assert len(rig.ok("GET", "nodegroup")) == left


def test_nothing_moves_while_no_stream_manager_runs(rig: Rig) -> None:
    rig.group()
    rig.ok("POST", ORIGIN)
    manager = rig.world.machines.pop("i-1")
    rig.later(100)
    assert [each.state for each in rig.managers.store.nodes.values()] == ["pending"]
    rig.world.add(manager)
    rig.later(0)
    assert ("origin", "inservice") in rig.states()


def test_instances_with_the_prefix_that_nobody_knows_are_swept(rig: Rig) -> None:
    now = rig.clock.now()
    rig.world.add(
        instance("i-lost", files={}, tags={"Name": "nodedev-1"}, launched_at=now),
        instance("i-young", files={}, tags={"Name": "node-2"}, launched_at=now + 100),
        instance("i-other", files={}, tags={"Name": "my-node"}, launched_at=now),
    )
    rig.later(179)
    assert "i-lost" in rig.world.machines
    rig.later(1)
    assert set(rig.world.machines) == {"i-1", "i-young", "i-other"}


def test_nodes_have_the_prefix_of_the_settings(rig: Rig) -> None:
    held = PROPERTIES + "instancecontroller.instanceNamePrefix=blue\n"
    rig.world.add(instance("i-1", files={PROPERTIES_PATH: held}))
    rig.group()
    assert rig.ok("POST", ORIGIN)["identifier"].startswith("blue-us-east-1a-")


def test_what_ec2_refuses_is_told_and_leaves_no_node(rig: Rig) -> None:
    rig.group()
    rig.world.refusal = "InvalidAMIID.NotFound: no such image"
    assert "InvalidAMIID.NotFound" in rig.refused("POST", ORIGIN)
    assert rig.ok("GET", "nodegroup/group")["state"] == "new"
    assert rig.states() == []


def test_a_refused_edge_is_tried_again(rig: Rig) -> None:
    rig.group()
    rig.ok("POST", ORIGIN)
    rig.world.refusal = "InstanceLimitExceeded: too many"
    rig.later(80)
    assert rig.states() == [("origin", "inservice")]
    rig.world.refusal = ""
    rig.later(1)
    assert rig.states() == [("edge", "pending"), ("origin", "inservice")]


def test_regions_without_the_vpc_take_no_nodes(rig: Rig) -> None:
    rig.group()
    rig.ok("POST", "nodegroup", group_body("far", regions=["eu-west-1"]))
    assert "eu-west-1" in rig.refused("POST", "nodegroup/far/node/origin")


def test_a_role_without_a_target_cannot_be_launched(rig: Rig) -> None:
    rig.group()
    target = {"role": "edge", "instanceType": "c5.large", "connectionCapacity": 1}
    rig.ok("PUT", "configurations/launchconfig/config", config(targets={"target": [target]}))
    assert "no target" in rig.refused("POST", ORIGIN)


def user_data(rig: Rig, value: str) -> None:
    rig.group()
    changed = config(properties={"property": [{"name": "UserData", "value": value}]})
    rig.ok("PUT", "configurations/launchconfig/config", changed)


def test_nodes_get_user_data_from_the_launch_configuration(rig: Rig) -> None:
    user_data(rig, "base64:" + base64.b64encode(b"#!/bin/sh").decode())
    rig.ok("POST", ORIGIN)
    assert rig.world.launched[0]["user_data"] == "#!/bin/sh"


def test_nodes_get_user_data_from_a_file_of_the_host(rig: Rig) -> None:
    rig.world.add(instance("i-1", files={PROPERTIES_PATH: PROPERTIES, "/x": "#!/bin/sh"}))
    user_data(rig, "file:/x")
    rig.ok("POST", ORIGIN)
    assert rig.world.launched[0]["user_data"] == "#!/bin/sh"


def test_user_data_that_is_not_base64_is_refused(rig: Rig) -> None:
    user_data(rig, "base64:%%%")
    assert "base64" in rig.refused("POST", ORIGIN)


def test_nodes_are_launched_from_the_image_of_their_role(rig: Rig) -> None:
    rig.group()
    changed = config()
    changed["launchconfig"]["targets"]["target"][0]["image"] = "origin-image"
    rig.ok("PUT", "configurations/launchconfig/config", changed)
    rig.ok("POST", ORIGIN)
    rig.later(80)
    assert [each["image_name"] for each in rig.world.launched] == ["origin-image", "red5pro-node"]


def resize(**info: int) -> dict[str, Any]:
    numbers = {"minPublishers": "1", "maxPublishers": "40", "minSubscribers": "30", "maxSubscribers": "100"}
    return {"region": [{"name": "default", "info": {**numbers, **info}}]}


def test_a_resize_writes_the_limits_into_the_policy(rig: Rig) -> None:
    rig.group()
    assert rig.ok("PUT", "nodegroup/group", resize())["name"] == "group"
    read = rig.ok("GET", "configurations/scalepolicy/policy")["policy"]["targets"]["region"][0]["target"]
    assert [(each["role"], each["minLimit"], each["maxLimit"]) for each in read] == [("edge", 2, 5), ("origin", 1, 2)]


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({}, "region is missing"),
        ({"region": ["x"]}, "region is missing"),
        ({"region": [{"name": "eu-west-1", "info": {}}]}, "cannot add regions"),
        ({"region": [{"name": "default"}]}, "info is missing"),
        (resize(minSubscribers=1000), "more than the most"),
    ],
)
def test_resizes_that_are_refused(rig: Rig, body: dict[str, Any], told: str) -> None:
    rig.group()
    assert told in rig.refused("PUT", "nodegroup/group", body)


def test_only_groups_of_origins_and_edges_can_be_resized(rig: Rig) -> None:
    rig.group(name="other")
    rig.ok("POST", "configurations/scalepolicy", policy("relays", origin=(1, 1), relay=(1, 1)))
    rig.ok("POST", "nodegroup", group_body(scalePolicy="relays"))
    assert "only groups" in rig.refused("PUT", "nodegroup/group", resize())
