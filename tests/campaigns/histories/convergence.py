"""The end of a history: without faults everything converges to the blueprint, and destroy leaves nothing."""

from __future__ import annotations

import shutil
import traceback
from pathlib import Path

from smplan.core.blueprint import Blueprint
from smplan.core.state.model import ResourceState, State
from smplan.core.values import decode
from smplan.engine.executor import Outcome
from tests.campaigns.histories import invariants
from tests.campaigns.histories.cloud import STRANGER
from tests.campaigns.histories.history import History, MadePlan
from tests.campaigns.histories.process import FaultPlan
from tests.campaigns.histories.random_blueprints import ResourceDraft
from tests.campaigns.histories.schedule import InvariantViolation, Runners
from tests.support.blueprints import (
    blueprint,
)

ROUNDS = 3


class FullHistory(History):
    """A history with its convergence."""

    def run(self) -> None:
        """Run it to its end. Raises InvariantViolation."""
        super().run()
        self.converge()

    def converge(self) -> None:
        """End all faults: within a few rounds the cloud matches the blueprint, and can be destroyed."""
        self.trace.add("all faults end")
        self._external.release()
        self._cloud.calm = self._cloud.gates_open = self._cloud.fleet_up = True
        self._schedule.now += 1000.0
        if self._folded and any(entry.prevent_destroy for entry in self._folded.state.resources.values()):
            self._unprotect()
        wanted = self._blueprint.blueprint(unprotected=True)
        self._complete("apply", wanted)
        invariants.check_equal(wanted, self._state(), self._cloud)
        self._expect_nothing(wanted)
        self._complete("destroy", wanted)
        self._expect_clean()

    def _unprotect(self) -> None:
        """Lift all protection, by applying a blueprint of the existing resources without it."""
        process = self._process(FaultPlan(), racing=True)
        present = [
            entry
            for entry in self._state().resources.values()
            if entry.kind in invariants.NOT_IN_CLOUD or self._cloud.get(entry.kind, entry.id)
        ]
        there = blueprint(*(draft.resource() for draft in _as_applied(present)))
        self._together((process, lambda: self._make_and_apply(process, "apply", there)))
        self._check()

    def _once(self, mode: str, wanted: Blueprint) -> Outcome | None:
        process = self._process(FaultPlan())
        process.protected = frozenset()
        outcomes: list[Outcome | None] = []
        self._together((process, lambda: outcomes.append(self._make_and_apply(process, mode, wanted))))
        return outcomes[0] if outcomes else None

    def _complete(self, mode: str, wanted: Blueprint) -> None:
        for number in range(1, ROUNDS + 1):
            outcome = self._once(mode, wanted)
            self._check()
            if outcome and outcome.outcome == "complete":
                self.trace.count(f"{mode} converged", f"round {number}")
                return
        raise InvariantViolation(f"without faults everything converges in {ROUNDS} rounds", mode)

    def _state(self) -> State:
        assert self._folded is not None
        return self._folded.state

    def _expect_nothing(self, wanted: Blueprint) -> None:
        process = self._process(FaultPlan())
        found: list[MadePlan | None] = []
        self._together((process, lambda: found.append(self._make_plan(process, "apply", wanted))))
        if not found or found[0] is None or not found[0].plan.empty:
            raise InvariantViolation("a second plan after a complete apply is empty", str(found))

    def _expect_clean(self) -> None:
        left = [record.id for record in self._cloud.live() if record.maker is not STRANGER]
        state = self._state()
        if left or state.resources or state.deposed:
            raise InvariantViolation(
                "destroy leaves only what existed before", f"{left}, {sorted(state.resources)}, {state.deposed}"
            )


def _as_applied(entries: list[ResourceState]) -> list[ResourceDraft]:
    """Each as it was applied, after its recorded dependencies unless these have come to depend on it."""
    made = {entry.address: ResourceDraft(entry.address, entry.kind, decode(entry.spec)) for entry in entries}

    def comes_after(address: str, other: str) -> bool:
        return address == other or any(comes_after(before, other) for before in made[address].after)

    for entry in entries:
        for address in entry.dependencies:
            if address in made and not comes_after(address, entry.address):
                made[entry.address].after.append(address)
    return list(made.values())


def run_history(seed: int, folder: Path, runners: Runners) -> tuple[FullHistory, InvariantViolation | None]:
    """Run the history of ``seed`` in ``folder``, which is emptied. Returns its violation, if any."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    history = FullHistory(seed, folder, runners)
    try:
        history.run()
    except InvariantViolation as violation:
        return history, violation
    except Exception as error:
        history.trace.add(traceback.format_exc())
        return history, InvariantViolation("only SmplanError is raised", f"{type(error).__name__}: {error}")
    return history, None
