"""The order in which steps start, and which ones are skipped."""

from __future__ import annotations

from graphlib import CycleError
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from smplan.core.plan.model import Dependency, Op, Step
from smplan.core.state.model import ResourceState
from smplan.engine.scheduler import Scheduler
from smplan.errors import Denied, Interrupted, SmplanError

ERROR, STOPPED = Denied("not allowed"), Interrupted("stopped")


def step(id: str, *after: str) -> Step:
    dependencies = tuple(Dependency(earlier, "") for earlier in after)
    return Step(id, Op.CREATE, ResourceState(id, "toy.thing", "", {}, {}), depends_on=dependencies)


def ready(schedule: Scheduler) -> list[str]:
    return [each.id for each in schedule.ready]


DIAMOND = (step("a"), step("b", "a"), step("c", "a"), step("d", "b", "c"))


def test_a_step_is_ready_once_all_its_dependencies_are_done() -> None:
    schedule = Scheduler(DIAMOND)
    assert ready(schedule) == ["a"]
    schedule.start()
    assert ready(schedule) == []
    schedule.end("a")
    assert ready(schedule) == ["b", "c"]
    schedule.start()
    schedule.end("b")
    assert ready(schedule) == ["c"]
    schedule.start()
    schedule.end("c")
    assert ready(schedule) == ["d"]
    schedule.start()
    finished_before = schedule.finished
    schedule.end("d")
    assert (finished_before, schedule.finished) == (False, True)
    assert schedule.done == ["a", "b", "c", "d"]


def test_a_step_that_was_done_before_is_not_started() -> None:
    schedule = Scheduler(DIAMOND, {"a", "b"})
    assert ready(schedule) == ["c"]
    assert schedule.done == []
    assert Scheduler(DIAMOND, {each.id for each in DIAMOND}).finished


def test_a_failure_skips_what_depends_on_it_and_nothing_else() -> None:
    schedule = Scheduler((step("a"), step("b", "a"), step("c"), step("d", "b")))
    schedule.start()
    assert [each.id for each in schedule.end("a", ERROR)] == ["b", "d"]
    assert ready(schedule) == ["c"]
    assert schedule.failed == {"a": ERROR}
    assert schedule.skipped == {"b": "a", "d": "b"}


def test_a_step_is_skipped_when_its_last_dependency_is_over() -> None:
    schedule = Scheduler((step("a"), step("b"), step("c", "b", "a")))
    schedule.start()
    schedule.start()
    assert schedule.end("a", ERROR) == []
    assert [each.id for each in schedule.end("b")] == ["c"]
    assert schedule.skipped == {"c": "a"}
    assert schedule.finished


def test_an_interrupted_step_counts_as_skipped() -> None:
    schedule = Scheduler((step("a"), step("b", "a")))
    schedule.start()
    schedule.end("a", STOPPED)
    assert (schedule.failed, schedule.skipped) == ({}, {"a": "a", "b": "a"})


def test_a_step_that_is_put_back_starts_next() -> None:
    schedule = Scheduler((step("a"), step("b")))
    assert schedule.start().id == "a"
    schedule.put_back("a")
    assert (ready(schedule), schedule.running) == (["a", "b"], {})


def test_steps_that_wait_for_each_other_are_refused() -> None:
    with pytest.raises(CycleError):
        Scheduler((step("a", "b"), step("b", "a")))


@st.composite
def plans(draw: st.DrawFn) -> tuple[Step, ...]:
    """Up to eight steps, each after some of the earlier ones."""
    steps: list[Step] = []
    for number in range(draw(st.integers(0, 8))):
        chosen = draw(st.sets(st.sampled_from([each.id for each in steps]), max_size=3)) if steps else set()
        steps.append(step(f"s{number}", *sorted(chosen)))
    return tuple(steps)


def downstream(steps: tuple[Step, ...], ended: set[str]) -> set[str]:
    """The steps that depend on one of ``ended``, directly or through others."""
    found: set[str] = set()
    for each in steps:
        if any(need.step in ended | found for need in each.depends_on):
            found.add(each.id)
    return found


RANDOM_RUNS = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@RANDOM_RUNS
@given(steps=plans(), data=st.data())
def test_any_run_ends_in_order_with_every_step_done_failed_or_skipped(steps: tuple[Step, ...], data: Any) -> None:
    before = data.draw(st.integers(0, len(steps)), "done before")
    done_before = {each.id for each in steps[:before]}
    schedule = Scheduler(steps, done_before)
    interrupted: set[str] = set()
    errors: dict[str, SmplanError] = {}
    turns = 0
    while not schedule.finished:
        turns += 1
        assert schedule.ready or schedule.running
        assert turns <= 4 * len(steps)
        if schedule.ready and (not schedule.running or data.draw(st.booleans(), "start")):
            started = schedule.start()
            assert {need.step for need in started.depends_on} <= {*schedule.done, *done_before}
            assert started.id not in done_before
            if data.draw(st.integers(0, 9), "put back") == 0 and turns < 2 * len(steps):
                schedule.put_back(started.id)
            continue
        id = data.draw(st.sampled_from(sorted(schedule.running)), "ends")
        error = data.draw(st.sampled_from([None, None, ERROR, STOPPED]), "error")
        schedule.end(id, error)
        if error is ERROR:
            errors[id] = ERROR
        elif error:
            interrupted.add(id)
    over = [*schedule.done, *schedule.failed, *schedule.skipped]
    assert sorted(over) == sorted(each.id for each in steps if each.id not in done_before)
    assert schedule.failed == errors
    assert set(schedule.skipped) == interrupted | downstream(steps, interrupted | errors.keys())
