"""What the guide expects to exist: network, groups, database, Stream Manager instance, certificate, zone."""

from __future__ import annotations

from smplan.sandbox.aws import moto_state
from smplan.sandbox.aws.ec2.instances import launch
from smplan.sandbox.aws.errors import Fields
from smplan.sandbox.aws.state.account import Account
from smplan.sandbox.aws.state.ec2 import BOOT_SECONDS, MachineImage
from smplan.sandbox.ids import DOMAIN, REGION, Prerequisites
from smplan.sandbox.interface import PROPERTIES_PATH

ZONES = (f"{REGION}a", f"{REGION}b", f"{REGION}c")
PORTS = {
    "red5pro-stream-manager": (22, 443, 5080),
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


def make(account: Account) -> Prerequisites:
    """Create them all; their ids. The database does not admit the Stream Managers yet: the guide's first step."""
    vpc_id = _vpc(account)
    subnet_ids = tuple(_subnet(account, vpc_id, number, zone) for number, zone in enumerate(ZONES))
    groups = {name: _group(account, vpc_id, name, ports) for name, ports in PORTS.items()}
    image_id = _image(account, "red5pro-stream-manager-base", {PROPERTIES_PATH: PROPERTIES})
    node_image_id = _image(account, "red5pro-node", {})
    instance_id = _instance(account, image_id, subnet_ids[0], groups["red5pro-stream-manager"])
    for key in KEY_NAMES:
        account.moto.call("ec2", "CreateKeyPair", {"KeyName": key, "KeyType": "ed25519"})
    _database(account, subnet_ids, groups["red5pro-database"])
    return Prerequisites(
        account=account.id,
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
        certificate_arn=_certificate(account),
        zone_id=_zone(account),
        domain=DOMAIN,
    )


def _named(kind: str, name: str) -> list[Fields]:
    return [{"ResourceType": kind, "Tags": [{"Key": "Name", "Value": name}]}]


def _vpc(account: Account) -> str:
    """A VPC whose main route table leads to the internet."""
    ask = account.moto.call
    request = {"CidrBlock": "10.0.0.0/16", "TagSpecifications": _named("vpc", "red5pro")}
    vpc_id: str = ask("ec2", "CreateVpc", request)["Vpc"]["VpcId"]
    gateway = ask("ec2", "CreateInternetGateway", {})["InternetGateway"]["InternetGatewayId"]
    ask("ec2", "AttachInternetGateway", {"InternetGatewayId": gateway, "VpcId": vpc_id})
    tables = ask("ec2", "DescribeRouteTables", {"Filters": [{"Name": "vpc-id", "Values": [vpc_id]}]})["RouteTables"]
    route = {"RouteTableId": tables[0]["RouteTableId"], "DestinationCidrBlock": "0.0.0.0/0", "GatewayId": gateway}
    ask("ec2", "CreateRoute", route)
    _default_group(account, vpc_id)
    return vpc_id


def _default_group(account: Account, vpc_id: str) -> None:
    """The VPC's own group admits its members (User Guide, "default security groups"), which moto leaves out."""
    filters = [{"Name": "vpc-id", "Values": [vpc_id]}, {"Name": "group-name", "Values": ["default"]}]
    group = account.moto.call("ec2", "DescribeSecurityGroups", {"Filters": filters})["SecurityGroups"][0]["GroupId"]
    rule = {"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": group}]}
    account.moto.call("ec2", "AuthorizeSecurityGroupIngress", {"GroupId": group, "IpPermissions": [rule]})


def _subnet(account: Account, vpc_id: str, number: int, zone: str) -> str:
    """A /20: moto never gives back the addresses of terminated instances."""
    request = {
        "VpcId": vpc_id,
        "CidrBlock": f"10.0.{16 * number}.0/20",
        "AvailabilityZone": zone,
        "TagSpecifications": _named("subnet", f"red5pro-{zone[-1]}"),
    }
    subnet: str = account.moto.call("ec2", "CreateSubnet", request)["Subnet"]["SubnetId"]
    account.moto.call("ec2", "ModifySubnetAttribute", {"SubnetId": subnet, "MapPublicIpOnLaunch": {"Value": True}})
    return subnet


def _group(account: Account, vpc_id: str, name: str, ports: tuple[int, ...]) -> str:
    request = {
        "GroupName": name,
        "Description": f"{name} of the sandbox",
        "VpcId": vpc_id,
        "TagSpecifications": _named("security-group", name),
    }
    group: str = account.moto.call("ec2", "CreateSecurityGroup", request)["GroupId"]
    rules = [
        {"IpProtocol": "tcp", "FromPort": port, "ToPort": port, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]} for port in ports
    ]
    if rules:
        account.moto.call("ec2", "AuthorizeSecurityGroupIngress", {"GroupId": group, "IpPermissions": rules})
    return group


def _image(account: Account, name: str, files: dict[str, str]) -> str:
    request = {"Name": name, "Description": f"{name} of the sandbox", "Architecture": "x86_64"}
    image: str = account.moto.call("ec2", "RegisterImage", request)["ImageId"]
    account.ec2.images[image] = MachineImage(account.now(), account.now(), ROOT_GIB, files)
    return image


def _instance(account: Account, image_id: str, subnet_id: str, group: str) -> str:
    request: Fields = {
        "ImageId": image_id,
        "InstanceType": "c5.large",
        "SubnetId": subnet_id,
        "SecurityGroupIds": [group],
        "TagSpecifications": _named("instance", "red5pro-stream-manager"),
    }
    instance_id: str = launch(account, request)["InstanceId"]
    account.ec2.launched[instance_id] -= BOOT_SECONDS  # it has been running for a while
    return instance_id


def _database(account: Account, subnet_ids: tuple[str, ...], group: str) -> None:
    subnet_group = {
        "DBSubnetGroupName": "red5pro",
        "DBSubnetGroupDescription": "of the sandbox",
        "SubnetIds": list(subnet_ids),
    }
    account.moto.call("rds", "CreateDBSubnetGroup", subnet_group)
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
    account.moto.call("rds", "CreateDBInstance", database)


def _certificate(account: Account) -> str:
    request = {
        "DomainName": f"*.{DOMAIN}",
        "SubjectAlternativeNames": [f"*.{DOMAIN}", DOMAIN],
        "ValidationMethod": "DNS",
    }
    arn: str = account.moto.call("acm", "RequestCertificate", request)["CertificateArn"]
    moto_state.issue(account.id, arn)
    return arn


def _zone(account: Account) -> str:
    response = account.moto.call("route53", "CreateHostedZone", {"Name": f"{DOMAIN}.", "CallerReference": "sandbox"})
    zone_id: str = response["HostedZone"]["Id"]
    return zone_id.removeprefix("/hostedzone/")
