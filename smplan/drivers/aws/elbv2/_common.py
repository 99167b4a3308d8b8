"""What the load balancing kinds share: describing by ARN although one gone ARN fails the whole call, and tags."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any, TypeVar

from smplan.drivers.aws import tags
from smplan.drivers.context import AwsAccount
from smplan.errors import NotFound

T = TypeVar("T")

BATCH = 20
"""ARNs that one DescribeLoadBalancers or DescribeTags takes (API reference of both)."""
PAGE = 400
"""The largest page the Describe calls give."""
NAME = r"^[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?$"
"""Names of load balancers and target groups: letters, digits and hyphens, no hyphen at either end (API reference)."""
NAME_LIMIT = 32


def batches(arns: Iterable[str]) -> Iterator[list[str]]:
    """``arns`` sorted and cut into as many as one call takes."""
    ordered = sorted(arns)
    yield from (ordered[at : at + BATCH] for at in range(0, len(ordered), BATCH))


def described(
    arns: Collection[str], *, some: Callable[[list[str]], Iterable[T]], every: Callable[[], Iterable[T]]
) -> list[T]:
    """What there is of ``arns``, perhaps with others: one call while all exist and fit in it, else the whole list."""
    if not arns:
        return []  # an empty list of ARNs would mean "all"
    if len(arns) <= BATCH:
        with suppress(NotFound):
            return list(some(sorted(arns)))
    return list(every())


def all_tags(aws: AwsAccount, arns: Collection[str]) -> dict[str, dict[str, str]]:
    """The tags of each of ``arns``, ownership included; one that is gone is absent."""
    found: dict[str, dict[str, str]] = {}
    for batch in batches(arns):
        try:
            found |= _tags(aws, batch)
        except NotFound:
            for arn in batch:
                with suppress(NotFound):
                    found |= _tags(aws, [arn])
    return found


def _tags(aws: AwsAccount, arns: list[str]) -> dict[str, dict[str, str]]:
    answer = aws.read.elbv2.describe_tags(ResourceArns=arns)
    # one that AWS leaves out has no tags: only NotFound may mean that it is gone
    return {arn: {} for arn in arns} | {
        item["ResourceArn"]: tags.plain(item.get("Tags")) for item in answer["TagDescriptions"]
    }


def retag(aws: AwsAccount, arn: str, *, live: Mapping[str, str] | None, wanted: Mapping[str, str] | None) -> None:
    """Make the person's tags on ``arn`` those of ``wanted``; None means that tags are not managed."""
    if wanted is None:
        return
    to_set, to_remove = tags.changed(live or {}, wanted)
    if to_set:
        aws.write.elbv2.add_tags(ResourceArns=[arn], Tags=tags.listed(to_set))
    if to_remove:
        aws.write.elbv2.remove_tags(ResourceArns=[arn], TagKeys=to_remove)


def attributes(listed: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Attributes as AWS lists them, by key."""
    return {str(item["Key"]): str(item["Value"]) for item in listed}


def own_tags(tagged: Mapping[str, str]) -> dict[str, str]:
    """The tags that people write, of all that are there."""
    return tags.own(tags.listed(tagged))
