"""Resources and what must come before what: references, ``after``, and the rules of the field."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import networkx as nx

from smplan.core.blueprint import Blueprint, Resource
from smplan.core.values import refs
from smplan.errors import BlueprintInvalid


@dataclass(frozen=True, slots=True)
class Edge:
    """``before`` is done before ``after``, because of ``reason``; an empty ``source`` means the blueprint."""

    before: str
    after: str
    reason: str
    source: str = ""
    reference: bool = False


Rules: TypeAlias = Callable[[Sequence[Resource]], Iterable[Edge]]
"""What the field demands of these resources beyond what the blueprint says (``guide.ordering.edges``)."""


@dataclass(frozen=True)
class Graph:
    """The resources in an order that can be carried out, and the edges that make it so."""

    nodes: Mapping[str, Resource]
    """In topological order; ties in the order of the blueprint."""
    incoming: Mapping[str, tuple[Edge, ...]] = field(default_factory=dict)
    """For each address, the edges that end there; at most one for each pair."""

    def edges(self) -> Iterator[Edge]:
        """Every edge."""
        return (edge for found in self.incoming.values() for edge in found)


def build(blueprint: Blueprint, rules: Rules) -> Graph:
    """The graph of ``blueprint``, ordered by ``rules`` too. Raises BlueprintInvalid if it has a cycle."""
    carriers = tuple(refs(blueprint.stream_manager or {}))
    edges = [edge for resource in blueprint.resources for edge in _of_resource(resource)]
    for resource in blueprint.resources:
        if resource.kind.startswith("red5."):
            edges += (
                Edge(ref.address, resource.address, "Stream Manager is reached through it", reference=True)
                for _, ref in carriers
            )
    edges += rules(blueprint.resources)
    try:
        return of(blueprint.resources, edges)
    except nx.NetworkXUnfeasible:
        raise _circle(blueprint, edges) from None


def _of_resource(resource: Resource) -> Iterator[Edge]:
    for _, ref in refs(resource.spec):
        yield Edge(ref.address, resource.address, f"refers to {str(ref)[2:-1]}", reference=True)
    for address in resource.after:
        yield Edge(address, resource.address, "the blueprint says `after`")


def of(resources: Sequence[Resource], edges: Iterable[Edge]) -> Graph:
    """The graph of these resources; edges from elsewhere (lookups) are left out. Raises nx.NetworkXUnfeasible."""
    place = {resource.address: position for position, resource in enumerate(resources)}
    incoming: dict[str, dict[str, Edge]] = {address: {} for address in place}
    for edge in edges:
        if edge.before in place and edge.before != edge.after:
            incoming[edge.after].setdefault(edge.before, edge)
    drawn: nx.DiGraph[str] = nx.DiGraph()
    drawn.add_nodes_from(place)
    drawn.add_edges_from((before, after) for after, found in incoming.items() for before in found)
    order = nx.lexicographical_topological_sort(drawn, key=lambda address: place[address])
    nodes = {address: resources[place[address]] for address in order}
    return Graph(nodes, {address: tuple(incoming[address].values()) for address in nodes})


def _circle(blueprint: Blueprint, edges: Iterable[Edge]) -> BlueprintInvalid:
    known = {resource.address: resource for resource in blueprint.resources}
    why = {(edge.before, edge.after): edge for edge in edges if edge.before in known}
    drawn: nx.DiGraph[str] = nx.DiGraph()
    drawn.add_edges_from(why)
    circle = nx.find_cycle(drawn)
    told = "; ".join(f"{after} after {before} ({why[before, after].reason})" for before, after in circle)
    first = known[circle[0][1]]
    hint = "take away one reference or `after` of this circle"
    return BlueprintInvalid([blueprint.marks.fault(first.path, f"these wait for each other: {told}", hint)])
