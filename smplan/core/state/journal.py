"""What happened since the state was saved, entry by entry, and what all of it comes to (``core.folding`` folds it)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from smplan.core import canonical_json
from smplan.core.state.model import ResourceState, State, resource_to_json
from smplan.core.values import Json

CREATING_OPS = frozenset({"create", "replace", "adopt"})
"""The ops that bring a new id into the state: their intent is an orphan until that id is journalled."""
ResourceKey: TypeAlias = tuple[str, str, str]
"""Where a thing would stand: address, kind, and what it can be looked for by (``Kind.key``)."""


@dataclass(frozen=True, slots=True)
class RunBegan:
    """A run starts to apply a plan. ``at`` is ISO 8601, UTC."""

    run: str
    plan_id: str
    plan_digest: str
    base_serial: int
    at: str


@dataclass(frozen=True, slots=True)
class StepIntent:
    """A step is about to be carried out. ``resource`` is what state will hold; its id is empty while it is not known.

    ``key`` is the ``Kind.key`` of what is made, or of the orphan that a delete clears; empty if there is no such thing.
    ``token`` goes with the request that makes it: AWS makes only one thing of one token. Empty for other ops.
    """

    step: str
    op: str
    resource: ResourceState
    key: str = ""
    token: str = ""

    @property
    def place(self) -> ResourceKey:
        """Where it makes something: intents of one place make the same thing, or find it."""
        return self.resource.address, self.resource.kind, self.key


@dataclass(frozen=True, slots=True)
class ResourceCreated:
    """What a create, replace or adopt brings in has an id."""

    step: str
    id: str


@dataclass(frozen=True, slots=True)
class StepSucceeded:
    """A step is over and its result is known."""

    step: str
    id: str
    spec: Json
    outputs: Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class StepFailed:
    """A step did not come to its end; what it meant to do stays open, unless it is sure that it was ``never_sent``."""

    step: str
    error: str
    at: str
    never_sent: bool = False


@dataclass(frozen=True, slots=True)
class RunEnded:
    """A run is over: ``outcome`` is complete, failed or interrupted."""

    run: str
    outcome: str
    outputs: Mapping[str, Json]
    at: str


JournalEntry: TypeAlias = RunBegan | StepIntent | ResourceCreated | StepSucceeded | StepFailed | RunEnded


@dataclass(frozen=True, slots=True)
class UnfinishedRun:
    """A run that did not end complete; maps are by step id. ``open``: intents that did not succeed."""

    run: str
    plan_id: str
    plan_digest: str
    base_serial: int
    done: frozenset[str]
    failed: Mapping[str, str]
    open: Mapping[str, StepIntent]
    made: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ReplayedState:
    """The state as the journal left it, the last run unless it ended complete, and what may have been made unseen.

    ``finished`` is how the last run began if it ended complete: all that is left to do for it is to save the state.
    ``pending_creates``: intents of any run to create, replace or adopt whose id was never journalled, one per key.
    Each may have created a resource that no state records: find it before creating it (again). A pending create is
    cleared when a resource with the same key is created, adopted, deleted or forgotten; a different kind or name at
    the same address does not clear it.
    """

    state: State
    run: UnfinishedRun | None = None
    pending_creates: tuple[StepIntent, ...] = ()
    finished: RunBegan | None = None

    def digest(self) -> str:
        """What a plan is bound to: the state, and what may have been made unseen."""
        if not self.pending_creates:
            return self.state.digest()
        pending_creates = [[each.op, resource_to_json(each.resource), each.key] for each in self.pending_creates]
        return canonical_json.digest([self.state.digest(), pending_creates])
