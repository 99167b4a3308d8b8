"""What exists, as plain values: the planner's view of AWS and Stream Manager."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from smplan.core.spec import Spec
from smplan.core.state.journal import ResourceKey
from smplan.core.state.model import ResourceState
from smplan.core.values import Json


@dataclass(frozen=True, slots=True)
class ObservedResource:
    """A resource as it exists: its id, its spec read back, and its outputs.

    ``owner`` is the (lineage, address) of its ownership tags, None without them.
    """

    id: str
    spec: Spec
    outputs: Mapping[str, Json] = field(default_factory=dict)
    owner: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Untracked:
    """A resource that an interrupted run created and no state records.

    ``resource`` is the record from the journal with the id that was found, ``key`` that of the pending create.
    """

    resource: ResourceState
    live: ObservedResource
    key: str = ""


@dataclass(frozen=True, slots=True)
class Hidden:
    """A deposed generation, or what a pending create of ``key`` may have made, that could not be read, and why."""

    resource: ResourceState
    why: str
    key: str = ""


@dataclass(frozen=True)
class ObservedState:
    """Everything that was read. What is in no map does not exist: a failed read would have raised."""

    resources: Mapping[str, ObservedResource] = field(default_factory=dict)
    """By address: the resources of the state that exist."""
    unreadable: Mapping[str, str] = field(default_factory=dict)
    """By address: why a resource behind a Stream Manager could not be read. Unreadable is never "gone"."""
    stopped: Mapping[str, str] = field(default_factory=dict)
    """By address: why a resource was not read, because what it is behind is scaled down."""
    deposed: Mapping[tuple[str, str], ObservedResource] = field(default_factory=dict)
    """By kind and id: the older generations that exist."""
    hidden: tuple[Hidden, ...] = ()
    """The older generations, and the pending creates, of which nothing could be read."""
    by_natural_key: Mapping[str, ObservedResource] = field(default_factory=dict)
    """By address: what exists already under the natural key of a resource to create."""
    pending: frozenset[ResourceKey] = frozenset()
    """The keys of creates that an interrupted run may have sent."""
    untracked: tuple[Untracked, ...] = ()
    """The resources that such creates made, where they could be found and are not in the state."""
    lookups: Mapping[str, Mapping[str, Json]] = field(default_factory=dict)
    """By name: the outputs of each lookup."""
