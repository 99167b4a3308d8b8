"""Journal entries: what happened since the state was saved, and the result of replaying it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from smplan.core import canonical_json
from smplan.core.state.model import ResourceState, State
from smplan.core.state.strict_json import OPTIONAL, to_json
from smplan.core.values import Json

CREATING_OPS = frozenset({"create", "replace", "adopt"})
"""The ops that bring a new id into the state: their intent is a pending create until that id is journaled."""
ResourceKey: TypeAlias = tuple[str, str, str]
"""What a create is known by before it has an id: address, kind and identity digest."""


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
    """A step is about to run. ``resource`` is what the state will hold; its id is empty while it is not known.

    ``key`` is the ``identity_digest`` of what is created, or of the pending create that a delete clears;
    empty for other ops. ``token`` is sent with the create: AWS creates only one resource per token.
    ``previous_address`` is that of a resource which moves.
    """

    step: str
    op: str
    resource: ResourceState
    key: str = ""
    token: str = ""
    previous_address: str = ""

    @property
    def resource_key(self) -> ResourceKey:
        """Intents of one key create the same resource, or find it."""
        return self.resource.address, self.resource.kind, self.key


@dataclass(frozen=True, slots=True)
class ResourceCreated:
    """The resource of a create, replace or adopt has an id."""

    step: str
    id: str


@dataclass(frozen=True, slots=True)
class StepSucceeded:
    """A step is complete and its result is known.

    ``at``: when, and ``until``: how long clients use what it has changed, where they do so for a while.
    """

    step: str
    id: str
    spec: Json
    outputs: Mapping[str, Json]
    at: str = field(default="", metadata=OPTIONAL)
    until: str = field(default="", metadata=OPTIONAL)


@dataclass(frozen=True, slots=True)
class StepFailed:
    """A step did not complete; its intent stays open unless its request was certainly ``never_sent``."""

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
    done_at: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ReplayedState:
    """The state as the journal left it, the last run unless it ended complete, and the pending creates.

    ``completed_but_unsaved`` is the beginning of the last run if it ended complete: only its state is left to save.
    ``pending_creates``: intents of any run to create, replace or adopt whose id was never journaled, one per key.
    Each may have created a resource that no state records: find it before creating it (again). A pending create is
    cleared when a resource with the same key is created, adopted, deleted or forgotten; a different kind or name at
    the same address does not clear it.
    """

    state: State
    run: UnfinishedRun | None = None
    pending_creates: tuple[StepIntent, ...] = ()
    completed_but_unsaved: RunBegan | None = None

    def digest(self) -> str:
        """What a plan is bound to: the SHA-256 of the state and its pending creates."""
        if not self.pending_creates:
            return self.state.digest()
        pending_creates = [[each.op, to_json(each.resource), each.key] for each in self.pending_creates]
        return canonical_json.digest([self.state.digest(), pending_creates])
