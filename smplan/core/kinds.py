"""What planning needs to know of a kind, without its driver: names, facts, estimates."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from smplan.core import ids
from smplan.core.spec import IMMUTABLE, UNORDERED, Spec, fields
from smplan.core.values import Json, Tree


@dataclass(frozen=True)
class Kind:
    """One kind of resource, as its driver declares it (see ``drivers.base.Driver`` for what each attribute means)."""

    name: str
    spec: type[Spec]
    outputs: Mapping[str, bool] = field(default_factory=dict)
    """Each output, and whether an update in place may change it."""
    name_field: str | None = None
    name_limit: int = 255
    coexists: bool = True
    taggable: bool = True
    gate: bool = False
    in_state_only: bool = False
    behind_fleet: bool = False
    expected_seconds: float = 1
    risks: Mapping[str, str] = field(default_factory=dict)
    derive: Callable[[Any], Mapping[str, Tree]] | None = None
    """For kinds that only the state holds: their outputs follow from the spec."""

    def key(self, spec: Json) -> str:
        """What tells a thing of this (encoded) spec from others that it cannot become: SHA-256 of what never changes.

        It is at least as fine as the natural key: two things that are found in the same place may differ in it.
        """
        members = spec if isinstance(spec, dict) else {}
        fixed = {
            name: sorted(members[name], key=repr) if facts.has(UNORDERED) else members[name]
            for name, facts in fields(self.spec).items()
            if name in members and (facts.has(IMMUTABLE) or name == self.name_field)
        }
        return ids.digest(fixed)


Kinds: TypeAlias = Callable[[str], Kind]
"""The kind of a name; raises KeyError for a name nobody serves."""
