"""Replay of the removal of a protection: only the recorded spec changes, of the generation that is meant."""

from __future__ import annotations

from dataclasses import replace

from smplan.core.state.journal import RunBegan, StepIntent, StepSucceeded
from smplan.core.state.model import ResourceState, State
from smplan.core.state.replay import replay

CURRENT = ResourceState("a", "thing", "new", {"lock": True, "n": 2}, {"o": 1}, ("b",), 2)
OLD = replace(CURRENT, id="old", generation=1)
STATE = State("toys", "0b0e9f4e-6a5c-4c6e-9d38-0f3a52a9c001", 1, {"a": CURRENT}, (OLD,))


def unprotected(record: ResourceState) -> State:
    """The state after the removal of the protection of ``record``."""
    intent = StepIntent("s", "unprotect", replace(record, spec=record.spec | {"lock": False}, outputs={}))
    began = RunBegan("r", "p", "d", 1, "t")
    return replay(STATE, [began, intent, StepSucceeded("s", record.id, {}, {})]).state


def test_the_current_generation_keeps_all_but_its_lock() -> None:
    state = unprotected(CURRENT)
    assert state.resources == {"a": replace(CURRENT, spec={"lock": False, "n": 2})}
    assert state.deposed == (OLD,)


def test_an_older_generation_keeps_all_but_its_lock() -> None:
    state = unprotected(OLD)
    assert state.resources == {"a": CURRENT}
    assert state.deposed == (replace(OLD, spec={"lock": False, "n": 2}),)


def test_a_resource_that_is_not_in_the_state_changes_nothing() -> None:
    state = unprotected(replace(CURRENT, id="other"))
    assert (state.resources, state.deposed) == (STATE.resources, STATE.deposed)
