"""``smplan plan``, ``show`` and ``graph``: what would be done, in which order, and why."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, assert_never

import typer

from smplan.cli import options

if TYPE_CHECKING:
    from smplan.core.plan.model import Plan

CHANGES = 2
"""The exit code that says "there are changes", where it was asked for."""


class Format(StrEnum):
    """How a plan is shown."""

    TEXT = "text"
    JSON = "json"
    MARKDOWN = "markdown"
    HTML = "html"


class Drawing(StrEnum):
    """How a graph is drawn."""

    MERMAID = "mermaid"
    DOT = "dot"


Out = Annotated[Path, typer.Option(help="Where to save the plan.")]


def register(app: typer.Typer) -> None:
    """Add the commands to ``app``."""
    app.command(epilog="Example: smplan plan fleet.yaml --out plan.json --detailed-exitcode")(plan)
    app.command(epilog="Example: smplan show plan.json --format markdown")(show)
    app.command(epilog="Example: smplan graph fleet.yaml --format dot | dot -Tsvg > fleet.svg")(graph)


def plan(
    blueprint: options.Blueprint,
    out: Out = Path(".smplan/plan.json"),
    var: options.Variables = None,
    var_file: options.VariableFiles = None,
    destroy: Annotated[bool, typer.Option("--destroy", help="Plan to take everything away.")] = False,
    detailed_exitcode: Annotated[
        bool, typer.Option("--detailed-exitcode", help="End with 2 if there are changes, 0 if there are none.")
    ] = False,
    as_json: options.AsJson = False,
) -> int:
    """Compare a blueprint with state and reality, print what would be done, and save it."""
    from smplan.cli import plan_file, wiring

    wanted = wiring.load(blueprint, options.assignments(var), var_file or ())
    made = wiring.plan(wanted, destroy=destroy)
    plan_file.save_plan(made, out)
    typer.echo(rendered(made, Format.JSON if as_json else Format.TEXT), nl=False)
    if not made.empty:
        named = "" if out == plan_file.PLAN_FILE else f" {out}"
        options.next_command(f"smplan apply{named}")
    return CHANGES if detailed_exitcode and not made.empty else 0


def show(
    plan: Annotated[Path | None, typer.Argument(help="The plan file; without it, the one saved last.")] = None,
    format: Annotated[Format, typer.Option(help="How to show it.")] = Format.TEXT,
) -> None:
    """Show a saved plan, offline, whether or not it still fits."""
    from smplan.cli import plan_file

    typer.echo(rendered(plan_file.read_plan(plan), format), nl=False)


def graph(
    blueprint: options.Blueprint,
    format: Annotated[Drawing, typer.Option(help="The language of the drawing.")] = Drawing.MERMAID,
    var: options.Variables = None,
    var_file: options.VariableFiles = None,
) -> None:
    """Draw what comes before what, and why."""
    from smplan.cli import wiring
    from smplan.core import graph as drawing
    from smplan.guide import ordering
    from smplan.render import graph as render

    drawn = drawing.build(wiring.load(blueprint, options.assignments(var), var_file or ()), ordering.edges)
    nodes = [(address, resource.kind) for address, resource in drawn.nodes.items()]
    draw = render.mermaid if format is Drawing.MERMAID else render.dot
    typer.echo(draw(nodes, list(drawn.edges())), nl=False)


def rendered(plan: Plan, format: Format) -> str:
    """``plan`` in that form, with a line end."""
    match format:
        case Format.TEXT:
            from smplan.render import text

            return text.plan(plan, colour=options.colour())
        case Format.JSON:
            from smplan.core.plan.model import to_text

            return to_text(plan)
        case Format.MARKDOWN:
            from smplan.render import markdown

            return markdown.plan(plan)
        case Format.HTML:
            from smplan.render import html

            return html.plan(plan)
        case _:
            assert_never(format)
