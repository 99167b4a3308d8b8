"""Plans as people see them."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

import pytest

from smplan.core.diff import AttributeChange
from smplan.core.plan import duration
from smplan.core.plan.model import Op, Plan, Step, with_digest
from smplan.core.state.model import ResourceState
from smplan.render import formatting, html, markdown, text

NASTY = 'x\x1b[31mred\x07 `code` | <script>alert(1)</script> [bold]b[/bold] **b** "q" \u202egnp.exe'


def nasty(plan: Plan) -> Plan:
    """``plan`` with hostile text wherever text from outside may stand."""
    create = Step(f"{NASTY}:create", Op.CREATE, ResourceState(NASTY, NASTY, "", {NASTY: NASTY}, {}), (NASTY,))
    delete = Step(
        f"{NASTY}:delete",
        Op.DELETE,
        ResourceState(NASTY, NASTY, NASTY, {}, {}),
        (NASTY,),
        risks=(NASTY,),
        changes=(
            AttributeChange(NASTY, NASTY, {"$ref": NASTY}),
            AttributeChange("m", f"{NASTY}\n```\n", f"{NASTY}!\n```\n"),
        ),
    )
    return with_digest(replace(plan, name=NASTY, steps=(create, delete), unreadable={NASTY: NASTY}))


@pytest.mark.parametrize(("renderer", "file"), [(text, "plan.txt"), (markdown, "plan.md"), (html, "plan.html")])
def test_a_plan_is_shown_as_agreed(everything: Plan, golden: Callable[[str, str], None], renderer, file: str) -> None:  # type: ignore[no-untyped-def]
    golden(file, renderer.plan(everything))


def test_an_empty_plan_says_so(everything: Plan) -> None:
    empty = with_digest(replace(everything, steps=(), drift=(), unreadable={}))
    for renderer in (text, markdown, html):
        assert "No changes: 2 resources up to date." in renderer.plan(empty)
        assert "could not" not in renderer.plan(empty)


@pytest.mark.parametrize("renderer", [text, markdown, html])
def test_an_empty_plan_that_could_not_read_everything_says_that(everything: Plan, renderer) -> None:  # type: ignore[no-untyped-def]
    shown = renderer.plan(with_digest(replace(everything, steps=(), drift=())))
    assert "No changes:" not in shown
    assert "but 1 resource could not: the plan is incomplete" in shown.replace("\\", "")
    assert "no Stream Manager is in service" in shown


def test_a_plan_without_state_or_account(everything: Plan) -> None:
    first = replace(everything, base=replace(everything.base, exists=False), account="")
    assert text.plan(first).startswith("Plan for fleet (apply; no state yet)")


def test_colours_only_where_asked(everything: Plan) -> None:
    assert "\x1b[31m" in text.plan(everything, color=True)
    assert "\x1b" not in text.plan(everything)


@pytest.mark.parametrize("renderer", [text, markdown, html])
def test_text_from_outside_injects_nothing(everything: Plan, renderer) -> None:  # type: ignore[no-untyped-def]
    shown = renderer.plan(nasty(everything))
    assert "\x1b" not in shown
    assert "\x07" not in shown
    assert "\u202e" not in shown
    if renderer is not text:
        assert "<script>" not in re.sub(r"`[^`\n]*`", "", shown.split("```")[0])


def test_no_line_of_outside_text_ends_the_fence(everything: Plan) -> None:
    assert markdown.plan(nasty(everything)).count("```") == 2


def test_a_huge_plan_fits_a_comment_and_keeps_every_destructive_line(everything: Plan) -> None:
    creates = tuple(
        Step(f"v{at}:create", Op.CREATE, ResourceState(f"v{at}", "core.value", "", {"input": "x" * 90}, {}))
        for at in range(3000)
    )
    deletes = tuple(
        Step(f"d{at}:delete", Op.DELETE, ResourceState(f"d{at}", "core.value", "", {}, {}), ("gone",))
        for at in range(300)
    )
    shown = markdown.plan(with_digest(replace(everything, steps=creates + deletes)))
    assert len(shown) <= markdown.BUDGET
    assert all(f"`d{at}`" in shown for at in range(300))
    assert "more steps" in shown


def test_the_expected_time_is_that_of_the_longest_path(everything: Plan) -> None:
    assert duration.critical_path_seconds(everything.steps) == 301
    assert formatting.duration(45) == "45 s"
    assert formatting.duration(0) == "1 s"
    assert formatting.duration(540) == "9 min"
    assert formatting.duration(7500) == "2 h 5 min"


def test_values_are_shown_on_one_line() -> None:
    assert formatting.value({"a": [True, None, 1.5]}) == "{a: [true, null, 1.5]}"
    assert formatting.short("x" * 300).endswith("…")
