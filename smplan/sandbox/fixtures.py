"""What the guide expects to exist: network, groups, database, Stream Manager instance, certificate, zone."""

from __future__ import annotations

from smplan.sandbox.aws import moto_state
from smplan.sandbox.aws.ec2.instances import launch
from smplan.sandbox.aws.errors import (
    Fields,
)
from smplan.sandbox.aws.state.account import Cloud
from smplan.sandbox.aws.state.ec2 import BOOT_SECONDS, Image
from smplan.sandbox.ids import DOMAIN, REGION, Prerequisites
from smplan.sandbox.interface import PROPERTIES_PATH

ZONES = (f"{REGION}a", f"{REGION}b", f"{REGION}c")
PORTS = {
    "red5pro-stream-manager": (22, 5080),
    "red5pro-database": (),
    "red5pro-node": (22, 1935, 5080, 8554),
}
PROPERTIES = """# Stream Manager's settings, as the guide leaves them on the configured instance
config.dbHost=red5pro.cluster.us-east-1.rds.amazonaws.com
config.dbPort=3306
config.dbUser=admin
streammanager.ip=
rest.administratorToken=sandbox-admin-token
"""
ROOT_GIB = 16
KEY_NAMES = ("red5pro", "ops")


def make(cloud: Cloud) -> Prerequisites:
    """Create them all; their ids. The database does not admit the Stream Managers yet: the guide's first step."""
    vpc_id = _vpc(cloud)
    subnet_ids = tuple(_subnet(cloud, vpc_id, number, zone) for number, zone in enumerate(ZONES))
    groups = {name: _group(cloud, vpc_id, name, ports) for name, ports in PORTS.items()}
    image_id = _image(cloud, "red5pro-stream-manager-base", {PROPERTIES_PATH: PROPERTIES})
    node_image_id = _image(cloud, "red5pro-node", {})
    instance_id = _instance(cloud, image_id, subnet_ids[0], groups["red5pro-stream-manager"])
    for key in KEY_NAMES:
        cloud.moto.ask("ec2", "CreateKeyPair", {"KeyName": key, "KeyType": "ed25519"})
    _database(cloud, subnet_ids, groups["red5pro-database"])
    return Prerequisites(
        account=cloud.account,
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
        certificate_arn=_certificate(cloud),
        zone_id=_zone(cloud),
        domain=DOMAIN,
    )


def _named(kind: str, name: str) -> list[Fields]:
    return [{"ResourceType": kind, "Tags": [{"Key": "Name", "Value": name}]}]


def _vpc(cloud: Cloud) -> str:
    """A VPC whose main route table leads to the internet."""
    ask = cloud.moto.ask
    request = {"CidrBlock": "10.0.0.0/16", "TagSpecifications": _named("vpc", "red5pro")}
    vpc_id: str = ask("ec2", "CreateVpc", request)["Vpc"]["VpcId"]
    gateway = ask("ec2", "CreateInternetGateway", {})["InternetGateway"]["InternetGatewayId"]
    ask("ec2", "AttachInternetGateway", {"InternetGatewayId": gateway, "VpcId": vpc_id})
    tables = ask("ec2", "DescribeRouteTables", {"Filters": [{"Name": "vpc-id", "Values": [vpc_id]}]})["RouteTables"]
    route = {"RouteTableId": tables[0]["RouteTableId"], "DestinationCidrBlock": "0.0.0.0/0", "GatewayId": gateway}
    ask("ec2", "CreateRoute", route)
    return vpc_id


def _subnet(cloud: Cloud, vpc_id: str, number: int, zone: str) -> str:
    """A /20: moto never gives back the addresses of terminated instances."""
    request = {
        "VpcId": vpc_id,
        "CidrBlock": f"10.0.{16 * number}.0/20",
        "AvailabilityZone": zone,
        "TagSpecifications": _named("subnet", f"red5pro-{zone[-1]}"),
    }
    subnet: str = cloud.moto.ask("ec2", "CreateSubnet", request)["Subnet"]["SubnetId"]
    cloud.moto.ask("ec2", "ModifySubnetAttribute", {"SubnetId": subnet, "MapPublicIpOnLaunch": {"Value": True}})
    return subnet


def _group(cloud: Cloud, vpc_id: str, name: str, ports: tuple[int, ...]) -> str:
    request = {
        "GroupName": name,
        "Description": f"{name} of the sandbox",
        "VpcId": vpc_id,
        "TagSpecifications": _named("security-group", name),
    }
    group: str = cloud.moto.ask("ec2", "CreateSecurityGroup", request)["GroupId"]
    rules = [
        {"IpProtocol": "tcp", "FromPort": port, "ToPort": port, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]} for port in ports
    ]
    if rules:
        cloud.moto.ask("ec2", "AuthorizeSecurityGroupIngress", {"GroupId": group, "IpPermissions": rules})
    return group


def _image(cloud: Cloud, name: str, files: dict[str, str]) -> str:
    request = {"Name": name, "Description": f"{name} of the sandbox", "Architecture": "x86_64"}
    image: str = cloud.moto.ask("ec2", "RegisterImage", request)["ImageId"]
    cloud.compute.images[image] = Image(cloud.now(), cloud.now(), ROOT_GIB, files)
    return image


def _instance(cloud: Cloud, image_id: str, subnet_id: str, group: str) -> str:
    request: Fields = {
        "ImageId": image_id,
        "InstanceType": "c5.large",
        "SubnetId": subnet_id,
        "SecurityGroupIds": [group],
        "TagSpecifications": _named("instance", "red5pro-stream-manager"),
    }
    instance_id: str = launch(cloud, request)["InstanceId"]
    cloud.compute.launched[instance_id] -= BOOT_SECONDS  # it has been running for a while
    return instance_id


def _database(cloud: Cloud, subnet_ids: tuple[str, ...], group: str) -> None:
    subnet_group = {
        "DBSubnetGroupName": "red5pro",
        "DBSubnetGroupDescription": "of the sandbox",
        "SubnetIds": list(subnet_ids),
    }
    cloud.moto.ask("rds", "CreateDBSubnetGroup", subnet_group)
    database = {
        "DBInstanceIdentifier": "red5pro",
        "Engine": "mysql",
        "EngineVersion": "8.0.39",
        "DBInstanceClass": "db.t3.medium",
        "AllocatedStorage": 20,
        "MasterUsername": "admin",
        "MasterUserPassword": "sandbox-only",
        "DBSubnetGroupName": "red5pro",
        "VpcSecurityGroupIds": [group],
        "Port": 3306,
    }
    cloud.moto.ask("rds", "CreateDBInstance", database)


def _certificate(cloud: Cloud) -> str:
    request = {
        "DomainName": f"*.{DOMAIN}",
        "SubjectAlternativeNames": [f"*.{DOMAIN}", DOMAIN],
        "ValidationMethod": "DNS",
    }
    arn: str = cloud.moto.ask("acm", "RequestCertificate", request)["CertificateArn"]
    moto_state.issue(cloud.account, arn)
    return arn


def _zone(cloud: Cloud) -> str:
    response = cloud.moto.ask("route53", "CreateHostedZone", {"Name": f"{DOMAIN}.", "CallerReference": "sandbox"})
    zone_id: str = response["HostedZone"]["Id"]
    return zone_id.removeprefix("/hostedzone/")
