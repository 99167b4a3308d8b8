"""Scale policies and launch configurations as they come in: checked, numbers made numbers, roles put in order."""

from __future__ import annotations

import json
from typing import Any

from smplan.sandbox.stream_manager.database import ROLES, Json
from smplan.sandbox.stream_manager.responses import ApiError

NAME_LIMIT = 254
TEXT_LIMIT = 65_535
POLICY_TYPE = "com.red5pro.services.autoscaling.model.ScalePolicyMaster"
_NUMBERS = ("estimatedWarmUpTime", "coolDownPeriod", "scaleInWaitTime", "scaleOutWaitTime")


def policy(data: Json) -> Json:
    """A scale policy of version 0.0.3, unwrapped. Refused if it is none."""
    given = _object(data.get("policy"), "policy")
    regions = [_region(_object(each, "region")) for each in _list(_object(given.get("targets"), "targets"), "region")]
    if "default" not in {each["name"] for each in regions}:
        raise ApiError(400, "the scale policy needs a region named default")
    return {
        "name": name(given),
        "description": str(given.get("description") or ""),
        "type": str(given.get("type") or POLICY_TYPE),
        "version": str(given.get("version") or "0.0.3"),
        "targets": {"region": regions},
    }


def _region(given: Json) -> Json:
    targets = [_limits(_object(each, "target")) for each in _list(given, "target")]
    return {"name": name(given), "target": _ordered(targets)}


def _limits(given: Json) -> Json:
    least, most = number(given, "minLimit"), number(given, "maxLimit")
    if least > most:
        raise ApiError(400, f"minLimit {least} is more than maxLimit {most}")
    others = {key: number(given, key) for key in _NUMBERS if given.get(key) is not None}
    adjustment = number(given, "scaleAdjustment")  # no effect, and not optional (Scale Policy Management)
    return {"role": _role(given), "minLimit": least, "maxLimit": most, "scaleAdjustment": adjustment, **others}


def config(data: Json, version: str) -> Json:
    """A launch configuration, unwrapped. Refused if it is none. Images of roles came with API 4.0."""
    if len(json.dumps(data)) > TEXT_LIMIT:
        raise ApiError(400, f"the launch configuration is longer than {TEXT_LIMIT} characters")
    given = _object(data.get("launchconfig"), "launchconfig")
    targets = [
        _target(_object(each, "target"), version) for each in _list(_object(given.get("targets"), "targets"), "target")
    ]
    if not isinstance(given.get("image"), str) or not given["image"]:
        raise ApiError(400, "image is missing")
    return {
        "name": name(given),
        "description": str(given.get("description") or ""),
        "image": given["image"],
        "version": str(given.get("version") or "0.0.3"),
        "targets": {"target": _ordered(targets)},
        "properties": {"property": _list(_object(given.get("properties"), "properties"), "property")},
        "metadata": {"meta": _list(_object(given.get("metadata"), "metadata"), "meta")},
    }


def _target(given: Json, version: str) -> Json:
    if not isinstance(given.get("instanceType"), str):
        raise ApiError(400, "instanceType is missing")
    image = {"image": given["image"]} if version == "4.0" and given.get("image") else {}
    capacity = number(given, "connectionCapacity")
    return {"role": _role(given), "instanceType": given["instanceType"], "connectionCapacity": capacity, **image}


def name(given: Json) -> str:
    """The object's name. Refused if it has none that a column of the database takes."""
    found = given.get("name")
    if not isinstance(found, str) or not 0 < len(found) <= NAME_LIMIT:
        raise ApiError(400, f"name must have 1 to {NAME_LIMIT} characters")
    return found


def number(given: Json, key: str) -> int:
    """A number of at least 0, which may come as text or with a fraction of nothing. Refused otherwise."""
    try:
        found = float(given[key])
    except (KeyError, TypeError, ValueError):
        raise ApiError(400, f"{key} must be a number") from None
    if found < 0 or not found.is_integer():
        raise ApiError(400, f"{key} must be a whole number of at least 0")
    return int(found)


def _role(given: Json) -> str:
    found = given.get("role")
    if found not in ROLES:
        raise ApiError(400, f"role must be one of {', '.join(ROLES)}")
    return str(found)


def _ordered(targets: list[Json]) -> list[Json]:
    roles = [each["role"] for each in targets]
    if len(set(roles)) < len(roles):
        raise ApiError(400, "a role is listed twice")
    return sorted(targets, key=lambda each: str(each["role"]))


def _object(data: Any, what: str) -> Json:
    if not isinstance(data, dict):
        raise ApiError(400, f"{what} is missing")
    return data


def _list(data: Json, key: str) -> list[Any]:
    found = data.get(key)
    if not isinstance(found, list) or not found:
        raise ApiError(400, f"{key} is missing")
    return found
