"""The end of a history: without faults everything converges to the blueprint, and destroy leaves nothing."""

from __future__ import annotations

import shutil
import traceback
from pathlib import Path

from smplan.core.blueprint import Blueprint
from smplan.core.state.model import ResourceState
from smplan.core.values import decode
from smplan.engine.executor import Outcome
from smplan.errors import GuardRefused
from tests.campaigns.histories import invariants
from tests.campaigns.histories.cloud import STRANGER, Record, references
from tests.campaigns.histories.commands import only_behind
from tests.campaigns.histories.drafts import ResourceDraft
from tests.campaigns.histories.history import History
from tests.campaigns.histories.process import FaultPlan
from tests.campaigns.histories.schedule import InvariantViolation, Runners
from tests.campaigns.histories.site import MadePlan, Site, permit, wants
from tests.support.blueprints import blueprint

ROUNDS = 3
"""Attempts to destroy two states whose resources use each other's."""
REMEDIES = 6
"""Refusals whose remedies may have to be followed one after another."""


class FullHistory(History):
    """A history with its convergence."""

    def run(self) -> None:
        """Run it to its end. Raises InvariantViolation."""
        super().run()
        self.converge()

    def converge(self) -> None:
        """End all faults: the cloud matches each blueprint after one apply, and can be destroyed."""
        self.trace.add("all faults end")
        self._external.release()
        self._cloud.calm = self._cloud.gates_open = self._cloud.fleet_up = True
        self._schedule.now += 1000.0
        for site in self._sites:
            self._converge(site)
        self._destroy_all()
        self._expect_clean()

    def _converge(self, site: Site) -> None:
        if any(entry.prevent_destroy for entry in site.entries()):
            self._unprotect(site)
        wanted = self._settle(site)
        outcome = self._once(site, "apply", wanted)
        if outcome and outcome.outcome == "failed" and only_behind(site.plans[-1], outcome):
            self._follow_remedies(site)
            wanted = self._settle(site)
            outcome = self._once(site, "apply", wanted)
        if outcome is None or outcome.outcome != "complete":
            if self._commands.entangled():  # what the other state uses, or has too, may block it
                self.trace.count("converged", "not while the other state uses it")
                return
            raise InvariantViolation("without faults one apply converges", site.name)
        assert site.folded is not None
        invariants.check_equal(wanted, site.folded.state, self._cloud)
        if self._plan_again(site, wanted) != ():
            raise InvariantViolation("a second plan after a complete apply is empty", site.name)

    def _settle(self, site: Site) -> Blueprint:
        """Have the user follow the remedies of refusals, until a plan can be made. Returns the blueprint."""
        for record in self._commands.abandoned():
            if references(record.spec):
                del self._cloud.records[record.kind, record.id]
        for _ in range(REMEDIES):
            wanted = site.blueprint.blueprint(unprotected=True)
            if self._plan_again(site, wanted) is not None:
                return wanted
            self._follow_remedies(site)
            site.blueprint.moved.clear()
            if isinstance(self._commands.refusal, GuardRefused):
                self._give_up(site)
                kept = {str(decode(entry.spec).get("number")) for entry in site.entries() if entry.keep}
                for draft in site.blueprint.resources:
                    if draft.kind == "sim.port" and str(draft.spec["number"]) in kept:
                        site.blueprint.rename(draft)
        raise InvariantViolation("every refusal has a remedy", site.name)

    def _give_up(self, site: Site) -> None:
        """Follow the remedy for what a kept resource refers to: ``smplan state rm``."""
        records = [entry for entry in site.entries() if entry.kind not in invariants.NOT_IN_CLOUD]
        needed = {address for entry in records if entry.keep for address in entry.dependencies}
        for address in sorted(needed):
            if any(entry.address == address and not entry.keep for entry in records):
                self.trace.count("remedy", "state rm")
                self._edit_state(site, address, faults=FaultPlan())
                self._check()

    def _follow_remedies(self, site: Site) -> None:
        for record, draft in site.contested(self._cloud):
            if draft is not None:
                self.trace.add(f"{site.name}: remedy: {self._remedy(site, record, draft)}")
                self.trace.count("remedy", next(iter(draft.lifecycle), "another name"))

    def _remedy(self, site: Site, record: Record, draft: ResourceDraft) -> str:
        """Take it over or share it, where it agrees in what cannot be changed; else take another name."""
        fixed = {"zone", "number", "of"} & draft.spec.keys()
        agrees = all(draft.spec[name] == getattr(record.spec, name) for name in fixed)
        draft.lifecycle = {}
        if draft.kind == record.kind and wants(draft, record) and agrees and self._random.random() < 0.6:
            return permit(site, record, draft, share=self._random.random() < 0.3)
        return site.blueprint.rename(draft)

    def _unprotect(self, site: Site) -> None:
        """Lift all protection, by applying a blueprint of the existing resources without it."""
        process = self._process(site, FaultPlan(), racing=True)
        assert site.folded is not None
        present = [
            entry
            for entry in site.folded.state.resources.values()
            if entry.kind in invariants.NOT_IN_CLOUD or self._is_ours(site, entry)
        ]
        there = blueprint(*(draft.resource() for draft in _as_applied(present)), name=site.name)
        self._together((process, lambda: self._commands.make_and_apply(process, site, "apply", there)))
        self._check()

    def _is_ours(self, site: Site, entry: ResourceState) -> bool:
        record = self._cloud.get(entry.kind, entry.id)
        return record is not None and (entry.keep or record.maker.lineage == site.lineage)

    def _once(self, site: Site, mode: str, wanted: Blueprint) -> Outcome | None:
        process = self._process(site, FaultPlan())
        process.protected = frozenset()
        outcomes: list[Outcome | None] = []
        self._together((process, lambda: outcomes.append(self._commands.make_and_apply(process, site, mode, wanted))))
        self._check()
        return outcomes[0] if outcomes else None

    def _plan_again(self, site: Site, wanted: Blueprint) -> tuple[str, ...] | None:
        """The steps of a plan; None if it is refused."""
        process = self._process(site, FaultPlan())
        found: list[MadePlan | None] = []
        self._together((process, lambda: found.append(self._commands.make_plan(process, site, "apply", wanted))))
        return tuple(step.id for step in found[0].plan.steps) if found and found[0] else None

    def _destroy_all(self) -> None:
        """Destroy both; what a kept or forgotten resource uses can go only after that was deleted by hand."""
        for number in range(1, ROUNDS + 1):
            outcomes = [self._once(site, "destroy", site.blueprint.blueprint(unprotected=True)) for site in self._sites]
            if all(each and each.outcome == "complete" for each in outcomes):
                self.trace.count("destroy converged", f"round {number}")
                return
            for site, outcome in zip(self._sites, outcomes, strict=True):
                if outcome is None:
                    self._give_up(site)
                for record in site.unmanaged_users(self._cloud):  # its user finds out, and releases it by hand
                    record.spec = record.spec.model_copy(update={"uses": None})
            for record in self._commands.abandoned():
                del self._cloud.records[record.kind, record.id]
        raise InvariantViolation("without faults destroy is complete", "")

    def _expect_clean(self) -> None:
        kept = self._commands.abandoned()
        left = [record.id for record in self._cloud.live() if record.maker is not STRANGER and record not in kept]
        records = [entry.address for site in self._sites for entry in site.entries()]
        if left or records:
            raise InvariantViolation("destroy leaves only what existed before, or is kept", f"{left}, {records}")


def _as_applied(entries: list[ResourceState]) -> list[ResourceDraft]:
    """Each as it was applied, after its recorded dependencies unless these have come to depend on it."""
    made = {entry.address: _draft(entry) for entry in entries}

    def comes_after(address: str, other: str) -> bool:
        return address == other or any(comes_after(before, other) for before in made[address].after)

    for entry in entries:
        for address in entry.dependencies:
            if address in made and not comes_after(address, entry.address):
                made[entry.address].after.append(address)
    return list(made.values())


def _draft(entry: ResourceState) -> ResourceDraft:
    return ResourceDraft(entry.address, entry.kind, decode(entry.spec), lifecycle={"keep": entry.keep})


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
