"""Verdicts in, steps out: the smallest actions, what each must wait for, and an order that can be carried out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise
from typing import TypeAlias

from smplan.core import diff
from smplan.core.graph import Edge, Graph
from smplan.core.plan.changes import Decision, Removal, Verdict
from smplan.core.plan.deletions import in_the_way
from smplan.core.plan.model import Dependency, Op, Step
from smplan.core.plan.observed import ObservedResource
from smplan.core.resource_type import ResourceType
from smplan.core.spec import SENSITIVE, fields
from smplan.core.state.journal import StepIntent
from smplan.core.state.model import ResourceState, State
from smplan.core.values import Json, PartialValue, encode, refs
from smplan.errors import Bug

Followers: TypeAlias = Mapping[str, Mapping[str, None]]
_MADE_AFTER = "it was made after this, so it goes before"


def of(decision: Decision, graph: Graph, state: State, pending_creates: Iterable[StepIntent] = ()) -> tuple[Step, ...]:
    """The steps that carry out ``decision``, in an order in which each comes after what it needs.

    ``pending_creates`` are what may have been made unseen: it may point at something, too.
    """
    return _Steps(decision, graph, state, tuple(pending_creates)).made()


class _Steps:
    def __init__(self, decision: Decision, graph: Graph, state: State, pending_creates: tuple[StepIntent, ...]) -> None:
        self._decision = decision
        self._graph = graph
        self._state = state
        self._orphans = pending_creates
        self._forward = {
            address: f"{address}:{verdict.op}"
            for address, verdict in decision.verdicts.items()
            if verdict.op is not None
        }
        self._lone = [removal for removal in decision.removals if removal.stray or removal.leftover]
        """What goes by itself: no resource of the state stands for it."""
        self._away: dict[str, str] = {}
        """Address to the step that deletes the thing that stands there now."""
        self._through = self._see_through()

    def made(self) -> tuple[Step, ...]:
        going = [*self._outdated(), *self._decision.removals]
        self._away = {
            removal.entry.address: _away_id(removal) for removal in going if not removal.leftover and not removal.stray
        }
        followers = self._followers()
        towards = (self._decision.verdicts[address] for address in self._forward)
        steps = [self._towards(verdict, verdict.op) for verdict in towards if verdict.op is not None]
        steps += (self._removing(removal, followers) for removal in going)
        return _sorted(steps)

    def _outdated(self) -> list[Removal]:
        """What a replacement leaves behind."""
        found = []
        for verdict in self._decision.verdicts.values():
            if verdict.op is Op.REPLACE and verdict.prior is not None:
                why = (f"replaced by generation {verdict.generation}",)
                kind = verdict.prior_kind or verdict.kind
                found.append(Removal(kind, verdict.prior, Op.DELETE, why, verdict.seen, verdict.delete_first))
        return found

    def _followers(self) -> Followers:
        """Address to the addresses that the state says were made after it.

        So do pending creates, where they are not taken away by themselves: what became of them is taken up by a step.
        """
        away = {(lone.entry.address, lone.pending_key) for lone in self._lone if lone.stray}
        begun = [each.resource for each in self._orphans if (each.resource.address, each.key) not in away]
        found: dict[str, dict[str, None]] = defaultdict(dict)
        for entry in (*self._state.resources.values(), *begun):
            for address in entry.dependencies:
                found[address][entry.address] = None
        return found

    def _towards(self, verdict: Verdict, op: Op) -> Step:
        needs = [
            Dependency(self._forward[edge.before], edge.reason, edge.source) for edge in self._through[verdict.address]
        ]
        if verdict.delete_first and verdict.address in self._away:
            needs.append(Dependency(self._away[verdict.address], "the old and the new cannot stand side by side"))
        needs += self._way_clear(verdict, op)
        lifecycle = verdict.resource.lifecycle
        resource = ResourceState(
            address=verdict.address,
            kind=verdict.kind.name,
            id=verdict.seen.id if verdict.seen and op in (Op.UPDATE, Op.ADOPT) else "",
            spec=encode(verdict.spec.managed_fields()),
            outputs={},
            dependencies=tuple(edge.before for edge in self._graph.incoming.get(verdict.address, ())),
            generation=verdict.generation,
            name=verdict.name,
            prevent_destroy=lifecycle.prevent_destroy,
        )
        return Step(
            id=self._forward[verdict.address],
            op=op,
            resource=resource,
            reasons=verdict.reasons,
            before=_shown(verdict.seen.spec.managed_fields(), verdict.kind) if verdict.seen else None,
            changes=verdict.changes,
            known_after_apply={
                ".".join(map(str, path)): ref.address for path, ref in refs(verdict.spec.managed_fields())
            },
            precondition=_precondition(verdict.kind, verdict.seen),
            depends_on=tuple(needs),
            risks=_risks(verdict.kind, op),
            expected_seconds=verdict.kind.expected_seconds,
            adopt=lifecycle.adopt,
        )

    def _see_through(self) -> dict[str, tuple[Edge, ...]]:
        """For each address the edges from steps that come first, seen through all that has no step of its own."""
        through: dict[str, tuple[Edge, ...]] = {}
        for address in self._graph.nodes if self._forward else ():  # in topological order: what is asked for is there
            found: dict[str, Edge] = {}
            for edge in self._graph.incoming.get(address, ()):
                if edge.before in self._forward:
                    found[edge.before] = edge
                else:
                    for further in through.get(edge.before, ()):
                        found.setdefault(further.before, further)
            through[address] = tuple(found.values())
        return through

    def _removing(self, removal: Removal, followers: Followers) -> Step:
        entry = removal.entry
        return Step(
            id=_away_id(removal),
            op=removal.op,
            resource=entry,
            reasons=removal.reasons,
            before=_shown(removal.seen.spec.managed_fields(), removal.kind) if removal.seen else entry.spec,
            precondition=_precondition(removal.kind, removal.seen),
            depends_on=tuple(self._needs_of_removal(removal, followers)),
            risks=_risks(removal.kind, removal.op),
            expected_seconds=removal.kind.expected_seconds,
            pending_key=removal.pending_key,
        )

    def _needs_of_removal(self, removal: Removal, followers: Followers) -> list[Dependency]:
        address, first = removal.entry.address, removal.delete_first
        needs = [] if removal.stray or first else self._lone_first(address, followers)
        if removal.stray:
            return needs
        if address in self._forward and not first:
            needs.append(Dependency(self._forward[address], "the new one stands before the old one goes"))
        for follower in sorted(followers.get(address, ())):
            other = self._decision.verdicts.get(follower)
            if follower in self._away and not (first and other and not other.delete_first):
                needs.append(Dependency(self._away[follower], _MADE_AFTER))
            if follower in self._forward and not first:
                needs.append(Dependency(self._forward[follower], "it points at this one until then"))
        return needs

    def _way_clear(self, verdict: Verdict, op: Op) -> Iterator[Dependency]:
        """What must be gone before a new one can be made under its natural key."""
        if op not in (Op.CREATE, Op.REPLACE, Op.ADOPT):
            return
        for lone in self._lone:
            here = lone.entry.address == verdict.address
            if (here and (lone.stray or lone.delete_first)) or (lone.stray and in_the_way(verdict, lone.entry)):
                yield Dependency(_away_id(lone), "it stands where the new one is to be made")

    def _lone_first(self, address: str, followers: Followers) -> list[Dependency]:
        return [
            Dependency(_away_id(lone), _MADE_AFTER)
            for lone in self._lone
            if address in lone.entry.dependencies and address not in followers.get(lone.entry.address, ())
        ]


def _away_id(removal: Removal) -> str:
    which = f"pending-{removal.stray}" if removal.stray else removal.entry.generation
    return f"{removal.entry.address}:delete#{which}"


def _precondition(kind: ResourceType, seen: ObservedResource | None) -> str:
    return "" if seen is None or kind.virtual or kind.gate else diff.fingerprint(seen.spec)


def _risks(kind: ResourceType, op: Op) -> tuple[str, ...]:
    risk = kind.risks.get(op)
    return (risk,) if risk else ()


def _shown(tree: Mapping[str, PartialValue], kind: ResourceType) -> Json:
    """``tree`` without what nobody may see."""
    hidden = {name for name, facts in fields(kind.spec).items() if facts.has(SENSITIVE)}
    return encode({name: value for name, value in tree.items() if name not in hidden})


def _sorted(steps: list[Step]) -> tuple[Step, ...]:
    """``steps`` in order.

    What is deleted goes in the reverse of the order in which it was made, as far as that can be: resources may have
    come to be made after each other by turns, and what is replaced where it stands cannot wait for what waits for the
    new one. Where that order runs in a circle it is given up; what is really in use then is deleted once it is free.
    """
    by_id = {step.id: step for step in steps}
    while circle := _circle(by_id):
        for before, id in pairwise(circle):
            needs = by_id[id].depends_on
            kept = tuple(need for need in needs if (need.step, need.reason) != (before, _MADE_AFTER))
            by_id[id] = replace(by_id[id], depends_on=kept)
    return tuple(by_id[id] for id in _sorter(by_id).static_order())


def _circle(by_id: Mapping[str, Step]) -> list[str]:
    """Steps that wait for each other, each before one that needs it, the first at the end again; or none.

    Raises Bug if none of them is there for the order of deletes alone.
    """
    try:
        _sorter(by_id).prepare()
    except CycleError as error:
        circle: list[str] = error.args[1]
        if not any(
            (need.step, need.reason) == (before, _MADE_AFTER)
            for before, id in pairwise(circle)
            for need in by_id[id].depends_on
        ):
            raise Bug(f"the steps wait for each other: {' -> '.join(circle)}") from None
        return circle
    return []


def _sorter(by_id: Mapping[str, Step]) -> TopologicalSorter[str]:
    return TopologicalSorter({id: [need.step for need in step.depends_on] for id, step in by_id.items()})
