"""Plans as people see them."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from html import unescape
from typing import Any

import pytest

from smplan.core.diff import AttributeChange
from smplan.core.plan import duration
from smplan.core.plan.model import KeptGeneration, Op, Plan, Step, with_digest
from smplan.core.risk import Category, Risk
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
        risks=(Risk(Category.DATA_LOSS, NASTY),),
        changes=(
            AttributeChange(NASTY, NASTY, {"$ref": NASTY}),
            AttributeChange("m", f"{NASTY}\n```\n", f"{NASTY}!\n```\n"),
        ),
    )
    kept = KeptGeneration(NASTY, NASTY, NASTY, 1)
    return with_digest(
        replace(
            plan,
            name=NASTY,
            steps=(create, delete),
            unreadable={NASTY: NASTY},
            warnings=(NASTY,),
            kept_generations=(kept,),
        )
    )


@pytest.mark.parametrize(("renderer", "file"), [(text, "plan.txt"), (markdown, "plan.md"), (html, "plan.html")])
def test_plan_matches_the_golden_file(
    everything: Plan, golden: Callable[[str, str], None], renderer: Any, file: str
) -> None:
    golden(file, renderer.plan(everything))


def test_empty_plan_reports_no_changes(everything: Plan) -> None:
    empty = with_digest(replace(everything, steps=(), drift=(), unreadable={}))
    for renderer in (text, markdown, html):
        assert "No changes: 2 resources up to date, 1 stopped." in renderer.plan(empty)
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


def test_colors_only_on_request(everything: Plan) -> None:
    assert "\x1b[31m" in text.plan(everything, color=True)
    assert "\x1b" not in text.plan(everything)


@pytest.mark.parametrize("renderer", [text, markdown, html])
def test_untrusted_text_is_escaped(everything: Plan, renderer: Any) -> None:
    shown = renderer.plan(nasty(everything))
    assert "\x1b" not in shown
    assert "\x07" not in shown
    assert "\u202e" not in shown
    if renderer is not text:
        assert "<script>" not in re.sub(r"`[^`\n]*`", "", shown.split("```")[0])


def test_untrusted_text_cannot_end_the_code_fence(everything: Plan) -> None:
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


FORMATS = pytest.mark.parametrize("renderer", [text, markdown, html])


def visible(shown: str) -> str:
    """What a reader sees of HTML or Markdown."""
    return unescape(re.sub(r"<[^>]*>", "", shown)).replace("\\", "")


@FORMATS
def test_the_origin_heads_every_format(everything: Plan, renderer) -> None:  # type: ignore[no-untyped-def]
    head = visible(renderer.plan(everything)).partition("access")[0]
    for fact in (
        "123456789012 in us-east-1",
        "b.yaml, commit c0ffee",
        'size = 4, zones = ["a", "b"]',
        "/srv/fleet/state/fleet.state.json, serial 3",
    ):
        assert fact in head
    first = replace(everything, base=replace(everything.base, exists=False), blueprint={"file": "b.yaml"}, variables={})
    assert "nothing was applied yet" in visible(renderer.plan(first))


@FORMATS
def test_every_attribute_of_what_is_new_is_shown_whole(everything: Plan, renderer) -> None:  # type: ignore[no-untyped-def]
    long = "x" * 5000
    spec = {"port": 22, "cidrs": ["0.0.0.0/0"], "description": long, "tags": {"a": "b"}, "script": f"one\n{long}\n"}
    for op in (Op.CREATE, Op.REPLACE, Op.GATE, Op.ADOPT):
        step = Step("a:x", op, ResourceState("a", "k", "", spec, {}))
        shown = visible(renderer.plan(with_digest(replace(everything, steps=(step,)))))
        for attribute in ("port: 22", 'cidrs: ["0.0.0.0/0"]', 'tags: {a: "b"}'):
            assert attribute in shown
        assert shown.count(long) == 2


@FORMATS
def test_before_and_after_of_a_change_are_shown_whole(everything: Plan, renderer) -> None:  # type: ignore[no-untyped-def]
    lines = [f"line {number} {'x' * 400}" for number in range(9)]
    before, after = "\n".join(lines), "\n".join([*lines[:4], "other", *lines[5:]])
    changes = (
        AttributeChange("policy", "y" * 4000, "z" * 4000),
        AttributeChange("script", before, after),
        AttributeChange("ending", "one\ntwo\n", "one\ntwo"),
        AttributeChange("unix", "one\r\ntwo\r\n", "one\ntwo\n"),
        AttributeChange("hidden", "a\u200b", "a\u200c"),
    )
    step = Step("a:update", Op.UPDATE, ResourceState("a", "k", "i", {"kept": "not shown"}, {}), changes=changes)
    shown = visible(renderer.plan(with_digest(replace(everything, steps=(step,)))))
    assert "y" * 4000 in shown
    assert "z" * 4000 in shown
    assert f"-{lines[4]}\n" in shown
    assert "+other\n" in shown
    assert lines[0] not in shown
    assert "u200b" in shown
    assert "not shown" not in shown


def test_steps_that_do_not_fit_are_announced_before_the_fold(everything: Plan) -> None:
    steps = tuple(
        Step(f"v{at}:create", Op.CREATE, ResourceState(f"v{at}", "k", "", {"input": "x" * 20_000}, {}))
        for at in range(5)
    )
    shown = markdown.plan(with_digest(replace(everything, steps=steps)))
    assert len(shown) <= markdown.BUDGET
    assert "**Too long for a comment: 3 more steps are not shown here." in shown.partition("<details>")[0]


def test_the_expected_time_is_that_of_the_longest_path(everything: Plan) -> None:
    assert duration.critical_path_seconds(everything.steps) == 301
    assert formatting.duration(45) == "45 s"
    assert formatting.duration(0) == "1 s"
    assert formatting.duration(540) == "9 min"
    assert formatting.duration(7500) == "2 h 5 min"


def test_values_are_shown_on_one_line() -> None:
    assert formatting.value({"a": [True, None, 1.5]}) == "{a: [true, null, 1.5]}"
    assert formatting.short("x" * 300).endswith("…")
