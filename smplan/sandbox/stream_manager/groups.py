"""The API's groups: ``/admin/nodegroup/...``. A new group has no nodes: its first origin is launched by a call."""

from __future__ import annotations

import math
import uuid
from typing import Any

from smplan.sandbox.stream_manager import payloads as forms
from smplan.sandbox.stream_manager import views as views
from smplan.sandbox.stream_manager.database import ROLES, Json, Node, NodeGroup
from smplan.sandbox.stream_manager.requests import ApiCall, route
from smplan.sandbox.stream_manager.responses import ApiError

_INFO = {"origin": ("minPublishers", "maxPublishers"), "edge": ("minSubscribers", "maxSubscribers")}


@route("POST", "nodegroup", status=201)
def create_group(call: ApiCall) -> Json:
    """G1. The launch configuration and the scale policy must be there."""
    given = call.json()
    regions = given.get("regions")
    if not isinstance(regions, list) or not regions or not all(isinstance(each, str) for each in regions):
        raise ApiError(400, "regions must name at least one region")
    for key, held in (("launchConfig", call.store.configs), ("scalePolicy", call.store.policies)):
        if given.get(key) not in held:
            raise ApiError(400, f"{key} {given.get(key)} does not exist")
    name = f"group-{uuid.uuid4()}"
    if given.get("name") is not None and call.behaviour.honours_names:
        name = forms.name(given)
    if name in call.store.groups:
        raise ApiError(400, f"the group {name} already exists")
    call.store.groups[name] = NodeGroup(
        id=next(call.store.ids),
        name=name,
        regions=tuple(regions),
        launch_config=given["launchConfig"],
        scale_policy=given["scalePolicy"],
        created_at=call.now,
        changed_at=call.now,
    )
    return views.group(call.store.groups[name])


@route("GET", "nodegroup")
def list_groups(call: ApiCall) -> list[Json]:
    """G2."""
    return [views.group(each) for each in call.store.groups.values() if _shows(call, each.created_at)]


@route("GET", "nodegroup/{group}")
def read_group(call: ApiCall) -> Json:
    """G3."""
    return views.group(_group(call))


@route("PUT", "nodegroup/{group}")
def resize_group(call: ApiCall) -> Json:
    """G4: writes new limits into the group's scale policy, by the capacity of its nodes."""
    group = _group(call)
    capacities = {
        each["role"]: max(1, each["connectionCapacity"])
        for each in call.store.configs[group.launch_config]["targets"]["target"]
    }
    wanted = {each["name"]: each.get("info") for each in _regions(call.json())}
    policy = call.store.policies[group.scale_policy]
    held = {each["name"]: each for each in policy["targets"]["region"]}
    if not set(wanted) <= set(held):
        raise ApiError(400, "a resize cannot add regions")
    if {target["role"] for region in held.values() for target in region["target"]} - set(_INFO):
        raise ApiError(400, "only groups of origins and edges can be resized")
    for name, info in wanted.items():
        held[name] = {**held[name], "target": [_resized(each, info, capacities) for each in held[name]["target"]]}
    call.store.policies[group.scale_policy] = {**policy, "targets": {"region": list(held.values())}}
    return views.group(group)


def _regions(given: Json) -> list[Any]:
    regions = given.get("region")
    if not isinstance(regions, list) or not all(isinstance(each, dict) and each.get("name") for each in regions):
        raise ApiError(400, "region is missing")
    return regions


def _resized(target: Json, info: Any, capacities: dict[str, int]) -> Json:
    if not isinstance(info, dict):
        raise ApiError(400, "info is missing")
    least, most = (
        max(1, math.ceil(forms.number(info, key) / capacities.get(target["role"], 1))) for key in _INFO[target["role"]]
    )
    if least > most:
        raise ApiError(400, f"the least number of {target['role']}s is more than the most")
    return {**target, "minLimit": least, "maxLimit": most}


@route("DELETE", "nodegroup/{group}")
def delete_group(call: ApiCall) -> Json:
    """G5: an empty group goes at once; else its nodes are terminated in the background, and then it goes."""
    group = _group(call)
    if group.state == "terminating":
        raise ApiError(400, f"the group {group.name} is terminating")
    shown = views.group(group)
    nodes = call.store.nodes_of(group.name)
    for node in nodes:
        call.fleet.end(node)
    if nodes:
        group.state = "terminating"
    else:
        del call.store.groups[group.name]
    return shown


@route("POST", "nodegroup/{group}/node/origin", status=201)
def launch_origin(call: ApiCall) -> Json:
    """G6: this starts a group, or adds an origin to it."""
    group = _group(call)
    if group.state == "terminating":
        raise ApiError(400, f"the group {group.name} is terminating")
    return views.launched(call.fleet.launch_origin(group))


@route("GET", "nodegroup/{group}/node")
def list_nodes(call: ApiCall) -> list[Json]:
    """G7."""
    return _shown(call, call.store.nodes_of(_group(call).name))


@route("GET", "nodegroup/{group}/stats")
def group_stats(call: ApiCall) -> Json:
    """G9."""
    return views.group_stats(call.store.nodes_of(_group(call).name))


@route("GET", "nodegroup/{group}/node/relations")
def list_relations(call: ApiCall) -> list[Json]:
    """G10: every origin feeds every edge."""
    group = _group(call).name
    link = call.query.get("linkstate") == "true"
    return [
        views.relation(parent, child, link=link, now=call.now)
        for parent in call.store.nodes_of(group, "origin")
        for child in call.store.nodes_of(group, "edge")
    ]


@route("GET", "nodegroup/{group}/node/{role}")
def list_nodes_of_role(call: ApiCall) -> list[Json]:
    """G8."""
    group, role = _group(call), call.names["role"]
    if role not in ROLES:
        raise ApiError(400, f"{role} is no role of a node")
    return _shown(call, call.store.nodes_of(group.name, role))


def _shown(call: ApiCall, nodes: list[Node]) -> list[Json]:
    return [views.node(each) for each in nodes if _shows(call, each.launched_at)]


def _shows(call: ApiCall, since: float) -> bool:
    return call.now >= since + call.behaviour.listing_seconds


def _group(call: ApiCall) -> NodeGroup:
    found = call.store.groups.get(call.names["group"])
    if found is None:
        raise ApiError(call.behaviour.missing_status, f"the group {call.names['group']} was not found")
    return found
