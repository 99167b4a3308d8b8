"""Lookups: one match, no match, several matches."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from smplan.drivers import registry
from smplan.drivers.aws.client import Aws
from smplan.drivers.base import Lookup
from smplan.errors import Conflict, Invalid, NotFound
from smplan.sandbox.sandbox import Sandbox
from tests.drivers.conformance import Script, context

MINE = [
    "aws.ec2.vpc",
    "aws.ec2.subnets",
    "aws.ec2.security_group",
    "aws.ec2.instance",
    "aws.ec2.image",
    "aws.rds.instance",
]


def lookup(kind: str, aws: Aws) -> Lookup:
    found = registry.lookup(kind)
    assert found is not None
    return found(context(aws))


def look(kind: str, aws: Aws, where: dict[str, Any]) -> dict[str, Any]:
    return lookup(kind, aws).read(where)


@pytest.fixture
def crowded(box: Sandbox, aws: Aws) -> Iterator[str]:
    """A second subnet in the first zone of the sandbox's VPC."""
    made = aws.write.ec2.create_subnet(
        VpcId=box.facts.vpc_id,
        CidrBlock="10.0.240.0/24",
        AvailabilityZone=box.facts.zones[0],
        TagSpecifications=[{"ResourceType": "subnet", "Tags": [{"Key": "Name", "Value": "red5pro-crowded"}]}],
    )["Subnet"]["SubnetId"]
    yield made
    aws.write.ec2.delete_subnet(SubnetId=made)


@pytest.mark.parametrize(
    ("kind", "where", "fact"),
    [
        ("aws.ec2.vpc", {"tag:Name": "red5pro"}, "vpc_id"),
        ("aws.ec2.security_group", {"name": "red5pro-database"}, "database_security_group_id"),
        ("aws.ec2.instance", {"tag:Name": "red5pro-stream-manager"}, "instance_id"),
        ("aws.ec2.image", {"name": "red5pro-node"}, "node_image_id"),
        ("aws.rds.instance", {"identifier": "red5pro"}, "database_identifier"),
    ],
)
def test_the_guides_prerequisites_are_found_by_name(
    box: Sandbox, aws: Aws, kind: str, where: dict[str, Any], fact: str
) -> None:
    found = look(kind, aws, where)
    assert found["id"] == getattr(box.facts, fact)
    assert set(found) == set(lookup(kind, aws).outputs)


@pytest.mark.parametrize(
    ("kind", "fact"),
    [
        ("aws.ec2.vpc", "vpc_id"),
        ("aws.ec2.security_group", "database_security_group_id"),
        ("aws.ec2.instance", "instance_id"),
        ("aws.ec2.image", "node_image_id"),
    ],
)
def test_what_exists_is_found_by_id(box: Sandbox, aws: Aws, kind: str, fact: str) -> None:
    wanted = getattr(box.facts, fact)
    assert look(kind, aws, {"id": wanted})["id"] == wanted


def test_subnets_come_in_the_order_of_their_zones(box: Sandbox, aws: Aws) -> None:
    found = look("aws.ec2.subnets", aws, {"vpc_id": box.facts.vpc_id, "tag:Name": "red5pro-?", "one_per_zone": True})
    assert found["zones"] == sorted(box.facts.zones)
    by_zone = dict(zip(box.facts.zones, box.facts.subnet_ids, strict=True))
    assert found["ids"] == [by_zone[zone] for zone in found["zones"]]
    assert found["id"] == ",".join(found["ids"])
    assert found["vpc_id"] == box.facts.vpc_id


def test_subnets_can_be_narrowed_to_zones(box: Sandbox, aws: Aws) -> None:
    where = {"vpc_id": box.facts.vpc_id, "tag:Name": "red5pro-?", "zone": list(box.facts.zones[:2])}
    assert look("aws.ec2.subnets", aws, where)["zones"] == list(box.facts.zones[:2])


def test_two_subnets_of_one_zone_are_refused_only_on_request(box: Sandbox, aws: Aws, crowded: str) -> None:
    where = {"vpc_id": box.facts.vpc_id, "tag:Name": "red5pro-*"}
    assert crowded in look("aws.ec2.subnets", aws, where)["ids"]
    with pytest.raises(Conflict, match=crowded):
        look("aws.ec2.subnets", aws, {**where, "one_per_zone": True})


def test_subnets_of_several_vpcs_are_refused(box: Sandbox, aws: Aws) -> None:
    vpc = aws.write.ec2.create_vpc(CidrBlock="10.78.0.0/16")["Vpc"]["VpcId"]
    subnet = aws.write.ec2.create_subnet(VpcId=vpc, CidrBlock="10.78.1.0/24")["Subnet"]["SubnetId"]
    with pytest.raises(Conflict, match="several VPCs"):
        look("aws.ec2.subnets", aws, {"id": [subnet, box.facts.subnet_ids[0]]})
    aws.write.ec2.delete_subnet(SubnetId=subnet)
    aws.write.ec2.delete_vpc(VpcId=vpc)


@pytest.mark.parametrize(
    ("kind", "where", "near"),
    [
        ("aws.ec2.vpc", {"tag:Name": "red5por"}, "red5pro"),
        ("aws.ec2.subnets", {"tag:Name": "red5pro_a"}, "red5pro-a"),
        ("aws.ec2.security_group", {"name": "red5pro-databse"}, "red5pro-database"),
        ("aws.ec2.instance", {"tag:Name": "red5pro-stream-manger"}, "red5pro-stream-manager"),
        ("aws.ec2.image", {"name": "red5pro-nodes"}, "red5pro-node"),
        ("aws.rds.instance", {"identifier": "red5"}, "red5pro"),
    ],
)
def test_without_a_match_the_error_names_criteria_and_existing_resources(
    box: Sandbox, aws: Aws, kind: str, where: dict[str, Any], near: str
) -> None:
    with pytest.raises(NotFound) as caught:
        look(kind, aws, where)
    [(key, value)] = where.items()
    assert f"{key}={value}" in str(caught.value)
    assert caught.value.hint.startswith(f"use one of: {near}")


def test_without_any_resource_the_hint_says_to_create_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    script = Script({"DescribeInstances": [{"Reservations": []}]})
    with pytest.raises(NotFound) as caught:
        look("aws.ec2.instance", script.aws(), {"tag:Name": "x"})
    assert caught.value.hint == "create it first: there is no instance in this account and region"


def test_several_matches_are_listed_and_refused(box: Sandbox, aws: Aws) -> None:
    with pytest.raises(Conflict) as caught:
        look("aws.ec2.security_group", aws, {"name": "red5pro-*"})
    assert box.facts.database_security_group_id in str(caught.value)
    assert box.facts.node_security_group_id in str(caught.value)


@pytest.mark.parametrize("kind", MINE)
def test_an_unknown_key_is_refused_before_any_request(box: Sandbox, kind: str) -> None:
    sent: list[str] = []
    with pytest.raises(Invalid):
        look(kind, Aws(box.facts.region, on_call=sent.append), {"nmae": "x"})
    assert sent == []


@pytest.mark.parametrize("kind", MINE)
def test_a_lookup_calls_only_its_declared_actions(box: Sandbox, kind: str) -> None:
    sent: list[str] = []
    aws = Aws(box.facts.region, on_call=sent.append)
    where = {"identifier": "none"} if kind == "aws.rds.instance" else {"tag:Name": "none"}
    with pytest.raises(NotFound):
        look(kind, aws, where)
    assert set(sent) == set(lookup(kind, aws).iam_actions.read)


def test_a_terminated_instance_does_not_count(box: Sandbox, aws: Aws) -> None:
    run = aws.write.ec2.run_instances(ImageId=box.facts.node_image_id, MinCount=1, MaxCount=1)
    made = run["Instances"][0]["InstanceId"]
    assert look("aws.ec2.instance", aws, {"id": made})["image_id"] == box.facts.node_image_id
    aws.write.ec2.terminate_instances(InstanceIds=[made])
    with pytest.raises(NotFound):
        look("aws.ec2.instance", aws, {"id": made})


def test_the_database_has_its_endpoint_and_security_groups(box: Sandbox, aws: Aws) -> None:
    found = look("aws.rds.instance", aws, {"identifier": "red5pro"})
    assert found["port"] == 3306
    assert found["endpoint"]
    assert found["security_group_ids"] == [box.facts.database_security_group_id]
