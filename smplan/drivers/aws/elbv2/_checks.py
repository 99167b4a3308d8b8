"""Checks of load balancers, target groups and listeners: zones, addresses, certificates, TLS policies, quotas."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from smplan.core.values import PartialValue
from smplan.drivers.aws import _filters, _network, _ports, _quotas
from smplan.drivers.checks import Check, Finding, PlannedResource, PlannedResources
from smplan.drivers.context import AwsAccount
from smplan.errors import NotFound
from smplan.guide import rules

BALANCER, TARGET_GROUP, LISTENER = "aws.elbv2.load_balancer", "aws.elbv2.target_group", "aws.elbv2.listener"
_LIMITS = "elasticloadbalancing:DescribeAccountLimits"
_BALANCERS = "elasticloadbalancing:DescribeLoadBalancers"
_TARGET_GROUPS = "elasticloadbalancing:DescribeTargetGroups"
BALANCER_ACTIONS = (
    "ec2:DescribeSubnets",
    "ec2:DescribeSecurityGroups",
    "ec2:DescribeInternetGateways",
    _LIMITS,
    _BALANCERS,
)
TARGET_GROUP_ACTIONS = ("ec2:DescribeVpcs", _LIMITS, _TARGET_GROUPS)
LISTENER_ACTIONS = (
    "elasticloadbalancing:DescribeSSLPolicies",
    "acm:DescribeCertificate",
    "ec2:DescribeSecurityGroups",
    _BALANCERS,
    _TARGET_GROUPS,
    _LIMITS,
    "elasticloadbalancing:DescribeListeners",
)
FREE_ADDRESSES = 8
"""What each subnet of a load balancer needs (User Guide, "Subnets for your load balancer")."""


def of_balancers(aws: AwsAccount, planned: PlannedResources) -> Iterator[Check]:
    """Subnets, security groups and the quota of load balancers."""
    changed = planned.changed(BALANCER)
    yield from _network.existence(planned, BALANCER, ("subnets",), "subnet", lambda: _network.subnets(aws, planned))
    yield from _network.existence(
        planned, BALANCER, ("security_groups",), "security group", lambda: _network.security_groups(aws, planned)
    )
    placed = [each for each in changed if each.changed & {"subnets", "security_groups"}]
    if placed:
        yield Check("zones and VPCs of load balancers", lambda: _check_places(aws, planned, placed))
    added = [each for each in changed if each.adds]
    if added:
        yield Check("the quota of load balancers", lambda: _check_balancer_quota(aws, planned, added))
        yield Check("internet gateways", lambda: _check_gateways(aws, planned, added))


def _check_places(aws: AwsAccount, planned: PlannedResources, placed: list[PlannedResource]) -> Iterator[Finding]:
    subnets, groups = _network.subnets(aws, planned), _network.security_groups(aws, planned)
    for each in placed:
        for vpc in _network.vpc_of(each, "subnets", subnets):
            yield from [vpc] if isinstance(vpc, Finding) else _network.outside(each, "security_groups", groups, vpc)
        if "subnets" in each.changed:
            yield from _check_subnets(each, [subnets[id] for id in each.values("subnets") if id in subnets])


def _check_subnets(each: PlannedResource, subnets: list[Any]) -> Iterator[Finding]:
    """One subnet per zone, two zones at least, and free addresses for the load balancer."""
    by_zone: dict[str, list[str]] = defaultdict(list)
    for subnet in subnets:
        by_zone[subnet["AvailabilityZone"]].append(subnet["SubnetId"])
    for zone, ids in sorted(by_zone.items()):
        if len(ids) > 1:
            message = f"{' and '.join(sorted(ids))} are all in {zone}: a load balancer takes one subnet per zone"
            hint = "leave all but one of them out (`one_per_zone` of the lookup)"
            yield each.refuse("subnets", message, hint, rules.TWO_ZONES)
    if len(by_zone) == 1 and len(each.spec.subnets) == len(subnets):
        message = f"all subnets are in {next(iter(by_zone))}: a load balancer needs two availability zones"
        yield each.refuse("subnets", message, "add a subnet of another zone", rules.TWO_ZONES)
    for subnet in subnets:
        free = subnet.get("AvailableIpAddressCount", FREE_ADDRESSES)
        if each.adds and free < FREE_ADDRESSES:
            message = f"{subnet['SubnetId']} has {free} free addresses: a load balancer needs {FREE_ADDRESSES}"
            yield each.refuse("subnets", message, "use a larger subnet, or free addresses in it")


def _check_gateways(aws: AwsAccount, planned: PlannedResources, added: list[PlannedResource]) -> Iterator[Finding]:
    """An internet-facing load balancer needs an internet gateway in its VPC."""
    subnets = _network.subnets(aws, planned)
    public = [each for each in added if each.spec.scheme == "internet-facing"]
    places = [(each, vpc) for each in public for vpc in _network.vpc_of(each, "subnets", subnets)]
    vpcs = {each.address: vpc for each, vpc in places if isinstance(vpc, str)}
    if not vpcs:
        return
    filters = _filters.by("attachment.vpc-id", *sorted(set(vpcs.values())))
    found = aws.read.ec2.describe_internet_gateways(Filters=filters)["InternetGateways"]
    open = {attached["VpcId"] for gateway in found for attached in gateway["Attachments"]}
    for each in added:
        vpc = vpcs.get(each.address, "")
        if vpc and vpc not in open:
            hint = "attach one to the VPC, use subnets of another VPC, or write `scheme: internal`"
            yield each.refuse("scheme", f"{vpc} has no internet gateway", hint)


def _check_balancer_quota(
    aws: AwsAccount, planned: PlannedResources, added: list[PlannedResource]
) -> Iterator[Finding]:
    limit = _quotas.account_limits(aws, planned).get("application-load-balancers")
    pages = aws.read.elbv2.get_paginator("describe_load_balancers").paginate()
    used = sum(each.get("Type") == "application" for page in pages for each in page["LoadBalancers"])
    if limit is not None:
        page = "elasticloadbalancing L-53DA6B97"
        yield from _quotas.exceeded(added, used, limit, "name", "Application Load Balancers", page)


def of_target_groups(aws: AwsAccount, planned: PlannedResources) -> Iterator[Check]:
    """The VPC, and the quota of target groups."""
    yield from _network.existence(planned, TARGET_GROUP, ("vpc_id",), "VPC", lambda: _network.vpcs(aws, planned))
    added = [each for each in planned.changed(TARGET_GROUP) if each.adds]
    if added:
        yield Check("the quota of target groups", lambda: _check_target_quota(aws, planned, added))


def _check_target_quota(aws: AwsAccount, planned: PlannedResources, added: list[PlannedResource]) -> Iterator[Finding]:
    limit = _quotas.account_limits(aws, planned).get("target-groups")
    pages = aws.read.elbv2.get_paginator("describe_target_groups").paginate()
    used = sum(len(page["TargetGroups"]) for page in pages)
    if limit is not None:
        page = "elasticloadbalancing L-B22855CB"
        yield from _quotas.exceeded(added, used, limit, "name", "target groups", page)


def of_listeners(aws: AwsAccount, planned: PlannedResources) -> Iterator[Check]:
    """TLS policy, certificate, what the listener connects, and the quota of listeners."""
    changed = planned.changed(LISTENER)
    if any(each.values("ssl_policy") for each in changed):
        yield Check("TLS policies", lambda: _check_policies(aws, changed))
    for arn in sorted({arn for each in changed for arn in each.values("certificate_arn")}):
        having = [each for each in changed if arn in each.values("certificate_arn")]
        yield Check(f"certificate {arn}", partial(_check_certificate, aws, planned, arn, having))
    for kind, field in ((BALANCER, "load_balancer_arn"), (TARGET_GROUP, "target_group_arn")):
        others = [(each, arn) for each in changed for arn in each.values(field) if not planned.follow(arn, kind)]
        if others:
            yield Check(f"whether each {_WORDS[kind]} exists", partial(_check_arns, aws, field, others))
    if changed:
        yield Check("the ports of load balancers", lambda: _ports.listener_findings(aws, planned, changed))
    if any(each.adds for each in changed):
        yield Check("the quota of listeners", lambda: _check_listener_quota(aws, planned, changed))


_WORDS = {BALANCER: "load balancer", TARGET_GROUP: "target group"}


def _check_policies(aws: AwsAccount, changed: list[PlannedResource]) -> Iterator[Finding]:
    found: list[str] = []
    page: Mapping[str, Any] = aws.read.elbv2.describe_ssl_policies(PageSize=400)
    while True:
        found += [each["Name"] for each in page["SslPolicies"]]
        if not page.get("NextMarker"):
            break
        page = aws.read.elbv2.describe_ssl_policies(PageSize=400, Marker=page["NextMarker"])
    for each in changed:
        for name in each.values("ssl_policy"):
            if name not in found:
                near = get_close_matches(name, found, n=3) or sorted(found)[-3:]
                hint = f"use one of: {', '.join(near)}"
                yield each.refuse("ssl_policy", f"AWS has no TLS policy `{name}`", hint)


def _check_arns(aws: AwsAccount, field: str, others: list[tuple[PlannedResource, str]]) -> Iterator[Finding]:
    client = aws.read.elbv2
    for each, arn in others:
        try:
            if field == "load_balancer_arn":
                client.describe_load_balancers(LoadBalancerArns=[arn])
            else:
                client.describe_target_groups(TargetGroupArns=[arn])
        except NotFound:
            what = field.removesuffix("_arn").replace("_", " ")
            yield each.refuse(field, f"there is no {what} {arn} here", f"use a {what} of this account and region")


def _check_certificate(
    aws: AwsAccount, planned: PlannedResources, arn: str, having: list[PlannedResource]
) -> Iterator[Finding]:
    """It exists, is issued, is in this region, and has the names that lead to its load balancer."""
    service, region = (arn.split(":") + [""] * 4)[2:4]
    if service != "acm":
        return  # of IAM: a listener may have one, but its names cannot be listed by ARN
    hint = f"use a certificate that is ISSUED and in {aws.region}, the region of the load balancer"
    refusal, names = "", set[str]()
    if region != aws.region:
        refusal = f"the certificate is in {region}, and the load balancer in {aws.region}"
    else:
        try:
            found = aws.read.acm.describe_certificate(CertificateArn=arn)["Certificate"]
            names = {name.lower() for name in (found.get("DomainName", ""), *found.get("SubjectAlternativeNames", []))}
            refusal = "" if found.get("Status") == "ISSUED" else f"the certificate is {found.get('Status')}, not ISSUED"
        except NotFound:
            refusal = f"there is no certificate {arn}"
    for each in having:
        if refusal:
            yield each.refuse("certificate_arn", refusal, hint)
        else:
            yield from _check_names(planned, each, names)


def _check_names(planned: PlannedResources, listener: PlannedResource, names: set[str]) -> Iterator[Finding]:
    """Stream Manager's name, through which smplan connects, and else at least one record of the load balancer."""
    balancer = planned.follow(listener.spec.load_balancer_arn, BALANCER)
    named = planned.of("aws.route53.record") if balancer else []
    records = [each for each in named if balancer and each.refers_to(balancer, "values", "alias")]
    hosts = [str(name).rstrip(".").lower() for each in records for name in each.all_values("name")]
    url = _text((planned.stream_manager() or {}).get("url"))
    manager = (urlsplit(url).hostname or "") if url.startswith("https:") else ""
    has = ", ".join(sorted(names))
    if manager in hosts and not _covers(names, manager):
        hint = f"use a certificate for {manager}, or another name in `stream_manager.url`"
        message = f"the certificate is for {has}, not for {manager}, where Stream Manager is reached"
        yield listener.refuse("certificate_arn", message, hint)
    elif hosts and not any(_covers(names, host) for host in hosts):
        message = f"the certificate is for {has}, not for {', '.join(sorted(hosts))}"
        yield listener.refuse(
            "certificate_arn", message, "use a certificate for the name of the load balancer's record"
        )


def _text(value: PartialValue) -> str:
    return value if isinstance(value, str) else ""


def _covers(names: set[str], host: str) -> bool:
    """Whether a certificate with ``names`` is valid for ``host``: ``*`` stands for one label (RFC 6125)."""
    return host in names or f"*.{host.partition('.')[2]}" in names


def _check_listener_quota(
    aws: AwsAccount, planned: PlannedResources, changed: list[PlannedResource]
) -> Iterator[Finding]:
    limit = _quotas.account_limits(aws, planned).get("listeners-per-application-load-balancer")
    by_balancer: dict[str, list[PlannedResource]] = defaultdict(list)
    for each in changed if limit is not None else ():
        if each.adds:
            by_balancer[str(each.spec.load_balancer_arn)].append(each)
    for arn, added in by_balancer.items():
        used = _count_listeners(aws, arn) if arn.startswith("arn:") else 0
        page, what = "elasticloadbalancing L-B6DF7632", "listeners per load balancer"
        yield from _quotas.exceeded(added, used, limit or 0, "port", what, page)


def _count_listeners(aws: AwsAccount, arn: str) -> int:
    try:
        pages = aws.read.elbv2.get_paginator("describe_listeners").paginate(LoadBalancerArn=arn)
        return sum(len(page["Listeners"]) for page in pages)
    except NotFound:
        return 0  # a finding of its own
