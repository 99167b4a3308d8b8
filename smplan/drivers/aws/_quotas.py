"""Quotas: whether what a plan adds to what exists is still allowed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from smplan.drivers.checks import Finding, PlannedResource, PlannedResources
from smplan.drivers.context import AwsAccount

ACTION = "servicequotas:GetServiceQuota"


def value(aws: AwsAccount, planned: PlannedResources, service: str, code: str) -> int:
    """The quota in force in this account and region."""

    def read() -> int:
        return int(aws.read.service_quotas.get_service_quota(ServiceCode=service, QuotaCode=code)["Quota"]["Value"])

    return planned.once(f"quota {service} {code}", read)


def account_limits(aws: AwsAccount, planned: PlannedResources) -> dict[str, int]:
    """The limits of Elastic Load Balancing, by name."""

    def read() -> dict[str, int]:
        pages = aws.read.elbv2.get_paginator("describe_account_limits").paginate()
        return {each["Name"]: int(each["Max"]) for page in pages for each in page["Limits"]}

    return planned.once("elbv2 limits", read)


def exceeded(
    added: Sequence[PlannedResource], used: int, limit: int, field: str, what: str, page: str
) -> Iterator[Finding]:
    """A finding for each of ``added`` that is one too many. ``page``: the service and code of the quota."""
    for number, each in enumerate(added, used + 1):
        if number > limit:
            message = f"the quota of {limit} {what} is exceeded: {used} exist, and the plan adds {len(added)}"
            yield each.refuse(field, message, hint(page))


def hint(page: str) -> str:
    """What to do about a quota, with its page."""
    service, code = page.split()
    where = f"https://console.aws.amazon.com/servicequotas/home/services/{service}/quotas/{code}"
    return f"ask AWS for a higher quota ({where}), or delete what is not needed"
