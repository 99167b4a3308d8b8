"""The summary of every format: its counts are those of the steps and risks, and each risk is shown once."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html import unescape

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from smplan.core.plan.model import Op, Plan, Step, to_text, with_digest
from smplan.core.risk import Category, Risk
from smplan.core.state.model import ResourceState
from smplan.render import html, markdown, text
from smplan.render.formatting import VERBS

STEPS = st.lists(st.tuples(st.sampled_from(Op), st.lists(st.sampled_from(Category), max_size=3)), max_size=8)


def visible(shown: str) -> str:
    """What a reader sees of HTML or Markdown."""
    return unescape(re.sub(r"<[^>]*>", "", shown)).replace("\\", "")


@pytest.mark.parametrize("renderer", [text, markdown, html])
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(drawn=STEPS)
def test_the_summary_adds_up_to_the_steps_and_the_risks(everything: Plan, renderer, drawn) -> None:  # type: ignore[no-untyped-def]
    steps = tuple(
        Step(
            f"r{at}:{op}",
            op,
            ResourceState(f"r{at}", "kind", "", {}, {}),
            risks=tuple(Risk(category, f"reason {at}-{number}.") for number, category in enumerate(categories)),
        )
        for at, (op, categories) in enumerate(drawn)
    )
    plan = with_digest(replace(everything, steps=steps))
    shown = visible(renderer.plan(plan))
    for op, verb in VERBS.items():
        number = sum(step.op is op for step in steps)
        assert [int(found) for found in re.findall(rf"(\d+) {verb}[,;]", shown)] == ([number] if number else [])
    risks = [risk for step in steps for risk in step.risks]
    totals = re.findall(r"(\d+) risks? \(([^)]*)\)", shown)
    assert len(totals) == bool(risks)
    if risks:
        [(total, each)] = totals
        counts = dict(reversed(part.split(" ", 1)) for part in each.split(", "))
        assert int(total) == len(risks) == sum(map(int, counts.values()))
        assert counts == {
            str(c): str(sum(r.category is c for r in risks)) for c in Category if c in {r.category for r in risks}
        }
    for risk in risks:
        assert shown.count(str(risk)) == 1
    listed = json.loads(to_text(plan))["steps"]
    assert [risk for step in listed for risk in step["risks"]] == [
        {"category": str(risk.category), "reason": risk.reason} for risk in risks
    ]


def test_every_op_has_a_verb() -> None:
    assert set(VERBS) == set(Op)
