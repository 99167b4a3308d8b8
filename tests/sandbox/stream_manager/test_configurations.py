from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from smplan.sandbox.stream_manager.responses import (
    Behaviour,
)
from tests.sandbox.stream_manager.world import Rig, config, group_body, policy

POLICIES = "configurations/scalepolicy"
CONFIGS = "configurations/launchconfig"


def test_roles_come_back_in_order_and_texts_as_numbers() -> None:
    rig = Rig()
    body = policy(origin=("1", 2.0), edge=("0", "4"))
    made = rig.ok("POST", POLICIES, body)["policy"]
    assert made["targets"]["region"][0]["target"] == [
        {"role": "edge", "minLimit": 0, "maxLimit": 4, "scaleAdjustment": 1},
        {"role": "origin", "minLimit": 1, "maxLimit": 2, "scaleAdjustment": 1},
    ]
    assert made["type"].endswith("ScalePolicyMaster")
    assert rig.ok("GET", f"{POLICIES}/policy") == {"policy": made}


def test_optional_numbers_of_a_policy_are_kept() -> None:
    body = policy(origin=(1, 1))
    body["policy"]["targets"]["region"][0]["target"][0]["coolDownPeriod"] = "180000"
    made = Rig().ok("POST", POLICIES, body)["policy"]
    assert made["targets"]["region"][0]["target"][0]["coolDownPeriod"] == 180000


def test_capacities_come_back_as_numbers() -> None:
    made = Rig().ok("POST", CONFIGS, config())
    assert [(each["role"], each["connectionCapacity"]) for each in made["targets"]["target"]] == [
        ("edge", 20),
        ("origin", 20),
    ]


@pytest.mark.parametrize(("path", "body", "key"), [(POLICIES, policy(edge=(1, 1)), "policy"), (CONFIGS, config(), "")])
def test_made_listed_copied_changed_and_deleted(path: str, body: dict[str, Any], key: str) -> None:
    rig = Rig()
    assert rig.call("POST", path, body)[0] == 201
    inner = next(iter(body))
    name = body[inner]["name"]
    status, copy = rig.call("POST", f"{path}/{name}/copy/a%20copy")
    assert (status, (copy[key] if key else copy)["name"]) == (201, "a copy")
    assert rig.ok("GET", path) == sorted([name, "a copy"])
    changed = deepcopy(body)
    changed[inner]["description"] = "changed"
    assert rig.ok("PUT", f"{path}/{name}", changed)[inner]["description"] == "changed"
    assert rig.ok("GET", f"{path}/a%20copy")[inner]["description"] == ""
    assert rig.ok("DELETE", f"{path}/{name}")[inner]["name"] == name
    assert rig.ok("GET", path) == ["a copy"]


@pytest.mark.parametrize(("path", "body"), [(POLICIES, policy(edge=(1, 1))), (CONFIGS, config())])
def test_names_are_unique_and_stay(path: str, body: dict[str, Any]) -> None:
    rig = Rig()
    rig.ok("POST", path, body)
    name = next(iter(body.values()))["name"]
    assert "already exists" in rig.refused("POST", path, body)
    assert "already exists" in rig.refused("POST", f"{path}/{name}/copy/{name}")
    other = {key: {**value, "name": "other"} for key, value in body.items()}
    assert "cannot be changed" in rig.refused("PUT", f"{path}/{name}", other)


@pytest.mark.parametrize("path", [POLICIES, CONFIGS])
def test_what_is_not_there_is_404(path: str) -> None:
    rig = Rig()
    for method, below in (("GET", "gone"), ("DELETE", "gone"), ("POST", "gone/copy/new")):
        assert "not found" in rig.refused(method, f"{path}/{below}", status=404)
    body = policy("gone", edge=(1, 1)) if path == POLICIES else config("gone")
    assert "not found" in rig.refused("PUT", f"{path}/gone", body, status=404)


def test_what_a_group_uses_cannot_be_deleted() -> None:
    rig = Rig()
    rig.group()
    for path in (f"{POLICIES}/policy", f"{CONFIGS}/config"):
        assert "in use" in rig.refused("DELETE", path)
    rig.ok("DELETE", "nodegroup/group")
    rig.ok("DELETE", f"{POLICIES}/policy")
    rig.ok("DELETE", f"{CONFIGS}/config")


def test_only_the_policies_and_configs_in_use_are_protected() -> None:
    rig = Rig()
    rig.group()
    rig.ok("POST", f"{POLICIES}/policy/copy/free")
    rig.ok("DELETE", f"{POLICIES}/free")


@pytest.mark.parametrize("posted", [True, False])
@pytest.mark.parametrize("read", [True, False])
def test_launch_configurations_come_wrapped_or_bare(posted: bool, read: bool) -> None:
    rig = Rig(Behaviour(wraps_posted_config=posted, wraps_config=read))
    assert ("launchconfig" in rig.ok("POST", CONFIGS, config())) is posted
    assert ("launchconfig" in rig.ok("GET", f"{CONFIGS}/config")) is read


@pytest.mark.parametrize(("api", "kept"), [("4.0", True), ("3.1", False)])
def test_images_of_roles_came_with_4_0(api: str, kept: bool) -> None:
    body = config()
    body["launchconfig"]["targets"]["target"][0]["image"] = "origin-image"
    made = Rig().ok("POST", CONFIGS, body, api=api)
    assert ("image" in made["targets"]["target"][1]) is kept


def regions(*named: dict[str, Any]) -> dict[str, Any]:
    return {"policy": {"name": "p", "targets": {"region": list(named)}}}


ONE = {"role": "edge", "minLimit": 1, "maxLimit": 1, "scaleAdjustment": 1}


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({}, "policy is missing"),
        ({"policy": {"name": "p"}}, "targets is missing"),
        ({"policy": {"name": "p", "targets": {"target": [ONE]}}}, "region is missing"),
        (regions({"name": "us-east-1", "target": [ONE]}), "default"),
        (regions({"name": "default", "target": []}), "target is missing"),
        (policy(edge=(2, 1)), "more than maxLimit"),
        (policy(edge=(-1, 1)), "whole number"),
        (policy(edge=(0.5, 1)), "whole number"),
        (policy(edge=("x", 1)), "must be a number"),
        (policy(edge=(None, 1)), "must be a number"),
        (policy(mixer=(1, 1)), "role must be one of"),
        (regions({"name": "default", "target": [ONE, ONE]}), "twice"),
        (policy("", edge=(1, 1)), "1 to 254"),
        (policy("x" * 255, edge=(1, 1)), "1 to 254"),
    ],
)
def test_policies_that_are_none(body: dict[str, Any], told: str) -> None:
    assert told in Rig().refused("POST", POLICIES, body)


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({}, "launchconfig is missing"),
        (config(image=""), "image is missing"),
        (config(properties={}), "property is missing"),
        (config(metadata=None), "metadata is missing"),
        (config(targets={"target": [{"role": "edge", "connectionCapacity": 1}]}), "instanceType"),
        (config(targets={"target": [{"role": "edge", "instanceType": "c5.large"}]}), "connectionCapacity"),
        (config(description="x" * 65_536), "65535 characters"),
    ],
)
def test_launch_configurations_that_are_none(body: dict[str, Any], told: str) -> None:
    assert told in Rig().refused("POST", CONFIGS, body)


def test_a_group_cannot_use_a_policy_that_was_deleted() -> None:
    rig = Rig()
    rig.group()
    assert "does not exist" in rig.refused("POST", "nodegroup", group_body("other", scalePolicy="gone"))
    assert "does not exist" in rig.refused("POST", "nodegroup", group_body("other", launchConfig=None))
