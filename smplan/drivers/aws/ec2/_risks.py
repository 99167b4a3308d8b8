"""Risks of security group rules: which traffic is opened or closed, from where, and whether the internet gets in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import ip_network

from smplan.core.risk import Category, Effect, Risk, shown
from smplan.core.values import Json

SENSITIVE: Mapping[int, str] = {
    21: "FTP",
    22: "SSH",
    23: "Telnet",
    111: "RPC",
    135: "RPC",
    139: "NetBIOS",
    161: "SNMP",
    389: "LDAP",
    445: "SMB",
    873: "rsync",
    1099: "Java RMI",
    1433: "SQL Server",
    1521: "Oracle",
    2049: "NFS",
    2375: "Docker",
    2376: "Docker",
    2379: "etcd",
    3306: "MySQL",
    3389: "RDP",
    5432: "PostgreSQL",
    5900: "VNC",
    5985: "WinRM",
    5986: "WinRM",
    6379: "Redis",
    9200: "Elasticsearch",
    10250: "Kubernetes",
    11211: "memcached",
    27017: "MongoDB",
}
"""Ports of administration and databases, which no client of the fleet needs."""
_WIDE = {4: 8, 6: 16}
"""Blocks with a shorter prefix, by IP version, hold too much of the internet to be one organisation's."""
_ALL = ("all", "-1")
_NUMBERS = {"6": "tcp", "17": "udp", "1": "icmp", "58": "icmpv6"}


def of_rule(effect: Effect) -> Iterator[Risk]:
    """Of every rule that opens or closes access; one that lets the internet into a machine stands out."""
    if effect.creates:
        yield _opened(effect.after)
    if effect.deletes:
        traffic, peer = _traffic(effect.before), _peer(effect.before)
        way = f"from {peer} to" if _is_ingress(effect.before) else f"to {peer} from"
        after = ", once the new rule is there" if effect.after else ""
        yield Risk(
            Category.ACCESS,
            f"closes {traffic} {way} {shown(effect.before.get('group'))}{after}: no new connection is let through",
        )


def _opened(rule: Mapping[str, Json]) -> Risk:
    group, traffic, peer = shown(rule.get("group")), _traffic(rule), _peer(rule)
    if not _is_ingress(rule):
        return Risk(Category.ACCESS, f"opens {traffic} from {group} to {peer}")
    exposed = _is_internet(rule) and _is_sensitive(rule)
    return Risk(
        Category.EXPOSED if exposed else Category.ACCESS,
        f"opens {traffic} to {group} from {peer}" + (": anyone can try to log in" if exposed else ""),
    )


def _is_ingress(rule: Mapping[str, Json]) -> bool:
    return rule.get("direction") != "egress"


def _is_internet(rule: Mapping[str, Json]) -> bool:
    return any(_width(rule.get(name)) for name in ("cidr_ipv4", "cidr_ipv6"))


def _width(cidr: Json) -> int:
    """How many addresses a block has that holds much of the internet; 0 for any other block or placeholder."""
    try:
        network = ip_network(cidr, strict=False) if isinstance(cidr, str) else None
    except ValueError:
        return 0
    return network.num_addresses if network and network.prefixlen < _WIDE[network.version] else 0


def _is_sensitive(rule: Mapping[str, Json]) -> bool:
    protocol, ports = _protocol(rule), _ports(rule)
    if protocol in _ALL:
        return True
    return protocol not in ("icmp", "icmpv6") and (ports is None or bool(_names(*ports)))


def _protocol(rule: Mapping[str, Json]) -> str:
    name = shown(rule.get("protocol")).lower()
    return _NUMBERS.get(name, name)


def _ports(rule: Mapping[str, Json]) -> tuple[int, int] | None:
    """The range of ports; None if it is not known, or there is none."""
    first, last = rule.get("from_port", rule.get("port")), rule.get("to_port", rule.get("port"))
    return (first, last) if isinstance(first, int) and isinstance(last, int) else None


def _names(first: int, last: int) -> list[str]:
    return [f"{port} {name}" for port, name in SENSITIVE.items() if first <= port <= last]


def _traffic(rule: Mapping[str, Json]) -> str:
    protocol, ports = _protocol(rule), _ports(rule)
    if protocol in _ALL:
        return "every port of every protocol"
    if protocol in ("icmp", "icmpv6"):
        return protocol if ports is None or ports[0] == -1 else f"{protocol} of type {ports[0]}"
    if ports is None:
        given = rule.get("port", rule.get("from_port"))
        return f"protocol {protocol}" if given is None else f"{protocol} port {shown(given)}"
    first, last = ports
    names = _names(first, last)
    if first == last:
        return f"{protocol} port {first}" + (f" ({SENSITIVE[first]})" if names else "")
    many = len(names) > 3
    among = f" (among them {', '.join(names[:3])}{' and others' if many else ''})" if names else ""
    return f"{protocol} ports {first} to {last}{among}"


def _peer(rule: Mapping[str, Json]) -> str:
    for name in ("cidr_ipv4", "cidr_ipv6"):
        cidr = rule.get(name)
        if cidr is not None:
            return f"{shown(cidr)}{_meaning(cidr)}"
    if rule.get("source_group") is not None:
        return f"the members of {shown(rule['source_group'])}"
    return f"the networks of {shown(rule.get('prefix_list_id'))}"


def _meaning(cidr: Json) -> str:
    if not _width(cidr):
        return ""
    network = ip_network(cidr, strict=False)
    part = "every" if network.prefixlen == 0 else f"1 in {2**network.prefixlen} of every"
    return f", {part} IPv{network.version} address"
