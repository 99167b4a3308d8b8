"""Eventual consistency: for some virtual seconds after a create, requests that name the new thing fail to see it.

AWS has no fixed delay; the sandbox's are attributes of ``Account``, 0 unless they are switched on.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from smplan.sandbox.aws.errors import AwsError, Fields
from smplan.sandbox.aws.state.account import Account

_IN_RESPONSE: Mapping[str, re.Pattern[str]] = {
    "AuthorizeSecurityGroupEgress": re.compile(r"\bsgr-[0-9a-f]+"),
    "AuthorizeSecurityGroupIngress": re.compile(r"\bsgr-[0-9a-f]+"),
    "CreateImage": re.compile(r"\bami-[0-9a-f]+"),
    "CreateLaunchTemplate": re.compile(r"\blt-[0-9a-f]+"),
    "CreateListener": re.compile(r"arn:aws:[^<\"]+:listener/[^<\"]+"),
    "CreateLoadBalancer": re.compile(r"arn:aws:[^<\"]+:loadbalancer/[^<\"]+|[\w-]+\.[\w-]+\.elb\.amazonaws\.com"),
    "CreateSecurityGroup": re.compile(r"\bsg-[0-9a-f]+"),
    "CreateTargetGroup": re.compile(r"arn:aws:[^<\"]+:targetgroup/[^<\"]+"),
    "CreateTopic": re.compile(r"arn:aws:sns:[^<\"]+"),
}
"""What a create's response names the new thing by."""
_IN_REQUEST = {
    "CreateAutoScalingGroup": "AutoScalingGroupName",
    "CreateLaunchConfiguration": "LaunchConfigurationName",
}
"""The parameter that names the new thing, where it has no id."""
_REFUSALS = (
    ("sgr-", "InvalidSecurityGroupRuleId.NotFound", "The security group rule ID '{}' does not exist"),
    ("sg-", "InvalidGroup.NotFound", "The security group '{}' does not exist"),
    ("lt-", "InvalidLaunchTemplateId.NotFound", "The launch template, with template ID {}, does not exist."),
    ("ami-", "InvalidAMIID.NotFound", "The image id '[{}]' does not exist"),
    ("arn:aws:sns", "NotFound", "Topic does not exist"),
    (":targetgroup/", "TargetGroupNotFound", "One or more target groups not found"),
    (":loadbalancer/", "LoadBalancerNotFound", "One or more load balancers not found"),
    (":listener/", "ListenerNotFound", "One or more listeners not found"),
)
_TABLE = "consistency.born"


def check(account: Account, service: str, operation: Any, params: Fields) -> Fields | None:
    """Refuse a request that names what is too new; the empty response where AWS leaves out what it does not know."""
    name = operation.name
    if name.startswith(("Delete", "Deregister", "Revoke")):
        return None
    reads = name.startswith(("Describe", "Get", "List"))
    value = _new(account, params, account.reads_settle_seconds if reads else account.writes_settle_seconds)
    if not value:
        return None
    by_filter = service == "ec2" and value in _texts(params.get("Filters"))
    if reads and (by_filter or service == "autoscaling"):
        members = operation.output_shape.members
        return {name: [] for name, member in members.items() if member.type_name == "list"}
    raise _refusal(service, value)


def note(account: Account, action: str, params: Fields, body: bytes) -> None:
    """Note what the response ``body`` to a create says is new."""
    born = account.table(_TABLE)
    found = _IN_RESPONSE[action].findall(body.decode()) if action in _IN_RESPONSE else []
    if action in _IN_REQUEST:
        found = [params[_IN_REQUEST[action]]]
    for value in found:
        born.setdefault(value.lower(), account.now())


def _new(account: Account, params: Fields, seconds: float) -> str:
    """The first value in a request that names what is not ``seconds`` old; empty if there is none."""
    born = account.table(_TABLE)
    limit = account.now() - seconds
    return next((text for text in _texts(params) if born.get(text.strip(".").lower(), limit) > limit), "")


def _texts(tree: Any) -> Iterator[str]:
    if isinstance(tree, str):
        yield from (tree, *tree.split(","))
    elif isinstance(tree, dict):
        for value in tree.values():
            yield from _texts(value)
    elif isinstance(tree, list):
        for item in tree:
            yield from _texts(item)


def _refusal(service: str, value: str) -> AwsError:
    """As the service words it; Auto Scaling has one code for everything."""
    code, text = next(
        ((code, text) for part, code, text in _REFUSALS if part in value),
        ("ValidationError", "name not found - {} not found"),
    )
    if service == "autoscaling":
        code = "ValidationError"
        if ":targetgroup/" in value:
            text = "Provided Target Groups may not be valid. Please ensure they exist and try again."
    if service == "route53":
        code, text = "InvalidChangeBatch", "[Tried to create an alias that targets {}, but that target was not found]"
    return AwsError(code, text.format(value))
