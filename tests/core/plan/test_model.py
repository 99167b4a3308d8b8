"""A plan file says what it says, or is refused."""

from __future__ import annotations

import json
import random
from dataclasses import replace

import pytest

from smplan.core.blueprint import BackendConfig
from smplan.core.plan.model import Op, Plan, StateRef, Step, from_text, to_text, with_digest
from smplan.core.risk import Interruption, Sessions
from smplan.core.state.model import ResourceState
from smplan.errors import Stale


def example() -> Plan:
    return with_digest(
        Plan(
            id="p1",
            name="toys",
            mode="apply",
            created="2026-01-01T00:00:00+00:00",
            expires="2026-01-08T00:00:00+00:00",
            smplan_version="0.1.0",
            blueprint={"file": "b.yaml", "digest": "d"},
            variables={"x": 1, "ü": "☃"},
            base=StateRef("lineage", 3, "digest", exists=True),
            backend=BackendConfig("local", {"path": "state"}),
            account="1",
            region="r",
            lookups={},
            stream_manager=None,
            steps=(
                Step("a:create", Op.CREATE, ResourceState("a", "toy.thing", "", {"name": "a", "n": 1.5}, {}), ("why",)),
            ),
        )
    )


def test_a_plan_is_read_back_as_it_was_written() -> None:
    assert from_text(to_text(example())) == example()


def test_counts_and_emptiness() -> None:
    assert example().counts()[Op.CREATE] == 1
    assert not example().empty


def test_every_changed_character_is_refused_or_means_the_same() -> None:
    text = to_text(example())
    generator = random.Random(7)
    for _ in range(400):
        at = generator.randrange(len(text))
        other = chr(generator.randrange(32, 127))
        touched = text[:at] + other + text[at + 1 :]
        try:
            read = from_text(touched)
        except Stale:
            continue
        assert read == example()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda plan: plan | {"region": "mars"}, "changed after it was made"),
        (lambda plan: plan | {"extra": 1}, "changed after it was made"),
        (lambda plan: {**plan, "steps": [{**plan["steps"][0], "sudo": True}]}, "changed after it was made"),
        (lambda plan: {key: value for key, value in plan.items() if key != "digest"}, "changed after it was made"),
        (lambda plan: plan | {"format_version": 2}, "not a plan of format"),
        (lambda _: [], "not a plan of format"),
    ],
)
def test_a_modified_plan_is_refused(change, message) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(Stale, match=message):
        from_text(json.dumps(change(json.loads(to_text(example())))), file="plan.json")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[" * 100_000,
        '{"a": NaN}',
        '{"a": 1e999}',
        '{"a": ' + "[" * 100 + "]" * 100 + "}",
        to_text(example()).replace('"id": "p1"', '"id": "p1", "id": "p1"'),
    ],
)
def test_other_text_is_refused_in_one_sentence(text: str) -> None:
    with pytest.raises(Stale, match=r"plan\.json is not a plan that smplan can read"):
        from_text(text, file="plan.json")


def test_a_plan_with_the_right_digest_and_the_wrong_shape_is_refused() -> None:
    from smplan.core import canonical_json

    document = json.loads(to_text(example())) | {"steps": 3}
    del document["digest"]
    document["digest"] = canonical_json.digest(document)
    with pytest.raises(Stale, match="at steps"):
        from_text(json.dumps(document))


@pytest.mark.parametrize(
    ("seconds", "sessions", "expected"),
    [
        ([], [], (0, Sessions.NONE)),
        ([0, 45], [Sessions.ALL, Sessions.SOME], (45, Sessions.ALL)),
        ([0, None], [Sessions.NONE, Sessions.SOME], (None, Sessions.SOME)),
    ],
)
def test_a_plan_as_a_whole_interrupts_as_its_worst_change(
    seconds: list[float | None], sessions: list[Sessions], expected: tuple[float | None, Sessions]
) -> None:
    each = tuple(Interruption("a", *pair, "why") for pair in zip(seconds, sessions, strict=True))
    plan = replace(example(), interruptions=each)
    assert (plan.silent_seconds, plan.sessions_cut) == expected
