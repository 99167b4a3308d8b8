"""The sandbox as a whole."""

import base64
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable
from typing import Any

import boto3.session
import pytest
from botocore.exceptions import ClientError

from smplan.drivers.aws.client import Aws
from smplan.sandbox.clock import Clock
from smplan.sandbox.ids import Prerequisites
from smplan.sandbox.interface import PROPERTIES_PATH, AwsView
from smplan.sandbox.sandbox import Sandbox
from tests.sandbox.conftest import Client, refused


def test_a_new_sandbox_holds_the_guides_prerequisites(box: Sandbox, aws: Aws) -> None:
    facts, ec2 = box.facts, aws.read.ec2
    vpcs = ec2.describe_vpcs(Filters=[{"Name": "tag:Name", "Values": ["red5pro"]}])["Vpcs"]
    assert [vpc["VpcId"] for vpc in vpcs] == [facts.vpc_id]
    subnets = ec2.describe_subnets(SubnetIds=list(facts.subnet_ids))["Subnets"]
    assert sorted(each["AvailabilityZone"] for each in subnets) == list(facts.zones)
    assert all(each["MapPublicIpOnLaunch"] for each in subnets)
    assert aws.account == facts.account == "123456789012"
    (database,) = aws.read.rds.describe_db_instances(DBInstanceIdentifier="red5pro")["DBInstances"]
    assert database["VpcSecurityGroups"][0]["VpcSecurityGroupId"] == facts.database_security_group_id
    certificate = aws.read.acm.describe_certificate(CertificateArn=facts.certificate_arn)["Certificate"]
    assert (certificate["Status"], certificate["SubjectAlternativeNames"]) == (
        "ISSUED",
        ["*.example.com", "example.com"],
    )
    assert aws.read.route53.get_hosted_zone(Id=facts.zone_id)["HostedZone"]["Name"] == "example.com."
    names = {each["Name"] for each in ec2.describe_images(Owners=["self"])["Images"]}
    assert {"red5pro-node", "red5pro-stream-manager-base"} <= names


def test_the_stream_manager_instance_runs_and_may_not_reach_the_database(still: Sandbox) -> None:
    facts = still.facts
    (seen,) = [each for each in still.world.instances() if each.id == facts.instance_id]
    assert (seen.tags["Name"], seen.instance_type) == ("red5pro-stream-manager", "c5.large")
    assert "streammanager.ip=\n" in seen.files[PROPERTIES_PATH]
    assert seen.booted_at <= still.clock.now()
    assert not still.world.may_reach_database(seen.security_group_ids)


def test_the_root_volume_is_16_gib(still: Sandbox, aws_of: Client) -> None:
    ec2 = aws_of("ec2")
    (seen,) = ec2.describe_instances(InstanceIds=[still.facts.instance_id])["Reservations"][0]["Instances"]
    (mapping,) = seen["BlockDeviceMappings"]
    (volume,) = ec2.describe_volumes(VolumeIds=[mapping["Ebs"]["VolumeId"]])["Volumes"]
    assert (mapping["DeviceName"], volume["Size"]) == ("/dev/sda1", 16)


def test_the_clients_of_two_sandboxes_in_a_process_see_their_own(box: Sandbox, still: Sandbox, aws_of: Client) -> None:
    vpcs = aws_of("ec2").describe_vpcs(Filters=[{"Name": "tag:Name", "Values": ["red5pro"]}])["Vpcs"]
    assert [each["VpcId"] for each in vpcs] == [still.facts.vpc_id]
    assert still.facts.vpc_id != box.facts.vpc_id


def test_an_account_is_taken_once_a_process_and_free_again_after(still: Sandbox) -> None:
    with pytest.raises(RuntimeError, match="already"):
        Sandbox(account=still.account).start()
    account = "333333333333"
    with Sandbox(account=account, gateway=None) as first:
        vpc = first.facts.vpc_id
    first.stop()
    with Sandbox(account=account, gateway=None) as second:
        found = second.aws.moto.call("ec2", "DescribeVpcs", {})["Vpcs"]
        assert vpc not in [each["VpcId"] for each in found]


def test_time_passes_by_itself(box: Sandbox, aws: Aws) -> None:
    image = aws.write.ec2.create_image(InstanceId=box.facts.instance_id, Name="time passes", NoReboot=True)["ImageId"]
    for _ in range(100):
        if aws.read.ec2.describe_images(ImageIds=[image])["Images"][0]["State"] == "available":
            return
        time.sleep(0.01)
    pytest.fail("a minute of virtual time lasts a tenth of a second, and did not pass in one")


@pytest.mark.parametrize("service", ["ec2", "autoscaling", "elbv2", "route53", "cloudwatch", "sns", "acm"])
def test_what_the_sandbox_does_not_know_is_refused_in_the_services_own_words(aws_of: Client, service: str) -> None:
    calls: dict[str, tuple[str, dict[str, Any]]] = {
        "ec2": ("describe_trunk_interface_associations", {}),
        "autoscaling": (
            "get_predictive_scaling_forecast",
            {"AutoScalingGroupName": "x", "PolicyName": "p", "StartTime": "2026-01-01", "EndTime": "2026-01-02"},
        ),
        "elbv2": ("describe_trust_stores", {}),
        "route53": ("test_dns_answer", {"HostedZoneId": "Z", "RecordName": "x", "RecordType": "A"}),
        "cloudwatch": ("describe_anomaly_detectors", {}),
        "sns": ("list_origination_numbers", {}),
        "acm": ("list_acme_endpoints", {}),
    }
    method, arguments = calls[service]
    client = aws_of(service)
    if not hasattr(client, method):
        pytest.skip(f"botocore has no {method}")
    text = refused("InvalidAction", getattr(client, method), **arguments)
    assert f"{service}:" in text


def test_a_mistake_of_moto_is_an_error_of_aws(aws_of: Client) -> None:
    with pytest.raises(ClientError) as caught:
        aws_of("ssm").describe_instance_information()
    assert caught.value.response["Error"]["Code"] == "InvalidAction"


def test_another_region_is_refused_and_global_services_are_not(still: Sandbox) -> None:
    env = still.env()
    session = boto3.session.Session(env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"], region_name="eu-west-1")
    ec2 = session.client("ec2", endpoint_url=env["AWS_ENDPOINT_URL"])
    sts = session.client("sts", endpoint_url=env["AWS_ENDPOINT_URL"])
    assert "us-east-1" in refused("UnsupportedOperation", ec2.describe_vpcs)
    assert sts.get_caller_identity()["Account"] == "210987654321"


def test_services_without_rules_are_passed_on(aws_of: Client, name: str) -> None:
    s3 = aws_of("s3")
    s3.create_bucket(Bucket=name)
    s3.put_object(Bucket=name, Key="state", Body=b"one", IfNoneMatch="*")
    refused("PreconditionFailed", s3.put_object, Bucket=name, Key="state", Body=b"two", IfNoneMatch="*")
    aws_of("ssm").put_parameter(Name=f"/{name}", Value="secret", Type="SecureString")
    aws_of("secretsmanager").create_secret(Name=name, SecretString="secret")
    found = aws_of("resourcegroupstaggingapi").get_resources(ResourceTypeFilters=["ec2:vpc"])
    assert found["ResourceTagMappingList"]


def test_a_request_that_is_none_of_aws_does_not_kill_the_connection(still: Sandbox) -> None:
    address = ("127.0.0.1", still.port)
    with socket.create_connection(address, timeout=5) as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc")
        assert connection.recv(12).startswith(b"HTTP/1.1 ")
    request = urllib.request.Request(
        f"http://127.0.0.1:{still.port}/",
        data=b"Action=Nonsense&Version=2016-11-15",
        headers={"Authorization": "AWS4-HMAC-SHA256 Credential=A/20261123/us-east-1/nonsense/aws4_request"},
    )
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request)
    with caught.value as error:
        assert error.code == 400


def test_a_client_that_stops_in_the_middle_holds_up_nobody_and_what_it_began_is_forgotten(
    still: Sandbox, aws_of: Client, caplog: pytest.LogCaptureFixture
) -> None:
    body = b"Action=CreateSecurityGroup&Version=2016-11-15&GroupName=half&GroupDescription=half"
    scope = "AWS4-HMAC-SHA256 Credential=AKIA/20260101/us-east-1/ec2/aws4_request"
    with socket.create_connection(("127.0.0.1", still.port)) as connection:
        connection.sendall(
            f"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: {scope}\r\nContent-Length: {len(body) + 1}\r\n"
            "Content-Type: application/x-www-form-urlencoded\r\n\r\n".encode()
            + body
        )
        named = {"Filters": [{"Name": "group-name", "Values": ["half"]}]}
        assert aws_of("ec2").describe_security_groups(**named)["SecurityGroups"] == []
        connection.shutdown(socket.SHUT_WR)
        connection.settimeout(5)
        assert connection.recv(1) == b""
    assert aws_of("ec2").describe_security_groups(**named)["SecurityGroups"] == []
    assert caplog.text == ""


def test_many_clients_at_once_lose_nothing(still: Sandbox, aws_of: Client, name: str) -> None:
    ec2, failed = aws_of("ec2"), []

    def work(number: int) -> None:
        try:
            group = ec2.create_security_group(GroupName=f"{name}-{number}", Description="x", VpcId=still.facts.vpc_id)[
                "GroupId"
            ]
            ec2.describe_security_groups()
            ec2.delete_security_group(GroupId=group)
        except ClientError as error:
            failed.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []


class Recorded:
    """A gateway that says of every instance what a test wants."""

    def __init__(self, world: AwsView, clock: Clock) -> None:
        self.world, self.clock = world, clock
        self.asked: list[tuple[str, int, str]] = []
        self.log: list[str] = []

    def start(self) -> None:
        self.log.append("start")

    def stop(self) -> None:
        self.log.append("stop")

    def env(self) -> dict[str, str]:
        return {"SMPLAN_CONNECT_TO": "*:443=127.0.0.1:1443", "SMPLAN_CA_FILE": "/ca.pem"}

    def tick(self) -> None:
        self.log.append("tick")

    def health(self, instance_id: str, port: int, path: str) -> bool:
        assert instance_id in [each.id for each in self.world.instances()]
        self.asked.append((instance_id, port, path))
        return False


def test_the_gateway_is_part_of_the_sandbox_and_answers_health_checks() -> None:
    made: list[Recorded] = []

    def gateway(world: AwsView, clock: Clock) -> Recorded:
        made.append(Recorded(world, clock))
        return made[-1]

    with Sandbox(speed=0.0, account="444444444444", gateway=gateway) as sandbox:
        assert sandbox.env()["SMPLAN_CA_FILE"] == "/ca.pem"
        register(sandbox)
        sandbox.clock.advance(200)
        sandbox.tick()
        assert made[0].asked == [(sandbox.facts.instance_id, 5080, "/ok")]
        (held,) = sandbox.aws.elbv2.targets.values()
        assert [each.state for each in held.values()] == ["unhealthy"]
    assert set(made[0].log[1:-1]) == {"tick"}
    assert (made[0].log[0], made[0].log[-1]) == ("start", "stop")


def register(sandbox: Sandbox) -> None:
    env, facts = sandbox.env(), sandbox.facts
    session = boto3.session.Session(env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"], region_name="us-east-1")
    elb = session.client("elbv2", endpoint_url=env["AWS_ENDPOINT_URL"])
    arn = elb.create_load_balancer(Name="lb", Subnets=list(facts.subnet_ids))["LoadBalancers"][0]["LoadBalancerArn"]
    group = elb.create_target_group(Name="tg", Protocol="HTTP", Port=5080, VpcId=facts.vpc_id, HealthCheckPath="/ok")[
        "TargetGroups"
    ][0]["TargetGroupArn"]
    elb.create_listener(
        LoadBalancerArn=arn,
        Port=5080,
        Protocol="HTTP",
        DefaultActions=[{"Type": "forward", "TargetGroupArn": group}],
    )
    elb.register_targets(TargetGroupArn=group, Targets=[{"Id": facts.instance_id}])


def test_user_data_is_read_once_decoded(still: Sandbox, aws_of: Client) -> None:
    made = aws_of("ec2").run_instances(
        ImageId=still.facts.image_id, MinCount=1, MaxCount=1, UserData=base64.b64encode(b"twice").decode()
    )["Instances"][0]["InstanceId"]
    (seen,) = [each for each in still.world.instances() if each.id == made]
    assert seen.user_data == base64.b64encode(b"twice").decode()


def test_the_service_module_loads_neither_moto_nor_boto3() -> None:
    code = "import sys, smplan.sandbox.process; print([m for m in ('moto', 'boto3', 'flask') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_facts_are_frozen(box: Sandbox) -> None:
    assert isinstance(box.facts, Prerequisites)
    change: Callable[[], None] = lambda: setattr(box.facts, "region", "x")  # noqa: E731
    with pytest.raises(AttributeError):
        change()
