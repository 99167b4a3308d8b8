"""One seeded roll-out: what became of it, and whether every promise was kept."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from smplan.engine.executor import Outcome
from tests.campaigns.rolls.fleet import Faults, Fleet
from tests.campaigns.rolls.situation import FATAL, Situation

RUNS = 8
"""Runs after which a roll-out counts as stuck."""


@dataclass(frozen=True)
class Verdict:
    """How the roll-out of a seed ended, its seconds of virtual time, and the promises that were broken."""

    situation: Situation
    outcome: str
    runs: int
    seconds: float
    violations: tuple[str, ...]


def run(seed: int, folder: Path, account: str) -> Verdict:
    """Create a fleet, roll a new image out while things go wrong, and go back if that fails."""
    situation = Situation.of(seed)
    fleet = Fleet(folder, situation, account)
    with fleet.running():
        return _Roll(fleet).verdict()


class _Roll:
    def __init__(self, fleet: Fleet) -> None:
        self.fleet = fleet
        self.situation = fleet.situation
        self.wrong: list[str] = []

    def verdict(self) -> Verdict:
        """Create, roll out, perhaps go back; judge each."""
        self._write(1)
        self._must_succeed("the first apply")
        self._settle()
        fleet, sizes = self.fleet, self._sizes()
        fleet.first = frozenset(each.id for each in fleet.group.members)
        least, former, began = fleet.healthy(fleet.group), self._source(), fleet.box.clock.now()
        fleet.ill = True
        fleet.box.aws.autoscaling.refused_launches = self.situation.refused_launches()
        self._write(2)
        outcome, runs = self._rolled()
        self._judge(least, sizes)
        failed = outcome is None or outcome.outcome != "complete"
        if failed:
            ending = "clean stop, gone back" if outcome else "stuck"
            self._judge_stop(outcome, former)
            self._go_back()
        else:
            ending = "complete"
            self._judge_complete(former)
        self._judge(least, sizes)
        return Verdict(self.situation, ending, runs, fleet.box.clock.now() - began, tuple(self.wrong))

    def _write(self, image: int) -> None:
        self.fleet.write(self.situation.blueprint(image))

    def _must_succeed(self, what: str) -> None:
        outcome = self.fleet.apply_or_die(self.fleet.plan())
        if outcome is None or outcome.outcome != "complete":
            self.wrong.append(f"{what} failed: {outcome}")

    def _settle(self) -> None:
        for _ in range(200):
            if self.fleet.healthy(self.fleet.group) == self.situation.size:
                return
            self.fleet.pass_time(30)

    def _rolled(self) -> tuple[Outcome | None, int]:
        """Apply the same plan until it is not killed; the last outcome, and the number of runs."""
        fleet, plan = self.fleet, self.fleet.plan()
        for number in range(RUNS):
            kill = self.situation.kills[number] if number < len(self.situation.kills) else ("", 0)
            fleet.faults = Faults(
                kill_before=kill[1] if kill[0] == "before" else 0,
                kill_after=kill[1] if kill[0] == "after" else 0,
                lost=self.situation.lost if number == 0 else frozenset(),
            )
            outcome = fleet.apply_or_die(plan)
            if outcome is not None:
                fleet.faults = Faults()
                return outcome, number + 1
        return None, RUNS

    def _judge(self, least: int, sizes: tuple[int, int]) -> None:
        lowest = min(self.fleet.watched, default=least)
        if lowest < least:
            self.wrong.append(f"{lowest} healthy instances, {least} at the start")
        if self._sizes() != sizes:
            self.wrong.append(f"minimum and maximum are {self._sizes()}, not {sizes}")
        if not self.situation.alarms and self.fleet.group.desired != self.situation.size:
            self.wrong.append(f"the desired capacity is {self.fleet.group.desired}, not {self.situation.size}")

    def _judge_complete(self, former: str) -> None:
        if self.situation.ill in FATAL:
            self.wrong.append(f"it succeeded although new instances were {self.situation.ill}")
        self._judge_end([each.id for each in self.fleet.group.members if self._of(each) == former and each.in_capacity])

    def _judge_end(self, others: list[str]) -> None:
        if others:
            self.wrong.append(f"{', '.join(others)} were not replaced")
        if any(key.startswith("smplan:roll-out") for key in self.fleet.group.tags):
            self.wrong.append("the record of the roll-out is still there")
        left = [f"{step.op} {step.address}" for step in self.fleet.plan().steps]
        if left:
            self.wrong.append(f"the next plan is not empty: {', '.join(left)}")

    def _judge_stop(self, outcome: Outcome | None, former: str) -> None:
        if self.situation.ill not in FATAL:
            self.wrong.append(f"it failed without a cause: {outcome.failed if outcome else 'killed'}")
        elif outcome and not any("go back" in (error.hint or "") for _, error in outcome.failed):
            self.wrong.append(f"it does not say how to go back: {[(error, error.hint) for _, error in outcome.failed]}")
        if self._source() != former:
            self.wrong.append(f"the group launches from {self._source()}, not {former}")

    def _go_back(self) -> None:
        """The former blueprint, without a fault."""
        self.fleet.ill, self.fleet.box.aws.autoscaling.refused_launches = False, 0
        self._write(1)
        self._must_succeed("going back")
        now = self._source()
        self._judge_end([each.id for each in self.fleet.group.members if self._of(each) != now and each.in_capacity])

    def _sizes(self) -> tuple[int, int]:
        fields = self.fleet.group.fields
        return int(fields["MinSize"]), int(fields["MaxSize"])

    def _source(self) -> str:
        fields = self.fleet.group.fields
        template = fields.get("LaunchTemplate") or {}
        return str(fields.get("LaunchConfigurationName") or template.get("Version"))

    @staticmethod
    def _of(member: object) -> str:
        template = getattr(member, "launch_template", None) or {}
        return str(getattr(member, "launch_configuration", None) or template.get("Version"))
