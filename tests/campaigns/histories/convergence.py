"""How a history ends: all trouble is taken away, and then everything must come right, and go without a trace."""

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
    """A history and its end."""

    def run(self) -> None:
        """Live through all of it. Raises InvariantViolation."""
        super().run()
        self.come_right()

    def come_right(self) -> None:
        """Take all trouble away: a few rounds later reality is what the blueprint says, and can be taken away again."""
        self.trace.add("all trouble ends")
        self._external.release()
        self._cloud.calm = self._cloud.gates_open = self._cloud.fleet_up = True
        self._schedule.now += 1000.0
        if self._folded and any(entry.prevent_destroy for entry in self._folded.state.resources.values()):
            self._lift()
        wanted = self._blueprint.blueprint(unprotected=True)
        self._complete("apply", wanted)
        invariants.check_equal(wanted, self._state(), self._cloud)
        self._expect_nothing(wanted)
        self._complete("destroy", wanted)
        self._expect_clean()

    def _lift(self) -> None:
        """Lift all protection: a blueprint of what there is, as it is, and without it."""
        process = self._process(FaultPlan(), racing=True)
        present = [
            entry
            for entry in self._state().resources.values()
            if entry.kind in invariants.NOT_IN_CLOUD or self._cloud.get(entry.kind, entry.id)
        ]
        there = blueprint(*(draft.resource() for draft in _as_they_are(present)))
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
                self.trace.count(f"{mode} came right", f"round {number}")
                return
        raise InvariantViolation(f"without trouble everything comes right in {ROUNDS} rounds", mode)

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
                "destroy leaves what was there before", f"{left}, {sorted(state.resources)}, {state.deposed}"
            )


def _as_they_are(entries: list[ResourceState]) -> list[ResourceDraft]:
    """Each as it was applied, after what it was made after, unless that came to be after it in the meantime."""
    made = {entry.address: ResourceDraft(entry.address, entry.kind, decode(entry.spec)) for entry in entries}

    def comes_after(address: str, other: str) -> bool:
        return address == other or any(comes_after(before, other) for before in made[address].after)

    for entry in entries:
        for address in entry.dependencies:
            if address in made and not comes_after(address, entry.address):
                made[entry.address].after.append(address)
    return list(made.values())


def run_history(seed: int, folder: Path, runners: Runners) -> tuple[FullHistory, InvariantViolation | None]:
    """The history of ``seed``, lived in ``folder`` (which is emptied), and the law that it broke, if any."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    history = FullHistory(seed, folder, runners)
    try:
        history.run()
    except InvariantViolation as broken:
        return history, broken
    except Exception as error:
        history.trace.add(traceback.format_exc())
        return history, InvariantViolation("only errors of smplan come out", f"{type(error).__name__}: {error}")
    return history, None
