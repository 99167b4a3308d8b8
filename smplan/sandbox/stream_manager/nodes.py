"""The API's single nodes, alarms, regions, and the sign that the web app is up: the rest of ``/admin/...``."""

from __future__ import annotations

from smplan.sandbox.stream_manager import payloads as forms
from smplan.sandbox.stream_manager import views as views
from smplan.sandbox.stream_manager.database import ROLES, Json, Node
from smplan.sandbox.stream_manager.requests import ApiCall, route
from smplan.sandbox.stream_manager.responses import ApiError


@route("GET", "debug/cloudcontroller")
def cloud_controller(call: ApiCall) -> str:
    """D1: which cloud it manages."""
    return call.behaviour.cloud


@route("GET", "node/{address}")
def read_node(call: ApiCall) -> Json:
    """N1."""
    node = _node(call)
    return {**views.node(node), "group": node.group}


@route("GET", "node/{address}/stats")
def node_stats(call: ApiCall) -> Json:
    """N2."""
    node = _node(call)
    parents = call.store.nodes_of(node.group, "origin") if node.role == "edge" else []
    return views.node_stats(node, parents, call.now)


@route("DELETE", "node/{address}")
def delete_node(call: ApiCall) -> Json:
    """N3: only from ``inservice``; by force only its row goes, and the sweep terminates the instance."""
    node = _node(call)
    if call.query.get("force") == "true":
        call.fleet.drop(node)
    elif node.state == "inservice":
        call.fleet.end(node)
    else:
        raise ApiError(400, f"the node is {node.state}: only nodes in service can be removed")
    return {**views.node(node), "group": node.group}


def _node(call: ApiCall) -> Node:
    address = call.names["address"]
    found = next((each for each in call.store.nodes.values() if each.address == address), None)
    if found is None:
        raise ApiError(call.behaviour.missing_status, f"the node {address} was not found")
    return found


@route("GET", "alarm/scaleout/default")
def read_alarm(call: ApiCall) -> Json:
    """A1."""
    return _alarm(call, _type(call))


@route("POST", "alarm/scaleout/default")
def change_alarm(call: ApiCall) -> Json:
    """A2: for a role, in all groups."""
    role, threshold = _type(call), forms.number(dict(call.query), "threshold")
    if not 1 <= threshold <= 100:
        raise ApiError(400, "threshold must be 1 to 100")
    call.store.thresholds[role] = threshold
    return _alarm(call, role)


def _type(call: ApiCall) -> str:
    role = call.query.get("type", "")
    if role not in ROLES:
        raise ApiError(400, f"type must be one of {', '.join(ROLES)}")
    return role


def _alarm(call: ApiCall, role: str) -> Json:
    return {
        "id": ROLES.index(role) + 1,
        "type": "SCALEOUTALARM",
        "metric": "CONNECTIONS",
        "unit": "PERCENTAGE",
        "threshold": call.store.thresholds[role],
        "comparator": "GREATERTHAN",
        "targetType": "GROUP",
    }


@route("GET", "geoinfo/region")
def list_regions(_: ApiCall) -> list[Json]:
    """R1: regions that an administrator registered: none."""
    return []
