"""Elastic Load Balancing: load balancers and their attributes."""

from __future__ import annotations

import re
from collections.abc import Iterator

from smplan.sandbox.aws import moto_state
from smplan.sandbox.aws.errors import AwsError, Fields
from smplan.sandbox.aws.requests import Call, handles
from smplan.sandbox.aws.state.account import Account
from smplan.sandbox.aws.state.elbv2 import LINGERING_SECONDS, PROVISIONING_SECONDS, Interfaces

ZONE_ID = "Z35SXDOTRQ7X7K"
"""The hosted zone of Application Load Balancers in us-east-1 (AWS General Reference)."""
_NAME = re.compile(r"(?!internal-)(?!-)[A-Za-z0-9-]{1,32}(?<!-)")
DEFAULTS = {
    # API reference, LoadBalancerAttribute
    "access_logs.s3.bucket": "",
    "access_logs.s3.enabled": "false",
    "access_logs.s3.prefix": "",
    "client_keep_alive.seconds": "3600",
    "connection_logs.s3.bucket": "",
    "connection_logs.s3.enabled": "false",
    "connection_logs.s3.prefix": "",
    "deletion_protection.enabled": "false",
    "idle_timeout.timeout_seconds": "60",
    "ipv6.deny_all_igw_traffic": "false",
    "load_balancing.cross_zone.enabled": "true",
    "routing.http.desync_mitigation_mode": "defensive",
    "routing.http.drop_invalid_header_fields.enabled": "false",
    "routing.http.preserve_host_header.enabled": "false",
    "routing.http.x_amzn_tls_version_and_cipher_suite.enabled": "false",
    "routing.http.xff_client_port.enabled": "false",
    "routing.http.xff_header_processing.mode": "append",
    "routing.http2.enabled": "true",
    "waf.fail_open.enabled": "false",
    "zonal_shift.config.enabled": "false",
}


def invalid(message: str) -> AwsError:
    """ELB's code for a parameter that is wrong in itself."""
    return AwsError("ValidationError", message)


@handles("elbv2", "CreateLoadBalancer")
def create(call: Call) -> Fields:
    """Repeating the same settings returns the existing one; others are refused (API reference: "idempotent")."""
    account, name = call.account, call["Name"]
    if not _NAME.fullmatch(name):
        raise invalid(
            f"The load balancer name '{name}' must have 1 to 32 characters, only letters, digits and hyphens, "
            "must not begin or end with a hyphen, and must not begin with 'internal-'"
        )
    subnets = _subnets(call)
    _check_groups(account, call["SecurityGroups"] or [], subnets[0]["VpcId"])
    arns = [each.arn for each in moto_state.balancers(account.id) if each.name == name]
    if arns:
        return {"LoadBalancers": [_same(call, _by_arn(account, arns[0]), subnets)]}
    _check_gateway(call, subnets[0]["VpcId"])
    response = call.moto(SecurityGroups=call["SecurityGroups"] or [_default_group(account, subnets[0]["VpcId"])])
    made = response["LoadBalancers"][0]
    account.elbv2.active_at[made["LoadBalancerArn"]] = account.now() + PROVISIONING_SECONDS
    return {"LoadBalancers": [_seen(account, made)]}


def _subnets(call: Call) -> list[Fields]:
    """Two zones at least, one subnet a zone (API reference, CreateLoadBalancer)."""
    ids = call["Subnets"] or [each["SubnetId"] for each in call["SubnetMappings"] or []]
    found = []
    for subnet in ids:
        response = call.account.describe_ec2("DescribeSubnets", SubnetIds=[subnet])
        if not response:
            raise AwsError("SubnetNotFound", f"The subnet ID '{subnet}' does not exist")
        found.append(response["Subnets"][0])
    zones = {each["AvailabilityZone"] for each in found}
    if len(found) > len(zones):
        raise AwsError(
            "InvalidConfigurationRequest",
            "A load balancer cannot be attached to multiple subnets in the same Availability Zone",
        )
    if len(zones) < 2 and (call["Type"] or "application") == "application":
        raise invalid("At least two subnets in two different Availability Zones must be specified")
    return found


def _check_groups(account: Account, ids: list[str], vpc_id: str) -> None:
    for group in ids:
        response = account.describe_ec2("DescribeSecurityGroups", GroupIds=[group])
        if not response or response["SecurityGroups"][0]["VpcId"] != vpc_id:
            raise AwsError("InvalidSecurityGroup", f"The security group '{group}' does not exist in {vpc_id}")


def _default_group(account: Account, vpc_id: str) -> str:
    filters = [{"Name": "vpc-id", "Values": [vpc_id]}, {"Name": "group-name", "Values": ["default"]}]
    response = account.moto.call("ec2", "DescribeSecurityGroups", {"Filters": filters})
    return str(response["SecurityGroups"][0]["GroupId"])


def _check_gateway(call: Call, vpc_id: str) -> None:
    """An internet-facing load balancer needs an internet gateway (User Guide, "subnets for your load balancer")."""
    if (call["Scheme"] or "internet-facing") != "internet-facing":
        return
    filters = [{"Name": "attachment.vpc-id", "Values": [vpc_id]}]
    if not call.account.moto.call("ec2", "DescribeInternetGateways", {"Filters": filters})["InternetGateways"]:
        raise AwsError("InvalidSubnet", f"VPC {vpc_id} has no internet gateway")


def _same(call: Call, held: Fields, subnets: list[Fields]) -> Fields:
    groups = call["SecurityGroups"]
    same = (
        held["Scheme"] == (call["Scheme"] or "internet-facing")
        and held.get("IpAddressType", "ipv4") == (call["IpAddressType"] or "ipv4")
        and {each["SubnetId"] for each in held["AvailabilityZones"]} == {each["SubnetId"] for each in subnets}
        and (groups is None or set(held["SecurityGroups"]) == set(groups))
    )
    if not same:
        raise AwsError("DuplicateLoadBalancerName", f"A load balancer with the name '{call['Name']}' already exists")
    return held


def _by_arn(account: Account, arn: str) -> Fields:
    """The load balancer as DescribeLoadBalancers returns it. Raises AwsError: LoadBalancerNotFound."""
    response = account.moto.call("elbv2", "DescribeLoadBalancers", {"LoadBalancerArns": [arn]})
    return _seen(account, response["LoadBalancers"][0])


def _seen(account: Account, balancer: Fields) -> Fields:
    """With its real state, DNS name (a new one for each) and hosted zone."""
    active = account.now() >= account.elbv2.active_at.get(balancer["LoadBalancerArn"], 0.0)
    return {
        "Scheme": "internet-facing",
        "IpAddressType": "ipv4",
        **balancer,
        "State": {"Code": "active" if active else "provisioning"},
        "DNSName": dns_name(balancer["LoadBalancerArn"], balancer.get("Scheme", "")),
        "CanonicalHostedZoneId": ZONE_ID,
    }


def dns_name(arn: str, scheme: str = "internet-facing") -> str:
    """``name-<number>.us-east-1.elb.amazonaws.com``, the number being the load balancer's own."""
    *_, name, number = arn.split("/")
    internal = "internal-" if scheme == "internal" else ""
    return f"{internal}{name}-{int(number, 16) % 10**10:010d}.{arn.split(':')[3]}.elb.amazonaws.com"


@handles("elbv2", "DescribeLoadBalancers")
def describe(call: Call) -> Fields:
    """Provisioning for two minutes; an unknown ARN or name fails the whole call."""
    held = {each.arn for each in moto_state.balancers(call.account.id)}
    for arn in call["LoadBalancerArns"] or []:
        if arn not in held:
            raise AwsError("LoadBalancerNotFound", f"Load balancers '[{arn}]' not found")
    response = call.moto()
    return {**response, "LoadBalancers": [_seen(call.account, each) for each in response["LoadBalancers"]]}


@handles("elbv2", "DeleteLoadBalancer")
def delete(call: Call) -> None:
    """Absent is success; protected is refused; its network interfaces stay for a while (iasql-engine#654)."""
    account, arn = call.account, call["LoadBalancerArn"]
    held = next((each for each in moto_state.balancers(account.id) if each.arn == arn), None)
    if held is None:
        return
    if account.elbv2.attributes.get(arn, {}).get("deletion_protection.enabled") == "true":
        raise AwsError(
            "OperationNotPermitted",
            f"Load balancer '{arn}' cannot be deleted because deletion protection is enabled",
        )
    for listener in held.listeners:
        account.moto.call("elbv2", "DeleteListener", {"ListenerArn": listener.arn})
    call.moto()
    gone_at = account.now() + LINGERING_SECONDS
    account.elbv2.lingering.append(Interfaces(held.name, arn, held.group_ids, held.subnet_ids, gone_at))
    account.elbv2.attributes.pop(arn, None)
    account.elbv2.active_at.pop(arn, None)


def interfaces(account: Account) -> Iterator[Interfaces]:
    """The network interfaces of load balancers, those of deleted ones too until they go."""
    for each in moto_state.balancers(account.id):
        yield Interfaces(each.name, each.arn, each.group_ids, each.subnet_ids, float("inf"))
    yield from (each for each in account.elbv2.lingering if account.now() < each.gone_at)


def _require(account: Account, arn: str) -> None:
    account.moto.call("elbv2", "DescribeLoadBalancers", {"LoadBalancerArns": [arn]})


@handles("elbv2", "DescribeLoadBalancerAttributes")
def attributes(call: Call) -> Fields:
    """All attributes with their defaults, not only those that were set."""
    _require(call.account, call["LoadBalancerArn"])
    return _attributes(call.account, call["LoadBalancerArn"])


def _attributes(account: Account, arn: str) -> Fields:
    held = {**DEFAULTS, **account.elbv2.attributes.get(arn, {})}
    return {"Attributes": [{"Key": key, "Value": held[key]} for key in sorted(held)]}


@handles("elbv2", "ModifyLoadBalancerAttributes")
def modify_attributes(call: Call) -> Fields:
    """Unknown keys and values out of range are refused (API reference, LoadBalancerAttribute)."""
    arn = call["LoadBalancerArn"]
    _require(call.account, arn)
    wanted = {each["Key"]: each.get("Value", "") for each in call["Attributes"]}
    for key, value in wanted.items():
        _check_attribute(key, value)
    call.account.elbv2.attributes.setdefault(arn, {}).update(wanted)
    return _attributes(call.account, arn)


def _check_attribute(key: str, value: str) -> None:
    if key not in DEFAULTS:
        raise invalid(f"Load balancer attribute key '{key}' is not recognized")
    ranges = {"idle_timeout.timeout_seconds": (1, 4000), "client_keep_alive.seconds": (60, 604800)}
    if key in ranges:
        low, high = ranges[key]
        if not value.isdigit() or not low <= int(value) <= high:
            raise AwsError("InvalidConfigurationRequest", f"Load balancer attribute '{key}' must be {low} to {high}")
    if key.endswith("enabled") and value not in {"true", "false"}:
        raise AwsError("InvalidConfigurationRequest", f"Load balancer attribute '{key}' must be true or false")


@handles("elbv2", "SetSubnets")
def set_subnets(call: Call) -> Fields:
    """The same rules as at creation."""
    _subnets(call)
    return call.moto()


@handles("elbv2", "SetSecurityGroups")
def set_groups(call: Call) -> Fields:
    """Groups must exist in the load balancer's VPC."""
    balancer = _by_arn(call.account, call["LoadBalancerArn"])
    _check_groups(call.account, call["SecurityGroups"], balancer["VpcId"])
    return call.moto()
