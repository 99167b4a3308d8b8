from __future__ import annotations

import pytest

from tests.sandbox.stream_manager.world import Rig


@pytest.fixture
def rig() -> Rig:
    """A group of an origin (10.0.1.1) and an edge (10.0.1.2), both in service."""
    made = Rig()
    made.group()
    made.ok("POST", "nodegroup/group/node/origin")
    made.later(80)
    made.later(80)
    return made


def test_the_nodes_of_a_role(rig: Rig) -> None:
    (edge,) = rig.ok("GET", "nodegroup/group/node/edge")
    assert (edge["role"], edge["address"], edge["availabilityZone"]) == ("edge", "10.0.1.2", "us-east-1a")
    assert (edge["launchConfig"], edge["capacity"]) == ("config", 20)
    assert rig.ok("GET", "nodegroup/group/node/relay") == []
    assert "no role" in rig.refused("GET", "nodegroup/group/node/mixer")


def test_one_node_by_its_address(rig: Rig) -> None:
    assert rig.ok("GET", "node/10.0.1.1")["group"] == "group"
    assert "not found" in rig.refused("GET", "node/10.9.9.9", status=404)


def test_the_load_of_a_node_and_of_a_group(rig: Rig) -> None:
    edge = rig.ok("GET", "node/10.0.1.2/stats")
    assert (edge["parents"], edge["totalConnections"]) == (["10.0.1.1"], 0)
    assert edge["lastPing"] == int(rig.clock.now() * 1000)
    assert rig.ok("GET", "node/10.0.1.1/stats")["parents"] == []
    summary = rig.ok("GET", "nodegroup/group/stats")["targetTypeLoadSummary"]
    assert [(each["type"], each["totalActiveNodeCount"], each["netConnectionCapacity"]) for each in summary] == [
        ("edge", 1, 20),
        ("origin", 1, 20),
    ]


def test_nodes_that_do_not_report_have_no_last_ping_and_no_capacity(rig: Rig) -> None:
    rig.ok("DELETE", "node/10.0.1.2")
    assert "lastPing" not in rig.ok("GET", "node/10.0.1.2/stats")
    edges = rig.ok("GET", "nodegroup/group/stats")["targetTypeLoadSummary"][0]
    assert (edges["totalActiveNodeCount"], edges["netConnectionCapacity"]) == (0, 0)


def test_origins_feed_edges(rig: Rig) -> None:
    (relation,) = rig.ok("GET", "nodegroup/group/node/relations")
    assert (relation["parent"]["role"], relation["child"]["role"], "link" in relation) == ("origin", "edge", False)
    (linked,) = rig.ok("GET", "nodegroup/group/node/relations", linkstate="true")
    assert linked["link"]["state"] == "established"
    rig.ok("DELETE", "node/10.0.1.2")
    states = [each["link"]["state"] for each in rig.ok("GET", "nodegroup/group/node/relations", linkstate="true")]
    assert states == ["disconnecting", "prospective"]


def test_a_removed_node_is_replaced(rig: Rig) -> None:
    assert rig.ok("DELETE", "node/10.0.1.2")["state"] == "terminating"
    rig.later(0)
    assert rig.states() == [("edge", "pending"), ("edge", "terminating"), ("origin", "inservice")]
    assert "pending" in rig.refused("DELETE", "node/10.0.1.3")
    rig.later(20)
    assert "i-node1" not in rig.world.machines


def test_by_force_only_the_row_goes_and_the_sweep_takes_the_instance(rig: Rig) -> None:
    rig.ok("DELETE", "node/10.0.1.2", force="true")
    rig.refused("GET", "node/10.0.1.2", status=404)
    assert "i-node1" in rig.world.machines
    rig.later(180)
    assert "i-node1" not in rig.world.machines


def test_alarms_are_set_for_each_role(rig: Rig) -> None:
    assert rig.ok("GET", "alarm/scaleout/default", type="edge")["threshold"] == 60
    assert rig.call("POST", "alarm/scaleout/default", type="edge", threshold="70")[0] == 200
    assert rig.ok("GET", "alarm/scaleout/default", type="edge")["threshold"] == 70
    assert rig.ok("GET", "alarm/scaleout/default", type="origin")["threshold"] == 60


@pytest.mark.parametrize("threshold", ["0", "101", "x"])
def test_thresholds_are_percent(rig: Rig, threshold: str) -> None:
    assert "threshold" in rig.refused("POST", "alarm/scaleout/default", type="edge", threshold=threshold)
    assert "type" in rig.refused("GET", "alarm/scaleout/default")


def test_nobody_registered_regions(rig: Rig) -> None:
    assert rig.ok("GET", "geoinfo/region") == []
