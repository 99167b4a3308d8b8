"""Destinations of requests: addresses that are never reached, and the hosts to which secrets may be sent."""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

from smplan.errors import GuardRefused, Invalid

SETTING = "SMPLAN_SECRET_HOSTS"

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
Lookup: TypeAlias = Callable[..., list[Any]]
"""As ``socket.getaddrinfo``."""

_FORBIDDEN = tuple(
    map(
        ipaddress.ip_network,
        (
            "0.0.0.0/8",  # this host, by another name
            "169.254.0.0/16",  # link-local: metadata of EC2, ECS (169.254.170.2), EKS, Google, Azure
            "100.100.100.200/32",  # Alibaba
            "168.63.129.16/32",  # Azure's agent
            "192.0.0.192/32",  # Oracle
            "224.0.0.0/4",
            "255.255.255.255/32",
            "::/128",
            "fe80::/10",
            "fd00:ec2::/32",  # EC2 (::254), EKS (::23), and their DNS and NTP
            "fd20:ce::254/128",  # Google
            "ff00::/8",
        ),
    )
)
_NAT64 = (ipaddress.ip_network("64:ff9b::/96"), ipaddress.ip_network("64:ff9b:1::/48"), ipaddress.ip_network("::/96"))
_HOST = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_NUMERIC = re.compile(r"(?:0[xX][0-9a-fA-F]*|[0-9]+)(?:\.(?:0[xX][0-9a-fA-F]*|[0-9]+)){0,3}\.?")


def checked_host(host: str, what: str) -> str:
    """``host``, which ``what`` names, in ASCII. Raises Invalid unless it is a name, or an allowed address."""
    try:
        host = host if host.isascii() else host.encode("idna").decode()
        address = _literal(host)
    except ValueError:
        raise Invalid(
            f"{what} is not the name or address of a host", hint="write it without scheme, port and path"
        ) from None
    if address is not None and is_forbidden(address):
        raise Invalid(f"{what} is a metadata, link-local or wildcard address: {host}", hint="write the host's own name")
    return host


def _literal(host: str) -> Address | None:
    """The address that ``host`` spells, in any of the spellings that systems accept; None for a name."""
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        pass
    if _NUMERIC.fullmatch(host):
        try:
            return ipaddress.IPv4Address(socket.inet_aton(host.rstrip(".")))
        except OSError as error:
            raise ValueError(host) from error
    if not _HOST.fullmatch(host):
        raise ValueError(host)
    return None


def is_forbidden(address: Address) -> bool:
    """Whether ``address`` serves a machine's credentials, or is no address of one host."""
    return any(
        each in network for each in _meanings(address) for network in _FORBIDDEN if each.version == network.version
    )


def _meanings(address: Address) -> Iterator[Address]:
    """``address``, and the IPv4 addresses that are embedded in it."""
    yield address
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped:
            yield address.ipv4_mapped
        if address.sixtofour:
            yield address.sixtofour
        if address.teredo:
            yield from address.teredo
        if any(address in network for network in _NAT64) and int(address) > 0xFFFF:
            yield ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)


def addresses(host: str, port: int, lookup: Lookup = socket.getaddrinfo) -> list[str]:
    """The addresses of ``host``, to connect to as they are. Raises OSError, or Invalid if one is forbidden."""
    try:
        found = [entry[4][0] for entry in lookup(host, port, type=socket.SOCK_STREAM)]
    except UnicodeError as error:  # of the IDNA codec
        raise OSError(f"{host} is not a host name") from error
    for each in found:
        if is_forbidden(ipaddress.ip_address(each.partition("%")[0])):
            raise Invalid(
                f"{host} leads to {each}, a metadata, link-local or wildcard address", hint="write the host's own name"
            )
    return list(dict.fromkeys(found))


@dataclass(frozen=True, slots=True)
class SecretHosts:
    """The hosts to which the operator lets secrets be sent: ``HOST``, ``*.DOMAIN``, with a port, or ``http://HOST``.

    Without a scheme only https; without a port any port.
    """

    entries: tuple[str, ...] = ()

    def check(self, scheme: str, host: str, port: int) -> None:
        """Raise GuardRefused unless secrets may be sent to ``host``."""
        if any(_allows(entry, scheme, host, port) for entry in self.entries):
            return
        entry = host if scheme == "https" else f"http://{host}:{port}"
        how = "" if scheme == "https" else " in clear text"
        raise GuardRefused(
            f"no secret is sent to {host}{how}: only you can allow that, not the blueprint",
            hint=f"if that host is yours, allow it: export {SETTING}={','.join((*self.entries, entry))}",
        )


def _allows(entry: str, scheme: str, host: str, port: int) -> bool:
    wanted, slashes, rest = entry.strip().rpartition("://")
    name, number = _name_and_port(rest)
    if scheme != (wanted if slashes else "https") or number not in ("", str(port)):
        return False
    host, name = host.lower().rstrip("."), name.lower().rstrip(".")
    return host.endswith(name[1:]) if name.startswith("*.") else host == name


def _name_and_port(text: str) -> tuple[str, str]:
    text = text.rstrip("/")
    if text.startswith("["):
        name, _, rest = text[1:].partition("]")
        return name, rest.removeprefix(":")
    name, _, number = text.partition(":")
    return name, number
