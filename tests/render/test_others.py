"""Drift, state, graphs, diagnostics and progress as text."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from rich.console import Console

from smplan.core.diff import AttributeChange
from smplan.core.events import (
    ApplyEnded,
    ApplyStarted,
    ClockSkewed,
    Draining,
    Event,
    ReadEnded,
    ReadStarted,
    Recovered,
    Retried,
    StepCompleted,
    StepErrored,
    StepProgress,
    StepSkipped,
    StepStarted,
)
from smplan.core.graph import Edge
from smplan.core.plan.model import Drift
from smplan.core.state.model import ResourceState, Status
from smplan.errors import BlueprintInvalid, Denied, Diagnostic
from smplan.render import errors, graph, progress, text

ENTRY = ResourceState(
    "alb", "aws.elbv2.load_balancer", "arn:alb", {"name": "alb", "user": "a\nb"}, {"dns_name": "d"}, ("sg",)
)

EVENTS: list[Event] = [
    ReadStarted("core.value", 3),
    ReadEnded("core.value", 3, 0.1),
    ApplyStarted("p", "apply", 2, False),
    ApplyStarted("p", "apply", 1, True),
    Recovered("a", "its create was begun before"),
    StepStarted("a:create", "a", "core.value", "create"),
    StepProgress("a:create", "a", "image ami-1", "pending", 0.5, 12),
    StepProgress("a:create", "a", "image ami-1", "", None, 100),
    StepCompleted("a:create", "a", "create", "id-a", 3.25),
    StepErrored("b:create", "b", "create", "denied", "allow it", 1),
    StepErrored("c:create", "c", "create", "denied", "", 1),
    StepSkipped("d:create", "d", "create", "it needs b:create, which was not done"),
    Draining(2),
    ApplyEnded("failed", 1, 2, 1, 75),
    Retried("ec2:DescribeVpcs", "ec2:DescribeVpcs: slow down (Throttling)", 2, 0.52),
    ClockSkewed(75.4),
]


def test_drift_is_shown_attribute_by_attribute() -> None:
    shown = text.drift(
        [Drift("fleet", "k", "f", changes=(AttributeChange("max", 4, 9),)), Drift("r", "k", "i", gone=True)], {}
    )
    assert "max: was 4, is 9" in shown
    assert "r  k  i is gone" in shown
    assert text.drift([], {}) == "No drift: everything matches the last apply.\n"


def test_what_could_not_be_read_is_never_no_drift() -> None:
    shown = text.drift([], {"a": "down", "b": "down"})
    assert shown.splitlines() == [
        "? a: cannot be read, left unchanged: down",
        "? b: cannot be read, left unchanged: down",
        "No drift where it could be read. 2 resources could not be read: the comparison is incomplete.",
    ]
    shown = text.drift([Drift("r", "k", "i", gone=True)], {"a": "down"})
    assert "r  k  i is gone" in shown
    assert "No drift" not in shown


def test_the_state_is_listed_in_columns() -> None:
    other = ResourceState("b", "core.value", "b", {}, {}, status=Status.INCOMPLETE)
    assert text.entries([ENTRY, other]).splitlines()[1] == "b    core.value               b        incomplete"
    older = text.entries([ENTRY], [ResourceState("a", "aws.ec2.image", "ami-1", {}, {}, generation=2)])
    assert older.splitlines()[1].split("  ")[-1] == "replaced, generation 2"
    assert text.entries([]) == "The state is empty.\n"


def test_single_resource_is_shown_in_full() -> None:
    shown = text.entry(ENTRY)
    assert "created after: sg" in shown
    assert 'dns_name: "d"' in shown
    assert "    user: |\n        a\n        b" in shown
    protected = text.entry(ResourceState("b", "core.value", "b", {}, {}, prevent_destroy=True))
    assert "protected by prevent_destroy" in protected
    assert "outputs" not in protected
    assert "replaced generation 1: lb" in text.entry(ENTRY, [ResourceState("lb", "k", "lb", {}, {})])


def test_outputs_are_listed() -> None:
    assert text.outputs({"b": 1, "a": "x"}) == 'a = "x"\nb = 1\n'
    assert text.outputs({}) == "There are no outputs.\n"


def test_diagnostic_points_at_its_position() -> None:
    diagnostic = Diagnostic("`portt` is not a field", "did you mean `port`?", "b.yaml", 3, 5, "    portt: 1")
    error = BlueprintInvalid([diagnostic, Diagnostic("no line", file="b.yaml")])
    shown = errors.text(error)
    assert "b.yaml:3:5: `portt` is not a field\n  3 |     portt: 1\n    |     ^\n  = did you mean `port`?" in shown
    assert shown.endswith("error: the blueprint has 2 errors")


def test_error_is_shown_with_address_and_hint() -> None:
    assert errors.text(Denied("no", hint="ask", address="alb")) == "error: alb: no\n  = ask"
    assert errors.text(Denied("alb: no", address="alb")) == "error: alb: no"
    assert "\x1b[31m" in errors.text(Denied("no"), color=True)
    assert "\x1b" not in errors.text(Denied("no \x1b[2J"))


def test_graphs_are_drawn_with_reasons() -> None:
    nodes = [('a["x"]', "core.value"), ("b", "core.value")]
    edges = [Edge('a["x"]', "b", "refers to a", reference=True), Edge('a["x"]', "b", 'says "so"', "guide")]
    mermaid, dot = graph.mermaid(nodes, edges), graph.dot(nodes, edges)
    assert "n0 --> n1" in mermaid
    assert 'n0 == "says #34;so#34;" ==> n1' in mermaid
    assert '"a[\\"x\\"]" -> "b" [label="says \\"so\\"", style="bold"];' in dot


def test_every_event_has_a_line_or_is_deliberately_silent() -> None:
    lines = [progress.line(event) for event in EVENTS]
    assert lines[:2] == ["", ""]
    assert all(lines[2:])
    assert lines[6] == "… a: 12 s waiting for image ami-1 (pending)"
    assert lines[-2] == "↻ ec2:DescribeVpcs: slow down (Throttling); attempt 2 in 0.5 s"
    assert lines[-1] == "This machine's clock is 75 s ahead of AWS's; set it."
    assert progress.line(ClockSkewed(-75)) == "This machine's clock is 75 s behind AWS's; set it."
    assert lines[8] == "✓ a: create done in 3.2 s (id-a)"


def test_plain_progress_prints_changes_at_once_and_repeats_rarely() -> None:
    now = [0.0]
    lines: list[str] = []
    plain = progress.Plain(lines.append, lambda: now[0])
    for news, at in (("x", 0), ("x", 1), ("y", 2), ("y", 3), ("y", 20)):
        now[0] = at
        plain(StepProgress("s", "a", "w", news, None, at))
    assert len(lines) == 3
    plain(ReadStarted("k", 1))
    assert len(lines) == 3


def test_repeated_retries_are_throttled_for_people_but_not_in_json() -> None:
    now = [0.0]
    plainly: list[str] = []
    to_programs: list[str] = []
    out = io.StringIO()
    live = progress.Live(Console(file=out, width=160), lambda: now[0])
    listeners = (progress.Plain(plainly.append, lambda: now[0]), progress.Json(to_programs.append), live)
    for at, why in ((0, "slow"), (1, "slow"), (2, "silent"), (3, "silent"), (20, "silent")):
        now[0] = at
        for listener in listeners:
            listener(Retried("c", why, 2, 1.0))
    assert plainly == out.getvalue().splitlines()
    assert [line.split(";")[0] for line in plainly] == ["↻ slow", "↻ silent", "↻ silent"]
    assert len(to_programs) == 5
    assert json.loads(to_programs[0]) == {"event": "retried", "call": "c", "why": "slow", "attempt": 2, "seconds": 1.0}


def test_json_progress_prints_one_line_per_event() -> None:
    lines: list[str] = []
    listener = progress.Json(lines.append)
    for event in EVENTS:
        listener(event)
    documents = [json.loads(line) for line in lines]
    assert documents[2] == {"event": "apply_started", "plan_id": "p", "mode": "apply", "steps": 2, "resumed": False}
    assert len(documents) == len(EVENTS)


def test_live_progress_shows_what_runs_and_what_aws_reported() -> None:
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=160)
    with progress.Live(console, lambda: 5.0) as live:
        live(StepProgress("unknown", "u", "w", "s", None, 1))
        live(EVENTS[5])
        live(EVENTS[6])
        rendered = Console(file=io.StringIO(), width=160)
        rendered.print(live.table())
        assert "waiting for image ami-1" in rendered.file.getvalue()  # type: ignore[attr-defined]
        assert "pending" in rendered.file.getvalue()  # type: ignore[attr-defined]
        for event in EVENTS[7:]:
            live(event)
        empty = Console(file=io.StringIO(), width=160)
        empty.print(live.table())
        assert "ami-1" not in empty.file.getvalue()  # type: ignore[attr-defined]
    assert "create done" in out.getvalue()


@pytest.mark.parametrize("event", EVENTS)
def test_no_event_injects_terminal_escapes(event: Event) -> None:
    fields = dict.fromkeys(("address", "why", "status", "error", "hint", "because", "id", "what"), "\x1b]0;x\x07")
    known: dict[str, Any] = {name: value for name, value in fields.items() if name in type(event).__dataclass_fields__}
    from dataclasses import replace

    assert "\x1b" not in progress.line(replace(event, **known))
