"""Checks of records: the zone exists and holds the name, nothing else has it, and there is room in the zone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from smplan.drivers.aws import _quotas
from smplan.drivers.checks import Check, Finding, PlannedResource, PlannedResources
from smplan.drivers.context import AwsAccount
from smplan.errors import NotFound

RECORD = "aws.route53.record"
ACTIONS = ("route53:GetHostedZone", "route53:GetHostedZoneLimit", "route53:ListResourceRecordSets")


def checks(aws: AwsAccount, planned: PlannedResources) -> Iterator[Check]:
    """The checks of each zone."""
    new = [each for each in planned.changed(RECORD) if _is_placed(each)]
    for zone_id in sorted({each.spec.zone_id for each in new}):
        records = [each for each in new if each.spec.zone_id == zone_id]
        yield Check(f"hosted zone {zone_id}", partial(_check_zone, aws, planned, zone_id, records))
        added = [each for each in records if each.adds]
        yield Check(f"the quota of records in {zone_id}", partial(_check_quota, aws, zone_id, added))


def _is_placed(record: PlannedResource) -> bool:
    """Whether it is new at a known name, or of another type."""
    placed = record.spec.known("zone_id", "name")
    return bool(placed and (record.values("name") or record.values("type")))


def _plain(name: str) -> str:
    return name.replace("\\052", "*").rstrip(".").lower()


def _check_zone(
    aws: AwsAccount, planned: PlannedResources, zone_id: str, records: list[PlannedResource]
) -> Iterator[Finding]:
    try:
        zone = aws.read.route53.get_hosted_zone(Id=zone_id)["HostedZone"]
    except NotFound:
        for each in records:
            yield each.refuse("zone_id", f"there is no hosted zone {zone_id}", "use a zone of this account")
        return
    apex = _plain(zone["Name"])
    for each in records:
        name = _plain(each.spec.name)
        if name != apex and not name.endswith(f".{apex}"):
            message = f"{name} is not in the zone {apex} ({zone_id})"
            yield each.refuse("name", message, f"write a name that ends in .{apex}, or use another zone")
            continue
        if zone.get("Config", {}).get("PrivateZone") and _is_public(planned, each):
            message = f"{zone_id} ({apex}) is a private zone, and the load balancer is internet-facing"
            yield each.refuse("zone_id", message, "use the public zone of that name")
        if each.adds or each.values("type"):
            yield from _check_name(aws, planned, zone_id, apex, each)


def _is_public(planned: PlannedResources, record: PlannedResource) -> bool:
    """Whether a record whose zone is written as an id leads to an internet-facing load balancer of the blueprint."""
    balancers = planned.of("aws.elbv2.load_balancer")
    public = any(
        each.spec.scheme == "internet-facing" and record.refers_to(each, "values", "alias") for each in balancers
    )
    return public and isinstance(record.written.get("zone_id"), str)


def _check_name(
    aws: AwsAccount, planned: PlannedResources, zone_id: str, apex: str, each: PlannedResource
) -> Iterator[Finding]:
    """A CNAME is the only record of its name, and never at the apex (Developer Guide, "CNAME record type")."""
    name, type = _plain(each.spec.name), each.spec.type
    if type == "CNAME" and name == apex:
        yield each.refuse(
            "type", f"{apex} is the apex of its zone, which cannot be a CNAME", "write type A with `alias`"
        )
        return
    found = aws.read.route53.list_resource_record_sets(HostedZoneId=zone_id, StartRecordName=name, MaxItems="20")
    others: list[Mapping[str, Any]] = [*found["ResourceRecordSets"]]
    goes = {"A", "CNAME"} if each.id or f"{zone_id}/{name}" in planned.deleted else {type}
    kept = sorted({other["Type"] for other in others if _plain(other["Name"]) == name} - goes)
    conflicts = kept if type == "CNAME" else [other for other in kept if other == "CNAME"]
    if conflicts:
        message = f"{name} has a record of type {conflicts[0]} already: a CNAME must be the only record of its name"
        yield each.refuse("name", message, "choose another name, or delete the other record")


def _check_quota(aws: AwsAccount, zone_id: str, added: list[PlannedResource]) -> Iterator[Finding]:
    if not added:
        return
    try:
        found = aws.read.route53.get_hosted_zone_limit(HostedZoneId=zone_id, Type="MAX_RRSETS_BY_ZONE")
    except NotFound:
        return  # a finding of its own
    limit, page = found["Limit"]["Value"], "route53 L-E209CC9F"
    yield from _quotas.exceeded(added, found["Count"], limit, "name", "records per hosted zone", page)
