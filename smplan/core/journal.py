"""What happened since the state was saved, entry by entry, and how that folds into the state as it is now."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import NoReturn, TypeAlias, assert_never

from smplan.core import ids
from smplan.core.state import USED_PLANS, Entry, State, Status, entry_to_json
from smplan.core.values import Json
from smplan.errors import StoreError

OPS = frozenset({"create", "update", "replace", "delete", "adopt", "forget", "gate", "refresh"})
MAKING = frozenset({"create", "replace", "adopt"})
"""The ops that bring a new id into the state: their intent is an orphan until that id is journalled."""
Place: TypeAlias = tuple[str, str, str]
"""Where a thing would stand: address, kind, and what it can be looked for by (``Kind.key``)."""
OUTCOMES = frozenset({"complete", "failed", "interrupted"})


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

    ``orphans``: intents of any run to create, replace or adopt whose id was never journalled, one for each place. Where
    they meant to make something, there may be something that no state knows of: look before making it (again). An
    orphan stays until something is made or taken up in its place, or a delete or forget of what is not in the state
    clears it. That something else is made under its address (of another kind, or name) does not undo it.
    """

    state: State
    run: OpenRun | None = None
    orphans: tuple[Intent, ...] = ()

    def digest(self) -> str:
        """What a plan is bound to: the state, and what may have been made unseen."""
        if not self.orphans:
            return self.state.digest()
        orphans = [[each.op, entry_to_json(each.entry), each.key] for each in self.orphans]
        return ids.digest([self.state.digest(), orphans])


def fold(state: State, entries: Iterable[JournalEntry]) -> Folded:
    """``state`` with ``entries`` carried out, in time O(entries). Raises StoreError naming the entry that cannot be."""
    folding = Folding(state)
    for entry in entries:
        folding.add(entry)
    return folding.result()


@dataclass(slots=True)
class _Run:
    began: Began
    done: set[str] = field(default_factory=set)
    failed: dict[str, str] = field(default_factory=dict)
    open: dict[str, Intent] = field(default_factory=dict)
    made: dict[str, str] = field(default_factory=dict)
    outcome: str = ""


class Folding:
    """A fold under way, upon ``base``: entries go in one at a time, each in O(1); ``result`` copies the outcome."""

    def __init__(self, state: State) -> None:
        self.base = state
        self._resources = dict(state.resources)
        self._old = {(entry.address, entry.id): entry for entry in state.old}
        self._used_plans = dict.fromkeys(state.used_plans)
        self._outputs = state.outputs
        self._run: _Run | None = None
        self._number = 0
        self._orphans: dict[Place, Intent] = {}

    @property
    def orphans(self) -> tuple[Intent, ...]:
        """The orphans so far."""
        return tuple(self._orphans.values())

    def add(self, entry: JournalEntry) -> None:
        """Carry out one entry. Raises StoreError if it cannot follow those before it."""
        self._number += 1
        match entry:
            case Began():
                self._begin(entry)
            case Intent():
                self._intend(entry)
            case Made():
                self._make(entry)
            case Done():
                self._finish(entry)
            case Failed():
                self._fail(entry)
            case Ended():
                self._end(entry)
            case _:
                assert_never(entry)

    def _begin(self, began: Began) -> None:
        run = self._run
        if run is not None and run.outcome != "complete" and run.began.plan_id == began.plan_id:
            run.began, run.outcome = began, ""  # the same plan goes on where it stopped
        else:
            self._run = _Run(began)
        self._used_plans.pop(began.plan_id, None)
        self._used_plans[began.plan_id] = None

    def result(self) -> Folded:
        """Everything so far, as a value of its own."""
        state = replace(
            self.base,
            resources=dict(self._resources),
            old=tuple(sorted(self._old.values(), key=lambda entry: (entry.address, entry.generation, entry.id))),
            used_plans=tuple(self._used_plans)[-USED_PLANS:],
            outputs=self._outputs,
        )
        return Folded(state, self._open_run(), self.orphans)

    def _open_run(self) -> OpenRun | None:
        run = self._run
        if run is None or run.outcome == "complete":
            return None
        began = run.began
        return OpenRun(
            run=began.run,
            plan_id=began.plan_id,
            plan_digest=began.plan_digest,
            base_serial=began.base_serial,
            done=frozenset(run.done),
            failed=dict(run.failed),
            open=dict(run.open),
            made=dict(run.made),
        )

    def _intend(self, intent: Intent) -> None:
        if intent.op not in OPS:
            self._refuse(f"`{intent.op}` is not an op")
        if self._run is None:
            self._carry(intent)
            return
        run = self._running()
        if intent.step in run.done:
            self._refuse(f"step {intent.step} is intended after it was done")
        before = run.open.get(intent.step, intent)
        if (before.op, before.entry.address) != (intent.op, intent.entry.address):
            self._refuse(f"step {intent.step} is open as {before.op} {before.entry.address}")
        run.failed.pop(intent.step, None)
        run.open[intent.step] = intent
        if intent.op in MAKING and intent.step not in run.made:
            self._suspect(intent)
        present = self._resources.get(intent.entry.address)
        if intent.op == "update" and present:  # until it is done, nobody knows which of both it points at
            self._resources[present.address] = _needing(present, intent.entry)

    def _carry(self, intent: Intent) -> None:
        """Take over an orphan of an earlier journal: a store puts those before the first run."""
        if intent.op not in MAKING:
            self._refuse(f"{intent.op} {intent.entry.address} is intended before any run began")
        self._suspect(intent)

    def _suspect(self, intent: Intent) -> None:
        """Count what ``intent`` may make as an orphan; that one is adopted does not undo that it may have been made."""
        before = self._orphans.get(intent.place, intent)
        op = before.op if intent.op == "adopt" else intent.op
        self._orphans[intent.place] = replace(intent, op=op, entry=_needing(intent.entry, before.entry))

    def _make(self, made: Made) -> None:
        run, intent = self._opened(made.step)
        if intent.op not in MAKING:
            self._refuse(f"step {made.step} made something, but its op is {intent.op}")
        if not made.id or run.made.get(made.step, made.id) != made.id:
            self._refuse(f"step {made.step} made `{made.id}` after `{run.made.get(made.step, '')}`")
        run.made[made.step] = made.id
        address = intent.entry.address
        present = self._resources.get(address)
        if intent.op == "replace" and present and present.id != made.id:
            self._old[address, present.id] = present
        entry = replace(intent.entry, id=made.id, status=Status.INCOMPLETE)
        begun = self._orphans.pop(intent.place, intent).entry
        self._resources[address] = _needing(entry, present if present and present.id == made.id else begun)

    def _finish(self, done: Done) -> None:
        run, intent = self._opened(done.step)
        entry = intent.entry
        if intent.op in ("delete", "forget"):
            self._remove(intent, done.id or entry.id)
        else:
            self._check_finish(run, intent, done)
            self._resources[entry.address] = replace(
                entry, id=done.id, spec=done.spec, outputs=done.outputs, status=Status.READY
            )
        del run.open[done.step]
        run.failed.pop(done.step, None)
        run.done.add(done.step)

    def _check_finish(self, run: _Run, intent: Intent, done: Done) -> None:
        address = intent.entry.address
        if not done.id:
            self._refuse(f"step {done.step} is done and {address} has no id")
        if intent.op == "adopt" and done.step not in run.made:
            self._make(Made(done.step, done.id))
        if intent.op in MAKING and done.step not in run.made:
            self._refuse(f"step {done.step} is done before {address} was made")
        if intent.op in ("update", "refresh") and address not in self._resources:
            self._refuse(f"step {done.step} is an {intent.op} of {address}, which is not in the state")

    def _remove(self, intent: Intent, id: str) -> None:
        address = intent.entry.address
        present = self._resources.get(address)
        if present and present.id == id:
            del self._resources[address]
        elif not self._old.pop((address, id), None):
            self._orphans.pop(intent.place, None)

    def _fail(self, failed: Failed) -> None:
        run = self._running()
        if failed.step in run.done:
            self._refuse(f"step {failed.step} failed after it was done")
        run.failed[failed.step] = failed.error
        if failed.not_begun:
            _, intent = self._opened(failed.step)
            del run.open[failed.step]
            self._orphans.pop(intent.place, None)

    def _end(self, ended: Ended) -> None:
        run = self._running()
        if ended.run != run.began.run:
            self._refuse(f"run {ended.run} ended while run {run.began.run} was going on")
        if ended.outcome not in OUTCOMES:
            self._refuse(f"`{ended.outcome}` is not an outcome")
        if ended.outcome == "complete":
            if run.open:
                self._refuse(f"run {ended.run} ended complete with step {min(run.open)} open")
            self._outputs = ended.outputs
        run.outcome = ended.outcome

    def _running(self) -> _Run:
        run = self._run
        if run is None or run.outcome:
            self._refuse("no run is going on")
        return run

    def _opened(self, step: str) -> tuple[_Run, Intent]:
        run = self._running()
        if step not in run.open:
            self._refuse(f"step {step} has no open intent")
        return run, run.open[step]

    def _refuse(self, why: str) -> NoReturn:
        raise StoreError(f"journal entry {self._number}: {why}")


def _needing(entry: Entry, other: Entry) -> Entry:
    """``entry``, made after what ``other`` was made after too."""
    return replace(entry, needs=tuple(dict.fromkeys((*entry.needs, *other.needs))))
