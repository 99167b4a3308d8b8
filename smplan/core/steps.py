"""Verdicts in, steps out: the smallest actions, what each must wait for, and an order that can be carried out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise

from smplan.core import diff
from smplan.core.graph import Graph
from smplan.core.kinds import Kind
from smplan.core.ordering import Edge
from smplan.core.plan import Need, Op, Step
from smplan.core.reality import Seen
from smplan.core.removals import in_the_way
from smplan.core.spec import SENSITIVE, fields
from smplan.core.state import State
from smplan.core.values import Json, Tree, encode, refs
from smplan.core.verdicts import Decision, Removal, Verdict
from smplan.errors import Bug


def of(decision: Decision, graph: Graph, state: State) -> tuple[Step, ...]:
    """The steps that carry out ``decision``, in an order in which each comes after what it needs."""
    return _Steps(decision, graph, state).made()


class _Steps:
    def __init__(self, decision: Decision, graph: Graph, state: State) -> None:
        self._decision = decision
        self._graph = graph
        self._state = state
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

    def _followers(self) -> Mapping[str, list[str]]:
        """Address to the addresses that the state says were made after it.

        What is made after each other in a circle (one of them was changed since, or its change was cut off) is in no
        order: all of it may go at once, and whatever is still in use waits until it is not.
        """
        needs = {entry.address: dict.fromkeys(entry.needs) for entry in self._state.resources.values()}
        while circle := _circle(needs):
            for before, address in pairwise(circle):
                del needs[address][before]
        found: dict[str, list[str]] = defaultdict(list)
        for address, befores in needs.items():
            for before in befores:
                found[before].append(address)
        return found

    def _towards(self, verdict: Verdict, op: Op) -> Step:
        edges = self._graph.needs.get(verdict.address, ())
        after = encode(verdict.spec.tree())
        needs = [Need(self._forward[edge.before], edge.reason, edge.source) for edge in self._through[verdict.address]]
        if verdict.delete_first and verdict.address in self._away:
            needs.append(Need(self._away[verdict.address], "the old and the new cannot stand side by side"))
        needs += self._way_clear(verdict, op)
        lifecycle = verdict.resource.lifecycle
        return Step(
            id=self._forward[verdict.address],
            address=verdict.address,
            kind=verdict.kind.name,
            op=op,
            reasons=verdict.reasons,
            before=_shown(verdict.seen.spec.tree(), verdict.kind) if verdict.seen else None,
            after=after,
            changes=verdict.changes,
            unknown={".".join(map(str, path)): ref.address for path, ref in refs(verdict.spec.tree())},
            target=verdict.seen.id if verdict.seen and op in (Op.UPDATE, Op.ADOPT) else "",
            precondition=_precondition(verdict.kind, verdict.seen),
            needs=tuple(needs),
            depends=tuple(edge.before for edge in edges),
            risks=_risks(verdict.kind, op),
            expected_seconds=verdict.kind.expected_seconds,
            generation=verdict.generation,
            name=verdict.name,
            prevent_destroy=lifecycle.prevent_destroy,
            adopt=lifecycle.adopt,
        )

    def _see_through(self) -> dict[str, tuple[Edge, ...]]:
        """For each address the edges from steps that come first, seen through all that has no step of its own."""
        through: dict[str, tuple[Edge, ...]] = {}
        for address in self._graph.nodes if self._forward else ():  # in topological order: what is asked for is there
            found: dict[str, Edge] = {}
            for edge in self._graph.needs.get(address, ()):
                if edge.before in self._forward:
                    found[edge.before] = edge
                else:
                    for further in through.get(edge.before, ()):
                        found.setdefault(further.before, further)
            through[address] = tuple(found.values())
        return through

    def _removing(self, removal: Removal, followers: Mapping[str, list[str]]) -> Step:
        entry = removal.entry
        return Step(
            id=_away_id(removal),
            address=entry.address,
            kind=entry.kind,
            op=removal.op,
            reasons=removal.reasons,
            before=_shown(removal.seen.spec.tree(), removal.kind) if removal.seen else entry.spec,
            target=entry.id,
            precondition=_precondition(removal.kind, removal.seen),
            needs=tuple(self._needs_of_removal(removal, followers)),
            depends=entry.needs,
            risks=_risks(removal.kind, removal.op),
            expected_seconds=removal.kind.expected_seconds,
            generation=entry.generation,
            name=entry.name,
            prevent_destroy=entry.prevent_destroy,
            orphan=removal.orphan,
        )

    def _needs_of_removal(self, removal: Removal, followers: Mapping[str, list[str]]) -> list[Need]:
        address, first = removal.entry.address, removal.delete_first
        needs = [] if removal.stray or first else self._lone_first(address, followers)
        if removal.stray:
            return needs
        if address in self._forward and not first:
            needs.append(Need(self._forward[address], "the new one stands before the old one goes"))
        for follower in sorted(followers.get(address, ())):
            other = self._decision.verdicts.get(follower)
            if follower in self._away and not (first and other and not other.delete_first):
                needs.append(Need(self._away[follower], "it was made after this, so it goes before"))
            if follower in self._forward and not first:
                needs.append(Need(self._forward[follower], "it points at this one until then"))
        return needs

    def _way_clear(self, verdict: Verdict, op: Op) -> Iterator[Need]:
        """What must be gone before a new one can be made under its natural key."""
        if op not in (Op.CREATE, Op.REPLACE, Op.ADOPT):
            return
        for lone in self._lone:
            here = lone.entry.address == verdict.address
            if (here and (lone.stray or lone.delete_first)) or (lone.stray and in_the_way(verdict, lone.entry)):
                yield Need(_away_id(lone), "it stands where the new one is to be made")

    def _lone_first(self, address: str, followers: Mapping[str, list[str]]) -> list[Need]:
        return [
            Need(_away_id(lone), "it was made after this, so it goes before")
            for lone in self._lone
            if address in lone.entry.needs and address not in followers.get(lone.entry.address, ())
        ]


def _circle(needs: Mapping[str, Mapping[str, None]]) -> list[str]:
    """Addresses of which each was made after the one before it, the first after the last; none without a circle."""
    try:
        TopologicalSorter(needs).prepare()
    except CycleError as error:
        circle: list[str] = error.args[1]
        return circle
    return []


def _away_id(removal: Removal) -> str:
    which = f"stray{removal.stray if removal.stray > 1 else ''}" if removal.stray else removal.entry.generation
    return f"{removal.entry.address}:delete#{which}"


def _precondition(kind: Kind, seen: Seen | None) -> str:
    return "" if seen is None or kind.in_state_only or kind.gate else diff.fingerprint(seen.spec)


def _risks(kind: Kind, op: Op) -> tuple[str, ...]:
    risk = kind.risks.get(op)
    return (risk,) if risk else ()


def _shown(tree: Mapping[str, Tree], kind: Kind) -> Json:
    """``tree`` without what nobody may see."""
    hidden = {name for name, facts in fields(kind.spec).items() if facts.has(SENSITIVE)}
    return encode({name: value for name, value in tree.items() if name not in hidden})


def _sorted(steps: list[Step]) -> tuple[Step, ...]:
    by_id = {step.id: step for step in steps}
    sorter = TopologicalSorter({step.id: [need.step for need in step.needs] for step in steps})
    try:
        order = tuple(sorter.static_order())
    except CycleError as error:
        raise Bug(f"the steps wait for each other: {' -> '.join(error.args[1])}") from None
    return tuple(by_id[step] for step in order)
