"""What planning needs to know of a kind, without its driver: names, facts, estimates."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from smplan.core.spec import Spec
from smplan.core.values import Tree


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


Kinds: TypeAlias = Callable[[str], Kind]
"""The kind of a name; raises KeyError for a name nobody serves."""
