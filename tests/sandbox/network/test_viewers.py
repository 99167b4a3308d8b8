"""Viewers: which of their sessions are cut by what, and how long the front door is silent for them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import pytest

from smplan.sandbox.network.front_door import Silence
from smplan.sandbox.network.viewers import Viewers
from smplan.sandbox.sandbox import Sandbox
from tests.sandbox.conftest import Client

Later = Callable[[float], None]
_numbers = count(1)
PORT = {"IpProtocol": "tcp", "FromPort": 5080, "ToPort": 5080}
ANYWHERE = [{"CidrIp": "0.0.0.0/0"}]


class Fleet:
    """Two instances behind a load balancer with a name, a deregistration delay of 30 s, and a TTL of 60 s."""

    def __init__(self, still: Sandbox, aws_of: Client, later: Later) -> None:
        self.still, self.facts, self.later = still, still.facts, later
        self.watching: list[Viewers] = []
        self.name = f"viewers-{next(_numbers)}"
        self.host = f"{self.name}.example.com"
        self.ec2, self.elb, self.route53 = aws_of("ec2"), aws_of("elbv2"), aws_of("route53")
        self.door = self.group("door", IpRanges=ANYWHERE)
        self.inner = self.group("inner", UserIdGroupPairs=[{"GroupId": self.door}])
        self.targets = self.target_group(self.name)
        self.balancer, self.dns, self.listener = self.load_balancer(self.name, self.targets)
        place = {"SubnetId": self.facts.subnet_ids[0], "SecurityGroupIds": [self.inner]}
        ran = self.ec2.run_instances(ImageId=self.facts.image_id, MinCount=2, MaxCount=2, **place)["Instances"]
        self.instances = [each["InstanceId"] for each in ran]
        self.register(self.targets)
        later(200)
        self.point("CREATE", self.dns)

    def group(self, what: str, **source: Any) -> str:
        request = {"GroupName": f"{self.name}-{what}", "Description": what, "VpcId": self.facts.vpc_id}
        made = str(self.ec2.create_security_group(**request)["GroupId"])
        self.ec2.authorize_security_group_ingress(GroupId=made, IpPermissions=[{**PORT, **source}])
        return made

    def target_group(self, name: str) -> str:
        made = self.elb.create_target_group(Name=name, Protocol="HTTP", Port=5080, VpcId=self.facts.vpc_id)
        arn = str(made["TargetGroups"][0]["TargetGroupArn"])
        delay = {"Key": "deregistration_delay.timeout_seconds", "Value": "30"}
        self.elb.modify_target_group_attributes(TargetGroupArn=arn, Attributes=[delay])
        return arn

    def load_balancer(self, name: str, targets: str) -> tuple[str, str, str]:
        request = {"Name": name, "Subnets": list(self.facts.subnet_ids), "SecurityGroups": [self.door]}
        made = self.elb.create_load_balancer(**request)["LoadBalancers"][0]
        return made["LoadBalancerArn"], made["DNSName"], self.listen(made["LoadBalancerArn"], targets)

    def listen(self, balancer: str, targets: str) -> str:
        forward = [{"Type": "forward", "TargetGroupArn": targets}]
        made = self.elb.create_listener(LoadBalancerArn=balancer, Protocol="HTTP", Port=5080, DefaultActions=forward)
        return str(made["Listeners"][0]["ListenerArn"])

    def register(self, targets: str) -> None:
        self.elb.register_targets(TargetGroupArn=targets, Targets=[{"Id": each} for each in self.instances])

    def point(self, action: str, dns: str) -> None:
        record = {"Name": self.host, "Type": "CNAME", "TTL": 60, "ResourceRecords": [{"Value": dns}]}
        batch = {"Changes": [{"Action": action, "ResourceRecordSet": record}]}
        self.route53.change_resource_record_sets(HostedZoneId=self.facts.zone_id, ChangeBatch=batch)

    def viewers(self, silent_seconds: float = 20.0) -> Viewers:
        made = self.still.viewers(self.host, port=5080, protocol="HTTP", number=12, silent_seconds=silent_seconds)
        self.watching.append(made)
        assert made.connected == 12
        return made


@pytest.fixture
def fleet(still: Sandbox, aws_of: Client, later: Later) -> Iterator[Fleet]:
    made = Fleet(still, aws_of, later)
    yield made
    for each in made.watching:
        still.dismiss(each)


def test_viewers_who_left_see_nothing(fleet: Fleet) -> None:
    viewers = fleet.viewers()
    fleet.still.dismiss(fleet.watching.pop())
    fleet.elb.delete_load_balancer(LoadBalancerArn=fleet.balancer)
    assert (viewers.cuts, viewers.connected) == ([], 12)


def test_viewers_are_spread_over_instances_and_resolvers(fleet: Fleet) -> None:
    viewers = fleet.viewers()
    used = [each.session.instance_id for each in viewers.viewers if each.session]
    assert sorted(map(used.count, fleet.instances)) == [6, 6]
    assert len({each.resolver.expires for each in viewers.viewers}) == 6
    fleet.later(1000)
    assert (viewers.reasons(), viewers.silence()) == ({}, Silence())


def test_a_deregistered_target_keeps_its_sessions_until_its_delay_is_over(fleet: Fleet) -> None:
    viewers = fleet.viewers()
    fleet.elb.deregister_targets(TargetGroupArn=fleet.targets, Targets=[{"Id": fleet.instances[0]}])
    fleet.later(25)
    assert viewers.reasons() == {}
    fleet.later(10)
    assert viewers.reasons() == {"deregistration delay over": 6}
    assert (viewers.affected, viewers.connected, viewers.silence()) == (6, 12, Silence())


def test_a_terminated_instance_cuts_its_sessions_and_fails_requests_until_it_drains(fleet: Fleet) -> None:
    viewers = fleet.viewers()
    fleet.ec2.terminate_instances(InstanceIds=[fleet.instances[0]])
    assert viewers.reasons() == {"instance terminated": 6}
    assert {each.instance_id for each in viewers.cuts} == {fleet.instances[0]}
    assert viewers.connected == 12


def test_a_rebooted_instance_cuts_its_sessions(fleet: Fleet) -> None:
    viewers = fleet.viewers()
    fleet.ec2.reboot_instances(InstanceIds=[fleet.instances[1]])
    assert viewers.reasons() == {"instance rebooted": 6}


def test_a_deleted_listener_cuts_every_session_and_the_door_is_silent_until_the_next(fleet: Fleet) -> None:
    viewers = fleet.viewers()
    fleet.later(10)
    fleet.elb.delete_listener(ListenerArn=fleet.listener)
    fleet.later(7)
    assert viewers.connected == 0
    fleet.listen(fleet.balancer, fleet.targets)
    fleet.later(60)
    assert viewers.reasons() == {"listener deleted": 12}
    assert viewers.connected == 12
    assert viewers.silence() == Silence(67)  # targets that were unused are checked again before they get requests


def test_a_deleted_load_balancer_cuts_every_session_for_good(fleet: Fleet) -> None:
    viewers = fleet.viewers()
    fleet.elb.delete_load_balancer(LoadBalancerArn=fleet.balancer)
    fleet.later(300)
    assert viewers.reasons() == {"load balancer deleted": 12}
    assert viewers.silence() == Silence(300, lasts=True)


def test_a_load_balancer_deleted_before_resolvers_forget_it_is_missed(fleet: Fleet) -> None:
    targets = fleet.target_group(f"{fleet.name}-b")
    fleet.register(targets)
    other, dns, _ = fleet.load_balancer(f"{fleet.name}-b", targets)
    fleet.later(200)
    viewers = fleet.viewers()
    fleet.point("UPSERT", dns)
    fleet.still.clock.advance(20)
    fleet.elb.delete_load_balancer(LoadBalancerArn=fleet.balancer)
    assert 0 < viewers.connected < 12
    fleet.later(60)
    assert (viewers.connected, viewers.affected) == (12, 12)
    assert {each.session.balancer_arn for each in viewers.viewers if each.session} == {other}
    assert viewers.silence() == Silence(40)


def test_a_load_balancer_that_leaves_a_zone_cuts_what_came_through_it(fleet: Fleet) -> None:
    viewers = fleet.viewers()
    fleet.elb.set_subnets(LoadBalancerArn=fleet.balancer, Subnets=list(fleet.facts.subnet_ids[:2]))
    assert viewers.reasons() == {"load balancer left the zone": 4}


def test_a_deleted_target_group_cuts_what_was_forwarded_to_it(fleet: Fleet) -> None:
    viewers = fleet.viewers()
    other = fleet.target_group(f"{fleet.name}-b")
    forward = [{"Type": "forward", "TargetGroupArn": other}]
    fleet.elb.modify_listener(ListenerArn=fleet.listener, DefaultActions=forward)
    assert viewers.reasons() == {}
    fleet.elb.delete_target_group(TargetGroupArn=fleet.targets)
    assert viewers.reasons() == {"target group deleted": 12}
    fleet.register(other)
    fleet.later(60)
    assert (viewers.connected, viewers.silence().lasts) == (12, False)
    assert viewers.silence().seconds == pytest.approx(60, abs=1)


def test_sessions_that_are_silent_for_longer_than_the_idle_timeout_end(fleet: Fleet) -> None:
    viewers = fleet.viewers(silent_seconds=45)
    idle = {"Key": "idle_timeout.timeout_seconds", "Value": "30"}
    fleet.elb.modify_load_balancer_attributes(LoadBalancerArn=fleet.balancer, Attributes=[idle])
    fleet.later(60)
    assert set(viewers.reasons()) == {"idle timeout"}
    assert viewers.affected == 12


def test_only_flows_that_are_not_tracked_end_with_their_rule(fleet: Fleet) -> None:
    viewers = fleet.viewers()
    inner = {**PORT, "UserIdGroupPairs": [{"GroupId": fleet.door}]}
    fleet.ec2.revoke_security_group_ingress(GroupId=fleet.inner, IpPermissions=[inner])
    assert (viewers.reasons(), viewers.silence().seconds) == ({}, 0)
    fleet.later(5)
    assert viewers.silence() == Silence(5, lasts=True)
    fleet.ec2.revoke_security_group_ingress(GroupId=fleet.door, IpPermissions=[{**PORT, "IpRanges": ANYWHERE}])
    assert viewers.reasons() == {"security group closed": 12}
