"""Scaling by hand: groups that `smplan scale` holds at a size, what is stopped behind them, and plans that scale."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace

from smplan.core.blueprint import Resource
from smplan.core.diff import AttributeChange
from smplan.core.graph import Graph
from smplan.core.plan.changes import ChangeSet, Gate, Scale, Target, Violation
from smplan.core.plan.observed import ObservedResource, ObservedState
from smplan.core.plan.recorded import recorded_spec
from smplan.core.resolver import Resolver
from smplan.core.resource_type import ResourceTypes, Scaling
from smplan.core.risk import number
from smplan.core.state.model import ResourceState, State, Status
from smplan.core.values import Json, encode, resolve

START_AGAIN = "`smplan scale BLUEPRINT --to blueprint` gives it the blueprint's size"


def scalable(graph: Graph, types: ResourceTypes) -> dict[str, Scaling]:
    """By address, how the groups of a blueprint are scaled."""
    found = ((address, types(each.kind).scaling) for address, each in graph.nodes.items())
    return {address: how for address, how in found if how}


def held_sizes(state: State, types: ResourceTypes) -> dict[str, int]:
    """By address: the minimum at which `smplan scale` holds a group."""
    scaled = ((each, types(each.kind).scaling) for each in state.resources.values() if each.held)
    return {
        each.address: size for each, how in scaled if how and (size := number(each.held.get(how.minimum))) is not None
    }


def held_fields(types: ResourceTypes, declaration: Resource, state: State) -> Mapping[str, Json]:
    """The fields that `smplan scale` has set on a resource, which count instead of the blueprint's."""
    record = state.resources.get(declaration.address)
    return record.held if record and record.kind == declaration.kind and types(record.kind).scaling else {}


def stopped(graph: Graph, types: ResourceTypes, state: State, sizes: Mapping[str, int]) -> dict[str, str]:
    """By address, why it cannot work now: the groups that it is behind, all of them held, have too few instances.

    Such is a gate that waits for more instances, and what is reached through a Stream Manager while there is none.
    ``sizes`` are those of ``held_sizes``.
    """
    if not sizes:
        return {}
    above = groups_above(graph, types)
    groups = set(scalable(graph, types))
    records = {each.address: each.kind for each in state.resources.values()}
    kinds = records | {address: each.kind for address, each in graph.nodes.items()}
    found = {}
    for address, kind in kinds.items():
        type = types(kind)
        sources = above.get(address) or (groups if type.via_stream_manager else set())
        behind = (type.gate or type.via_stream_manager) and sources and sources <= sizes.keys()
        if behind and sum(sizes[each] for each in sources) < _needed(type.awaits, graph.nodes.get(address)):
            found[address] = " and ".join(f"{each} is scaled to {sizes[each]}" for each in sorted(sources))
    return found


def groups_above(graph: Graph, types: ResourceTypes) -> dict[str, set[str]]:
    """By address, the scaling groups that it comes after, directly or not."""
    above: dict[str, set[str]] = {}
    groups = scalable(graph, types).keys()
    for address in graph.nodes:  # in topological order
        before = [edge.before for edge in graph.incoming.get(address, ())]
        own = {each for each in before if each in groups}
        above[address] = own.union(*(above[each] for each in before))
    return above


def _needed(field: str, declaration: Resource | None) -> int:
    """How many instances a resource needs to work."""
    spec = declaration.spec if declaration else None
    wanted = spec.get(field) if isinstance(spec, dict) else None
    return wanted if isinstance(wanted, int) else 1


@dataclass(frozen=True)
class _Sizes:
    """The sizes that a group is to have, and those at which it is held: none, if they are the blueprint's."""

    minimum: int
    desired: int
    held: bool


@dataclass(frozen=True)
class ScalePlanner:
    """Plans other sizes of groups; what else differs is left as it is.

    ``resolver`` knows the lookups and the state. ``interrupted``: an earlier run may have scaled a group and not
    waited for what is behind it.
    """

    graph: Graph
    types: ResourceTypes
    state: State
    observed: ObservedState
    resolver: Resolver
    interrupted: bool = False

    def plan(self, wanted: Mapping[str, int | None]) -> ChangeSet:
        """The changes that give each group of ``wanted`` that size; None is that of the blueprint.

        What cannot be scaled is refused in them.
        """
        plan, records, started = ChangeSet(self.observed.lookups, self.state), dict(self.state.resources), set()
        for address, size in wanted.items():
            prior, live = records.get(address), self.observed.resources.get(address)
            problem = self._problem(address, size, prior, live)
            if problem or prior is None or live is None:
                plan.guard_violations.append(Violation(f"{address} cannot be scaled: {problem}"))
                continue
            sizes = self._sizes(address, size, prior, live)
            change = self._scale(prior, live, sizes)
            records[address] = change.resource
            if change.changes or prior.held != change.resource.held:
                plan.changes[address] = change
            if sizes.desired and (
                sizes.desired > _size(live, self._how(address).desired) or prior.held or self.interrupted
            ):
                started.add(address)
        after = held_sizes(replace(self.state, resources=records), self.types)
        plan.stopped.update(stopped(self.graph, self.types, self.state, after))
        plan.changes.update(self._waits(started, plan.stopped))
        return plan

    def _how(self, address: str) -> Scaling:
        return scalable(self.graph, self.types)[address]

    def _problem(
        self, address: str, size: int | None, prior: ResourceState | None, live: ObservedResource | None
    ) -> str:
        """Why a group cannot be scaled, and what to do; empty if it can."""
        if prior is None or live is None or prior.kind != self.graph.nodes[address].kind:
            return "it does not exist; run `smplan plan BLUEPRINT` and `smplan apply` first"
        if prior.status is Status.INCOMPLETE:
            return "an interrupted run began to create it; run `smplan plan BLUEPRINT` and `smplan apply` first"
        if live.owner and live.owner[0] != self.state.lineage and not prior.keep:
            return f"it was taken over by {live.owner[1]} of state {live.owner[0]}"
        minimum, most = self._minimum(address) if size is None else size, _size(live, self._how(address).maximum)
        if minimum is None:
            return "its minimum in the blueprint is not known yet; run `smplan plan BLUEPRINT` and `smplan apply` first"
        if minimum > most:
            name = self._how(address).maximum
            return f"{minimum} is above its `{name}`, {most}; raise that in the blueprint and apply it first"
        return ""

    def _minimum(self, address: str) -> int | None:
        """The minimum that the blueprint gives a group; None if it is not known yet."""
        return self._written(address, self._how(address).minimum)

    def _written(self, address: str, field: str) -> int | None:
        return number(encode(resolve(self.graph.nodes[address].spec.get(field), self.resolver)))

    def _sizes(self, address: str, size: int | None, prior: ResourceState, live: ObservedResource) -> _Sizes:
        minimum = self._minimum(address)
        if size is not None:
            return _Sizes(size, size, held=size != minimum)
        least = minimum or 0
        if not prior.held:  # scaling policies may have set another capacity
            return _Sizes(least, max(least, _size(live, self._how(address).desired)), held=False)
        return _Sizes(least, max(least, self._written(address, self._how(address).desired) or 0), held=False)

    def _scale(self, prior: ResourceState, live: ObservedResource, sizes: _Sizes) -> Scale:
        how, declaration = self._how(prior.address), self.graph.nodes[prior.address]
        fields: dict[str, Json] = {how.minimum: sizes.minimum, how.desired: sizes.desired}
        resource = replace(prior, spec={**prior.spec, **fields}, held=fields if sizes.held else {})
        type = self.types(prior.kind)
        changes = tuple(
            AttributeChange(name, _size(live, name), after)
            for name, after in fields.items()
            if _size(live, name) != after
        )
        why = f"`smplan scale` sets its size to {sizes.desired}"
        if not sizes.held:
            why = "`smplan scale` gives it the size that the blueprint has"
        return Scale(resource, (why,), Target(declaration, type, recorded_spec(type, resource)), live, changes)

    def _waits(self, started: Collection[str], stopped_then: Collection[str]) -> Iterator[tuple[str, Gate]]:
        """The waits for what is behind the groups that are ``started``: gates, and what was stopped."""
        above = groups_above(self.graph, self.types)
        until_now = stopped(self.graph, self.types, self.state, held_sizes(self.state, self.types))
        for address, declaration in self.graph.nodes.items():
            type, record = self.types(declaration.kind), self.state.resources.get(address)
            waits = type.gate or (type.via_stream_manager and (address in until_now or self.interrupted))
            groups = sorted(above[address].intersection(started))
            if waits and groups and record and record.kind == type.kind and address not in stopped_then:
                why = f"it is behind {' and '.join(groups)}, which is scaled"
                yield address, Gate(record, (why,), Target(declaration, type, recorded_spec(type, record)))


def _size(live: ObservedResource, field: str) -> int:
    return int(getattr(live.spec, field))
