"""Kinds behind a Stream Manager: responses that the simulated one never sends, and refused specs."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from smplan.core.values import Ref
from smplan.drivers.context import Context
from smplan.drivers.red5 import _minimums as minimums
from smplan.drivers.red5.launch_config import LaunchConfig, LaunchConfigSpec
from smplan.drivers.red5.nodegroup import NodeGroup, NodeGroupSpec
from smplan.drivers.red5.scale_policy import ScalePolicy, ScalePolicySpec
from smplan.errors import Conflict, NotFound

ORIGIN = {"role": "origin", "minLimit": "1", "maxLimit": "2.0"}
SPEC = NodeGroupSpec(name="group", regions=["us-east-1"], launch_config="nodes", scale_policy="policy")
CONFIG = {"name": "nodes", "image": "image", "targets": {"target": []}}
NOTHING: Any = None
"""What these kinds never look at: AWS, and a claim, for they cannot be tagged."""
TARGET = {"role": "edge", "instanceType": "c5.large", "connectionCapacity": "200.0", "image": ""}


class Answers:
    """A Stream Manager that gives what a test says; what is missing is not found."""

    def __init__(self, **answers: Any) -> None:
        self.answers = answers
        self.put: list[Any] = []

    def _told(self, what: str, name: str) -> Any:
        try:
            return self.answers[what][name]
        except KeyError:
            raise NotFound(f"{name} was not found") from None

    def scale_policies(self) -> list[str]:
        return ["policy"]

    def scale_policy(self, name: str) -> Any:
        return self._told("policies", name)

    def launch_configs(self) -> list[str]:
        return ["nodes"]

    def launch_config(self, name: str) -> Any:
        return self._told("configs", name)

    def groups(self) -> Any:
        return self.answers.get("groups", [])

    def nodes(self, name: str) -> Any:
        return self._told("nodes", name)

    def create_group(self, body: Any) -> Any:
        return self.answers["created"]

    def put_launch_config(self, body: Any, *, new: bool) -> None:
        self.put.append((new, body))


def context(**answers: Any) -> Context:
    api: Any = Answers(**answers)
    return Context(NOTHING, lambda: api)


def policy(*targets: Any, **changes: Any) -> dict[str, Any]:
    regions = [{"name": "default", "target": list(targets)}]
    return {"name": "policy", "targets": {"region": regions}, **changes}


def test_numbers_may_come_as_text_and_a_description_as_null() -> None:
    found = ScalePolicy(context(policies={"policy": policy(ORIGIN, description=None)})).read_many(["policy"])
    assert found["policy"].spec == ScalePolicySpec.model_validate(
        {"name": "policy", "targets": [{"role": "origin", "min_limit": 1, "max_limit": 2}]}
    )
    config = {**CONFIG, "targets": {"target": [TARGET]}, "properties": None}
    spec = LaunchConfig(context(configs={"nodes": config})).read_many(["nodes"])["nodes"].spec
    assert (spec.targets[0].connection_capacity, spec.targets[0].image) == (200, None)
    assert (spec.properties, spec.metadata) == ({}, {})


def test_what_goes_between_the_list_and_the_reading_is_absent() -> None:
    assert ScalePolicy(context()).read_many(["policy"]) == {}
    assert LaunchConfig(context()).read_many(["nodes"]) == {}
    gone = context(groups=[{"name": "group", "regions": ["us-east-1"]}])
    assert NodeGroup(gone).read_many(["group"]) == {}
    assert NodeGroup(gone).find(SPEC) is None


@pytest.mark.parametrize(
    "odd",
    [
        policy(),
        {"name": "policy", "minLimit": 1, "maxLimit": 2},
        policy({"role": "captain", "minLimit": 1, "maxLimit": 2}),
        policy({"minLimit": 1}),
        policy({**ORIGIN, "minLimit": "many"}),
        policy("origin"),
        {**policy(ORIGIN), "targets": {"region": [{"name": "us-east-1", "target": [ORIGIN]}]}},
    ],
    ids=["empty", "older", "role", "no role", "number", "text", "no default"],
)
def test_a_policy_of_another_form_is_a_conflict(odd: dict[str, Any]) -> None:
    with pytest.raises(Conflict, match=r"the scale policy policy does not have the form of version 0\.0\.3") as caught:
        ScalePolicy(context(policies={"policy": odd})).read_many(["policy"])
    assert "delete it" in caught.value.hint


@pytest.mark.parametrize(
    "odd",
    [
        CONFIG,
        {"name": "nodes", "targets": {"target": [TARGET]}},
        {**CONFIG, "targets": {"target": [{"role": "edge"}]}},
        {**CONFIG, "targets": {"target": [{**TARGET, "connectionCapacity": None}]}},
    ],
    ids=["no target", "no image", "no type", "no capacity"],
)
def test_a_launch_configuration_of_another_form_is_a_conflict(odd: dict[str, Any]) -> None:
    with pytest.raises(Conflict, match="the launch configuration nodes does not have the form"):
        LaunchConfig(context(configs={"nodes": odd})).find(LaunchConfigSpec.model_validate(config_text("nodes")))


def config_text(name: str, *roles: str) -> dict[str, Any]:
    targets = [{"role": role, "instance_type": "c5.large", "connection_capacity": 1} for role in roles or ("origin",)]
    return {"name": name, "image": "image", "targets": targets}


def policy_text(*targets: tuple[str, str, int, int]) -> dict[str, Any]:
    keys = ("region", "role", "min_limit", "max_limit")
    return {"name": "policy", "targets": [dict(zip(keys, each, strict=True)) for each in targets]}


@pytest.mark.parametrize(
    ("targets", "told"),
    [
        ([("default", "origin", 3, 2)], "`min_limit` 3 is above `max_limit` 2"),
        ([("us-east-1", "origin", 1, 2)], "needs the region `default`"),
        ([("default", "edge", 1, 2), ("default", "edge", 1, 3)], "a role twice in one region"),
    ],
)
def test_a_policy_that_the_server_would_refuse_is_refused_before(targets: Any, told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        ScalePolicySpec.model_validate(policy_text(*targets))


def test_a_role_may_be_in_several_regions() -> None:
    both = policy_text(("default", "edge", 1, 2), ("us-west-2", "edge", 0, 0))
    assert len(ScalePolicySpec.model_validate(both).targets) == 2


def test_a_role_that_is_launched_twice_is_refused() -> None:
    text = config_text("nodes", "edge", "edge")
    text["targets"][1]["connection_capacity"] = 2
    with pytest.raises(ValidationError, match="names a role twice"):
        LaunchConfigSpec.model_validate(text)


def test_what_is_not_known_yet_is_not_judged() -> None:
    later = Ref("var", None, ("later",))
    text = policy_text(("us-east-1", "origin", 1, 2))
    assert not ScalePolicySpec.model_validate({**text, "targets": later}).known("targets")
    for changes in ({"region": later}, {"region": "default", "min_limit": later}):
        unclear = {**text, "targets": [{**text["targets"][0], **changes}]}
        assert len(ScalePolicySpec.model_validate(unclear).targets) == 1
    assert not LaunchConfigSpec.model_validate({**config_text("nodes"), "targets": later}).known("targets")


def test_properties_and_metadata_are_sent_though_there_is_nothing_to_say() -> None:
    api: Any = Answers()
    driver = LaunchConfig(Context(NOTHING, lambda: api))
    driver.create(LaunchConfigSpec.model_validate(config_text("nodes")), NOTHING)
    ((new, body),) = api.put
    assert new is True
    assert body["properties"] == {"property": [{"name": "property-name", "value": "property-value"}]}
    assert body["metadata"] == {"meta": [{"key": "property-name", "value": "property-value"}]}


def test_a_group_that_the_server_does_not_name_has_the_name_that_was_asked_for() -> None:
    assert NodeGroup(context(created={})).create(SPEC, NOTHING) == "group"
    assert NodeGroup(context(created={"name": "group-1", "id": 7})).create(SPEC, NOTHING) == "group-1#7"


@pytest.mark.parametrize("regions", [{"regions": ["us-east-1"]}, {"region": "us-east-1"}, {"region": ["us-east-1"]}])
def test_regions_are_read_in_each_of_their_spellings(regions: dict[str, Any]) -> None:
    group = {"name": "group", "launchConfig": "nodes", "scalePolicy": "policy", "state": "ACTIVE", **regions}
    live = NodeGroup(context(groups=[group], nodes={"group": [{"state": "INSERVICE"}, {}]})).find(SPEC)
    assert live is not None
    assert live.spec == SPEC
    assert live.outputs == {"group": "group", "state": "active", "nodes_in_service": 1}


def test_a_group_without_a_region_is_a_conflict() -> None:
    with pytest.raises(Conflict, match="the node group group names no region"):
        NodeGroup(context(groups=[{"name": "group"}], nodes={"group": []})).read_many(["group"])


def test_a_group_with_unknown_settings_can_be_read() -> None:
    groups = [{"name": "group", "regions": ["us-east-1"]}]
    found = NodeGroup(context(groups=groups, nodes={"group": []})).read_many(["group"])["group"]
    assert (found.spec.launch_config, found.spec.scale_policy, found.outputs["state"]) == ("", "", "")


def test_each_region_has_the_minimums_of_its_own_entry_else_those_of_default() -> None:
    targets = {"default": (1, 2), "us-west-2": (3, 0)}
    regions = [
        {"name": name, "target": [{"role": "origin", "minLimit": origins}, {"role": "edge", "minLimit": str(edges)}]}
        for name, (origins, edges) in targets.items()
    ]
    found = {"targets": {"region": regions}}
    east, west = "us-east-1", "us-west-2"
    assert minimums.wanted(found, [east]) == {("origin", east): 1, ("edge", east): 2}
    assert minimums.wanted(found, [west]) == {("origin", west): 3, ("edge", west): 0}
    assert sum(minimums.wanted(found, [east, west]).values()) == 6
    assert minimums.wanted({}, [east]) == {}


def node(role: str, zone: str = "us-east-1a", state: str = "INSERVICE") -> dict[str, str]:
    return {"role": role, "availabilityZone": zone, "state": state}


def test_nodes_count_in_their_own_region_only() -> None:
    both = ["us-east-1", "us-west-2"]
    least = policy({**ORIGIN, "minLimit": 0}, {"role": "edge", "minLimit": 1, "maxLimit": 2})
    counted = minimums.count(least, both, [node("origin"), node("edge"), node("edge"), node("relay", state="pending")])
    assert not counted.complete
    assert "edge in us-west-2 0 of 1, edge in us-east-1 2 of 1" in counted.status
    assert counted.status.endswith("in service; 1 pending")
    assert counted.fraction == 0.5
    assert minimums.count(least, both, [node("origin"), node("edge"), node("edge", "us-west-2b")]).complete


def test_an_origin_there_must_be_whatever_the_policy_says() -> None:
    none = minimums.count({}, ["us-east-1"], [node("edge")])
    assert (none.complete, none.fraction, none.status) == (False, 0.0, "no origin yet")
    assert minimums.count({}, ["us-east-1"], [node("origin", "")]).complete


def test_wait_ready_ends_at_once_when_all_are_in_service() -> None:
    serving = [{"role": "origin", "state": "INSERVICE"}]
    driver = NodeGroup(context(policies={"policy": policy(ORIGIN)}, nodes={"group": serving}))
    assert list(driver.wait_ready("group", SPEC)) == []


def test_a_put_keeps_the_members_of_a_launch_configuration_that_no_field_names() -> None:
    target = {**TARGET, "volumeSize": 20, "image": "edge-image"}
    now = {**CONFIG, "audience": "live", "targets": {"order": "any", "target": [target]}, "properties": {}}
    answers = Answers(configs={"nodes": now})
    stream_manager: Any = answers
    driver = LaunchConfig(Context(NOTHING, lambda: stream_manager))
    live = driver.read_many(["nodes"])["nodes"]
    driver.update(live, live.spec)
    driver.update(live, live.spec.model_copy(update={"description": "after"}))
    assert answers.put == [(False, {**now, "description": "after"})]
