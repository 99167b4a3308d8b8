"""Looking at the world: one batched read a kind, kinds side by side. A read that fails fails the whole look."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from threading import Event as Nothing
from typing import Any

from pydantic import ValidationError

from smplan.core.blueprint import Blueprint, LookupDecl
from smplan.core.diff import diff
from smplan.core.events import Event, ReadEnded, ReadStarted
from smplan.core.plan.changes import Decision
from smplan.core.plan.model import Op
from smplan.core.plan.observed import ObservedResource, ObservedState, Untracked
from smplan.core.spec import is_fully_known
from smplan.core.state.journal import StepIntent
from smplan.core.state.model import ResourceState, State, Status
from smplan.core.values import Json, PartialValue, Ref, decode, get_path, refs, resolve
from smplan.drivers.base import Live
from smplan.engine.providers import Providers
from smplan.errors import BlueprintInvalid, Conflict, NotFound, Unreachable

SIDE_BY_SIDE = 16
LAG_SECONDS = 30
"""AWS may not know for a while what it just made (EC2 API reference, eventual consistency)."""
LOOK_SECONDS = 2

Report = Callable[[Event], None]


def seen(live: Live[Any]) -> ObservedResource:
    """What a driver read, as a plain value."""
    claimed = (live.owner.lineage, live.owner.address) if live.owner else None
    return ObservedResource(live.id, live.spec, live.outputs, claimed)


def read(entries: Iterable[ResourceState], world: Providers, report: Report) -> ObservedState:
    """Everything the state knows of, as it is now."""
    by_kind: dict[str, list[ResourceState]] = defaultdict(list)
    for entry in entries:
        facts = world.kind(entry.kind)
        if not facts.gate and not facts.virtual:
            by_kind[entry.kind].append(entry)
    found: dict[str, ObservedResource] = {}
    unreadable: dict[str, str] = {}
    with world.runtime.crew(SIDE_BY_SIDE, "read") as crew:
        for there, hidden in crew.each(lambda name: _read_kind(name, by_kind[name], world, report), sorted(by_kind)):
            found |= there
            unreadable |= hidden
    return ObservedState(found, unreadable)


def _read_kind(
    name: str, entries: list[ResourceState], world: Providers, report: Report
) -> tuple[dict[str, ObservedResource], dict[str, str]]:
    report(ReadStarted(name, len(entries)))
    since = world.runtime.now()
    try:
        live = _read_all(name, entries, world)
    except Unreachable as error:
        if not world.kind(name).via_stream_manager:
            raise
        return {}, {entry.address: f"no Stream Manager is in service: {error.message}" for entry in entries}
    report(ReadEnded(name, len(live), world.runtime.now() - since))
    return {entry.address: seen(live[entry.id]) for entry in entries if entry.id in live}, {}


def _read_all(name: str, entries: list[ResourceState], world: Providers) -> Mapping[str, Live[Any]]:
    """What there is of ``entries``. What a run made and never read back is looked for a while before it is gone."""
    ids = [entry.id for entry in entries]
    unseen = {entry.id for entry in entries if entry.status is Status.INCOMPLETE}
    deadline = world.runtime.now() + LAG_SECONDS
    while True:
        live = world.driver(name).read_many(ids)
        if unseen <= live.keys() or world.runtime.now() >= deadline:
            return live
        world.runtime.wait(Nothing(), LOOK_SECONDS)


def lookups(blueprint: Blueprint, world: Providers, *, of: PartialValue = None) -> Mapping[str, Mapping[str, Json]]:
    """The outputs of every lookup, or only of those that ``of`` needs.

    Raises BlueprintInvalid naming all that found nothing, or several.
    """
    found: dict[str, Mapping[str, Json]] = {}
    waiting = {lookup.name: lookup for lookup in _needed(blueprint, of)}
    faults = []
    while waiting:
        ready = [lookup for lookup in waiting.values() if not _open(lookup, waiting)]
        if not ready:
            circle = ", ".join(sorted(waiting))
            faults = [blueprint.marks.fault(("lookups",), f"these lookups wait for each other: {circle}")]
        for lookup in ready:
            del waiting[lookup.name]
        with world.runtime.crew(SIDE_BY_SIDE, "lookup") as crew:
            for lookup, outcome in zip(ready, crew.each(lambda one: _look(one, found, world), ready), strict=True):
                if isinstance(outcome, (NotFound, Conflict)):
                    faults.append(blueprint.marks.fault(lookup.path, outcome.message, outcome.hint))
                else:
                    found[lookup.name] = outcome
        if faults:
            raise BlueprintInvalid(faults)
    return found


def _needed(blueprint: Blueprint, tree: PartialValue) -> Iterable[LookupDecl]:
    """The lookups that ``tree`` refers to, by way of others too; all of them without a tree."""
    if tree is None:
        return blueprint.lookups
    by_name = {lookup.name: lookup for lookup in blueprint.lookups}
    needed: dict[str, LookupDecl] = {}
    asked = [ref.root for _, ref in refs(tree)]
    while asked:
        name = asked.pop()
        if name in by_name and name not in needed:
            needed[name] = by_name[name]
            asked += (ref.root for _, ref in refs(by_name[name].where))
    return needed.values()


def _open(lookup: LookupDecl, waiting: Mapping[str, LookupDecl]) -> bool:
    return any(ref.root in waiting for _, ref in refs(lookup.where))


def _look(
    lookup: LookupDecl, found: Mapping[str, Mapping[str, Json]], world: Providers
) -> Mapping[str, Json] | NotFound | Conflict:
    def known_of(ref: Ref) -> PartialValue:
        return get_path(found[ref.root], ref.path)

    try:
        return world.lookup(lookup.kind).read(resolve(lookup.where, known_of))
    except (NotFound, Conflict) as error:
        return error


def strays(pending_creates: Iterable[StepIntent], state: State, world: Providers) -> tuple[Untracked, ...]:
    """What came of the intents that no id was journalled for: found, surely ours, and not in the state; each once."""
    intents = [intent for intent in pending_creates if not world.kind(intent.resource.kind).virtual]
    with world.runtime.crew(SIDE_BY_SIDE, "probe") as crew:
        outcomes = crew.each(lambda intent: _stray(intent, state.lineage, world), intents)
    found = {(stray.entry.kind, stray.entry.id): stray for stray in outcomes if stray}
    for entry in (*state.resources.values(), *state.deposed):
        found.pop((entry.kind, entry.id), None)
    return tuple(found.values())


def _stray(intent: StepIntent, lineage: str, world: Providers) -> Untracked | None:
    entry, kind = intent.resource, world.kind(intent.resource.kind)
    try:
        spec = kind.spec.model_validate(decode(entry.spec))
        live = world.driver(kind.name).find(spec) if is_fully_known(spec) else None
    except ValidationError:  # written by another version of smplan
        return None
    except Unreachable:
        if not kind.via_stream_manager:
            raise
        return None
    if live is None:
        return None
    found = seen(live)
    if kind.taggable:
        ours = found.claimed_by == (lineage, entry.address)
    else:
        ours = intent.op != Op.ADOPT and not any(change.replaces for change in diff(spec, live.spec))
    return Untracked(replace(entry, id=live.id), found, intent.key) if ours else None


def probe(decision: Decision, world: Providers) -> Mapping[str, ObservedResource]:
    """What stands already under the natural keys of the things to be made, as far as those are known."""
    candidates = [
        verdict
        for verdict in decision.verdicts.values()
        if verdict.op is Op.CREATE
        and not verdict.kind.virtual
        and not verdict.kind.via_stream_manager
        and is_fully_known(verdict.spec)
    ]

    def find(position: int) -> ObservedResource | None:
        verdict = candidates[position]
        live = world.driver(verdict.kind.name).find(verdict.spec)
        return seen(live) if live else None

    with world.runtime.crew(SIDE_BY_SIDE, "probe") as crew:
        outcomes = crew.each(find, range(len(candidates)))
        return {verdict.address: outcome for verdict, outcome in zip(candidates, outcomes, strict=True) if outcome}
