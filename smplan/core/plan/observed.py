"""What was seen of the world, as plain values: the input of a decision."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from smplan.core.spec import Spec
from smplan.core.state.journal import ResourceKey
from smplan.core.state.model import ResourceState
from smplan.core.values import Json


@dataclass(frozen=True, slots=True)
class ObservedResource:
    """One thing as it is: its id, its spec read back, what it makes known, and the address that its tags claim it for.

    ``claimed_by`` is (lineage, address), or None where no claim is on it.
    """

    id: str
    spec: Spec
    outputs: Mapping[str, Json] = field(default_factory=dict)
    claimed_by: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Untracked:
    """What an interrupted run made and no state knows of: ``entry`` is what was meant, with the id that was found.

    ``key`` is that of the orphan in the journal.
    """

    entry: ResourceState
    seen: ObservedResource
    key: str = ""


@dataclass(frozen=True)
class ObservedState:
    """All that was read. What is in neither map is not there: a failed read would have raised."""

    seen: Mapping[str, ObservedResource] = field(default_factory=dict)
    """By address: what the state's ids stand for."""
    unreadable: Mapping[str, str] = field(default_factory=dict)
    """By address: why what lives behind the fleet could not be read. Unreadable is never "gone"."""
    found: Mapping[str, ObservedResource] = field(default_factory=dict)
    """By address: what stands already under the natural key of something that is to be made."""
    begun: frozenset[ResourceKey] = frozenset()
    """Where an interrupted run began to make something, and nobody knows how far it came."""
    strays: tuple[Untracked, ...] = ()
    """What came of such beginnings, where it could be found and is not in the state."""
    lookups: Mapping[str, Mapping[str, Json]] = field(default_factory=dict)
    """By name: the outputs of each lookup."""
