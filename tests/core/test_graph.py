"""The graph of a blueprint: edges with their reasons, and an order."""

from __future__ import annotations

from dataclasses import replace

import pytest

from smplan.core import graph
from smplan.core.blueprint import Resource
from smplan.core.graph import Edge, Graph
from smplan.errors import BlueprintInvalid
from tests.core.plan.scenario import blueprint_of, parsed, want


def built(*wants: Resource, rules: tuple[Edge, ...] = ()) -> Graph:
    return graph.build(blueprint_of(wants), lambda resources: rules)


def test_edges_come_from_references_from_after_and_from_rules() -> None:
    rule = Edge("a", "c", "a rule", "its source")
    drawn = built(want("a"), want("b", uses=["${a.id}"], after=["a"]), want("c", after=["b"]), rules=(rule,))
    assert list(drawn.edges()) == [
        Edge("a", "b", "refers to a.id", reference=True),
        Edge("b", "c", "the blueprint says `after`"),
        rule,
    ]


def test_references_to_lookups_are_no_edges() -> None:
    assert list(built(want("a", zone="${net.zone}")).edges()) == []


def test_red5_kinds_come_after_what_stream_manager_is_reached_through() -> None:
    blueprint = blueprint_of([replace(want("nodes"), kind="red5.nodegroup"), want("record"), want("other")])
    blueprint = replace(blueprint, stream_manager=parsed({"url": "https://${record.name}"}))
    drawn = graph.build(blueprint, lambda resources: ())
    assert list(drawn.edges()) == [Edge("record", "nodes", "Stream Manager is reached through it", reference=True)]


def test_a_cycle_is_reported_with_its_reasons() -> None:
    with pytest.raises(BlueprintInvalid) as caught:
        built(want("a", uses=["${b.id}"]), want("b", after=["a"]))
    message = caught.value.diagnostics[0].message
    assert "these wait for each other" in message
    assert "b after a (the blueprint says `after`)" in message
    assert "a after b (refers to b.id)" in message


def test_without_an_edge_the_order_is_that_of_the_blueprint() -> None:
    drawn = built(want("c"), want("a"), want("b", after=["a", "c"]))
    assert list(drawn.nodes) == ["c", "a", "b"]
    assert [edge.before for edge in drawn.incoming["b"]] == ["a", "c"]


def test_a_rule_gives_way_to_the_order_of_the_blueprint() -> None:
    rules = (Edge("b", "a", "a rule", droppable=True), Edge("b", "c", "a rule", droppable=True))
    drawn = built(want("c"), want("a"), want("b", after=["a"]), rules=rules)
    assert [(edge.before, edge.after) for edge in drawn.edges()] == [("a", "b"), ("b", "c")]
