"""Groups and nodes as the API shows them."""

from __future__ import annotations

from smplan.sandbox.stream_manager.database import Json, Node, NodeGroup
from smplan.sandbox.stream_manager.responses import milliseconds


def group(each: NodeGroup) -> Json:
    """A group; ``originConnections`` is reserved and always 0."""
    return {
        "id": each.id,
        "name": each.name,
        "originConnections": 0,
        "regions": list(each.regions),
        "launchConfig": each.launch_config,
        "scalePolicy": each.scale_policy,
        "state": each.state,
        "timestamp": milliseconds(each.changed_at),
    }


def node(each: Node) -> Json:
    """A node in a list."""
    return {
        "identifier": each.identifier,
        "role": each.role,
        "availabilityZone": each.zone,
        "address": each.address,
        "state": each.state,
        "launchConfig": each.launch_config,
        "capacity": each.capacity,
    }


def launched(each: Node) -> Json:
    """The response to the launch of an origin once EC2 has accepted it."""
    return {
        "id": each.id,
        "identifier": each.identifier,
        "availabilityZone": each.zone,
        "role": each.role,
        "group": each.group,
        "requestTime": milliseconds(each.launched_at),
    }


def node_stats(each: Node, parents: list[Node], now: float) -> Json:
    """A node with its load; no client connects in the sandbox."""
    ping = {"lastPing": milliseconds(now)} if each.state == "inservice" else {}
    return {
        **node(each),
        "group": each.group,
        "totalConnections": 0,
        "parents": [parent.address for parent in parents],
        "lastTrafficTime": 0,
        **ping,
    }


def group_stats(nodes: list[Node]) -> Json:
    """The load of each role."""
    summary = []
    for role in sorted({each.role for each in nodes}):
        alike = [each for each in nodes if each.role == role]
        active = [each for each in alike if each.state == "inservice"]
        summary.append(
            {
                "type": role,
                "totalNodeCount": len(alike),
                "totalActiveNodeCount": len(active),
                "netConnectionCapacity": sum(each.capacity for each in active),
                "netConnectionLoad": 0,
            }
        )
    return {"totalConnections": 0, "targetTypeLoadSummary": summary}


def relation(parent: Node, child: Node, *, link: bool, now: float) -> Json:
    """Which node feeds which; with ``link``, whether they have connected."""
    shown: Json = {"parent": _related(parent), "child": _related(child)}
    if link:
        states = {parent.state, child.state}
        state = "established" if states == {"inservice"} else "prospective"
        shown["link"] = {
            "state": "disconnecting" if "terminating" in states else state,
            "stateUpdated": milliseconds(now),
        }
    return shown


def _related(each: Node) -> Json:
    return {
        "address": each.address,
        "state": each.state,
        "role": each.role,
        "availabilityZone": each.zone,
        "identifier": each.identifier,
        "launchTime": milliseconds(each.launched_at),
    }
