"""The graph: which resource comes before which, by references, ``after`` and the rules of the guide."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import networkx as nx

from smplan.core.blueprint import Blueprint, Resource
from smplan.core.values import Path, refs
from smplan.errors import BlueprintInvalid, Diagnostic


@dataclass(frozen=True, slots=True)
class Edge:
    """``before`` comes before ``after``, because of ``reason``; an empty ``source`` means the blueprint.

    Both are addresses, or ids of steps. A ``droppable`` edge gives way where edges form a cycle. ``turned`` is why
    ``after`` comes first instead where ``before`` is updated in place; empty if it does not. ``after`` starts no sooner
    than ``seconds`` later.
    """

    before: str
    after: str
    reason: str
    source: str = ""
    reference: bool = False
    droppable: bool = False
    turned: str = ""
    seconds: float = 0


Rules: TypeAlias = Callable[[Sequence[Resource]], Iterable[Edge]]
"""The edges that these resources need beyond what the blueprint says (``guide.ordering.edges``)."""


@dataclass(frozen=True)
class Graph:
    """The resources in topological order, and the edges that make it so."""

    nodes: Mapping[str, Resource]
    """By address; ties are in the order of the blueprint."""
    incoming: Mapping[str, tuple[Edge, ...]] = field(default_factory=dict)
    """For each address, the edges that end there; at most one per pair."""

    def edges(self) -> Iterator[Edge]:
        """Every edge."""
        return (edge for found in self.incoming.values() for edge in found)


def build(blueprint: Blueprint, rules: Rules) -> Graph:
    """The graph of ``blueprint``, with the edges of ``rules`` too. Raises BlueprintInvalid if it has a cycle."""
    edges = [*_edges(blueprint), *rules(blueprint.resources)]
    try:
        return of(blueprint.resources, edges)
    except nx.NetworkXUnfeasible:
        raise BlueprintInvalid(list(_cycles(blueprint, edges))) from None


def _edges(blueprint: Blueprint) -> Iterator[Edge]:
    carriers = [ref.address for _, ref in refs(blueprint.stream_manager or {})]
    for resource in blueprint.resources:
        for _, ref in refs(resource.spec):
            yield Edge(ref.address, resource.address, f"refers to {str(ref)[2:-1]}", reference=True)
        for address in resource.after:
            yield Edge(address, resource.address, "the blueprint says `after`")
        for address in carriers if resource.kind.startswith(("red5.", "gate.stream_manager")) else ():
            yield Edge(address, resource.address, "Stream Manager is reached through it", reference=True)


def of(resources: Sequence[Resource], edges: Iterable[Edge]) -> Graph:
    """The graph of these resources, without edges from elsewhere (lookups). Raises nx.NetworkXUnfeasible."""
    position = {resource.address: at for at, resource in enumerate(resources)}
    incoming: dict[str, dict[str, Edge]] = {address: {} for address in position}
    digraph: nx.DiGraph[str] = nx.DiGraph()
    digraph.add_nodes_from(position)
    for edge in sorted(edges, key=lambda edge: edge.droppable):
        if edge.before not in position or edge.before == edge.after:
            continue
        if edge.droppable and nx.has_path(digraph, edge.after, edge.before):
            continue
        digraph.add_edge(edge.before, edge.after)
        incoming[edge.after].setdefault(edge.before, edge)
    order = nx.lexicographical_topological_sort(digraph, key=lambda address: position[address])
    nodes = {address: resources[position[address]] for address in order}
    return Graph(nodes, {address: tuple(incoming[address].values()) for address in nodes})


def cycles(blueprint: Blueprint, rules: Rules) -> Iterator[Diagnostic]:
    """One error for each group of resources that wait for each other, at one of the references that make it so."""
    return _cycles(blueprint, [*_edges(blueprint), *rules(blueprint.resources)])


def _cycles(blueprint: Blueprint, edges: Iterable[Edge]) -> Iterator[Diagnostic]:
    by_address = {resource.address: resource for resource in blueprint.resources}
    reasons: dict[tuple[str, str], str] = {}
    for edge in edges:
        if edge.before in by_address and edge.before != edge.after and not edge.droppable:
            reasons.setdefault((edge.before, edge.after), edge.reason)
    digraph: nx.DiGraph[str] = nx.DiGraph()
    digraph.add_edges_from(reasons)
    for group in nx.strongly_connected_components(digraph):
        if len(group) > 1:
            cycle = [(before, after) for before, after, *_ in nx.find_cycle(digraph.subgraph(group), min(group))]
            steps = "; ".join(f"{after} after {before} ({reasons[before, after]})" for before, after in cycle)
            hint = "remove one reference or `after` of this cycle"
            path = _path_of(*cycle[0], by_address)
            yield blueprint.source_map.diagnostic(path, f"these wait for each other: {steps}", hint)


def _path_of(before: str, after: str, by_address: Mapping[str, Resource]) -> Path:
    """The path of the reference to ``before`` in the resource ``after``; of that resource, if there is none."""
    resource = by_address[after]
    inside = (path for path, ref in refs(resource.spec) if ref.address == before)
    return next(((*resource.path, "spec", *path) for path in inside), resource.path)
