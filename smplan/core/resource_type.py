"""What planning needs to know of a kind, without its driver: names, facts, estimates."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from smplan.core import canonical_json
from smplan.core.spec import IMMUTABLE, UNORDERED, Spec, fields
from smplan.core.values import Json, PartialValue


@dataclass(frozen=True)
class ResourceType:
    """One kind of resource, as its driver declares it (see ``drivers.base.Driver`` for what each attribute means)."""

    name: str
    spec: type[Spec]
    outputs: Mapping[str, bool] = field(default_factory=dict)
    """Each output, and whether an update in place may change it."""
    name_field: str | None = None
    name_limit: int = 255
    create_before_delete: bool = True
    taggable: bool = True
    gate: bool = False
    virtual: bool = False
    via_stream_manager: bool = False
    expected_seconds: float = 1
    risks: Mapping[str, str] = field(default_factory=dict)
    compute_outputs: Callable[[Any], Mapping[str, PartialValue]] | None = None
    """For kinds that only the state holds: their outputs follow from the spec."""

    def identity_digest(self, spec: Json) -> str:
        """What tells a thing of this (encoded) spec from others that it cannot become: SHA-256 of what never changes.

        It is at least as fine as the natural key: two things that are found in the same place may differ in it.
        """
        members = spec if isinstance(spec, dict) else {}
        fixed = {
            name: sorted(members[name], key=repr) if facts.has(UNORDERED) else members[name]
            for name, facts in fields(self.spec).items()
            if name in members and (facts.has(IMMUTABLE) or name == self.name_field)
        }
        return canonical_json.digest(fixed)


ResourceTypes: TypeAlias = Callable[[str], ResourceType]
"""The kind of a name; raises KeyError for a name nobody serves."""
