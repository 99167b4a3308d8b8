"""Security groups on the way of packets: which connections their rules admit, and which outlive their rule."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass

from smplan.sandbox.aws import moto_state
from smplan.sandbox.aws.moto_state import MotoRule

ANYWHERE = "0.0.0.0/0"
VIEWER = "203.0.113.9/32"
"""Where clients on the internet are (RFC 5737)."""


@dataclass(frozen=True, slots=True)
class Party:
    """One end of a connection: its addresses, and its security groups; None outside the VPC."""

    networks: tuple[str, ...]
    group_ids: tuple[str, ...] | None = None


def admits(account_id: str, client: Party, server: Party, port: int) -> bool:
    """Whether a rule lets each address of ``client`` out to TCP ``port``, and one lets it in at ``server``."""
    return all(
        own.group_ids is None
        or all(any(_matching(account_id, own, other, each, port, egress=egress)) for each in other.networks)
        for own, other, egress in ((client, server, True), (server, client, False))
    )


def is_tracked(account_id: str, client: Party, server: Party, port: int) -> bool:
    """Whether the connection outlives the removal of its rule.

    EC2 User Guide, "Security group connection tracking": what a rule for every address admits, in a group that lets
    all responses out to every address, is not tracked, and is interrupted at once.
    """
    admitted = (rule for each in client.networks for rule in _matching(account_id, server, client, each, port))
    if not any(rule.cidr == ANYWHERE for rule in admitted):
        return True
    ways_out = (rule for group in server.group_ids or () for rule in moto_state.rules(account_id, group, egress=True))
    return not any(rule.cidr == ANYWHERE and rule.protocol == "-1" for rule in ways_out)


def _matching(
    account_id: str, own: Party, other: Party, network: str, port: int, *, egress: bool = False
) -> Iterator[MotoRule]:
    for group in own.group_ids or ():
        for rule in moto_state.rules(account_id, group, egress=egress):
            if _has_port(rule, port) and _is_for(rule, other, network):
                yield rule


def _has_port(rule: MotoRule, port: int) -> bool:
    if rule.protocol == "-1":
        return True
    first, last = rule.from_port, rule.to_port
    return rule.protocol in {"tcp", "6"} and (first is None or last is None or first <= port <= last)


def _is_for(rule: MotoRule, other: Party, network: str) -> bool:
    if not rule.cidr:
        return rule.group_id in (other.group_ids or ())
    return ipaddress.IPv4Network(network).subnet_of(ipaddress.IPv4Network(rule.cidr))
