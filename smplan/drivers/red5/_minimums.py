"""How many nodes of each role a group needs, region by region, and how many it has in service."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any, TypeAlias

IN_SERVICE = "inservice"
TIMEOUT_SECONDS = 1800
_ORIGIN = "origin"

Place: TypeAlias = "tuple[str, str]"
"""A role, and the region in which the policy wants it."""


@dataclass(frozen=True)
class Counted:
    """The nodes of a group against its minimums."""

    wanted: Counter[Place]
    serving: Counter[Place]
    others: Counter[str]
    """Nodes that are not in service, by state."""

    @property
    def complete(self) -> bool:
        """Whether every role has its minimum in service in every region, and there is an origin somewhere."""
        return self._has_origin and all(self.serving[place] >= number for place, number in self.wanted.items())

    @property
    def _has_origin(self) -> bool:
        return any(role == _ORIGIN for role, _ in self.serving)

    @property
    def fraction(self) -> float:
        """Which part of the minimums is in service."""
        total = sum(self.wanted.values())
        found = sum(min(self.serving[place], number) for place, number in self.wanted.items())
        return found / total if total else float(self.complete)

    @property
    def status(self) -> str:
        """Such as ``origin 1 of 1, edge 0 of 2 in service; 2 pending``; with regions, where there are several."""
        several = len({region for _, region in self.wanted}) > 1
        found = [
            f"{role}{f' in {region}' * several} {self.serving[role, region]} of {number}"
            for (role, region), number in sorted(self.wanted.items(), reverse=True)
        ]
        states = ", ".join(f"{number} {state}" for state, number in sorted(self.others.items()))
        lacking = "" if self._has_origin or any(role == _ORIGIN for role, _ in self.wanted) else "no origin yet"
        return "; ".join(filter(None, [f"{', '.join(found)} in service" if found else "", lacking, states]))


def count(policy: dict[str, Any], regions: Collection[str], nodes: Iterable[dict[str, Any]]) -> Counted:
    """Count ``nodes`` of a group in ``regions`` against its policy. A node of an unknown region counts in the first."""
    serving: Counter[Place] = Counter()
    others: Counter[str] = Counter()
    for node in nodes:
        if state(node) == IN_SERVICE:
            zone = str(node.get("availabilityZone") or "")
            where = max((each for each in regions if zone.startswith(each)), key=len, default=next(iter(regions), ""))
            serving[str(node.get("role")), where] += 1
        else:
            others[state(node)] += 1
    return Counted(wanted(policy, regions), serving, others)


def wanted(policy: dict[str, Any], regions: Collection[str]) -> Counter[Place]:
    """The minimum number of nodes by role and region.

    Each region has the limits of its own entry, else those of ``default`` (Red5 Pro, Create Scale Policy, example 2).
    """
    entries = (policy.get("targets") or {}).get("region") or []
    regional = {str(each.get("name")): each.get("target") or [] for each in entries}
    found: Counter[Place] = Counter()
    for region in regions:
        for target in regional.get(region) or regional.get("default") or []:
            found[str(target["role"]), region] = int(float(target.get("minLimit") or 0))
    return found


def regions(group: dict[str, Any]) -> list[str]:
    """The regions of a group; one version of the API spells the key in the singular."""
    found = group.get("regions") or group.get("region") or []
    return [found] if isinstance(found, str) else [str(region) for region in found]


def state(node: dict[str, Any]) -> str:
    """The state of a node, in lower case."""
    return str(node.get("state") or "").lower()
