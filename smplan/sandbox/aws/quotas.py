"""Quotas of the account: described by Service Quotas and by the services, and enforced at each create."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

from smplan.sandbox.aws import moto_state
from smplan.sandbox.aws.errors import AwsError, Fields
from smplan.sandbox.aws.requests import Call, handles
from smplan.sandbox.aws.state.account import Account

_DEFAULTS = {
    ("autoscaling", "L-6B80B8FA"): ("Launch configurations per region", 200),
    ("autoscaling", "L-CDE20ADC"): ("Auto Scaling groups per region", 500),
    ("ec2", "L-1216C47A"): ("Running On-Demand Standard (A, C, D, H, I, M, R, T, Z) instances", 1152),
    ("ec2", "L-1945791B"): ("Running On-Demand Inf instances", 64),
    ("ec2", "L-417A185B"): ("Running On-Demand P instances", 64),
    ("ec2", "L-7295265B"): ("Running On-Demand X instances", 64),
    ("ec2", "L-74FC7D96"): ("Running On-Demand F instances", 64),
    ("ec2", "L-DB2E81BA"): ("Running On-Demand G and VT instances", 64),
    ("elasticloadbalancing", "L-53DA6B97"): ("Application Load Balancers per Region", 50),
    ("elasticloadbalancing", "L-B22855CB"): ("Target Groups per Region", 3000),
    ("elasticloadbalancing", "L-B6DF7632"): ("Listeners per Application Load Balancer", 50),
    ("route53", "L-E209CC9F"): ("Records per hosted zone", 10_000),
    ("vpc", "L-0EA8095F"): ("Inbound or outbound rules per security group", 60),
    ("vpc", "L-E79EC296"): ("VPC security groups per Region", 2500),
}
"""Service and code to name and value: the defaults of AWS (General Reference), but for the vCPUs."""
_ELB = "elasticloadbalancing"


def limit(account: Account, service: str, code: str) -> int:
    """The quota in force: the default, unless ``set_limit`` has changed it."""
    return int(account.table("quotas").get((service, code), _DEFAULTS[service, code][1]))


def set_limit(account: Account, service: str, code: str, value: int) -> None:
    """Change a quota, as a request to AWS does."""
    account.table("quotas")[service, code] = value


@handles("service-quotas", "GetServiceQuota")
def get(call: Call) -> Fields:
    """NoSuchResourceException for an unknown one (API reference)."""
    key = call["ServiceCode"], call["QuotaCode"]
    if key not in _DEFAULTS:
        raise AwsError("NoSuchResourceException", "The request failed because the specified quota does not exist.")
    return {
        "Quota": {
            "ServiceCode": key[0],
            "QuotaCode": key[1],
            "QuotaName": _DEFAULTS[key][0],
            "QuotaArn": call.account.arn("servicequotas", "/".join(key)),
            "Value": float(limit(call.account, *key)),
            "Unit": "None",
            "Adjustable": True,
            "GlobalQuota": key[0] == "route53",
        }
    }


@handles("elbv2", "DescribeAccountLimits")
def balancer_limits(call: Call) -> Fields:
    """By name (API reference, Limit)."""
    names = {
        "application-load-balancers": "L-53DA6B97",
        "target-groups": "L-B22855CB",
        "listeners-per-application-load-balancer": "L-B6DF7632",
    }
    return {"Limits": [{"Name": name, "Max": str(limit(call.account, _ELB, code))} for name, code in names.items()]}


@handles("route53", "GetHostedZoneLimit")
def zone_limit(call: Call) -> Fields:
    """How many records there may be, and are (API reference); the other types have no limit here."""
    zone_id = str(call["HostedZoneId"])
    zone = call.account.moto.call("route53", "GetHostedZone", {"Id": zone_id})["HostedZone"]
    records = call["Type"] == "MAX_RRSETS_BY_ZONE"
    value = limit(call.account, "route53", "L-E209CC9F") if records else 300
    count = int(zone["ResourceRecordSetCount"]) if records else 1
    return {"Limit": {"Type": call["Type"], "Value": value}, "Count": count}


@dataclass(frozen=True, slots=True)
class Demand:
    """What a request would add to what is used, and the quota that it counts to."""

    service: str
    code: str
    used: int
    adds: int


Count: TypeAlias = Callable[[Account, Fields], Iterator[Demand]]


def check(account: Account, service: str, action: str, params: Fields) -> None:
    """Raise the service's error if a create exceeds a quota. A repeat of an existing name adds nothing."""
    error, count = _RULES.get((service, action), ("", None))
    for demand in count(account, params) if count else ():
        most = limit(account, demand.service, demand.code)
        if demand.adds and demand.used + demand.adds > most:
            name = _DEFAULTS[demand.service, demand.code][0]
            raise AwsError(error, f"The maximum number of {most} is reached: {name}")


def _balancers(account: Account, params: Fields) -> Iterator[Demand]:
    names = [each.name for each in moto_state.balancers(account.id)]
    yield Demand(_ELB, "L-53DA6B97", len(names), params.get("Name") not in names)


def _target_groups(account: Account, params: Fields) -> Iterator[Demand]:
    groups = account.moto.call("elbv2", "DescribeTargetGroups", {})["TargetGroups"]
    names = [each["TargetGroupName"] for each in groups]
    yield Demand(_ELB, "L-B22855CB", len(names), params.get("Name") not in names)


def _listeners(account: Account, params: Fields) -> Iterator[Demand]:
    for each in moto_state.balancers(account.id):
        if each.arn == params.get("LoadBalancerArn"):
            ports = [listener.port for listener in each.listeners]
            yield Demand(_ELB, "L-B6DF7632", len(ports), params.get("Port") not in ports)


def _groups(account: Account, _: Fields) -> Iterator[Demand]:
    yield Demand("autoscaling", "L-CDE20ADC", len(account.autoscaling.groups), 1)


def _configurations(account: Account, _: Fields) -> Iterator[Demand]:
    yield Demand("autoscaling", "L-6B80B8FA", len(account.autoscaling.configurations), 1)


def _security_groups(account: Account, _: Fields) -> Iterator[Demand]:
    yield Demand("vpc", "L-E79EC296", len(account.moto.call("ec2", "DescribeSecurityGroups", {})["SecurityGroups"]), 1)


def _rules(account: Account, params: Fields, *, egress: bool) -> Iterator[Demand]:
    """IPv4 and IPv6 count separately; a rule for a group or a prefix list counts to both (VPC User Guide, quotas)."""
    filters = [{"Name": "group-id", "Values": [params.get("GroupId", "")]}]
    rules = account.moto.call("ec2", "DescribeSecurityGroupRules", {"Filters": filters})["SecurityGroupRules"]
    permissions = params.get("IpPermissions") or []
    both = sum(len(each.get(name) or []) for each in permissions for name in ("UserIdGroupPairs", "PrefixListIds"))
    for member, other in (("IpRanges", "CidrIpv6"), ("Ipv6Ranges", "CidrIpv4")):
        used = sum(rule["IsEgress"] == egress and not rule.get(other) for rule in rules)
        adds = sum(len(each.get(member) or []) for each in permissions) + both
        yield Demand("vpc", "L-0EA8095F", used, adds)


def _records(account: Account, params: Fields) -> Iterator[Demand]:
    actions = [each["Action"] for each in params["ChangeBatch"]["Changes"]]
    try:
        zone = account.moto.call("route53", "GetHostedZone", {"Id": params["HostedZoneId"]})["HostedZone"]
    except AwsError:
        return  # refused by the action itself
    adds = max(0, actions.count("CREATE") - actions.count("DELETE"))
    yield Demand("route53", "L-E209CC9F", int(zone["ResourceRecordSetCount"]), adds)


_RULES: dict[tuple[str, str], tuple[str, Any]] = {
    ("autoscaling", "CreateAutoScalingGroup"): ("LimitExceeded", _groups),
    ("autoscaling", "CreateLaunchConfiguration"): ("LimitExceeded", _configurations),
    ("ec2", "AuthorizeSecurityGroupEgress"): (
        "RulesPerSecurityGroupLimitExceeded",
        lambda account, params: _rules(account, params, egress=True),
    ),
    ("ec2", "AuthorizeSecurityGroupIngress"): (
        "RulesPerSecurityGroupLimitExceeded",
        lambda account, params: _rules(account, params, egress=False),
    ),
    ("ec2", "CreateSecurityGroup"): ("SecurityGroupLimitExceeded", _security_groups),
    ("elbv2", "CreateListener"): ("TooManyListeners", _listeners),
    ("elbv2", "CreateLoadBalancer"): ("TooManyLoadBalancers", _balancers),
    ("elbv2", "CreateTargetGroup"): ("TooManyTargetGroups", _target_groups),
    ("route53", "ChangeResourceRecordSets"): ("LimitsExceeded", _records),
}
"""Service and action to the error code, and what counts to which quota."""
