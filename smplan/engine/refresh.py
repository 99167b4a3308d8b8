"""Reads what exists: one batched read per kind, kinds in parallel. A read that fails fails the whole refresh."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from pydantic import ValidationError

from smplan.core.blueprint import Blueprint, LookupDecl
from smplan.core.diff import diff
from smplan.core.events import Event, ReadEnded, ReadStarted
from smplan.core.plan.changes import Change, ChangeSet, Create, Replace, Target
from smplan.core.plan.model import Op
from smplan.core.plan.observed import Hidden, ObservedResource, ObservedState, Untracked
from smplan.core.spec import is_fully_known
from smplan.core.state.journal import StepIntent
from smplan.core.state.model import ResourceState, State, Status
from smplan.core.values import InvalidReference, Json, PartialValue, Ref, decode, get_path, known, refs, resolve
from smplan.drivers.base import Live
from smplan.engine.providers import Providers
from smplan.errors import BlueprintInvalid, Conflict, Invalid, NotFound, Unreachable

PARALLEL_READS = 16
CONFIRM_ABSENT_SECONDS = 30
"""How long an INCOMPLETE resource must be missing to count as gone: AWS may not show yet what it just created (EC2 API
reference, eventual consistency)."""
CONFIRM_ABSENT_PAUSE = 2

Report = Callable[[Event], None]


def observed(live: Live[Any]) -> ObservedResource:
    """What a driver read, as the planner sees it."""
    owner = (live.owner.lineage, live.owner.address) if live.owner else None
    return ObservedResource(live.id, live.spec, live.outputs, owner)


def read_resources(records: Iterable[ResourceState], world: Providers, report: Report) -> ObservedState:
    """The resources of ``records`` as they are now. Gates and virtual kinds have none."""
    by_kind: dict[str, list[ResourceState]] = defaultdict(list)
    for record in records:
        resource_type = world.kind(record.kind)
        if not resource_type.gate and not resource_type.virtual:
            by_kind[record.kind].append(record)
    resources: dict[str, ObservedResource] = {}
    unreadable: dict[str, str] = {}
    with world.runtime.worker_pool(PARALLEL_READS, "read") as pool:
        for found, hidden in pool.map(lambda kind: _read_kind(kind, by_kind[kind], world, report), sorted(by_kind)):
            resources |= found
            unreadable |= hidden
    return ObservedState(resources, unreadable)


def read_deposed(
    records: Iterable[ResourceState], world: Providers, report: Report
) -> tuple[dict[tuple[str, str], ObservedResource], tuple[Hidden, ...]]:
    """The older generations that exist, by kind and id, and those that are unreadable."""
    numbered = {str(at): record for at, record in enumerate(records)}
    found = read_resources(
        (replace(record, address=at, status=Status.READY) for at, record in numbered.items()), world, report
    )
    return (
        {(numbered[at].kind, numbered[at].id): live for at, live in found.resources.items()},
        tuple(Hidden(numbered[at], why) for at, why in found.unreadable.items()),
    )


def _read_kind(
    kind: str, records: list[ResourceState], world: Providers, report: Report
) -> tuple[dict[str, ObservedResource], dict[str, str]]:
    """What exists, and what is unreadable and why, both by address."""
    report(ReadStarted(kind, len(records)))
    since = world.runtime.now()
    try:
        live = _read_until_confirmed(kind, records, world)
    except Unreachable as error:
        if not world.kind(kind).via_stream_manager:
            raise
        return {}, {record.address: _out_of_service(error) for record in records}
    report(ReadEnded(kind, len(live), world.runtime.now() - since))
    return {record.address: observed(live[record.id]) for record in records if record.id in live}, {}


def _out_of_service(error: Unreachable) -> str:
    return f"no Stream Manager is in service: {error.message}"


def _read_until_confirmed(kind: str, records: list[ResourceState], world: Providers) -> Mapping[str, Live[Any]]:
    """Those of ``records`` that exist. An INCOMPLETE one was never read back, so its absence is confirmed first."""
    ids = [record.id for record in records]
    unconfirmed = {record.id for record in records if record.status is Status.INCOMPLETE}
    deadline = world.runtime.now() + CONFIRM_ABSENT_SECONDS
    while True:
        live = world.driver(kind).read_many(ids)
        if unconfirmed <= live.keys() or world.runtime.now() >= deadline:
            return live
        world.runtime.wait(threading.Event(), CONFIRM_ABSENT_PAUSE)


def read_lookups(
    blueprint: Blueprint, world: Providers, *, needed_by: PartialValue = None
) -> Mapping[str, Mapping[str, Json]]:
    """The outputs of every lookup by name, or only of those that ``needed_by`` refers to.

    Raises BlueprintInvalid naming all that found nothing, or several resources.
    """
    found: dict[str, Mapping[str, Json]] = {}
    waiting = {lookup.name: lookup for lookup in _needed_lookups(blueprint, needed_by)}
    diagnostics = []
    while waiting:
        ready = [lookup for lookup in waiting.values() if not _is_waiting(lookup, waiting)]
        if not ready:
            cycle = ", ".join(sorted(waiting))
            diagnostics = [blueprint.source_map.diagnostic(("lookups",), f"these lookups wait for each other: {cycle}")]
        for lookup in ready:
            del waiting[lookup.name]
        with world.runtime.worker_pool(PARALLEL_READS, "lookup") as pool:
            outcomes = pool.map(lambda lookup: _run_lookup(lookup, found, world), ready)
            for lookup, outcome in zip(ready, outcomes, strict=True):
                if isinstance(outcome, (NotFound, Conflict)):
                    diagnostics.append(blueprint.source_map.diagnostic(lookup.path, outcome.message, outcome.hint))
                else:
                    found[lookup.name] = outcome
        if diagnostics:
            raise BlueprintInvalid(diagnostics)
    return found


def _needed_lookups(blueprint: Blueprint, tree: PartialValue) -> Iterable[LookupDecl]:
    """The lookups that ``tree`` refers to, directly or through other lookups; all of them if ``tree`` is None."""
    if tree is None:
        return blueprint.lookups
    by_name = {lookup.name: lookup for lookup in blueprint.lookups}
    needed: dict[str, LookupDecl] = {}
    roots = [ref.root for _, ref in refs(tree)]
    while roots:
        name = roots.pop()
        if name in by_name and name not in needed:
            needed[name] = by_name[name]
            roots += (ref.root for _, ref in refs(by_name[name].where))
    return needed.values()


def _is_waiting(lookup: LookupDecl, waiting: Mapping[str, LookupDecl]) -> bool:
    return any(ref.root in waiting for _, ref in refs(lookup.where))


def _run_lookup(
    lookup: LookupDecl, found: Mapping[str, Mapping[str, Json]], world: Providers
) -> Mapping[str, Json] | NotFound | Conflict:
    def value_of(ref: Ref) -> PartialValue:
        return get_path(found[ref.root], ref.path)

    try:
        where = resolve(lookup.where, value_of)
    except KeyError as missing:
        return NotFound(f"a reference in `where` has no value: there is no {missing}")
    except InvalidReference as error:
        return NotFound(error.message)
    try:
        return world.lookup(lookup.kind).read(where)
    except (NotFound, Conflict) as error:
        return error


def find_untracked(
    pending_creates: Iterable[StepIntent], state: State, world: Providers
) -> tuple[tuple[Untracked, ...], tuple[Hidden, ...]]:
    """The resources that pending creates made: found, certainly created by us, not in the state; each once.

    And the pending creates of which nothing can be found out now.
    """
    intents = [intent for intent in pending_creates if not world.kind(intent.resource.kind).virtual]
    with world.runtime.worker_pool(PARALLEL_READS, "probe") as pool:
        outcomes = pool.map(lambda intent: _find_created(intent, state.lineage, world), intents)
        found: dict[tuple[str, str], Untracked] = {}
        hidden: list[Hidden] = []
        for each in outcomes:
            if isinstance(each, Hidden):
                hidden.append(each)
            elif each:
                found[each.resource.kind, each.resource.id] = each
    for record in (*state.resources.values(), *state.deposed):
        found.pop((record.kind, record.id), None)
    return tuple(found.values()), tuple(hidden)


def _find_created(intent: StepIntent, lineage: str, world: Providers) -> Untracked | Hidden | None:
    record, resource_type = intent.resource, world.kind(intent.resource.kind)
    try:
        spec = resource_type.spec.model_validate(decode(record.spec))
        live = world.driver(record.kind).find(spec) if is_fully_known(spec) else None
    except ValidationError:
        return Hidden(record, "another version of smplan wrote its spec", intent.key)
    except Unreachable as error:
        if not resource_type.via_stream_manager:
            raise
        return Hidden(record, _out_of_service(error), intent.key)
    if live is None:
        return None
    found = observed(live)
    if resource_type.taggable:
        ours = found.owner == (lineage, record.address)
    else:
        ours = intent.op != Op.ADOPT and not any(change.replaces for change in diff(spec, live.spec))
    return Untracked(replace(record, id=live.id), found, intent.key) if ours else None


def _was_read_through_stream_manager(change: Change) -> bool:
    type = change.target.type
    return not isinstance(change, Create) and type.via_stream_manager and not type.gate and change.live is not None


def _is_key_known(target: Target) -> bool:
    """Whether ``find`` has all that it needs, whatever else of the spec is known only after apply."""
    values = target.spec.managed_fields()
    return all(known(values.get(name)) for name in target.type.natural_key_fields())


def find_existing(
    plan: ChangeSet, world: Providers
) -> tuple[Mapping[str, ObservedResource], Mapping[str, Invalid | NotFound]]:
    """By address, what exists already under the natural keys of resources to create, where those are known.

    Behind a Stream Manager only where that has responded in this plan: a first plan sends it nothing. Second: the
    searches that AWS refuses, because the spec names something that cannot be there.
    """
    reached = any(map(_was_read_through_stream_manager, plan.changes.values())) and not plan.unreadable
    creates = [
        (address, change.target)
        for address, change in plan.changes.items()
        if isinstance(change, (Create, Replace))
        and not change.target.type.virtual
        and (reached or not change.target.type.via_stream_manager)
        and _is_key_known(change.target)
    ]

    def find(position: int) -> ObservedResource | Invalid | NotFound | None:
        target = creates[position][1]
        try:
            live = world.driver(target.type.kind).find(target.spec)
        except (Invalid, NotFound) as error:
            return error
        return observed(live) if live else None

    with world.runtime.worker_pool(PARALLEL_READS, "probe") as pool:
        outcomes = pool.map(find, range(len(creates)))
    by_address = [(address, found) for (address, _), found in zip(creates, outcomes, strict=True)]
    existing = {address: found for address, found in by_address if isinstance(found, ObservedResource)}
    return existing, {address: found for address, found in by_address if isinstance(found, (Invalid, NotFound))}
