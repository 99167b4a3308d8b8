"""How long a plan takes."""

from __future__ import annotations

from smplan.core.plan.duration import critical_path_seconds
from smplan.core.plan.model import Dependency, Op, Step
from smplan.core.state.model import ResourceState


def step(id: str, seconds: float, *after: str) -> Step:
    return Step(
        id,
        Op.CREATE,
        ResourceState(id, "toy.thing", "", {}, {}),
        depends_on=tuple(Dependency(earlier, "") for earlier in after),
        expected_seconds=seconds,
    )


DIAMOND = (step("a", 10), step("b", 1, "a"), step("c", 100, "a"), step("d", 5, "b", "c"), step("alone", 50))


def test_no_steps_take_no_time() -> None:
    assert critical_path_seconds(()) == 0


def test_the_duration_is_that_of_the_longest_path() -> None:
    assert critical_path_seconds(DIAMOND) == 115


def test_completed_steps_take_no_time() -> None:
    assert critical_path_seconds(DIAMOND, {"c"}) == 50
    assert critical_path_seconds(DIAMOND, {each.id for each in DIAMOND}) == 0


def test_a_dependency_outside_the_steps_does_not_count() -> None:
    assert critical_path_seconds((step("b", 1, "gone"),)) == 1
