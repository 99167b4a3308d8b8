"""Planning: reads the state and what exists, plans the changes, and seals the plan with its digest. Writes nothing."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from smplan import __version__
from smplan.core import graph
from smplan.core.blueprint import BackendConfig, Blueprint
from smplan.core.graph import Graph
from smplan.core.plan import drift
from smplan.core.plan.changes import NO_PERMITS, ChangeSet, NoOp, Permits
from smplan.core.plan.model import Drift, Plan, StateRef, Step, with_digest
from smplan.core.plan.moves import plan_moves
from smplan.core.plan.observed import ObservedState
from smplan.core.plan.overrides import Overrides
from smplan.core.plan.planner import plan_changes
from smplan.core.plan.risks import effects
from smplan.core.plan.scaling import held_sizes, stopped
from smplan.core.plan.steps import plan_steps
from smplan.core.resolver import Resolver
from smplan.core.state.journal import StepIntent
from smplan.core.state.model import ResourceState, State
from smplan.core.values import InvalidReference, Json, encode, resolve
from smplan.drivers.retry import Pause, sleep
from smplan.engine import preconditions, preflight, refresh
from smplan.engine.permits import check_addresses
from smplan.engine.providers import Providers
from smplan.engine.refresh import Report
from smplan.errors import BlueprintInvalid, Diagnostic, GuardRefused, StoreError
from smplan.guide import interruptions, ordering

if TYPE_CHECKING:
    from smplan.stores.interface import Snapshot, Store

PLAN_TTL = timedelta(days=7)
"""How long a plan may be applied after it was made."""

Now: TypeAlias = Callable[[], datetime]


def utc_now() -> datetime:
    """The time now, in UTC, to the second."""
    return datetime.now(UTC).replace(microsecond=0)


def plan(
    blueprint: Blueprint,
    *,
    store: Store,
    world: Providers,
    mode: str = "apply",
    permits: Permits = NO_PERMITS,
    command: str = "",
    report: Report,
    pause: Pause = sleep,
    now: Now = utc_now,
    commit: str = "",
) -> Plan:
    """The plan that makes what exists match ``blueprint``; ``mode`` "destroy" deletes everything instead.

    ``permits`` are what a person allows for this plan, ``command`` the one that makes it, for hints.
    ``pause`` waits before a request is retried. Raises BlueprintInvalid, GuardRefused, NotOurs, or the error of a read
    that failed. Writes nothing.
    """
    world.on_retry(report, pause)
    snapshot = store.read()
    state = state_of(snapshot, blueprint)
    check_kinds(state, world)
    destroy = mode == "destroy"
    ordered = Graph({}) if destroy else graph.build(blueprint, ordering.edges)
    account = account_of(blueprint, state, world, report)
    lookups = refresh.read_lookups(blueprint, world, needed_by=blueprint.stream_manager or {} if destroy else None)
    moved, moves = (state, ()) if destroy else plan_moves(blueprint, ordered, world.kind, state, lookups)
    observed = _observe(blueprint, snapshot, moved, world, report, lookups)
    pending_creates = snapshot.folded.pending_creates if snapshot.folded else ()
    _check_permits(permits, blueprint, (state, moved), pending_creates)
    plan_from = partial(
        plan_changes, blueprint, ordered, world.kind, moved, moves=moves, destroy=destroy, permits=permits
    )
    changes, not_checked = _plan_changes(plan_from, observed, blueprint, world, command)
    made_at = now()
    steps = plan_steps(changes, ordered, moved, pending_creates, seconds_until=partial(_seconds_between, made_at))
    found = drafted(blueprint, snapshot, state, steps, made_at, commit)
    found = replace(
        found,
        mode=mode,
        account=account,
        region=world.aws.region if account else "",
        lookups=observed.lookups,
        drift=tuple(changes.drift),
        unreadable=changes.unreadable,
        not_checked=not_checked,
        permits=permits.listed(),
        interruptions=interruptions.predict([*effects(changes)]),
    )
    if not destroy:
        found = replace(
            found,
            scaled=_still_scaled(moved, ordered, world),
            stopped=changes.stopped,
            unchanged=_unchanged(changes, steps),
            outputs=_outputs(blueprint, changes),
            warnings=tuple(_warning(each, Path(blueprint.file).parent) for each in blueprint.warnings),
        )
    return with_digest(found)


def _seconds_between(start: datetime, end: str) -> float:
    return (datetime.fromisoformat(end) - start).total_seconds()


def drafted(
    blueprint: Blueprint, snapshot: Snapshot, state: State, steps: tuple[Step, ...], at: datetime, commit: str
) -> Plan:
    """A plan of these steps with what is known without AWS."""
    return Plan(
        id=str(uuid.uuid4()),
        name=blueprint.name,
        mode="apply",
        created=at.isoformat(),
        expires=(at + PLAN_TTL).isoformat(),
        smplan_version=__version__,
        blueprint={"file": Path(blueprint.file).name, "digest": blueprint.digest, "commit": commit},
        variables=blueprint.variables,
        base=StateRef(state.lineage, state.serial, _digest(snapshot, state), snapshot.folded is not None),
        backend=BackendConfig(blueprint.state.backend, blueprint.state.options),
        account="",
        region="",
        lookups={},
        stream_manager=encode(blueprint.stream_manager),
        steps=steps,
    )


def _still_scaled(state: State, ordered: Graph, world: Providers) -> dict[str, int]:
    """The groups of the blueprint that `smplan scale` holds at a size."""
    return {address: size for address, size in held_sizes(state, world.kind).items() if address in ordered.nodes}


def _warning(warning: Diagnostic, folder: Path) -> str:
    file = Path(warning.file)
    name = file.relative_to(folder) if file.is_relative_to(folder) else file.name
    return f"{name}:{warning.line}: {warning.message}; {warning.hint}"


def _observe(
    blueprint: Blueprint,
    snapshot: Snapshot,
    state: State,
    world: Providers,
    report: Report,
    lookups: Mapping[str, Mapping[str, Json]],
) -> ObservedState:
    """Everything but what exists under the natural keys of resources to create: those are not planned yet."""
    pending_creates = snapshot.folded.pending_creates if snapshot.folded else ()
    world.set_stream_manager_settings(_stream_manager_settings(blueprint, state, lookups))
    idle = _stopped(blueprint, state, world)
    current = refresh.read_resources(_without(state, idle), world, report)
    deposed, unreadable = refresh.read_deposed(state.deposed, world, report)
    untracked, hidden = refresh.find_untracked(pending_creates, state, world)
    return replace(
        current,
        lookups=lookups,
        stopped=idle,
        pending=frozenset(intent.resource_key for intent in pending_creates),
        untracked=untracked,
        deposed=deposed,
        hidden=(*unreadable, *hidden),
    )


def _stopped(blueprint: Blueprint, state: State, world: Providers) -> dict[str, str]:
    """By address, why a resource cannot be read or waited for: what it is behind is scaled down."""
    sizes = held_sizes(state, world.kind)
    return stopped(graph.build(blueprint, ordering.edges), world.kind, state, sizes) if sizes else {}


def _without(state: State, idle: Collection[str]) -> Iterator[ResourceState]:
    return (each for each in state.resources.values() if each.address not in idle)


def _plan_changes(
    plan_from: Callable[[ObservedState], ChangeSet],
    observed: ObservedState,
    blueprint: Blueprint,
    world: Providers,
    command: str,
) -> tuple[ChangeSet, Mapping[str, str]]:
    """The changes, planned twice: what the first pass creates may exist already under its natural key.

    Then AWS is asked what it would refuse. Second: what could not be asked, to why.
    """
    changes = plan_from(observed)
    if changes.diagnostics:
        changes.raise_if_refused()
    existing, refused = refresh.find_existing(changes, world)
    if existing:
        changes = plan_from(replace(observed, by_natural_key=existing))
    checked = preflight.check(changes, blueprint, world, refused)
    changes.diagnostics.extend(checked.diagnostics)
    changes.raise_if_refused(command)
    return changes, checked.not_checked


def _check_permits(
    permits: Permits, blueprint: Blueprint, states: Iterable[State], pending_creates: Iterable[StepIntent]
) -> None:
    known = {each.address for each in blueprint.resources} | {each.resource.address for each in pending_creates}
    for state in states:
        known |= {each.address for each in (*state.resources.values(), *state.deposed)}
    check_addresses(permits, known)


def _unchanged(changes: ChangeSet, steps: Iterable[Step]) -> tuple[str, ...]:
    """What was read and has no step; a resource that only moves has one."""
    others = {step.address for step in steps} | changes.unreadable.keys() | changes.stopped.keys()
    idle = (address for address, each in changes.changes.items() if isinstance(each, NoOp))
    return tuple(address for address in idle if address not in others)


def state_of(snapshot: Snapshot, blueprint: Blueprint) -> State:
    """The state in ``snapshot``, an empty one if there is none. Raises GuardRefused if it is another blueprint's."""
    if snapshot.folded is None:
        return State(blueprint.name, str(uuid.uuid4()), 0, {})
    state = snapshot.folded.state
    if state.name != blueprint.name:
        raise GuardRefused(
            f"the state here belongs to `{state.name}`, and the blueprint is `{blueprint.name}`",
            hint="give the blueprint its former name, or its own place with `state:`",
        )
    return state


def _digest(snapshot: Snapshot, state: State) -> str:
    return snapshot.folded.digest() if snapshot.folded else state.digest()


def check_kinds(state: State, world: Providers) -> None:
    """Raise StoreError if the state holds a kind that this smplan does not know."""
    for kind in {resource.kind for resource in (*state.resources.values(), *state.deposed)}:
        try:
            world.kind(kind)
        except KeyError:
            message = f"the state holds a {kind}, which smplan {__version__} does not know"
            raise StoreError(message, hint="use the newer smplan that wrote it") from None


def account_of(blueprint: Blueprint, state: State, world: Providers, report: Report) -> str:
    """The account of the credentials; empty if the blueprint and the state need nothing of AWS.

    Raises GuardRefused if the blueprint names another one, and for a clock that AWS would not accept.
    """
    kinds = {resource.kind for resource in blueprint.resources} | {entry.kind for entry in state.resources.values()}
    if not blueprint.lookups and not any(name.startswith(("aws.", "gate.targets")) for name in kinds):
        return ""
    account = preconditions.account(world, report)
    if blueprint.account and blueprint.account != account:
        raise GuardRefused(
            f"the blueprint is for account {blueprint.account}, and the credentials are of account {account}",
            hint="use credentials of the right account (AWS_PROFILE)",
        )
    return account


def _stream_manager_settings(
    blueprint: Blueprint, state: State, lookups: Mapping[str, Mapping[str, Json]]
) -> Callable[[], Json]:
    """Reads where Stream Manager is, as far as the state and the lookups say."""
    resolver = Resolver(lookups, state.resources.values())
    return lambda: resolve(blueprint.stream_manager, resolver) if blueprint.stream_manager else {}


def _outputs(blueprint: Blueprint, changes: ChangeSet) -> dict[str, Json]:
    found: dict[str, Json] = {}
    for name, tree in blueprint.outputs.items():
        try:
            found[name] = encode(resolve(tree, changes.value_of))
        except (KeyError, InvalidReference) as error:
            problem = (
                str(error) if isinstance(error, InvalidReference) else f"there is no {error} in what this refers to"
            )
            raise BlueprintInvalid([blueprint.source_map.diagnostic(("outputs", name), problem)]) from None
    return found


@dataclass(frozen=True)
class DriftReport:
    """How what exists differs from what was last applied, and what could not be read: address to why."""

    drift: tuple[Drift, ...]
    unreadable: Mapping[str, str]
    stopped: Mapping[str, str] = field(default_factory=dict)
    """By address: why a resource was not read, because what it is behind is scaled down."""


def detect_drift(*, blueprint: Blueprint, store: Store, world: Providers, report: Report) -> DriftReport:
    """How what exists differs from what was last applied. Writes nothing."""
    world.on_retry(report)
    state = state_of(store.read(), blueprint)
    check_kinds(state, world)
    account_of(blueprint, state, world, report)
    lookups = refresh.read_lookups(blueprint, world, needed_by=blueprint.stream_manager or {})
    world.set_stream_manager_settings(_stream_manager_settings(blueprint, state, lookups))
    idle = _stopped(blueprint, state, world)
    observed = replace(refresh.read_resources(_without(state, idle), world, report), stopped=idle)
    found = drift.detect(state, observed, world.kind, Overrides(blueprint, state, world.kind))
    return DriftReport(tuple(found), {**drift.not_compared(state, world.kind), **observed.unreadable}, idle)
