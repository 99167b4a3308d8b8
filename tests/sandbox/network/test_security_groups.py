"""Security groups on the way of packets: viewer to load balancer, load balancer to instance, and health checks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from smplan.sandbox.network import security_groups
from smplan.sandbox.network.security_groups import VIEWER, Party
from smplan.sandbox.sandbox import Sandbox
from tests.sandbox.conftest import Client

Later = Callable[[float], None]
ANYWHERE = {"IpRanges": [{"CidrIp": "0.0.0.0/0"}]}


def tcp(port: int, **source: Any) -> dict[str, Any]:
    return {"IpProtocol": "tcp", "FromPort": port, "ToPort": port, **source}


class Site:
    """A load balancer and an instance behind it, each in a security group of its own without rules of entry."""

    def __init__(self, still: Sandbox, aws_of: Client, name: str) -> None:
        self.still, self.facts = still, still.facts
        self.ec2, self.elb = aws_of("ec2"), aws_of("elbv2")
        self.door, self.inner = (self.group(f"{name}-{which}") for which in ("door", "inner"))
        request = {"Name": name, "Subnets": list(self.facts.subnet_ids), "SecurityGroups": [self.door]}
        balancer = self.elb.create_load_balancer(**request)["LoadBalancers"][0]
        self.arn, self.dns = balancer["LoadBalancerArn"], balancer["DNSName"]
        made = self.elb.create_target_group(Name=name, Protocol="HTTP", Port=5080, VpcId=self.facts.vpc_id)
        self.targets = made["TargetGroups"][0]["TargetGroupArn"]
        forward = [{"Type": "forward", "TargetGroupArn": self.targets}]
        self.elb.create_listener(LoadBalancerArn=self.arn, Protocol="HTTP", Port=5080, DefaultActions=forward)
        place = {"SubnetId": self.facts.subnet_ids[0], "SecurityGroupIds": [self.inner]}
        ran = self.ec2.run_instances(ImageId=self.facts.image_id, MinCount=1, MaxCount=1, **place)
        self.instance = ran["Instances"][0]["InstanceId"]
        self.elb.register_targets(TargetGroupArn=self.targets, Targets=[{"Id": self.instance}])

    def group(self, name: str) -> str:
        made = self.ec2.create_security_group(GroupName=name, Description=name, VpcId=self.facts.vpc_id)
        return str(made["GroupId"])

    def open(self, group: str, permission: dict[str, Any]) -> None:
        self.ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[permission])

    def close(self, group: str, permission: dict[str, Any]) -> None:
        self.ec2.revoke_security_group_ingress(GroupId=group, IpPermissions=[permission])

    def problem(self) -> str:
        route = self.still.world.load_balancer_for(self.dns, 5080)
        assert route is not None
        return route.problem

    def health(self) -> tuple[str, str, str]:
        (seen,) = self.elb.describe_target_health(TargetGroupArn=self.targets)["TargetHealthDescriptions"]
        health = seen["TargetHealth"]
        return health["State"], health.get("Reason", ""), health.get("Description", "")


@pytest.fixture
def site(still: Sandbox, aws_of: Client, name: str, later: Later) -> Site:
    made = Site(still, aws_of, name)
    later(121)
    return made


def test_viewers_need_a_rule_of_the_load_balancers_group_for_the_port(site: Site) -> None:
    assert site.problem() == "not admitted"
    site.open(site.door, tcp(443, **ANYWHERE))
    assert site.problem() == "not admitted"
    site.open(site.door, tcp(5080, IpRanges=[{"CidrIp": "10.0.0.0/8"}]))
    assert site.problem() == "not admitted"
    site.open(site.door, tcp(5080, IpRanges=[{"CidrIp": VIEWER}]))
    assert site.problem() == "no healthy target"


def test_health_checks_that_no_rule_of_the_instances_admits_time_out(site: Site, later: Later) -> None:
    later(300)
    assert site.health() == ("unhealthy", "Target.Timeout", "Request timed out")
    source = tcp(5080, UserIdGroupPairs=[{"GroupId": site.door}])
    site.open(site.inner, source)
    later(300)
    assert site.health() == ("healthy", "", "")
    assert site.still.world.may_reach_target(site.arn, site.instance, 5080)
    site.close(site.inner, source)
    assert not site.still.world.may_reach_target(site.arn, site.instance, 5080)
    later(300)
    assert site.health()[1] == "Target.Timeout"


@pytest.mark.parametrize(("cidr", "admitted"), [("10.0.0.0/16", True), ("10.0.0.0/20", False)])
def test_a_range_admits_a_load_balancer_if_it_holds_all_its_subnets(site: Site, cidr: str, admitted: bool) -> None:
    site.open(site.inner, tcp(5080, IpRanges=[{"CidrIp": cidr}]))
    assert site.still.world.may_reach_target(site.arn, site.instance, 5080) is admitted


def test_a_load_balancer_that_may_send_nothing_out_reaches_no_target(site: Site) -> None:
    site.open(site.inner, tcp(5080, **ANYWHERE))
    assert site.still.world.may_reach_target(site.arn, site.instance, 5080)
    everything = {"IpProtocol": "-1", **ANYWHERE}
    site.ec2.revoke_security_group_egress(GroupId=site.door, IpPermissions=[everything])
    assert not site.still.world.may_reach_target(site.arn, site.instance, 5080)
    assert not site.still.world.may_reach_target(site.arn, "i-absent", 5080)


def test_what_a_rule_for_everyone_admits_is_not_tracked_unless_responses_are_restricted(site: Site) -> None:
    def tracked() -> bool:
        viewer, door = Party((VIEWER,)), Party(("10.0.0.0/20",), (site.door,))
        return security_groups.is_tracked(site.still.account, viewer, door, 5080)

    site.open(site.door, tcp(5080, IpRanges=[{"CidrIp": VIEWER}]))
    assert tracked()
    site.open(site.door, tcp(5080, **ANYWHERE))
    assert not tracked()
    site.ec2.revoke_security_group_egress(GroupId=site.door, IpPermissions=[{"IpProtocol": "-1", **ANYWHERE}])
    assert tracked()
