"""What happened since the state was saved, entry by entry, and what all of it comes to (``core.folding`` folds it)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from smplan.core import ids
from smplan.core.state import Entry, State, entry_to_json
from smplan.core.values import Json

MAKING = frozenset({"create", "replace", "adopt"})
"""The ops that bring a new id into the state: their intent is an orphan until that id is journalled."""
Place: TypeAlias = tuple[str, str, str]
"""Where a thing would stand: address, kind, and what it can be looked for by (``Kind.key``)."""


@dataclass(frozen=True, slots=True)
class Began:
    """A run starts to apply a plan. ``at`` is ISO 8601, UTC."""

    run: str
    plan_id: str
    plan_digest: str
    base_serial: int
    at: str


@dataclass(frozen=True, slots=True)
class Intent:
    """A step is about to be carried out. ``entry`` is what state will hold; its id is empty while it is not known.

    ``key`` is the ``Kind.key`` of what is made, or of the orphan that a delete clears; empty if there is no such thing.
    ``token`` goes with the request that makes it: AWS makes only one thing of one token. Empty for other ops.
    """

    step: str
    op: str
    entry: Entry
    key: str = ""
    token: str = ""

    @property
    def place(self) -> Place:
        """Where it makes something: intents of one place make the same thing, or find it."""
        return self.entry.address, self.entry.kind, self.key


@dataclass(frozen=True, slots=True)
class Made:
    """What a create, replace or adopt brings in has an id."""

    step: str
    id: str


@dataclass(frozen=True, slots=True)
class Done:
    """A step is over and its result is known."""

    step: str
    id: str
    spec: Json
    outputs: Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class Failed:
    """A step did not come to its end; what it meant to do stays open, unless it is sure that it was ``not_begun``."""

    step: str
    error: str
    at: str
    not_begun: bool = False


@dataclass(frozen=True, slots=True)
class Ended:
    """A run is over: ``outcome`` is complete, failed or interrupted."""

    run: str
    outcome: str
    outputs: Mapping[str, Json]
    at: str


JournalEntry: TypeAlias = Began | Intent | Made | Done | Failed | Ended


@dataclass(frozen=True, slots=True)
class OpenRun:
    """A run that did not end complete; maps are by step id. ``open``: its intents without a Done, failed ones too."""

    run: str
    plan_id: str
    plan_digest: str
    base_serial: int
    done: frozenset[str]
    failed: Mapping[str, str]
    open: Mapping[str, Intent]
    made: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Folded:
    """The state as the journal left it, the last run unless it ended complete, and what may have been made unseen.

    ``finished`` is how the last run began if it ended complete: all that is left to do for it is to save the state.
    ``orphans``: intents of any run to create, replace or adopt whose id was never journalled, one for each place. Where
    they meant to make something, there may be something that no state knows of: look before making it (again). An
    orphan stays until something is made or taken up in its place, or a delete or forget of what is not in the state
    clears it. That something else is made under its address (of another kind, or name) does not undo it.
    """

    state: State
    run: OpenRun | None = None
    orphans: tuple[Intent, ...] = ()
    finished: Began | None = None

    def digest(self) -> str:
        """What a plan is bound to: the state, and what may have been made unseen."""
        if not self.orphans:
            return self.state.digest()
        orphans = [[each.op, entry_to_json(each.entry), each.key] for each in self.orphans]
        return ids.digest([self.state.digest(), orphans])
