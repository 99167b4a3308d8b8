"""What the simulated Stream Managers share: their database's rows, in memory. Times are virtual seconds since 1970."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Any

Json = dict[str, Any]

ROLES = ("edge", "origin", "relay", "transcoder")
DEFAULT_THRESHOLD = 60
"""Percent of a role's capacity at which it scales out, unless an alarm was set (Stream Manager REST API, Alarms)."""


@dataclass(slots=True, kw_only=True)
class Node:
    """One Red5 Pro server of a group."""

    id: int
    identifier: str
    instance_id: str
    role: str
    group: str
    zone: str
    address: str
    launch_config: str
    capacity: int
    launched_at: float
    state: str = "pending"
    ended_at: float | None = None
    """When it began to terminate."""


@dataclass(slots=True, kw_only=True)
class NodeGroup:
    """One node group."""

    id: int
    name: str
    regions: tuple[str, ...]
    launch_config: str
    scale_policy: str
    created_at: float
    changed_at: float
    """When it was created, or last lost a node before it became active."""
    state: str = "new"


@dataclass(slots=True)
class Database:
    """The database; ``policies`` and ``configs`` hold the objects as the API shows them, unwrapped."""

    policies: dict[str, Json] = field(default_factory=dict)
    configs: dict[str, Json] = field(default_factory=dict)
    groups: dict[str, NodeGroup] = field(default_factory=dict)
    nodes: dict[str, Node] = field(default_factory=dict)
    thresholds: dict[str, int] = field(default_factory=lambda: dict.fromkeys(ROLES, DEFAULT_THRESHOLD))
    ids: Iterator[int] = field(default_factory=lambda: count(1))

    def nodes_of(self, group: str, role: str | None = None) -> list[Node]:
        """The nodes of a group, of one role if one is given, oldest first."""
        return [each for each in self.nodes.values() if each.group == group and role in (None, each.role)]

    def limits(self, group: NodeGroup) -> dict[tuple[str, str], tuple[int, int]]:
        """Role and region -> least and most nodes, by each region's entry, else ``default`` (Create Scale Policy).

        Without an origin in the policy there may be one (Stream Manager REST API, Launch New Origin).
        """
        regions = {each["name"]: each["target"] for each in self.policies[group.scale_policy]["targets"]["region"]}
        found = {
            (target["role"], name): (target["minLimit"], target["maxLimit"])
            for name in group.regions
            for target in regions.get(name, regions["default"])
        }
        has_origin = any(role == "origin" for role, _ in found)
        return found if has_origin else {("origin", group.regions[0]): (0, 1), **found}
