"""A slice of the random histories; they are reproducible, and they detect planted bugs."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from smplan.cli.plan_file import SavedPlans
from smplan.core.blueprint import Lifecycle
from smplan.core.plan.generations import Generations
from smplan.core.state.journal import JournalEntry, StepIntent
from smplan.core.state.model import State
from smplan.stores.local import LocalLockedState
from smplan.stores.locked import LockedStateBase
from tests.campaigns.histories.campaign import run_histories, run_one
from tests.campaigns.histories.kinds import Sim
from tests.campaigns.histories.process import MUTATING

SLICE = (*range(100_225, 100_256), 100_313, *range(100_475, 100_525))
"""Histories in which every fault happens."""
ENOUGH = 60
"""Histories that suffice to detect any of the planted bugs."""


def test_no_invariant_is_violated_in_a_slice_of_the_histories() -> None:
    report = run_histories(SLICE)
    assert report.violations == []
    happened = {what for what, _ in report.counts}
    assert {"kill", "lost before", "lost after", "throttled", "expired", "denied", "drain", "disk full"} <= happened
    assert {which for what, which in report.counts if what.startswith("lost")} == set(MUTATING)


def test_one_seed_gives_the_same_history_in_every_process() -> None:
    program = (
        "from tests.campaigns.histories.campaign import run_one; "
        "print(*(run_one(seed)[0].digest() for seed in range(6)))"
    )
    root = Path(__file__).parents[2]
    for hashing in ("1", "2"):
        environment = os.environ | {"PYTHONHASHSEED": hashing, "PYTHONPATH": str(root)}
        found = subprocess.run(
            [sys.executable, "-c", program], cwd=root, env=environment, capture_output=True, text=True, check=True
        )
        assert found.stdout.split() == [run_one(seed)[0].digest() for seed in range(6)]


def violated_invariants(seeds: range = range(ENOUGH)) -> set[str]:
    """The invariant that the first violating history of ``seeds`` violates, if any does."""
    for seed in seeds:
        violation = run_one(seed)[1]
        if violation:
            return {violation.invariant}
    return set()


def test_an_engine_that_acts_before_its_intent_is_durable_is_detected(monkeypatch: pytest.MonkeyPatch) -> None:
    append = LockedStateBase.append
    waiting: list[JournalEntry] = []

    def late(held: LockedStateBase, entries: Sequence[JournalEntry]) -> None:
        if all(isinstance(entry, StepIntent) for entry in entries):
            waiting.extend(entries)
            return
        append(held, [*waiting, *entries])
        waiting.clear()

    monkeypatch.setattr(LockedStateBase, "append", late)
    assert "nothing is changed before its intent is durable" in violated_invariants()


def test_a_driver_whose_find_never_finds_is_detected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Sim, "find", lambda self, spec: None)
    assert violated_invariants()


def test_a_journal_that_loses_its_last_batch_is_detected(monkeypatch: pytest.MonkeyPatch) -> None:
    append = LocalLockedState._append
    kept: list[Any] = []

    def behind(held: LocalLockedState, base: State, entries: Sequence[JournalEntry]) -> None:
        written = [each for former, each in kept if former is held]
        kept[:] = [(held, entries)]
        for each in written:
            append(held, base, each)

    monkeypatch.setattr(LocalLockedState, "_append", behind)
    assert violated_invariants()


def test_a_planner_that_moves_nothing_is_detected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("smplan.engine.plan.plan_moves", lambda blueprint, graph, types, state, lookups: (state, ()))
    assert violated_invariants()


def test_a_planner_that_restores_nothing_is_detected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Generations, "wanted_again", lambda self, plan: {})
    assert violated_invariants()


def test_a_planner_that_adds_no_suffix_is_detected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("smplan.core.plan.replacement.replacement_name", lambda name, limit, spec, generation: name)
    assert violated_invariants(range(30, 30 + ENOUGH))


def test_a_planner_that_deletes_what_is_shared_is_detected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("smplan.core.plan.deletions.Deletions._why_it_stays", lambda self, resource: "")
    assert violated_invariants()


def test_a_declined_plan_that_stays_the_last_one_is_detected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SavedPlans, "decline", lambda self, plan: None)
    assert violated_invariants(range(20, 20 + ENOUGH)) == {"a bare apply carries out no declined plan"}


def test_an_engine_that_ignores_owners_is_detected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("smplan.engine.operations._check_owner", lambda run, prepared, live: None)
    monkeypatch.setattr(Lifecycle, "may_adopt", lambda self, owner, lineage: True)
    assert violated_invariants()
