"""Security groups and their rules: identity, ownership, deletion."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from pydantic import ValidationError

from smplan.core.values import Ref
from smplan.drivers.aws.client import Aws
from smplan.drivers.aws.ec2.security_group import SecurityGroup, SecurityGroupSpec
from smplan.drivers.aws.ec2.security_group_rule import (
    SecurityGroupRule,
    SecurityGroupRuleSpec,
    network,
    protocol_name,
)
from smplan.drivers.base import Claim, Live, Owner
from smplan.errors import Conflict, InUse
from smplan.sandbox.sandbox import Sandbox
from tests.drivers.conformance import Script, context

CLAIM = Claim(Owner("lineage", "rule"), "token")


def rule(**fields: Any) -> SecurityGroupRuleSpec:
    stated = {"group": "sg-1", "direction": "ingress", "protocol": "tcp", "port": 3306, "cidr_ipv4": "10.0.0.0/8"}
    merged = {key: value for key, value in {**stated, **fields}.items() if value is not None}
    return SecurityGroupRuleSpec.model_validate(merged)


@pytest.fixture
def group(box: Sandbox, aws: Aws) -> Iterator[str]:
    """An empty group of the sandbox."""
    name = f"rules-{uuid4().hex[:8]}"
    made = aws.write.ec2.create_security_group(GroupName=name, Description=name, VpcId=box.facts.vpc_id)["GroupId"]
    yield made
    aws.write.ec2.delete_security_group(GroupId=made)


def test_a_group_name_is_not_an_id() -> None:
    with pytest.raises(ValidationError, match="cannot begin with `sg-`"):
        SecurityGroupSpec(name="sg-1", description="x", vpc_id="vpc-1")


def test_a_name_to_come_is_not_checked_yet() -> None:
    waiting = {"name": Ref("name"), "description": "x", "vpc_id": Ref("vpc", path=("id",))}
    assert SecurityGroupSpec.model_validate(waiting).managed_fields() == waiting


@pytest.mark.parametrize(
    ("fields", "hint"),
    [
        ({"cidr_ipv4": None}, "none is given"),
        ({"source_group": "sg-2"}, "`cidr_ipv4` and `source_group` given"),
        ({"from_port": 1, "to_port": 2}, "either `port`, or `from_port` and `to_port`"),
        ({"port": None, "from_port": 1}, "go together"),
        ({"port": None, "from_port": 9, "to_port": 2}, "`from_port` 9 is above `to_port` 2"),
        ({"port": None}, "a tcp rule needs `port`"),
        ({"protocol": "all"}, "leave the ports out"),
        ({"protocol": "50"}, "protocol 50 opens all ports"),
        ({"protocol": "51", "port": None, "from_port": 0, "to_port": 0}, "protocol 51 opens all ports"),
        ({"protocol": "esp", "port": None}, 'cannot be `esp`: .* or "50"'),
        ({"protocol": "256", "port": None}, "or its number, 0 to 255"),
        ({"protocol": "050", "port": None}, "or its number, 0 to 255"),
        ({"protocol": "icmp", "port": None, "from_port": -1, "to_port": 4}, "has any code"),
        ({"protocol": "icmpv6", "port": None, "from_port": 256, "to_port": 0}, "from 0 to 255"),
        ({"description": "operators' laptops"}, "match pattern"),
        ({"cidr_ipv4": "10.0.0.300/8"}, "not a CIDR block"),
        ({"cidr_ipv4": "2001:db8::/32"}, "write it as `cidr_ipv6`"),
        ({"cidr_ipv4": None, "cidr_ipv6": "10.0.0.0/8"}, "write it as `cidr_ipv4`"),
        ({"port": 70000}, "less than or equal to 65535"),
        ({"port": -1}, "go from 0 to 65535"),
        ({"protocol": "icmp", "port": 8}, "its type as `from_port`"),
    ],
)
def test_a_rule_that_aws_would_refuse_is_refused_with_a_hint(fields: dict[str, Any], hint: str) -> None:
    with pytest.raises(ValidationError, match=hint):
        rule(**fields)


@pytest.mark.parametrize(
    "fields",
    [
        {"port": Ref("port")},
        {"port": None, "from_port": Ref("a"), "to_port": 2},
        {"protocol": Ref("protocol"), "port": None},
        {"cidr_ipv4": None, "source_group": Ref("sm", path=("id",))},
        {"protocol": "icmp", "port": None, "from_port": 8, "to_port": -1},
        {"protocol": "icmp", "port": None},
        {"protocol": "ALL", "port": None},
        {"protocol": "icmp", "port": None, "from_port": -1, "to_port": -1},
        {"protocol": "icmp", "port": None, "from_port": -1, "to_port": Ref("code")},
        {"protocol": "255", "port": None},
        {"description": "80/tcp, a-b (c) #1 @x [y]+=&;{}!$*"},
        {"protocol": "50", "port": None},
    ],
)
def test_a_rule_that_may_be_right_is_let_through(fields: dict[str, Any]) -> None:
    assert rule(**fields).group == "sg-1"


@pytest.mark.parametrize(
    ("written", "answered"),
    [
        ("6", "tcp"),
        ("TCP", "tcp"),
        ("17", "udp"),
        ("1", "icmp"),
        ("58", "icmpv6"),
        ("all", "-1"),
        ("-1", "-1"),
        ("50", "50"),
    ],
)
def test_protocols_are_compared_as_aws_names_them(written: str, answered: str) -> None:
    assert protocol_name(written) == answered


@pytest.mark.parametrize(
    ("written", "answered"),
    [("10.1.2.3/8", "10.0.0.0/8"), ("10.0.0.1", "10.0.0.1/32"), ("2001:0DB8:0::/32", "2001:db8::/32"), ("x", "x")],
)
def test_blocks_are_compared_as_aws_writes_them(written: str, answered: str) -> None:
    assert network(written) == answered


def test_an_equal_rule_without_tags_is_found_without_owner(aws: Aws, group: str) -> None:
    permission: Any = {"IpProtocol": "6", "FromPort": 80, "ToPort": 80, "IpRanges": [{"CidrIp": "10.0.0.0/8"}]}
    aws.write.ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[permission])
    driver, wanted = SecurityGroupRule(context(aws)), rule(group=group, port=80, cidr_ipv4="10.9.9.9/8")
    found = driver.find(wanted)
    assert found is not None
    assert found.owner is None
    with pytest.raises(Conflict):
        driver.create(wanted, CLAIM)


@pytest.mark.parametrize(
    "other",
    [
        {"direction": "egress"},
        {"protocol": "udp"},
        {"port": 3307},
        {"port": None, "from_port": 3306, "to_port": 3307},
        {"cidr_ipv4": "10.0.0.0/16"},
        {"cidr_ipv4": None, "cidr_ipv6": "2001:db8::/32"},
    ],
)
def test_a_rule_that_differs_in_what_counts_is_another_rule(aws: Aws, group: str, other: dict[str, Any]) -> None:
    driver = SecurityGroupRule(context(aws))
    driver.create(rule(group=group), CLAIM)
    assert driver.find(rule(group=group, **other)) is None


def test_both_ways_to_write_one_port_are_the_same_rule(aws: Aws, group: str) -> None:
    driver = SecurityGroupRule(context(aws))
    made = driver.create(rule(group=group, description="said"), CLAIM)
    found = driver.find(rule(group=group, port=None, from_port=3306, to_port=3306))
    assert found is not None
    assert (found.id, found.owner) == (made, CLAIM.owner)
    assert (found.spec.port, found.spec.from_port, found.spec.to_port) == (3306, 3306, 3306)


def test_deleting_one_rule_leaves_the_others(aws: Aws, group: str) -> None:
    driver = SecurityGroupRule(context(aws))
    gone, stays = driver.create(rule(group=group), CLAIM), driver.create(rule(group=group, port=22), CLAIM)
    driver.delete(gone)
    assert set(driver.read_many([gone, stays])) == {stays}


@pytest.mark.parametrize(
    ("egress", "call"), [(True, "RevokeSecurityGroupEgress"), (False, "RevokeSecurityGroupIngress")]
)
def test_a_rule_deleted_between_two_calls_is_absent(egress: bool, call: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    described = {"SecurityGroupRuleId": "sgr-1", "GroupId": "sg-1", "IsEgress": egress, "IpProtocol": "-1"}
    script = Script(
        {"DescribeSecurityGroupRules": [{"SecurityGroupRules": [described]}], call: ["InvalidPermission.NotFound"]}
    )
    SecurityGroupRule(context(script.aws())).delete("sgr-1")
    assert script.names() == ["DescribeSecurityGroupRules", call]


def test_a_description_is_changed_with_the_whole_rule_and_what_is_not_managed_stays(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    script = Script({"ModifySecurityGroupRules": [{}]})
    driver, live = SecurityGroupRule(context(script.aws())), Live("sgr-1", rule(description="old", tags={"a": "1"}))
    driver.update(live, rule())
    assert script.names() == []
    driver.update(live, rule(description="new"))
    body = script.sent[0][1]
    said = {name.rsplit(".", 1)[-1]: value for name, value in body.items() if name.startswith("SecurityGroupRule.1.")}
    assert said == {
        "SecurityGroupRuleId": "sgr-1",
        "IpProtocol": "tcp",
        "FromPort": 3306,
        "ToPort": 3306,
        "CidrIpv4": "10.0.0.0/8",
        "Description": "new",
    }


def test_a_group_that_is_still_referred_to_is_in_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    interface = {"NetworkInterfaceId": "eni-1", "Description": "ELB app/lb/1"}
    attached = {"NetworkInterfaceId": "eni-2", "Attachment": {"InstanceId": "i-1"}}
    script = Script(
        {
            "DeleteSecurityGroup": ["DependencyViolation"],
            "DescribeNetworkInterfaces": [{"NetworkInterfaces": [interface, attached]}, "UnauthorizedOperation"],
            "DescribeSecurityGroups": [
                {"SecurityGroups": [{"GroupId": "sg-1"}, {"GroupId": "sg-2"}]},
                "UnauthorizedOperation",
            ],
        }
    )
    driver = SecurityGroup(context(script.aws()))
    with pytest.raises(InUse, match=r"used by eni-1 \(ELB app/lb/1\), i-1, a rule of sg-2"):
        driver.delete("sg-1")
    with pytest.raises(InUse, match="used by something that cannot be read"):
        driver.delete("sg-1")


def test_two_hundred_groups_are_read_in_one_call_and_more_in_two(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    script = Script({"DescribeSecurityGroups": [{"SecurityGroups": []}]})
    driver = SecurityGroup(context(script.aws()))
    driver.read_many([f"sg-{number}" for number in range(200)])
    assert len(script.sent) == 1
    driver.read_many([f"sg-{number}" for number in range(201)])
    assert len(script.sent) == 3


def test_groups_of_one_name_in_two_vpcs_are_two_groups(box: Sandbox, aws: Aws) -> None:
    name = f"twice-{uuid4().hex[:8]}"
    other = aws.write.ec2.create_vpc(CidrBlock="10.77.0.0/16")["Vpc"]["VpcId"]
    driver = SecurityGroup(context(aws))
    here = SecurityGroupSpec(name=name, description="here", vpc_id=box.facts.vpc_id)
    there = SecurityGroupSpec(name=name, description="there", vpc_id=other)
    made = driver.create(here, CLAIM)
    assert driver.find(there) is None
    found = driver.find(here)
    assert found is not None
    assert found.id == made
    driver.delete(made)
    aws.write.ec2.delete_vpc(VpcId=other)


def test_a_star_in_a_name_is_no_wildcard(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    described = [{"GroupId": f"sg-{name}", "GroupName": name, "Description": "x"} for name in ("sm1", "sm*")]
    script = Script({"DescribeSecurityGroups": [{"SecurityGroups": described}]})
    found = SecurityGroup(context(script.aws())).find(SecurityGroupSpec(name="sm*", description="x", vpc_id="vpc-1"))
    assert found is not None
    assert found.id == "sg-sm*"
