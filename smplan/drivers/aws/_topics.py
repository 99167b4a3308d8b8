"""Checks of SNS topics that a plan names and does not have: each exists, and is in this region."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from functools import partial

from smplan.drivers.checks import Check, Finding, PlannedResource, PlannedResources
from smplan.drivers.context import AwsAccount
from smplan.errors import NotFound

ACTION = "sns:GetTopicAttributes"
_TOPIC = "aws.sns.topic"


def checks(aws: AwsAccount, planned: PlannedResources, kind: str, fields: Collection[str]) -> Iterator[Check]:
    """A check for each topic in ``fields``: a policy may allow one topic and not another."""
    named: dict[str, list[tuple[PlannedResource, str]]] = {}
    for each in planned.changed(kind):
        for field in fields:
            for arn in each.values(field):
                if arn.split(":")[2:3] == ["sns"] and not planned.follow(arn, _TOPIC):
                    named.setdefault(arn, []).append((each, field))
    for arn in sorted(named):
        yield Check(f"topic {arn}", partial(_check, aws, arn, named[arn]))


def _check(aws: AwsAccount, arn: str, places: list[tuple[PlannedResource, str]]) -> Iterator[Finding]:
    region = (arn.split(":") + [""] * 4)[3]
    message = f"topic {arn} is in {region}, not in {aws.region}" if region != aws.region else ""
    if not message:
        try:
            aws.read.sns.get_topic_attributes(TopicArn=arn)
        except NotFound:
            message = f"there is no topic {arn}"
    for each, field in places if message else ():
        yield each.refuse(field, message, f"use a topic of {aws.region}, or a resource of kind {_TOPIC}")
