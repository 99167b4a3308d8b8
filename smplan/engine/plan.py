"""Planning: read the state and the world, decide in core, and seal the plan with its digest. Nothing is written."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from smplan import __version__
from smplan.core import graph
from smplan.core.blueprint import BackendConfig, Blueprint
from smplan.core.graph import Graph
from smplan.core.plan import drift, steps
from smplan.core.plan.changes import Decision
from smplan.core.plan.model import Drift, Plan, StateRef, with_digest
from smplan.core.plan.planner import Decider
from smplan.core.state.model import State
from smplan.core.values import Json, encode, resolve
from smplan.drivers.retry import Pause, rest
from smplan.engine import preflight, refresh
from smplan.engine.providers import Providers
from smplan.engine.refresh import Report
from smplan.engine.resolver import Resolver
from smplan.errors import GuardRefused, StoreError
from smplan.guide import ordering

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
    report: Report,
    pause: Pause = rest,
    now: Now = utc_now,
    commit: str = "",
) -> Plan:
    """The plan that makes reality what ``blueprint`` says; ``mode`` "destroy" takes all away instead.

    ``pause`` passes the time before a call is made again. Raises BlueprintInvalid, GuardRefused, NotOurs, or whatever
    reading ran into; nothing is written.
    """
    world.attend(report, pause)
    snapshot = store.read()
    state = _state_of(snapshot, blueprint)
    _check_kinds(state, world)
    drawn = Graph({}) if mode == "destroy" else graph.build(blueprint, ordering.edges)
    account = _account(blueprint, state, world, report)
    found = refresh.read_lookups(
        blueprint, world, needed_by=(blueprint.stream_manager or {}) if mode == "destroy" else None
    )
    world.reach_stream_manager_by(_settings_from(blueprint, state, found))
    pending_creates = snapshot.folded.pending_creates if snapshot.folded else ()
    reality = replace(
        refresh.read_resources(state.resources.values(), world, report),
        lookups=found,
        pending=frozenset(intent.resource_key for intent in pending_creates),
        untracked=refresh.find_untracked(pending_creates, state, world),
    )
    removed = {"removed": "everything is to be taken away"} if mode == "destroy" else {}
    decider = Decider(blueprint, drawn, world.kind, state, reality, **removed)
    decision = decider.decide()
    there = refresh.find_existing(decision, world) if not decision.faults else {}
    if there:
        decider = Decider(blueprint, drawn, world.kind, state, replace(reality, by_natural_key=there))
        decision = decider.decide()
    decision.raise_if_refused()
    made_at = now()
    return with_digest(
        Plan(
            id=str(uuid.uuid4()),
            name=blueprint.name,
            mode=mode,
            created=made_at.isoformat(),
            expires=(made_at + PLAN_TTL).isoformat(),
            smplan_version=__version__,
            blueprint={"file": Path(blueprint.file).name, "digest": blueprint.digest, "commit": commit},
            variables=blueprint.variables,
            base=StateRef(state.lineage, state.serial, _digest(snapshot, state), snapshot.folded is not None),
            backend=BackendConfig(blueprint.state.backend, blueprint.state.options),
            account=account,
            region=world.aws.region if account else "",
            lookups=found,
            stream_manager=encode(blueprint.stream_manager),
            steps=steps.of(decision, drawn, state, pending_creates),
            drift=tuple(decision.drift),
            unreadable=decision.unreadable,
            unchanged=_unchanged(decision),
            outputs=_outputs(blueprint, decider) if mode == "apply" else {},
        )
    )


def _state_of(snapshot: Snapshot, blueprint: Blueprint) -> State:
    if snapshot.folded is None:
        return State(blueprint.name, str(uuid.uuid4()), 0, {}, key=secrets.token_hex(32))
    state = snapshot.folded.state
    if state.name != blueprint.name:
        raise GuardRefused(
            f"the state here belongs to `{state.name}`, and the blueprint is `{blueprint.name}`",
            hint="give the blueprint its former name, or its own place with `state:`",
        )
    return state


def _digest(snapshot: Snapshot, state: State) -> str:
    return snapshot.folded.digest() if snapshot.folded else state.digest()


def _check_kinds(state: State, world: Providers) -> None:
    """Raise StoreError if the state holds something that this smplan does not know."""
    for name in {entry.kind for entry in (*state.resources.values(), *state.deposed)}:
        try:
            world.kind(name)
        except KeyError:
            told = f"the state holds a {name}, which smplan {__version__} does not know"
            raise StoreError(told, hint="use the newer smplan that made it") from None


def _account(blueprint: Blueprint, state: State, world: Providers, report: Report) -> str:
    """The account in force, if anything of AWS is concerned. Raises GuardRefused if the blueprint names another.

    Raises it too for a clock that AWS would not accept.
    """
    kinds = {resource.kind for resource in blueprint.resources} | {entry.kind for entry in state.resources.values()}
    if not blueprint.lookups and not any(name.startswith(("aws.", "gate.targets")) for name in kinds):
        return ""
    account = preflight.account(world, report)
    if blueprint.account and blueprint.account != account:
        raise GuardRefused(
            f"the blueprint is for account {blueprint.account}, and the credentials are of account {account}",
            hint="use credentials of the right account (AWS_PROFILE)",
        )
    return account


def _settings_from(blueprint: Blueprint, state: State, lookups: Mapping[str, Mapping[str, Json]]) -> Callable[[], Json]:
    """Where Stream Manager is, as far as what exists tells."""
    known = Resolver(lookups, state.resources.values())
    return lambda: resolve(blueprint.stream_manager, known) if blueprint.stream_manager else {}


def _unchanged(decision: Decision) -> tuple[str, ...]:
    return tuple(address for address, verdict in decision.verdicts.items() if verdict.op is None)


def _outputs(blueprint: Blueprint, decider: Decider) -> dict[str, Json]:
    return {name: encode(resolve(tree, decider.known)) for name, tree in blueprint.outputs.items()}


def detect_drift(*, blueprint: Blueprint, store: Store, world: Providers, report: Report) -> tuple[Drift, ...]:
    """How reality differs from what was last applied; nothing is changed."""
    world.attend(report)
    state = _state_of(store.read(), blueprint)
    _check_kinds(state, world)
    _account(blueprint, state, world, report)
    found = refresh.read_lookups(blueprint, world, needed_by=blueprint.stream_manager or {})
    world.reach_stream_manager_by(_settings_from(blueprint, state, found))
    reality = refresh.read_resources(state.resources.values(), world, report)
    drifted: list[Drift] = []
    for entry in state.resources.values():
        facts = world.kind(entry.kind)
        if not facts.gate and not facts.virtual and entry.address not in reality.unreadable:
            drifted += drift.of(entry, reality.resources.get(entry.address), facts)
    return tuple(drifted)
