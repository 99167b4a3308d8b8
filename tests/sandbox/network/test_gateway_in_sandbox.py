"""The whole way, with the real emulated AWS: rule, template, load balancer, name, group of instances, node group."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from typing import Any

import boto3.session
import pytest

from smplan.drivers.red5.client import StreamManager
from smplan.errors import DriverError
from smplan.sandbox.network.gateway import Gateway
from smplan.sandbox.sandbox import Sandbox
from tests.sandbox.stream_manager.world import UNIQUE, config, group_body, policy

Client = Callable[[str], Any]
URL = "https://sm.example.com"


@pytest.fixture
def world() -> Iterator[Sandbox]:
    """A sandbox whose time stands still, with the gateway."""
    with Sandbox(speed=0.0, account="555555555555", gateway=Gateway) as sandbox:
        yield sandbox


@pytest.fixture
def aws(world: Sandbox) -> Client:
    """Plain boto3 clients."""
    env = world.env()
    session: Any = boto3.session.Session(
        env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"], region_name="us-east-1"
    )
    return lambda service: session.client(service, endpoint_url=env["AWS_ENDPOINT_URL"])


def later(world: Sandbox, seconds: float, step: float = 30.0) -> None:
    for _ in range(int(seconds / step)):
        world.clock.advance(step)
        world.tick()


def admit(world: Sandbox, aws: Client) -> None:
    """The guide's first step: the Stream Managers may reach the database."""
    source = [{"GroupId": world.facts.stream_manager_security_group_id}]
    rule = {"IpProtocol": "tcp", "FromPort": 3306, "ToPort": 3306, "UserIdGroupPairs": source}
    group = world.facts.database_security_group_id
    aws("ec2").authorize_security_group_ingress(GroupId=group, IpPermissions=[rule])


def balance(world: Sandbox, aws: Client) -> str:
    """A load balancer with a certificate, and a name for it; the ARN of its target group."""
    elb, facts = aws("elbv2"), world.facts
    groups = [facts.stream_manager_security_group_id]
    made = elb.create_load_balancer(Name="sm", Subnets=list(facts.subnet_ids), SecurityGroups=groups)
    balancer = made["LoadBalancers"][0]
    target = elb.create_target_group(
        Name="sm", Protocol="HTTP", Port=5080, VpcId=facts.vpc_id, HealthCheckPath="/", TargetType="instance"
    )["TargetGroups"][0]["TargetGroupArn"]
    forward = [{"Type": "forward", "TargetGroupArn": target}]
    arn = balancer["LoadBalancerArn"]
    elb.create_listener(LoadBalancerArn=arn, Protocol="HTTP", Port=5080, DefaultActions=forward)
    certificates = [{"CertificateArn": facts.certificate_arn}]
    elb.create_listener(
        LoadBalancerArn=arn, Protocol="HTTPS", Port=443, Certificates=certificates, DefaultActions=forward
    )
    values = [{"Value": balancer["DNSName"]}]
    record = {"Name": "sm.example.com", "Type": "CNAME", "TTL": 60, "ResourceRecords": values}
    batch = {"Changes": [{"Action": "CREATE", "ResourceRecordSet": record}]}
    aws("route53").change_resource_record_sets(HostedZoneId=facts.zone_id, ChangeBatch=batch)
    return str(target)


def run(world: Sandbox, aws: Client, target: str) -> None:
    """A group of two Stream Managers from a template of the prerequisites' instance's image."""
    ec2, facts = aws("ec2"), world.facts
    image = ec2.create_image(InstanceId=facts.instance_id, Name="stream-manager")["ImageId"]
    later(world, 120)
    data = {
        "ImageId": image,
        "InstanceType": "c5.large",
        "UserData": base64.b64encode(UNIQUE.encode()).decode(),
        "SecurityGroupIds": [facts.stream_manager_security_group_id],
    }
    template = ec2.create_launch_template(LaunchTemplateName="sm", LaunchTemplateData=data)["LaunchTemplate"]
    aws("autoscaling").create_auto_scaling_group(
        AutoScalingGroupName="sm",
        LaunchTemplate={"LaunchTemplateId": template["LaunchTemplateId"], "Version": "1"},
        MinSize=2,
        MaxSize=2,
        VPCZoneIdentifier=",".join(facts.subnet_ids),
        TargetGroupARNs=[target],
        HealthCheckType="ELB",
        HealthCheckGracePeriod=300,
    )


def states(aws: Client, target: str) -> list[str]:
    told = aws("elbv2").describe_target_health(TargetGroupArn=target)["TargetHealthDescriptions"]
    return [each["TargetHealth"]["State"] for each in told]


def client(world: Sandbox) -> StreamManager:
    env = world.env()
    token, ways, ca_file = env["RED5_ADMIN_TOKEN"], env["SMPLAN_CONNECT_TO"], env["SMPLAN_CA_FILE"]
    return StreamManager(URL, token=lambda: token, connect_map=ways, ca_file=ca_file)


def test_from_the_database_rule_to_nodes_in_service(world: Sandbox, aws: Client) -> None:
    admit(world, aws)
    target = balance(world, aws)
    run(world, aws, target)
    later(world, 300)
    assert states(aws, target) == ["healthy", "healthy"]
    api = client(world)
    assert api.cloud() == "Amazon Web Services"
    api.put_scale_policy(policy(origin=(1, 1), edge=(2, 4))["policy"], new=True)
    api.put_launch_config(config()["launchconfig"], new=True)
    api.create_group(group_body())
    api.launch_origin("group")
    later(world, 240)
    nodes = api.nodes("group")
    assert sorted((each["role"], each["state"]) for each in nodes) == [
        ("edge", "inservice"),
        ("edge", "inservice"),
        ("origin", "inservice"),
    ]
    assert [each["state"] for each in api.groups()] == ["active"]
    assert running(aws) == {each["identifier"] for each in nodes}
    api.delete_group("group")
    later(world, 60)
    assert api.groups() == []
    assert running(aws) == set()


def running(aws: Client) -> set[str]:
    """Names of the nodes' instances that run."""
    filters = [
        {"Name": "tag:Name", "Values": ["node-*"]},
        {"Name": "instance-state-name", "Values": ["pending", "running"]},
    ]
    found = aws("ec2").describe_instances(Filters=filters)["Reservations"]
    tags = [tag for each in found for instance in each["Instances"] for tag in instance["Tags"]]
    return {tag["Value"] for tag in tags if tag["Key"] == "Name"}


def test_without_the_database_rule_no_target_is_ever_healthy(world: Sandbox, aws: Client) -> None:
    target = balance(world, aws)
    run(world, aws, target)
    later(world, 300)
    assert "healthy" not in states(aws, target)
    with pytest.raises(DriverError, match="503"):
        client(world).cloud()
