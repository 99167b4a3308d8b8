"""``smplan show``: a saved plan as text, JSON, Markdown or HTML."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, assert_never

import typer

from smplan.cli import options

if TYPE_CHECKING:
    from smplan.core.plan.model import Plan


class Format(StrEnum):
    """The formats of a plan."""

    TEXT = "text"
    JSON = "json"
    MARKDOWN = "markdown"
    HTML = "html"


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command(epilog="Example: smplan show plan.json --format markdown")(show)


def show(
    plan: Annotated[Path | None, typer.Argument(help="The plan file; default: the last saved plan.")] = None,
    format: Annotated[Format, typer.Option(help="Output format.")] = Format.TEXT,
) -> None:
    """Show a saved plan, offline, even if it is stale."""
    from smplan.cli import plan_file

    typer.echo(rendered(plan_file.read_plan(plan), format), nl=False)


def rendered(plan: Plan, format: Format) -> str:
    """``plan`` in ``format``, with a final newline."""
    match format:
        case Format.TEXT:
            from smplan.render import text

            return text.plan(plan, color=options.color())
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
