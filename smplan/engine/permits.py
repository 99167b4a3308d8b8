"""Addresses of `--unprotect` and `--abandon`, checked before a plan is made with them."""

from __future__ import annotations

from collections.abc import Collection

from smplan.core.plan.changes import Permits
from smplan.core.wording import count, one_of, quoted
from smplan.errors import SmplanError


def check_addresses(permits: Permits, known: Collection[str]) -> None:
    """Raise SmplanError naming every address of ``permits`` that neither the state nor the blueprint has."""
    wrong = [
        (option, address)
        for option, addresses in (("--unprotect", permits.unprotect), ("--abandon", permits.abandon))
        for address in sorted(addresses)
        if address not in known
    ]
    if wrong:
        lines = [
            f"{option} {address}: neither the state nor the blueprint has this address" for option, address in wrong
        ]
        hints = [f"{quoted(address)}: {hint}" for _, address in wrong if (hint := _suggestion(address, known))]
        raise SmplanError("\n".join(lines), hint="; ".join(hints) or "list the addresses with `smplan state list`")


def _suggestion(address: str, known: Collection[str]) -> str:
    """The instances of a ``for_each`` of that name, else the address that was probably meant."""
    instances = sorted(each for each in known if each.startswith(f"{address}["))
    if instances:
        shown = ", ".join(instances[:5])
        more = f" and {count(len(instances) - 5, 'other')}" if len(instances) > 5 else ""
        return f"name one of its instances: {shown}{more}"
    return one_of(address, known)
