"""Checks of subnets and names of a blueprint."""

from __future__ import annotations

from collections.abc import Iterator

from smplan.core.blueprint import Resource
from smplan.core.values import PartialValue, Path, Ref, encode
from smplan.guide.index import BlueprintIndex


def other_subnets(group: Resource, index: BlueprintIndex) -> Iterator[tuple[Path, str, str]]:
    """Subnets that only the group or only its load balancer has; two references to different lists may be equal."""
    mine = group.spec.get("subnet_ids")
    for balancer in index.balancers_of(group):
        theirs = balancer.spec.get("subnets")
        if not isinstance(mine, list) or not isinstance(theirs, list) or not _comparable(mine, theirs):
            continue
        sides = ((_without(mine, theirs), "the group"), (_without(theirs, mine), balancer.address))
        parts = [f"{', '.join(only)} only in {whose}" for only, whose in sides if only]
        if parts:
            yield ("subnet_ids",), f"the subnets differ: {'; '.join(parts)}", "give both the same list"


def _comparable(mine: list[PartialValue], theirs: list[PartialValue]) -> bool:
    """Whether different items must be different subnets: texts, references into one list, or more of the same."""
    items = (*mine, *theirs)
    if all(isinstance(each, str) for each in items):
        return True
    roots = {each.address if isinstance(each, Ref) else repr(each) for each in items}
    return len(roots) == 1 or not _without(mine, theirs) or not _without(theirs, mine)


def _without(those: list[PartialValue], others: list[PartialValue]) -> list[str]:
    known = {repr(encode(each)) for each in others}
    return sorted(str(each) for each in those if repr(encode(each)) not in known)


def outside_its_zone(record: Resource, index: BlueprintIndex) -> Iterator[tuple[Path, str, str]]:
    """A name outside the zone, or a CNAME at its apex."""
    zone, name = record.spec.get("zone_id"), record.spec.get("name")
    found = index.lookups.get(zone.root) if isinstance(zone, Ref) else None
    apex = found.where.get("name") if found else None
    if not isinstance(apex, str) or not isinstance(name, str):
        return
    name, apex = name.rstrip(".").lower(), apex.rstrip(".").lower()
    if name != apex and not name.endswith(f".{apex}"):
        message = f"`{record.spec['name']}` is not in the zone {apex}"
        yield ("name",), message, f"write the whole name, such as {name.split('.')[0]}.{apex}"
    elif name == apex and record.spec.get("type") == "CNAME":
        yield ("type",), "the name of the zone itself cannot be a CNAME", "make it type A with `alias`"
