"""What planning needs to know of a kind, without its driver: names, facts, estimates."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from smplan.core.spec import Spec


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


Kinds: TypeAlias = Callable[[str], Kind]
"""The kind of a name; raises KeyError for a name nobody serves."""
