"""``aws.route53.record``: a DNS record, such as the fleet's name."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from ipaddress import IPv4Address
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field, model_validator

from smplan.core.resource_type import IamActions, Output
from smplan.core.risk import Category, Effect, Risk, number, shown
from smplan.core.spec import IMMUTABLE, UNORDERED, Canonical, PartialList, Spec
from smplan.core.values import Json
from smplan.drivers import references
from smplan.drivers.aws.route53 import _checks
from smplan.drivers.aws.sent_as import SentAs
from smplan.drivers.base import Claim, Driver, Live, Progress
from smplan.drivers.checks import Check, PlannedResources
from smplan.drivers.context import Context
from smplan.errors import Invalid, NotFound

if TYPE_CHECKING:
    from typing import Self

    from mypy_boto3_route53.literals import ChangeActionType
    from mypy_boto3_route53.type_defs import ResourceRecordSetOutputTypeDef

_OCTAL = re.compile(r"\\([0-3][0-7]{2})")


def plain_name(name: str) -> str:
    """A domain name in canonical form: lower case, no final dot, and `*` where Route 53 writes ``\\052``."""
    return _OCTAL.sub(lambda match: chr(int(match[1], 8)), name).rstrip(".").lower()


def _plain(value: Any) -> Any:
    return plain_name(value) if isinstance(value, str) else value


def _is_address(value: str) -> bool:
    try:
        IPv4Address(value)
    except ValueError:
        return False
    return True


def _domain_name(name: str) -> str:
    """``name``, if it is one (RFC 1035, 2.3.4: labels of 1 to 63 bytes, 253 in all)."""
    plain = plain_name(name)
    if not plain.isascii():
        raise ValueError(f"`{name}` must be written in Punycode{_punycode(plain)}")
    if set(plain) & set("/: ") and not plain.endswith(".in-addr.arpa"):  # RFC 2317 has slashes there
        raise ValueError(f"`{name}` is not a domain name: leave out scheme, port, path and blanks")
    labels = plain.split(".")
    if "" in labels:
        raise ValueError(f"`{name}` has an empty label: write no two dots in a row, and none at the start")
    longest = max(labels, key=len)
    if len(longest) > 63:
        raise ValueError(f"`{longest}` has {len(longest)} characters: a label has at most 63")
    if len(plain) > _LONGEST:
        raise ValueError(f"a domain name has at most {_LONGEST} characters, this one {len(plain)}")
    return name


def _punycode(name: str) -> str:
    try:
        return f": {name.encode('idna').decode()}"
    except UnicodeError:
        return ""


DOMAIN = Canonical(_plain)
_LONGEST = 253
_CONTENT = ("TTL", "ResourceRecords", "AliasTarget")
"""The members that are managed: values or an alias."""


class AliasTarget(Spec):
    """An AWS resource whose addresses the name has; free of charge, and allowed at the apex of a zone."""

    sent_as: ClassVar = SentAs(members={"dns_name": "DNSName", "zone_id": "HostedZoneId"})

    dns_name: Annotated[
        str,
        references.HOST,
        DOMAIN,
        AfterValidator(_domain_name),
        Field(min_length=1, description="The target, such as ${load_balancer.dns_name}."),
    ]
    zone_id: Annotated[
        str,
        references.ALIAS_ZONE,
        Field(
            pattern="^[A-Z0-9]+$",
            description="The target's own zone, such as ${load_balancer.canonical_hosted_zone_id}.",
        ),
    ]
    evaluate_target_health: Annotated[
        bool, Field(description="Whether the name has no addresses while every target is unhealthy.")
    ] = False


class RecordSpec(Spec):
    """A CNAME or A record with values, or an A record that is an alias."""

    sent_as: ClassVar = SentAs(
        "route53:ChangeResourceRecordSets",
        {
            "zone_id": "HostedZoneId",
            "name": "ChangeBatch.Changes[].ResourceRecordSet.Name",
            "type": "ChangeBatch.Changes[].ResourceRecordSet.Type",
            "ttl": "ChangeBatch.Changes[].ResourceRecordSet.TTL",
            "values": "ChangeBatch.Changes[].ResourceRecordSet.ResourceRecords[].Value",
            "alias": "ChangeBatch.Changes[].ResourceRecordSet.AliasTarget",
        },
    )

    zone_id: Annotated[
        str, references.ZONE, IMMUTABLE, Field(pattern="^[A-Z0-9]+$", description="The zone, such as ${zone.id}.")
    ]
    name: Annotated[
        str,
        IMMUTABLE,
        DOMAIN,
        AfterValidator(_domain_name),
        Field(min_length=1, description="The whole name, such as streammanager.example.com."),
    ]
    type: Annotated[
        Literal["CNAME", "A"],
        Field(description="CNAME for another name (never at the apex of a zone), A for addresses or an alias."),
    ]
    ttl: Annotated[
        int | None,
        Field(ge=0, le=2147483647, description="Seconds for which resolvers may cache it; required with `values`."),
    ] = None
    values: Annotated[
        PartialList[Annotated[str, Field(min_length=1, max_length=4000)]] | None,
        references.HOST,
        UNORDERED,
        DOMAIN,
        Field(min_length=1, description="One name for a CNAME, IPv4 addresses for A."),
    ] = None
    alias: Annotated[AliasTarget | None, Field(description="Instead of `ttl` and `values`, for type A.")] = None

    @model_validator(mode="after")
    def _values_or_alias(self) -> Self:
        if (self.values is None) == (self.alias is None):
            raise ValueError("write either `values` with `ttl`, or `alias`")
        if self.alias is not None and self.ttl is not None:
            raise ValueError("an alias has the time to live of its target: leave `ttl` out")
        if self.values is not None and self.ttl is None:
            raise ValueError("`values` need a `ttl`, such as 300 seconds")
        if self.type == "CNAME" and self.alias is not None:
            raise ValueError("a CNAME has `values`; an alias has type A")
        if self.type == "CNAME" and isinstance(self.values, list) and len(self.values) > 1:
            raise ValueError("a CNAME has one value")
        return self

    @model_validator(mode="after")
    def _values_fit_the_type(self) -> Self:
        given: Any = self.values
        for value in given if isinstance(given, list) else ():
            if not isinstance(value, str) or not self.known("type"):
                continue
            if self.type == "A" and not _is_address(value):
                raise ValueError(f"{value} is not an IPv4 address: write a name as `alias`")
            if self.type == "CNAME" and _is_address(value):
                raise ValueError(f"{value} is an address: write `type: A`")
            if self.type == "CNAME":
                _domain_name(value)
        return self


def _target(spec: Mapping[str, Json]) -> str:
    """Where a record leads, as text."""
    alias = spec.get("alias")
    if not isinstance(alias, dict) or "dns_name" not in alias:
        return shown(spec.get("values") or alias)
    health = ", while it is healthy" if alias.get("evaluate_target_health") is True else ""
    return f"{shown(alias['dns_name'])}{health}"


class Record(Driver[RecordSpec]):
    """A name has one record, whose type may change. It cannot be tagged: the state decides ownership.

    A create never overwrites an existing record.
    """

    kind = "aws.route53.record"
    summary = "A DNS record, such as the fleet's name for its load balancer."
    spec = RecordSpec
    outputs: ClassVar = {"fqdn": Output("The whole name, lower case, without the final dot.")}
    iam_actions = IamActions(
        read=("route53:ListResourceRecordSets", "route53:GetChange"),
        write=("route53:ChangeResourceRecordSets",),
        check=_checks.ACTIONS,
    )
    key_fields = ("zone_id", "name")
    taggable = False
    expected_seconds = 45
    left_behind = "its name continues to resolve, also to what is deleted"

    @classmethod
    def risks(cls, effect: Effect) -> Iterator[Risk]:
        """Of a deletion, and of every update."""
        name, cached = effect.was("name"), f"; resolvers may cache the old answer for {effect.was('ttl')} s"
        cached = cached if effect.before.get("ttl") is not None else ""
        if effect.deletes:
            yield Risk(Category.SERVING, f"{name} no longer resolves{cached}")
        if effect.alters("values", "alias"):
            before, after = _target(effect.before), _target(effect.after)
            yield Risk(Category.SERVING, f"clients of {name} go to {after}, not {before}{cached}")
        elif effect.alters("ttl"):
            after = effect.becomes("ttl")
            yield Risk(
                Category.SERVING,
                f"a later change of {name} takes effect after up to {after} s, not {effect.was('ttl')} s",
            )

    @classmethod
    def lingers(cls, effect: Effect) -> float:
        """As long as resolvers keep the old answer: its time to live, that of its target for an alias."""
        if not effect.alters("type", "values", "alias"):
            return 0
        ttl = number(effect.before.get("ttl"))
        return _ALIAS_TTL if ttl is None else ttl

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._changes: dict[str, str] = {}
        """Id of a record -> id of the last change of it in this process."""

    def checks(self, planned: PlannedResources) -> Iterable[Check]:
        """The zone, other records of the name, and the quota."""
        return _checks.checks(self.context.aws, planned)

    def read_many(self, ids: Collection[str]) -> dict[str, Live[RecordSpec]]:
        """One record of a zone is read by itself; several by paging through the zone once."""
        wanted: dict[str, dict[str, str]] = defaultdict(dict)
        for id in ids:
            zone_id, name = _parts(id)
            wanted[zone_id][name] = id
        found: dict[str, Live[RecordSpec]] = {}
        for zone_id in sorted(wanted):
            for record in self._records(zone_id, wanted[zone_id]):
                id = wanted[zone_id][plain_name(record["Name"])]
                found.setdefault(id, _live(id, record))
        return found

    def _records(self, zone_id: str, names: Collection[str]) -> list[ResourceRecordSetOutputTypeDef]:
        """Those of one zone that exist; none if the zone is gone."""
        if len(names) == 1:
            found = self._record(_id(zone_id, next(iter(names))))
            return [found] if found and _simple(found) else []
        pages = self.context.aws.read.route53.get_paginator("list_resource_record_sets")
        try:
            return [
                record
                for page in pages.paginate(HostedZoneId=zone_id)
                for record in page["ResourceRecordSets"]
                if plain_name(record["Name"]) in names and _ours(record) and _simple(record)
            ]
        except NotFound:
            return []

    def _record(self, id: str) -> ResourceRecordSetOutputTypeDef | None:
        zone_id, name = _parts(id)
        try:
            response = self.context.aws.read.route53.list_resource_record_sets(
                HostedZoneId=zone_id, StartRecordName=name, MaxItems=_TYPES
            )
        except NotFound:
            return None
        # the listing starts at this name, or after it if it does not exist
        found = response["ResourceRecordSets"]
        return next((each for each in found if plain_name(each["Name"]) == name and _ours(each)), None)

    def find(self, spec: RecordSpec) -> Live[RecordSpec] | None:
        """The record of that name, of either type, with or without a routing policy."""
        id = _id(spec.zone_id, spec.name)
        record = self._record(id)
        return _live(id, record) if record else None

    def create(self, spec: RecordSpec, claim: Claim) -> str:
        """Raises Conflict if the record exists."""
        id = _id(spec.zone_id, spec.name)
        self._change(id, {"CREATE": _record_set(spec)})
        return id

    def update(self, live: Live[RecordSpec], spec: RecordSpec) -> None:
        """Replace the whole record, which is the smallest change; a health check that was set by hand stays.

        A record of another type is deleted and created in one batch: Route 53 makes both changes, or none.
        """
        wanted = _record_set(spec)
        if wanted == _record_set(live.spec):
            return
        now: Mapping[str, Any] = self._record(live.id) or {}
        kept = {name: value for name, value in now.items() if name not in _CONTENT}
        if now and now["Type"] != spec.type:
            self._change(live.id, {"DELETE": now, "CREATE": {**kept, **wanted}})
        else:
            self._change(live.id, {"UPSERT": {**kept, **wanted}})

    def delete(self, id: str) -> None:
        """The record as it is now: Route 53 requires its complete content."""
        record = self._record(id)
        if record is None or not _simple(record):
            return
        try:
            self._change(id, {"DELETE": record})
        except NotFound:
            return

    def _change(self, id: str, actions: Mapping[ChangeActionType, Any]) -> None:
        """Send one batch, of which Route 53 makes every change or none."""
        changes: Any = [{"Action": action, "ResourceRecordSet": record} for action, record in actions.items()]
        try:
            response = self.context.aws.write.route53.change_resource_record_sets(
                HostedZoneId=_parts(id)[0], ChangeBatch={"Changes": changes}
            )
        except Invalid as error:
            raise Invalid(
                error.message, hint=_hint(error.message) or error.hint, code=error.code, action=error.action
            ) from error
        self._changes[id] = response["ChangeInfo"]["Id"].removeprefix("/change/")

    def wait_ready(self, id: str, spec: RecordSpec) -> Iterator[Progress]:
        """Until all name servers have the change; for a change of an earlier run, until the record exists."""
        while (status := self._status(id)) != "INSYNC":
            yield Progress(f"the record {plain_name(spec.name)} to be on all name servers", status)

    def _status(self, id: str) -> str:
        change = self._changes.get(id)
        if change is not None:
            try:
                return self.context.aws.read.route53.get_change(Id=change)["ChangeInfo"]["Status"]
            except NotFound:
                self._changes.pop(id, None)
        return "INSYNC" if self._record(id) is not None else "not listed yet"


_ALIAS_TTL = 60.0
"""Seconds of an alias to a load balancer (Route 53 Developer Guide, "Values specific for alias records")."""
_TYPES = "20"
"""Enough records of one name to find ours among those of other types, such as NS and SOA before A."""


def _id(zone_id: str, name: str) -> str:
    return f"{zone_id}/{plain_name(name)}"


def _parts(id: str) -> tuple[str, str]:
    """Zone and name. Ids of older states end with the type, which no domain name does."""
    zone_id, _, name = id.partition("/")
    return zone_id, name.removesuffix("/CNAME").removesuffix("/A")


def _ours(record: ResourceRecordSetOutputTypeDef) -> bool:
    """Whether it is of a type that a spec can have: a name has one record of these."""
    return record["Type"] in ("A", "CNAME")


def _simple(record: ResourceRecordSetOutputTypeDef) -> bool:
    """Whether it has no routing policy; one that has is not ours, and ours cannot exist beside it."""
    return "SetIdentifier" not in record


def _record_set(spec: RecordSpec) -> dict[str, Any]:
    record: dict[str, Any] = {"Name": plain_name(spec.name), "Type": spec.type}
    if spec.alias is not None:
        record["AliasTarget"] = {
            "DNSName": plain_name(spec.alias.dns_name),
            "HostedZoneId": spec.alias.zone_id,
            "EvaluateTargetHealth": spec.alias.evaluate_target_health,
        }
    else:
        record["TTL"] = spec.ttl
        record["ResourceRecords"] = [{"Value": value} for value in sorted(map(plain_name, spec.values or ()))]
    return record


def _live(id: str, record: ResourceRecordSetOutputTypeDef) -> Live[RecordSpec]:
    zone_id, name = _parts(id)
    values = record.get("ResourceRecords")
    settings: dict[str, Any] = {
        "zone_id": zone_id,
        "name": name,
        "type": record["Type"],
        "ttl": record.get("TTL"),
        "values": [each["Value"] for each in values] if values else None,
        "alias": _alias(record.get("AliasTarget")),
    }
    return Live(id, RecordSpec.model_construct(**settings), {"fqdn": name})


def _alias(target: Mapping[str, Any] | None) -> AliasTarget | None:
    if target is None:
        return None
    return AliasTarget.model_construct(
        dns_name=target["DNSName"],
        zone_id=target["HostedZoneId"],
        evaluate_target_health=target["EvaluateTargetHealth"],
    )


def _hint(message: str) -> str:
    """The hint for an InvalidChangeBatch, by its message: its code covers every cause."""
    if "apex" in message:
        return "use type A with `alias`: the apex of a zone cannot be a CNAME"
    if "conflicts with other records" in message or "conflicting RRSet" in message:
        return "delete the other record of this name, or choose another name: a CNAME must be the only record"
    if "do not match the current values" in message:
        return "run `smplan plan` again: the record was changed meanwhile"
    return ""
