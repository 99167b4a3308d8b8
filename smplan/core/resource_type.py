"""Kinds, without their drivers: what the planner needs to know of one, and its documentation."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from smplan.core import canonical_json
from smplan.core.spec import IMMUTABLE, UNORDERED, Spec, fields
from smplan.core.values import Json, PartialValue


@dataclass(frozen=True, slots=True)
class Override:
    """A kind that changes fields of another resource: a scheduled action sets the size of its scaling group.

    ``field`` refers to the resource of ``kind``, by reference, name or id. That resource may have each of ``fields`` at
    the value of the same field here (None: it is not changed). That is neither a change to plan nor drift.
    """

    field: str
    kind: str
    fields: tuple[str, ...]


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
    overrides: tuple[Override, ...] = ()
    compute_outputs: Callable[[Any], Mapping[str, PartialValue]] | None = None
    """For virtual kinds: their outputs follow from the spec."""

    def identity_digest(self, spec: Json) -> str:
        """SHA-256 of what never changes in an (encoded) spec: one resource cannot become one of another digest.

        It is at least as fine as the natural key: two resources of one natural key may differ in it.
        """
        members = spec if isinstance(spec, dict) else {}
        fixed = {
            name: sorted(members[name], key=repr) if traits.has(UNORDERED) else members[name]
            for name, traits in fields(self.spec).items()
            if name in members and (traits.has(IMMUTABLE) or name == self.name_field)
        }
        return canonical_json.digest(fixed)


ResourceTypes: TypeAlias = Callable[[str], ResourceType]
"""The type of that name. Raises KeyError for an unknown name."""


@dataclass(frozen=True)
class KindDoc:
    """The documentation of one kind: as a resource (with ``spec``), as a lookup (with ``keys``), or both."""

    name: str
    summary: str = ""
    spec: type[Spec] | None = None
    outputs: Mapping[str, str] = field(default_factory=dict)
    """The outputs of a resource beside its fields and ``id``, each with its description."""
    via_stream_manager: bool = False
    lookup_summary: str = ""
    keys: Mapping[str, str] | None = None
    """The keys of ``where`` of a lookup, each with its description; ``tag:*`` means any tag."""
    lookup_outputs: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Catalogue:
    """Every kind by name. All names are only needed to suggest one."""

    kind: Callable[[str], KindDoc | None]
    resources: Callable[[], Iterable[str]]
    lookups: Callable[[], Iterable[str]]
