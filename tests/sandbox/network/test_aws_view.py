"""What the gateway and the Stream Manager simulator see of the emulated AWS."""

from collections.abc import Callable
from typing import Any

import pytest

from smplan.sandbox.interface import AwsView, NodeRefused
from smplan.sandbox.sandbox import Sandbox
from tests.sandbox.conftest import Client

Later = Callable[[float], None]


class LoadBalancerSetup:
    """A load balancer with a target group that holds the Stream Manager instance, and names for it."""

    def __init__(self, still: Sandbox, aws_of: Client, name: str) -> None:
        self.facts, self.name, self.world = still.facts, name, still.world
        self.elb, self.route53 = aws_of("elbv2"), aws_of("route53")
        groups = [self.facts.stream_manager_security_group_id]
        request = {"Name": name, "Subnets": list(self.facts.subnet_ids), "SecurityGroups": groups}
        made = self.elb.create_load_balancer(**request)["LoadBalancers"][0]
        self.arn, self.dns, self.zone = made["LoadBalancerArn"], made["DNSName"], made["CanonicalHostedZoneId"]
        self.group = self.elb.create_target_group(Name=name, Protocol="HTTP", Port=5080, VpcId=self.facts.vpc_id)[
            "TargetGroups"
        ][0]["TargetGroupArn"]

    def listen(self, action: dict[str, Any] | None = None, **changes: Any) -> None:
        forward = {"Type": "forward", "TargetGroupArn": self.group}
        request: dict[str, Any] = {"Port": 5080, "Protocol": "HTTP", **changes}
        self.elb.create_listener(LoadBalancerArn=self.arn, DefaultActions=[action or forward], **request)

    def record(self, **fields: Any) -> None:
        change = {"Action": "CREATE", "ResourceRecordSet": fields}
        self.route53.change_resource_record_sets(HostedZoneId=self.facts.zone_id, ChangeBatch={"Changes": [change]})

    def problem(self, port: int = 5080) -> str:
        route = self.world.load_balancer_for(self.dns, port)
        assert route is not None
        return route.problem


@pytest.fixture
def stage(still: Sandbox, aws_of: Client, name: str) -> LoadBalancerSetup:
    return LoadBalancerSetup(still, aws_of, name)


def test_a_route_says_what_is_missing_until_nothing_is(stage: LoadBalancerSetup, later: Later) -> None:
    assert stage.problem() == "not active"
    later(121)
    assert stage.problem() == "no listener"
    fixed = {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "404"}}
    stage.listen(fixed, Port=443)
    assert stage.problem(443) == "no target group"
    assert stage.problem(80) == "not admitted"
    stage.listen()
    assert stage.problem() == "no healthy target"
    stage.elb.register_targets(TargetGroupArn=stage.group, Targets=[{"Id": stage.facts.instance_id}])
    assert stage.problem() == "no healthy target"
    later(31)
    later(31)
    route = stage.world.load_balancer_for(stage.dns, 5080)
    assert route is not None
    assert (route.problem, route.listener_protocol, route.certificate_domains) == ("", "HTTP", ())
    assert [(each.instance_id, each.port) for each in route.healthy] == [(stage.facts.instance_id, 5080)]


def test_https_tells_the_names_of_its_certificate(stage: LoadBalancerSetup) -> None:
    certificate = [{"CertificateArn": stage.facts.certificate_arn}]
    stage.listen(Port=443, Protocol="HTTPS", Certificates=certificate)
    route = stage.world.load_balancer_for(stage.dns.upper(), 443)
    assert route is not None
    assert (route.listener_protocol, route.certificate_domains) == ("HTTPS", ("*.example.com", "example.com"))
    assert (route.load_balancer_arn, route.dns_name) == (stage.arn, stage.dns)


def test_names_lead_to_the_load_balancer_through_cnames_and_aliases(stage: LoadBalancerSetup) -> None:
    first, second = f"{stage.name}.example.com", f"{stage.name}-b.example.com"
    wild, apex = f"*.{stage.name}-c.example.com", f"{stage.name}-d.example.com"
    alias = {"DNSName": f"dualstack.{stage.dns}", "HostedZoneId": stage.zone, "EvaluateTargetHealth": False}
    stage.record(Name=first, Type="CNAME", TTL=60, ResourceRecords=[{"Value": stage.dns}])
    stage.record(Name=second, Type="CNAME", TTL=60, ResourceRecords=[{"Value": first}])
    stage.record(Name=wild, Type="CNAME", TTL=60, ResourceRecords=[{"Value": second}])
    stage.record(Name=apex, Type="A", AliasTarget=alias)
    for host in (first, second, f"any.{stage.name}-c.example.com", apex):
        route = stage.world.load_balancer_for(host, 443)
        assert route is not None, host
        assert route.dns_name == stage.dns
    for host in ("nowhere.example.com", "localhost"):
        assert stage.world.load_balancer_for(host, 443) is None


def test_a_ring_of_names_leads_nowhere(stage: LoadBalancerSetup) -> None:
    one, two = f"{stage.name}-1.example.com", f"{stage.name}-2.example.com"
    stage.record(Name=one, Type="CNAME", TTL=60, ResourceRecords=[{"Value": two}])
    stage.record(Name=two, Type="CNAME", TTL=60, ResourceRecords=[{"Value": one}])
    assert stage.world.load_balancer_for(one, 80) is None


def permission(**source: Any) -> list[Any]:
    return [{"IpProtocol": "tcp", "FromPort": 3306, "ToPort": 3306, **source}]


@pytest.mark.parametrize(
    ("rule", "reached"),
    [
        (permission(UserIdGroupPairs=[{"GroupId": "{group}"}]), True),
        (permission(UserIdGroupPairs=[{"GroupId": "{other}"}]), False),
        (permission(IpRanges=[{"CidrIp": "10.0.0.0/8"}]), True),
        (permission(IpRanges=[{"CidrIp": "10.0.0.0/20"}]), False),
        ([{"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, "UserIdGroupPairs": [{"GroupId": "{group}"}]}], False),
        ([{"IpProtocol": "udp", "FromPort": 1, "ToPort": 9999, "UserIdGroupPairs": [{"GroupId": "{group}"}]}], False),
        ([{"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": "{group}"}]}], True),
    ],
)
def test_the_database_is_reached_only_through_a_rule(
    still: Sandbox, aws_of: Client, rule: list[Any], reached: bool
) -> None:
    facts, ec2 = still.facts, aws_of("ec2")
    names = {"{group}": facts.stream_manager_security_group_id, "{other}": facts.node_security_group_id}
    rules = [
        {
            **each,
            **(
                {"UserIdGroupPairs": [{"GroupId": names[pair["GroupId"]]} for pair in each["UserIdGroupPairs"]]}
                if "UserIdGroupPairs" in each
                else {}
            ),
        }
        for each in rule
    ]
    assert not still.world.may_reach_database([facts.stream_manager_security_group_id])
    ec2.authorize_security_group_ingress(GroupId=facts.database_security_group_id, IpPermissions=rules)
    try:
        assert still.world.may_reach_database([facts.stream_manager_security_group_id]) is reached
    finally:
        ec2.revoke_security_group_ingress(GroupId=facts.database_security_group_id, IpPermissions=rules)


def test_an_instance_keeps_its_files_when_its_image_is_deregistered(still: Sandbox, aws_of: Client, name: str) -> None:
    ec2 = aws_of("ec2")
    image = ec2.create_image(Name=name, InstanceId=still.facts.instance_id, NoReboot=True)["ImageId"]
    still.clock.advance(100)
    found = ec2.run_instances(ImageId=image, InstanceType="c5.large", MinCount=1, MaxCount=1)["Instances"]
    ec2.deregister_image(ImageId=image)
    seen = {each.id: each.files for each in still.world.instances()}
    assert seen[found[0]["InstanceId"]] == seen[still.facts.instance_id] != {}
    ec2.terminate_instances(InstanceIds=[found[0]["InstanceId"]])


def test_nodes_are_instances_of_their_own(still: Sandbox, aws_of: Client, name: str) -> None:
    world: AwsView = still.world
    made = world.launch_node(name=name, image_name="red5pro-node", instance_type="c5.large", user_data="role=origin")
    (seen,) = [each for each in world.instances() if each.id == made]
    assert (seen.tags["Name"], seen.user_data, dict(seen.files)) == (name, "role=origin", {})
    assert seen.security_group_ids == (still.facts.node_security_group_id,)
    by_id = world.launch_node(name=name, image_name=still.facts.node_image_id, instance_type="c5.large")
    for _ in range(2):
        for each in (made, by_id):
            world.terminate_node(each)
    assert made not in [each.id for each in world.instances()]
    with pytest.raises(NodeRefused, match=r"InvalidAMIID\.NotFound"):
        world.launch_node(name=name, image_name="absent", instance_type="c5.large")
