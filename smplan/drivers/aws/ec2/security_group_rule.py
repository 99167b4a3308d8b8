"""``aws.ec2.security_group_rule``: one rule of a group, which another owner may manage (the database's).

A rule is identified by group, direction, protocol, ports and peer, not by its description, so two rules that differ
only in that are refused as duplicates: https://github.com/hashicorp/terraform/issues/1874.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from ipaddress import ip_network
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field, model_validator

from smplan.core.resource_type import IamActions
from smplan.core.risk import Effect, Risk
from smplan.core.spec import IMMUTABLE, Canonical, PartialMap, Spec
from smplan.core.values import PartialValue, Placeholder
from smplan.drivers import references
from smplan.drivers.aws import _filters, tags
from smplan.drivers.aws.ec2 import _checks, _risks
from smplan.drivers.aws.ec2._common import Ec2Driver
from smplan.drivers.aws.requests import batched
from smplan.drivers.aws.sent_as import SentAs
from smplan.drivers.aws.tags import ANY_TEXT
from smplan.drivers.base import Claim, Live, Owner
from smplan.drivers.checks import Check, PlannedResources
from smplan.errors import NotFound

if TYPE_CHECKING:
    from mypy_boto3_ec2.type_defs import FilterTypeDef, SecurityGroupRuleTypeDef

_PROTOCOLS = {"6": "tcp", "17": "udp", "1": "icmp", "58": "icmpv6", "all": "-1"}
_NAMES = ("tcp", "udp", "icmp", "icmpv6", "-1")
_OTHERS = {"igmp": 2, "ipip": 4, "ipv6": 41, "gre": 47, "esp": 50, "ah": 51, "ospf": 89, "vrrp": 112, "sctp": 132}
"""Numbers of protocols that EC2 does not know by name (IANA, "Protocol Numbers")."""
_DESCRIPTION = r"^[a-zA-Z0-9 ._\-:/()#,@\[\]+=&;{}!$*]*$"
"""EC2 API reference, IpRange: "a-z, A-Z, 0-9, spaces, and ._-:/()#,@[]+=&;{}!$*"."""
_PEERS = ("cidr_ipv4", "cidr_ipv6", "source_group", "prefix_list_id")


def protocol_name(protocol: str) -> str:
    """A protocol as AWS returns it: ``tcp``, ``udp``, ``icmp``, ``icmpv6``, ``-1`` for all, else its number."""
    return _PROTOCOLS.get(protocol.lower(), protocol.lower())


def _known_protocol(protocol: str) -> str:
    name = protocol_name(protocol)
    if name in _NAMES or (name.isascii() and name.isdecimal() and str(int(name)) == name and int(name) <= 255):
        return protocol
    number = f'"{_OTHERS[name]}"' if name in _OTHERS else "its number, 0 to 255"
    raise ValueError(f"cannot be `{protocol}`: write tcp, udp, icmp, icmpv6, all, or {number}")


def network(cidr: str) -> str:
    """A CIDR block as AWS returns it: host bits cleared, IPv6 in short form."""
    try:
        return str(ip_network(cidr, strict=False))
    except ValueError:
        return cidr


def _of_version(version: int) -> AfterValidator:
    def check(cidr: str) -> str:
        try:
            found = ip_network(cidr, strict=False).version
        except ValueError:
            raise ValueError(f"`{cidr}` is not a CIDR block") from None
        if found != version:
            raise ValueError(f"`{cidr}` is an IPv{found} block: write it as `cidr_ipv{found}`")
        return cidr

    return AfterValidator(check)


Port = Annotated[int, Field(ge=-1, le=65535)]


class SecurityGroupRuleSpec(Spec):
    """One rule: the traffic to (ingress) or from (egress) the members of a group."""

    sent_as: ClassVar = SentAs(
        "ec2:AuthorizeSecurityGroupIngress",
        {
            "group": "GroupId",
            "protocol": "IpPermissions[].IpProtocol",
            "port": "IpPermissions[].FromPort",
            "from_port": "IpPermissions[].FromPort",
            "to_port": "IpPermissions[].ToPort",
            "cidr_ipv4": "IpPermissions[].IpRanges[].CidrIp",
            "cidr_ipv6": "IpPermissions[].Ipv6Ranges[].CidrIpv6",
            "source_group": "IpPermissions[].UserIdGroupPairs[].GroupId",
            "prefix_list_id": "IpPermissions[].PrefixListIds[].PrefixListId",
            "description": "IpPermissions[].IpRanges[].Description",
            "tags": "TagSpecifications[].Tags",
        },
        {"direction": "decides the operation"},
    )

    group: Annotated[
        str,
        references.SECURITY_GROUP,
        IMMUTABLE,
        Field(description="The security group that holds the rule.", pattern="^sg-"),
    ]
    direction: Annotated[
        Literal["ingress", "egress"],
        IMMUTABLE,
        Field(description="`ingress` for incoming, `egress` for outgoing traffic."),
    ]
    protocol: Annotated[
        Annotated[str, AfterValidator(_known_protocol)],
        IMMUTABLE,
        Canonical(protocol_name),
        Field(description="`tcp`, `udp`, `icmp`, `icmpv6`, a protocol number as text, or `all`."),
    ]
    port: Annotated[Port | None, IMMUTABLE, Field(description="The port, for a single one.")] = None
    from_port: Annotated[Port | None, IMMUTABLE, Field(description="The first port, or the ICMP type.")] = None
    to_port: Annotated[Port | None, IMMUTABLE, Field(description="The last port, or the ICMP code.")] = None
    cidr_ipv4: Annotated[
        Annotated[str, _of_version(4)] | None,
        IMMUTABLE,
        Canonical(network),
        Field(description="The other side: an IPv4 block."),
    ] = None
    cidr_ipv6: Annotated[
        Annotated[str, _of_version(6)] | None,
        IMMUTABLE,
        Canonical(network),
        Field(description="The other side: an IPv6 block."),
    ] = None
    source_group: Annotated[
        Annotated[str, Field(pattern="^sg-")] | None,
        references.SECURITY_GROUP,
        IMMUTABLE,
        Field(description="The other side: the members of this security group."),
    ] = None
    prefix_list_id: Annotated[
        Annotated[str, Field(pattern="^pl-")] | None,
        references.PREFIX_LIST,
        IMMUTABLE,
        Field(description="The other side: the networks of this prefix list."),
    ] = None
    description: Annotated[
        Annotated[str, Field(max_length=255, pattern=_DESCRIPTION)] | None,
        Field(description="What the rule is for. Rules that differ only in this are duplicates."),
    ] = None
    tags: Annotated[
        PartialMap[str] | None, Field(description="Tags, besides those smplan sets.", max_length=48), ANY_TEXT
    ] = None

    @model_validator(mode="after")
    def _one_peer(self) -> SecurityGroupRuleSpec:
        given = [name for name in _PEERS if getattr(self, name) is not None]
        if len(given) != 1:
            stated = " and ".join(f"`{name}`" for name in given) or "none is"
            raise ValueError(f"a rule has exactly one of {', '.join(_PEERS)}; {stated} given")
        return self

    @model_validator(mode="after")
    def _ports_are_whole(self) -> SecurityGroupRuleSpec:
        ranged = self.from_port is not None or self.to_port is not None
        if self.port is not None and ranged:
            raise ValueError("`port` is one port: write either `port`, or `from_port` and `to_port`")
        if ranged and (self.from_port is None or self.to_port is None):
            raise ValueError("`from_port` and `to_port` go together")
        return self

    @model_validator(mode="after")
    def _ports_fit_the_protocol(self) -> SecurityGroupRuleSpec:
        if isinstance(self.protocol, Placeholder):
            return self
        name, stated = protocol_name(self.protocol), self.port is not None or self.from_port is not None
        if name in ("tcp", "udp"):
            self._check_ports(name, stated=stated)
        elif name in ("icmp", "icmpv6"):
            self._check_icmp(name)
        elif stated:
            which = "all protocols" if name == "-1" else f"protocol {name}"
            raise ValueError(f"a rule for {which} opens all ports: leave the ports out, or write tcp or udp")
        return self

    def _check_icmp(self, name: str) -> None:
        """EC2 API reference, IpPermission: "If you specify all ICMP types, you must specify all ICMP codes"."""
        if self.port is not None:
            raise ValueError(
                f"{name} has no ports: write its type as `from_port` and its code as `to_port`, -1 for any"
            )
        if max((end for end in (self.from_port, self.to_port) if isinstance(end, int)), default=0) > 255:
            raise ValueError(f"types (`from_port`) and codes (`to_port`) of {name} go from 0 to 255; -1 is any")
        if self.from_port == -1 and self.known("to_port") and self.to_port != -1:
            raise ValueError(f"{name} of any type (`from_port: -1`) has any code: write `to_port: -1`, or the type")

    def _check_ports(self, name: str, *, stated: bool) -> None:
        if not stated:
            raise ValueError(f"a {name} rule needs `port`, or `from_port` and `to_port`")
        ports = [port for port in (self.port, self.from_port, self.to_port) if isinstance(port, int)]
        if ports != sorted(ports):
            raise ValueError(f"`from_port` {ports[0]} is above `to_port` {ports[1]}")
        if min(ports, default=0) < 0:
            raise ValueError(f"the ports of {name} go from 0 to 65535")


class SecurityGroupRule(Ec2Driver[SecurityGroupRuleSpec]):
    """smplan owns the rule, not the group. An equal rule without smplan's tags has another owner."""

    kind = "aws.ec2.security_group_rule"
    summary = "One rule of a security group, such as port 3306 of the database for the Stream Managers."
    spec = SecurityGroupRuleSpec
    iam_actions = IamActions(
        read=("ec2:DescribeSecurityGroupRules",),
        write=(
            "ec2:AuthorizeSecurityGroupIngress",
            "ec2:AuthorizeSecurityGroupEgress",
            "ec2:RevokeSecurityGroupIngress",
            "ec2:RevokeSecurityGroupEgress",
            "ec2:ModifySecurityGroupRules",
            "ec2:CreateTags",
            "ec2:DeleteTags",
        ),
        check=_checks.RULE_ACTIONS,
    )

    @classmethod
    def risks(cls, effect: Effect) -> Iterator[Risk]:
        """Of every rule that opens or closes access; worst where the internet reaches a port of administration."""
        return _risks.of_rule(effect)

    @classmethod
    def natural_key(cls, spec: Mapping[str, PartialValue]) -> str:
        """One port is a range too."""
        port = spec.get("port")
        return super().natural_key({**spec, "port": None, "from_port": port, "to_port": port} if port else spec)

    def checks(self, planned: PlannedResources) -> Iterable[Check]:
        """Security groups, prefix list, and the quota."""
        return _checks.of_rules(self.context.aws, planned)

    def read_many(self, ids: Collection[str]) -> dict[str, Live[SecurityGroupRuleSpec]]:
        """One call per 200 rules."""
        return {rule["SecurityGroupRuleId"]: _live(rule) for rule in self._rules(ids)}

    def find(self, spec: SecurityGroupRuleSpec) -> Live[SecurityGroupRuleSpec] | None:
        """The rule of the same group, direction, protocol, ports and peer."""
        wanted = _key(spec)
        found = map(_live, self._described(_filters.by("group-id", spec.group)))
        return next((live for live in found if _key(live.spec) == wanted), None)

    def create(self, spec: SecurityGroupRuleSpec, claim: Claim) -> str:
        """One rule per call, tagged in it. Raises Conflict if an equal one exists."""
        ec2_client = self.context.aws.write.ec2
        authorize: Any = (
            ec2_client.authorize_security_group_ingress
            if spec.direction == "ingress"
            else ec2_client.authorize_security_group_egress
        )
        response = authorize(
            GroupId=spec.group,
            IpPermissions=[_permission(spec)],
            TagSpecifications=_filters.tagged(["security-group-rule"], tags.merged(spec.tags, claim.tags)),
        )
        return str(response["SecurityGroupRules"][0]["SecurityGroupRuleId"])

    def update(self, live: Live[SecurityGroupRuleSpec], spec: SecurityGroupRuleSpec) -> None:
        """The description, which is sent with the whole rule, and tags."""
        if spec.description is not None and spec.description != live.spec.description:
            self.context.aws.write.ec2.modify_security_group_rules(
                GroupId=spec.group,
                SecurityGroupRules=[{"SecurityGroupRuleId": live.id, "SecurityGroupRule": _request(spec)}],
            )
        _filters.retag(self.context.aws, live.id, live.spec.tags, spec.tags)

    def delete(self, id: str) -> None:
        """By its id, so that an equal rule that was added later stays."""
        for rule in self._rules([id]):
            ec2_client = self.context.aws.write.ec2
            revoke: Any = (
                ec2_client.revoke_security_group_egress
                if rule["IsEgress"]
                else ec2_client.revoke_security_group_ingress
            )
            try:
                revoke(GroupId=rule["GroupId"], SecurityGroupRuleIds=[id])
            except NotFound:
                return

    def _rules(self, ids: Collection[str]) -> list[SecurityGroupRuleTypeDef]:
        batches = batched(ids, _filters.FILTER_VALUES)
        return [rule for batch in batches for rule in self._described(_filters.by("security-group-rule-id", *batch))]

    def _described(self, filters: list[FilterTypeDef]) -> list[SecurityGroupRuleTypeDef]:
        pages = self.context.aws.read.ec2.get_paginator("describe_security_group_rules").paginate(Filters=filters)
        return [rule for page in pages for rule in page["SecurityGroupRules"]]


def _ports(spec: SecurityGroupRuleSpec) -> tuple[int, int]:
    """The range as AWS returns it: ``(-1, -1)`` for none."""
    if spec.port is not None:
        return spec.port, spec.port
    return (-1 if spec.from_port is None else spec.from_port, -1 if spec.to_port is None else spec.to_port)


def _key(spec: SecurityGroupRuleSpec) -> tuple[object, ...]:
    """The identity of a rule within its group."""
    protocol = protocol_name(spec.protocol)
    ports = (-1, -1) if protocol == "-1" else _ports(spec)
    blocks = tuple(network(cidr) if cidr else None for cidr in (spec.cidr_ipv4, spec.cidr_ipv6))
    return spec.direction, protocol, ports, blocks, spec.source_group, spec.prefix_list_id


def _permission(spec: SecurityGroupRuleSpec) -> Any:
    description: dict[str, str] = {"Description": spec.description} if spec.description else {}
    permission: dict[str, Any] = {"IpProtocol": protocol_name(spec.protocol), **_range(spec)}
    if spec.cidr_ipv4:
        permission["IpRanges"] = [{"CidrIp": network(spec.cidr_ipv4), **description}]
    elif spec.cidr_ipv6:
        permission["Ipv6Ranges"] = [{"CidrIpv6": network(spec.cidr_ipv6), **description}]
    elif spec.source_group:
        permission["UserIdGroupPairs"] = [{"GroupId": spec.source_group, **description}]
    else:
        permission["PrefixListIds"] = [{"PrefixListId": spec.prefix_list_id, **description}]
    return permission


def _request(spec: SecurityGroupRuleSpec) -> Any:
    peers = {
        "CidrIpv4": spec.cidr_ipv4 and network(spec.cidr_ipv4),
        "CidrIpv6": spec.cidr_ipv6 and network(spec.cidr_ipv6),
        "ReferencedGroupId": spec.source_group,
        "PrefixListId": spec.prefix_list_id,
    }
    given = {name: value for name, value in peers.items() if value}
    first, last = _ports(spec)  # -1 and -1 for all protocols, as AWS describes such a rule
    return {
        "IpProtocol": protocol_name(spec.protocol),
        "FromPort": first,
        "ToPort": last,
        **given,
        "Description": spec.description or "",
    }


def _range(spec: SecurityGroupRuleSpec) -> dict[str, int]:
    """FromPort and ToPort; none for all protocols."""
    first, last = _ports(spec)
    return {} if protocol_name(spec.protocol) == "-1" else {"FromPort": first, "ToPort": last}


def _live(rule: SecurityGroupRuleTypeDef) -> Live[SecurityGroupRuleSpec]:
    all_tags = tags.plain(rule.get("Tags"))
    first, last = _stated(rule, "FromPort"), _stated(rule, "ToPort")
    spec = SecurityGroupRuleSpec.model_construct(
        group=rule["GroupId"],
        direction="egress" if rule["IsEgress"] else "ingress",
        protocol=rule["IpProtocol"],
        port=first if first == last else None,  # both forms are returned: the spec may use either
        from_port=first,
        to_port=last,
        cidr_ipv4=rule.get("CidrIpv4"),
        cidr_ipv6=rule.get("CidrIpv6"),
        source_group=rule.get("ReferencedGroupInfo", {}).get("GroupId"),
        prefix_list_id=rule.get("PrefixListId"),
        description=rule.get("Description", ""),
        tags=tags.own(rule.get("Tags")),
    )
    return Live(rule["SecurityGroupRuleId"], spec, owner=Owner.from_tags(all_tags))


def _stated(rule: SecurityGroupRuleTypeDef, name: Literal["FromPort", "ToPort"]) -> int | None:
    """A port of the rule, unless the rule is for all protocols, where AWS returns -1 for both."""
    return None if rule["IpProtocol"] == "-1" else rule.get(name, -1)
