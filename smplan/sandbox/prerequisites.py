"""What the guide expects to stand already: network, groups, database, Stream Manager instance, certificate, zone."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from smplan.sandbox.facts import DOMAIN, REGION, Facts

if TYPE_CHECKING:
    import boto3.session

ZONES = (f"{REGION}a", f"{REGION}b", f"{REGION}c")
PROPERTIES = """# red5pro stream manager (excerpt)
streammanager.ip=
config.dbHost=red5pro.cluster.us-east-1.rds.amazonaws.com
config.dbPort=3306
"""


def make(session: boto3.session.Session, endpoint: str) -> Facts:
    """Make them all over the wire at ``endpoint`` and tell their ids."""
    vpc_id, subnet_ids = _network(session, endpoint)
    groups = _groups(session, endpoint, vpc_id)
    image_id, node_image_id, instance_id = _instance(session, endpoint, subnet_ids[0], groups["red5pro-stream-manager"])
    _database(session, endpoint, subnet_ids, groups["red5pro-database"])
    return Facts(
        account=session.client("sts", endpoint_url=endpoint).get_caller_identity()["Account"],
        region=REGION,
        vpc_id=vpc_id,
        subnet_ids=subnet_ids,
        zones=ZONES,
        stream_manager_security_group_id=groups["red5pro-stream-manager"],
        database_security_group_id=groups["red5pro-database"],
        node_security_group_id=groups["red5pro-node"],
        database_identifier="red5pro",
        instance_id=instance_id,
        image_id=image_id,
        node_image_id=node_image_id,
        certificate_arn=_certificate(session, endpoint),
        zone_id=_zone(session, endpoint),
        domain=DOMAIN,
    )


def _network(session: boto3.session.Session, endpoint: str) -> tuple[str, tuple[str, ...]]:
    ec2 = session.client("ec2", endpoint_url=endpoint)
    vpc_id = ec2.create_vpc(
        CidrBlock="10.0.0.0/16",
        TagSpecifications=[{"ResourceType": "vpc", "Tags": [{"Key": "Name", "Value": "red5pro"}]}],
    )["Vpc"]["VpcId"]
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc_id)
    table = ec2.describe_route_tables(Filters=[{"Name": "vpc-id", "Values": [vpc_id]}])["RouteTables"][0][
        "RouteTableId"
    ]
    ec2.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", GatewayId=gateway)
    subnets = []
    for number, zone in enumerate(ZONES):
        subnet = ec2.create_subnet(
            VpcId=vpc_id,
            CidrBlock=f"10.0.{16 * number}.0/20",
            AvailabilityZone=zone,
            TagSpecifications=[{"ResourceType": "subnet", "Tags": [{"Key": "Name", "Value": f"red5pro-{zone[-1]}"}]}],
        )["Subnet"]["SubnetId"]
        ec2.modify_subnet_attribute(SubnetId=subnet, MapPublicIpOnLaunch={"Value": True})
        subnets.append(subnet)
    return vpc_id, tuple(subnets)


def _groups(session: boto3.session.Session, endpoint: str, vpc_id: str) -> dict[str, str]:
    ec2 = session.client("ec2", endpoint_url=endpoint)
    ports = {"red5pro-stream-manager": (22, 5080), "red5pro-database": (), "red5pro-node": (22, 1935, 5080, 8554)}
    made = {}
    for name, opened in ports.items():
        made[name] = ec2.create_security_group(GroupName=name, Description=f"{name} (sandbox)", VpcId=vpc_id)["GroupId"]
        for port in opened:
            ec2.authorize_security_group_ingress(
                GroupId=made[name], IpProtocol="tcp", FromPort=port, ToPort=port, CidrIp="0.0.0.0/0"
            )
    return made


def _instance(session: boto3.session.Session, endpoint: str, subnet_id: str, group: str) -> tuple[str, str, str]:
    ec2 = session.client("ec2", endpoint_url=endpoint)
    image, node = (
        ec2.register_image(Name=name, Architecture="x86_64", RootDeviceName="/dev/sda1")["ImageId"]
        for name in ("red5pro-stream-manager-base", "red5pro-node")
    )
    instance = ec2.run_instances(
        ImageId=image,
        InstanceType="c5.large",
        MinCount=1,
        MaxCount=1,
        SubnetId=subnet_id,
        SecurityGroupIds=[group],
        BlockDeviceMappings=[{"DeviceName": "/dev/sda1", "Ebs": {"VolumeSize": 16, "VolumeType": "gp3"}}],
        UserData=base64.b64encode(PROPERTIES.encode()).decode(),
        TagSpecifications=[{"ResourceType": "instance", "Tags": [{"Key": "Name", "Value": "red5pro-stream-manager"}]}],
    )["Instances"][0]["InstanceId"]
    return image, node, instance


def _database(session: boto3.session.Session, endpoint: str, subnet_ids: tuple[str, ...], group: str) -> None:
    rds = session.client("rds", endpoint_url=endpoint)
    rds.create_db_subnet_group(
        DBSubnetGroupName="red5pro", DBSubnetGroupDescription="sandbox", SubnetIds=list(subnet_ids)
    )
    rds.create_db_instance(
        DBInstanceIdentifier="red5pro",
        Engine="mysql",
        EngineVersion="8.0.39",
        DBInstanceClass="db.t3.medium",
        AllocatedStorage=20,
        MasterUsername="admin",
        MasterUserPassword="sandbox-only",
        DBSubnetGroupName="red5pro",
        VpcSecurityGroupIds=[group],
        Port=3306,
    )


def _certificate(session: boto3.session.Session, endpoint: str) -> str:
    acm = session.client("acm", endpoint_url=endpoint)
    return acm.request_certificate(DomainName=f"*.{DOMAIN}", SubjectAlternativeNames=[DOMAIN], ValidationMethod="DNS")[
        "CertificateArn"
    ]


def _zone(session: boto3.session.Session, endpoint: str) -> str:
    route53 = session.client("route53", endpoint_url=endpoint)
    zone = route53.create_hosted_zone(Name=f"{DOMAIN}.", CallerReference="sandbox")
    return zone["HostedZone"]["Id"].removeprefix("/hostedzone/")
