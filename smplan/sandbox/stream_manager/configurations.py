"""The API's scale policies and launch configurations: ``/admin/configurations/...``."""

from __future__ import annotations

from smplan.sandbox.stream_manager import payloads as forms
from smplan.sandbox.stream_manager.database import Json
from smplan.sandbox.stream_manager.requests import ApiCall, route
from smplan.sandbox.stream_manager.responses import ApiError

POLICIES = "configurations/scalepolicy"
CONFIGS = "configurations/launchconfig"


@route("POST", POLICIES, status=201)
def create_policy(call: ApiCall) -> Json:
    """P1."""
    return {"policy": _add(call.store.policies, forms.policy(call.json()))}


@route("GET", POLICIES)
def list_policies(call: ApiCall) -> list[str]:
    """P2: names only."""
    return sorted(call.store.policies)


@route("GET", POLICIES + "/{name}")
def read_policy(call: ApiCall) -> Json:
    """P3."""
    return {"policy": _found(call, call.store.policies)}


@route("PUT", POLICIES + "/{name}")
def change_policy(call: ApiCall) -> Json:
    """P4. While a group uses it, only its limits may change (Update Scale Policy); that it is refused is our model."""
    made, held = forms.policy(call.json()), _found(call, call.store.policies)
    used = any(group.scale_policy == held["name"] for group in call.store.groups.values())
    if used and _without_limits(made) != _without_limits(held):
        raise ApiError(400, f"{held['name']} is in use: only its limits can be changed")
    return {"policy": _replace(call, call.store.policies, made)}


@route("DELETE", POLICIES + "/{name}")
def delete_policy(call: ApiCall) -> Json:
    """P5. Refused while a group uses it."""
    return {"policy": _remove(call, call.store.policies)}


@route("POST", POLICIES + "/{name}/copy/{new}", status=201)
def copy_policy(call: ApiCall) -> Json:
    """P6."""
    return {"policy": _add(call.store.policies, {**_found(call, call.store.policies), "name": call.names["new"]})}


@route("POST", CONFIGS, status=201)
def create_config(call: ApiCall) -> Json:
    """L1."""
    return _wrapped(
        _add(call.store.configs, forms.config(call.json(), call.version)), call.behaviour.wraps_posted_config
    )


@route("GET", CONFIGS)
def list_configs(call: ApiCall) -> list[str]:
    """L2: names only."""
    return sorted(call.store.configs)


@route("GET", CONFIGS + "/{name}")
def read_config(call: ApiCall) -> Json:
    """L3."""
    return _wrapped(_found(call, call.store.configs), call.behaviour.wraps_config)


@route("PUT", CONFIGS + "/{name}")
def change_config(call: ApiCall) -> Json:
    """L4."""
    changed = _replace(call, call.store.configs, forms.config(call.json(), call.version))
    return _wrapped(changed, call.behaviour.wraps_config)


@route("DELETE", CONFIGS + "/{name}")
def delete_config(call: ApiCall) -> Json:
    """L5. Refused while a group uses it."""
    return _wrapped(_remove(call, call.store.configs), call.behaviour.wraps_config)


@route("POST", CONFIGS + "/{name}/copy/{new}", status=201)
def copy_config(call: ApiCall) -> Json:
    """L6."""
    made = _add(call.store.configs, {**_found(call, call.store.configs), "name": call.names["new"]})
    return _wrapped(made, call.behaviour.wraps_posted_config)


def _wrapped(config: Json, wraps: bool) -> Json:
    return {"launchconfig": config} if wraps else config


def _add(held: dict[str, Json], made: Json) -> Json:
    if made["name"] in held:
        raise ApiError(400, f"{made['name']} already exists")
    held[made["name"]] = made
    return made


def _found(call: ApiCall, held: dict[str, Json]) -> Json:
    if call.names["name"] not in held:
        raise ApiError(call.behaviour.missing_status, f"{call.names['name']} was not found")
    return held[call.names["name"]]


def _replace(call: ApiCall, held: dict[str, Json], made: Json) -> Json:
    _found(call, held)
    if made["name"] != call.names["name"]:
        raise ApiError(400, "a name cannot be changed")
    held[made["name"]] = made
    return made


def _without_limits(policy: Json) -> Json:
    limits = ("minLimit", "maxLimit")
    regions = {
        region["name"]: [
            {key: value for key, value in target.items() if key not in limits} for target in region["target"]
        ]
        for region in policy["targets"]["region"]
    }
    return {**policy, "targets": regions}


def _remove(call: ApiCall, held: dict[str, Json]) -> Json:
    found = _found(call, held)
    for group in call.store.groups.values():
        used = group.scale_policy if held is call.store.policies else group.launch_config
        if used == found["name"]:
            raise ApiError(400, f"{found['name']} is in use by the group {group.name}")
    return held.pop(found["name"])
