"""What AWS refuses by its documentation alone: its service models do not say it. Each rule has its source."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

from smplan.sandbox.aws.errors import AwsError, Fields
from smplan.sandbox.aws.model import compiled

Refusal: TypeAlias = "tuple[str, str]"
"""Code (empty: the service's code of validation errors) and message."""
Rule: TypeAlias = Callable[[str, Fields], Iterator[Refusal]]
"""The refusals of the parameters of an operation of a service."""

_KEY_LIMIT = 128
_VALUE_LIMIT = 256
_ALPHABETS = {"sns": r"[\p{L}\p{Z}\p{N}_.:/=+\-@]*"}
"""The characters of tags where only the documentation limits them (SNS: API reference of Tag); elbv2's model has them.

EC2 accepts any character (EC2 User Guide, "Tag restrictions"), and so do Auto Scaling and CloudWatch.
"""
_DESCRIPTION = re.compile(r"[a-zA-Z0-9 ._\-:/()#,@\[\]+=&;{}!$*]{0,255}")
_PROTOCOLS = frozenset({"tcp", "udp", "icmp", "icmpv6", "-1"})
_PROVISIONED = frozenset({"io1", "io2"})
_DAY = 86_400


def check(service: str, action: str, params: Fields, code: str) -> None:
    """Raise the first refusal of the service's rules; ``code`` is its code of validation errors."""
    for wanted, actions, rule in RULES:
        if wanted in ("", service) and (not actions or action in actions):
            for own, message in rule(service, params):
                raise AwsError(own or code, message if own else f"1 validation error detected: {message}")


def _structures(tree: Any) -> Iterator[Fields]:
    """``tree`` and every structure in it."""
    if isinstance(tree, dict):
        yield tree
    for inner in tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list) else ():
        yield from _structures(inner)


def _tags(service: str, params: Fields) -> Iterator[Refusal]:
    """AWS General Reference, "Tag naming limits and requirements"."""
    lists = (each.get("Tags") for each in _structures(params))
    for tag in (tag for tags in lists if isinstance(tags, list) for tag in tags if "Key" in tag):
        key, value = tag["Key"], tag.get("Value") or ""
        if key.lower().startswith("aws:"):
            yield "", f"Tag keys cannot begin with 'aws:': {key}"
        if not 1 <= len(key) <= _KEY_LIMIT:
            yield "", f"Tag key {key!r} must have 1 to {_KEY_LIMIT} characters"
        if len(value) > _VALUE_LIMIT:
            yield "", f"The value of tag {key} must have at most {_VALUE_LIMIT} characters"
        alphabet = _ALPHABETS.get(service)
        if alphabet and not compiled(alphabet).fullmatch(key + value):
            yield "", "Tags: the given tag(s) contain invalid characters"


def _descriptions(_: str, params: Fields) -> Iterator[Refusal]:
    """EC2 API reference, CreateSecurityGroup and IpRange: "a-z, A-Z, 0-9, spaces, and ._-:/()#,@[]+=&;{}!$*"."""
    for each in _structures(params):
        if not _DESCRIPTION.fullmatch(each.get("Description") or ""):
            yield "", "Invalid description: at most 255 of a-zA-Z0-9. _-:/()#,@[]+=&;{}!$*"


def _protocols(_: str, params: Fields) -> Iterator[Refusal]:
    """EC2 API reference, IpPermission."""
    for each in _structures(params):
        protocol = each.get("IpProtocol")
        if protocol is None:
            continue
        if protocol not in _PROTOCOLS and not (protocol.isdecimal() and int(protocol) <= 255):
            yield "", f"Invalid value '{protocol}' for IP protocol. Unknown protocol."
        kind, icmp_code = each.get("FromPort"), each.get("ToPort")
        if protocol in ("icmp", "icmpv6", "1", "58") and kind == -1 and icmp_code not in (None, -1):
            yield "", f"ICMP code ({icmp_code}) must be -1 if the type is -1"
        if protocol in ("tcp", "udp", "6", "17") and (kind is None or icmp_code is None):
            yield "", f"Invalid value 'null' for portRange. Must specify both from and to ports with {protocol}."


def _volumes(service: str, params: Fields) -> Iterator[Refusal]:
    """EC2 API reference, EbsBlockDevice: "This parameter is required for io1 and io2 volumes"."""
    for each in _structures(params):
        if each.get("VolumeType") in _PROVISIONED and each.get("Iops") is None:
            code = "MissingParameter" if service == "ec2" else ""
            yield code, f"The parameter iops must be specified for {each['VolumeType']} volumes."


def _alarms(_: str, params: Fields) -> Iterator[Refusal]:
    """API reference of PutMetricAlarm, DatapointsToAlarm, EvaluationPeriods and Period."""
    periods, period, points = params["EvaluationPeriods"], params.get("Period"), params.get("DatapointsToAlarm")
    if points is not None and points > periods:
        yield "", f"DatapointsToAlarm ({points}) must be at most EvaluationPeriods ({periods})"
    if period is None:
        return
    if period not in (10, 20, 30) and period % 60:
        yield "", f"Period {period} must be 10, 20, 30 or a multiple of 60"
    days = 7 if period >= 3600 else 1
    if period * periods > days * _DAY:
        yield "", f"Metrics cannot be checked across more than {days} day(s) (EvaluationPeriods * Period)"


def _names(_: str, params: Fields) -> Iterator[Refusal]:
    """Route 53 Developer Guide, "DNS domain name format": labels of 1 to 63 characters."""
    for change in params["ChangeBatch"]["Changes"]:
        name = change["ResourceRecordSet"]["Name"]
        labels = name.removesuffix(".").split(".")
        wrong = "Empty" if "" in labels else "TooLong" if max(map(len, labels)) > 63 else ""
        if wrong:
            found = f"(Domain label is {'empty' if wrong == 'Empty' else 'too long'})"
            yield "InvalidChangeBatch", f"[FATAL problem: DomainLabel{wrong} {found} encountered with '{name}']"


_GROUP_ACTIONS = frozenset(
    {
        "AuthorizeSecurityGroupEgress",
        "AuthorizeSecurityGroupIngress",
        "CreateSecurityGroup",
        "ModifySecurityGroupRules",
    }
)
RULES: tuple[tuple[str, frozenset[str], Rule], ...] = (
    ("", frozenset(), _tags),
    ("ec2", _GROUP_ACTIONS, _descriptions),
    ("ec2", _GROUP_ACTIONS, _protocols),
    ("ec2", frozenset({"CreateLaunchTemplate", "CreateLaunchTemplateVersion", "RunInstances"}), _volumes),
    ("autoscaling", frozenset({"CreateLaunchConfiguration"}), _volumes),
    ("cloudwatch", frozenset({"PutMetricAlarm"}), _alarms),
    ("route53", frozenset({"ChangeResourceRecordSets"}), _names),
)
"""Service (empty: all), actions (empty: all), and what its documentation says of them."""
