"""``aws.route53.zone``: a lookup of a hosted zone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from smplan.core.resource_type import IamActions, Output
from smplan.core.values import Json
from smplan.drivers.aws import _filters
from smplan.drivers.base import Lookup
from smplan.errors import Invalid

if TYPE_CHECKING:
    from mypy_boto3_route53.type_defs import HostedZoneTypeDef


class Zone(Lookup):
    """An existing hosted zone."""

    kind = "aws.route53.zone"
    summary = "The hosted zone of a domain."
    keys: ClassVar = {
        "name": "The zone's domain, with or without the final dot.",
        "private": "`true` for a private zone; unset: the public zone.",
    }
    outputs: ClassVar = {
        "id": Output("The zone's id, Z…."),
        "name": Output("The zone's domain, without the final dot."),
    }
    iam_actions = IamActions(read=("route53:ListHostedZones",))

    def read(self, where: Mapping[str, Json]) -> dict[str, Json]:
        """The zone of that name."""
        name, private = where.get("name"), where.get("private", False)
        if set(where) - set(self.keys) or not isinstance(name, str) or not isinstance(private, bool):
            raise Invalid("a zone is looked up by its name", hint="write `where: {name: …}`, perhaps `private: true`")
        existing = [zone for zone in self._zones() if _private(zone) == private]
        found = [zone for zone in existing if _name(zone) == name.rstrip(".").lower()]
        zone = _filters.only("hosted zone", where, found, _id)
        if zone is None:
            raise _filters.missing("hosted zone", where, [_name(each) for each in existing])
        return {"id": _id(zone), "name": _name(zone)}

    def _zones(self) -> list[HostedZoneTypeDef]:
        pages = self.context.aws.read.route53.get_paginator("list_hosted_zones").paginate()
        return [zone for page in pages for zone in page["HostedZones"]]


def _private(zone: HostedZoneTypeDef) -> bool:
    return bool(zone.get("Config", {}).get("PrivateZone", False))


def _id(zone: HostedZoneTypeDef) -> str:
    return zone["Id"].removeprefix("/hostedzone/")


def _name(zone: HostedZoneTypeDef) -> str:
    return zone["Name"].rstrip(".").lower()
