"""EC2: security groups, what still uses them, and the network interfaces of load balancers."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from smplan.sandbox.aws import moto_state
from smplan.sandbox.aws.elbv2.load_balancers import interfaces
from smplan.sandbox.aws.errors import (
    AwsError,
    Fields,
)
from smplan.sandbox.aws.requests import (
    Call,
    handles,
)
from smplan.sandbox.aws.state.account import Account

_SOURCES = ("UserIdGroupPairs", "PrefixListIds")


@handles("ec2", "DeleteSecurityGroup")
def delete(call: Call) -> Fields:
    """DependencyViolation while an instance, load balancer, database or another group's rule has it (API reference)."""
    group_id = call["GroupId"]
    if group_id and next(users(call.account, group_id), None):
        raise AwsError("DependencyViolation", f"resource {group_id} has a dependent object")
    return call.moto()


def users(account: Account, group_id: str) -> Iterator[str]:
    """Ids of what uses a security group."""
    for instance in moto_state.instances(account.id):
        if group_id in instance.group_ids:
            yield instance.id
    yield from (each.arn for each in interfaces(account) if group_id in each.group_ids)
    for database in account.moto.call("rds", "DescribeDBInstances", {})["DBInstances"]:
        if group_id in [each["VpcSecurityGroupId"] for each in database.get("VpcSecurityGroups", [])]:
            yield database["DBInstanceIdentifier"]
    for group in account.moto.call("ec2", "DescribeSecurityGroups", {})["SecurityGroups"]:
        if group["GroupId"] != group_id and group_id in _referenced_groups(group):
            yield group["GroupId"]


def _referenced_groups(group: Fields) -> set[str]:
    rules = [*group.get("IpPermissions", []), *group.get("IpPermissionsEgress", [])]
    return {pair.get("GroupId", "") for rule in rules for pair in rule.get("UserIdGroupPairs", [])}


@handles("ec2", "DeleteSubnet")
def delete_subnet(call: Call) -> Fields:
    """DependencyViolation while an instance or a load balancer's interface is in it (API reference)."""
    subnet = call["SubnetId"]
    used = any(each.subnet_id == subnet for each in moto_state.instances(call.account.id))
    if used or any(subnet in each.subnet_ids for each in interfaces(call.account)):
        raise AwsError("DependencyViolation", f"The subnet '{subnet}' has dependencies and cannot be deleted.")
    return call.moto()


@handles("ec2", "AuthorizeSecurityGroupIngress", "AuthorizeSecurityGroupEgress")
def authorize(call: Call) -> Fields:
    """A rule's description is no part of its identity (InvalidPermission.Duplicate), and is kept for every source."""
    permissions = call["IpPermissions"] or []
    texts = [
        (source.get("GroupId") or source.get("PrefixListId"), source["Description"])
        for permission in permissions
        for kind in _SOURCES
        for source in permission.get(kind) or []
        if source.get("Description")
    ]
    bare = [
        {
            key: [{part: value for part, value in each.items() if part != "Description"} for each in value]
            if key in _SOURCES
            else value
            for key, value in permission.items()
        }
        for permission in permissions
    ]
    response = call.moto(IpPermissions=bare or None)
    for rule in response.get("SecurityGroupRules", []):
        source = rule.get("ReferencedGroupInfo", {}).get("GroupId") or rule.get("PrefixListId")
        for owner, text in texts:
            if owner == source:
                call.account.ec2.descriptions[rule["SecurityGroupRuleId"]] = text
    return _described(call.account, response)


def _described(account: Account, response: Fields) -> Fields:
    for rule in response.get("SecurityGroupRules", []):
        text = account.ec2.descriptions.get(rule["SecurityGroupRuleId"])
        if text:
            rule["Description"] = text
    return response


@handles("ec2", "DescribeSecurityGroupRules")
def describe_rules(call: Call) -> Fields:
    """With the descriptions of rules whose source is a group or a prefix list."""
    return _described(call.account, call.moto())


@handles("ec2", "ModifySecurityGroupRules")
def modify_rules(call: Call) -> Fields:
    """The whole rule is replaced, its description too."""
    response = call.moto()
    for each in call["SecurityGroupRules"] or []:
        rule = each.get("SecurityGroupRule") or {}
        if rule.get("ReferencedGroupId") or rule.get("PrefixListId"):
            call.account.ec2.descriptions[each["SecurityGroupRuleId"]] = rule.get("Description") or ""
    return response


@handles("ec2", "DescribeNetworkInterfaces")
def describe_interfaces(call: Call) -> Fields:
    """Load balancers have one in each subnet, for a while after they are deleted too (iasql-engine#654)."""
    response = call.moto()
    alive = {each.id for each in moto_state.instances(call.account.id)}
    kept = [
        each
        for each in response["NetworkInterfaces"]
        if "InstanceId" not in each.get("Attachment", {}) or each["Attachment"]["InstanceId"] in alive
    ]
    if call["NetworkInterfaceIds"]:
        return {**response, "NetworkInterfaces": kept}
    own = [
        each
        for each in _balancer_interfaces(call.account)
        if all(_passes(each, wanted) for wanted in call["Filters"] or [])
    ]
    return {**response, "NetworkInterfaces": [*kept, *own]}


def _balancer_interfaces(account: Account) -> Iterator[Fields]:
    for each in interfaces(account):
        short = "/".join(each.arn.split("/")[1:])
        for subnet in each.subnet_ids:
            number = hashlib.sha256(f"{each.arn} {subnet}".encode()).hexdigest()[:17]
            yield {
                "NetworkInterfaceId": f"eni-{number}",
                "Description": f"ELB {short}",
                "InterfaceType": "interface",
                "RequesterId": "amazon-elb",
                "RequesterManaged": True,
                "SubnetId": subnet,
                "OwnerId": account.id,
                "Status": "in-use",
                "Groups": [{"GroupId": group, "GroupName": group} for group in each.group_ids],
            }


def _passes(interface: Fields, wanted: Fields) -> bool:
    values = wanted.get("Values") or []
    match wanted["Name"]:
        case "group-id":
            return any(each["GroupId"] in values for each in interface["Groups"])
        case "subnet-id":
            return interface["SubnetId"] in values
        case "description":
            return any(_matches(interface["Description"], value) for value in values)
        case "requester-id":
            return interface["RequesterId"] in values
        case "status":
            return interface["Status"] in values
        case _:
            return False


def _matches(text: str, pattern: str) -> bool:
    start, star, _ = pattern.partition("*")
    return text.startswith(start) if star else text == pattern
