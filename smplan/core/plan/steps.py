"""Steps: one per change and deletion, in an order in which each comes after what it depends on."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import replace
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise

from smplan.core import diff
from smplan.core.graph import Edge, Graph
from smplan.core.plan.changes import (
    Abandon,
    Action,
    ChangeSet,
    Create,
    Delete,
    DeleteUntracked,
    Deletion,
    ForgetUntracked,
    Move,
    NoOp,
    Unprotect,
)
from smplan.core.plan.edges import step_edges
from smplan.core.plan.model import Dependency, Step
from smplan.core.plan.observed import ObservedResource
from smplan.core.plan.releases import with_releases
from smplan.core.plan.risks import effect_of, lingers, of_action, of_deletion, without_secrets
from smplan.core.resource_type import ResourceType
from smplan.core.state.journal import StepIntent
from smplan.core.state.model import State
from smplan.core.values import Json, encode, refs
from smplan.errors import Bug


def plan_steps(
    plan: ChangeSet,
    graph: Graph,
    state: State,
    pending_creates: Iterable[StepIntent] = (),
    *,
    seconds_until: Callable[[str], float] = lambda _: 0,
) -> tuple[Step, ...]:
    """The steps that carry out ``plan``, in order.

    ``pending_creates`` may refer to what is deleted, too. ``seconds_until`` a time of the state, from when it is made.
    """
    plan = with_releases(plan)
    steps = [_move_step(move) for move in plan.moves]
    steps += [_action_step(change) for change in plan.changes.values() if not isinstance(change, NoOp)]
    steps += [replace(_action_step(release), precondition="") for release in plan.releases.values()]
    unprotected = {each.before for each in plan.deletions if isinstance(each, Unprotect)}
    steps += [_deletion_step(deletion, plan, unprotected) for deletion in plan.deletions]
    edges, used_until = step_edges(plan, graph, state, pending_creates)
    left = {id: seconds_until(until) for id, until in used_until.items()}
    return tuple(_waiting(step, left.get(step.id, 0)) for step in in_order(steps, edges))


def _waiting(step: Step, left: float) -> Step:
    """``step`` with the seconds that are left until it may begin."""
    if left <= 0:
        return step
    why = f"clients may use it for {left:g} s more, since a name that led to it was changed"
    return replace(step, reasons=(*step.reasons, why), wait_seconds=left)


def _action_step(change: Action) -> Step:
    target, (live, changes) = change.target, (None, ()) if isinstance(change, Create) else (change.live, change.changes)
    return replace(
        _step(change, target.type, live),
        changes=changes,
        known_after_apply={".".join(map(str, path)): ref.address for path, ref in refs(target.spec.managed_fields())},
        adopt=target.declaration.lifecycle,
        expected_seconds=target.type.duration(effect_of(change)),
        lingers=lingers(change),
        risks=of_action(change),
    )


def _move_step(move: Move) -> Step:
    """The record moves as it is; nothing of the resource itself is compared or changed."""
    return Step(move.step_id, move.op, move.resource, move.reasons, previous_address=move.previous)


def _deletion_step(deletion: Deletion, plan: ChangeSet, unprotected: Collection[str]) -> Step:
    """A delete after an ``unprotected`` one of these step ids relies on that step, which changes what was read."""
    live = deletion.live if isinstance(deletion, (Delete, DeleteUntracked, Unprotect)) else None
    step = _step(deletion, deletion.type, live, deletion.resource.spec)
    step = replace(step, risks=of_deletion(deletion, plan.changes.get(deletion.resource.address)))
    if isinstance(deletion, (DeleteUntracked, ForgetUntracked, Abandon)):
        return replace(step, pending_key=deletion.pending_key)
    return replace(step, precondition="") if step.id in unprotected else step


def _step(change: Action | Deletion, type: ResourceType, live: ObservedResource | None, recorded: Json = None) -> Step:
    """What all steps have in common; ``before`` is the spec as read, else as ``recorded``, without sensitive fields."""
    return Step(
        id=change.step_id,
        op=change.op,
        resource=change.resource,
        reasons=change.reasons,
        before=without_secrets(type, encode(live.spec.managed_fields()) if live else recorded),
        precondition=diff.fingerprint(live.spec) if live and not type.virtual and not type.gate else "",
        expected_seconds=type.expected_seconds,
    )


def in_order(steps: Iterable[Step], edges: Iterable[Edge]) -> tuple[Step, ...]:
    """``steps`` sorted by ``edges``, with their dependencies.

    Where edges form a cycle the droppable ones in it are dropped. Raises Bug if there are none.
    """
    by_id = {step.id: step for step in steps}
    incoming: dict[str, list[Edge]] = {id: [] for id in by_id}
    for edge in edges:
        incoming[edge.after].append(edge)
    while cycle := _find_cycle(incoming):
        pairs = set(pairwise(cycle))
        dropped = [edge for id in cycle[1:] for edge in incoming[id] if edge.droppable and (edge.before, id) in pairs]
        if not dropped:
            raise Bug(f"the steps wait for each other: {' -> '.join(cycle)}")
        for edge in dropped:
            incoming[edge.after].remove(edge)
    return tuple(
        replace(
            by_id[id],
            depends_on=tuple(Dependency(edge.before, edge.reason, edge.source, edge.seconds) for edge in incoming[id]),
        )
        for id in _sorter(incoming).static_order()
    )


def _find_cycle(incoming: dict[str, list[Edge]]) -> list[str]:
    """Steps that wait for each other, each before the next, the first again at the end; empty if there are none."""
    try:
        _sorter(incoming).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def _sorter(incoming: dict[str, list[Edge]]) -> TopologicalSorter[str]:
    return TopologicalSorter({id: [edge.before for edge in edges] for id, edges in incoming.items()})
