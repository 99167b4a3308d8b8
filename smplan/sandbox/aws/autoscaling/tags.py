"""Auto Scaling: the tags of groups."""

from __future__ import annotations

from smplan.sandbox.aws.autoscaling._paging import page
from smplan.sandbox.aws.autoscaling.groups import tag_of
from smplan.sandbox.aws.errors import Fields
from smplan.sandbox.aws.requests import Call, handles
from smplan.sandbox.aws.state.autoscaling import invalid


@handles("autoscaling", "CreateOrUpdateTags")
def put_tags(call: Call) -> None:
    """Overwrites silently (API reference)."""
    for tag in call["Tags"]:
        call.account.autoscaling.group(tag["ResourceId"]).tags[tag["Key"]] = tag_of(tag["ResourceId"], tag)


@handles("autoscaling", "DeleteTags")
def delete_tags(call: Call) -> None:
    """Tags that are not there are no fault."""
    for tag in call["Tags"]:
        call.account.autoscaling.group(tag["ResourceId"]).tags.pop(tag["Key"], None)


@handles("autoscaling", "DescribeTags")
def describe_tags(call: Call) -> Fields:
    """Filters: auto-scaling-group, key, value, propagate-at-launch."""
    found = [tag for group in call.account.autoscaling.groups.values() for tag in group.tags.values()]
    for wanted in call["Filters"] or []:
        found = [tag for tag in found if _tag_passes(tag, wanted)]
    return page(call, "Tags", found, limit=50)


def _tag_passes(tag: Fields, wanted: Fields) -> bool:
    field = {
        "auto-scaling-group": "ResourceId",
        "key": "Key",
        "value": "Value",
        "propagate-at-launch": "PropagateAtLaunch",
    }.get(wanted["Name"])
    if field is None:
        raise invalid(f"Filter type {wanted['Name']} is not correct.")
    return str(tag[field]).lower() in [value.lower() for value in wanted.get("Values") or []]
