"""``smplan graph``: the order of the resources as a Mermaid or Graphviz graph."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from smplan.cli import options


class GraphFormat(StrEnum):
    """The formats of a graph."""

    MERMAID = "mermaid"
    DOT = "dot"


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command(epilog="Example: smplan graph fleet.yaml --format dot | dot -Tsvg > fleet.svg")(graph)


def graph(
    blueprint: options.Blueprint,
    format: Annotated[GraphFormat, typer.Option(help="Output format.")] = GraphFormat.MERMAID,
    var: options.Variables = None,
    var_file: options.VariableFiles = None,
) -> None:
    """Draw the resources, their order and its reasons."""
    from smplan.cli import wiring
    from smplan.core import graph as core
    from smplan.guide import ordering
    from smplan.render import graph as render

    ordered = core.build(wiring.load(blueprint, options.assignments(var), var_file or ()), ordering.edges)
    nodes = [(address, resource.kind) for address, resource in ordered.nodes.items()]
    draw = render.mermaid if format is GraphFormat.MERMAID else render.dot
    typer.echo(draw(nodes, list(ordered.edges())), nl=False)
