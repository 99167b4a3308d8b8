"""One case: what the plan predicted, and what the viewers of a fleet on the sandbox noticed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from smplan.core.plan.model import Plan
from smplan.core.risk import Sessions
from smplan.sandbox.aws import moto_state
from smplan.sandbox.network.front_door import NEGATIVE_SECONDS
from smplan.sandbox.network.viewers import Viewers
from smplan.sandbox.stream_manager.simulator import NOTICE_SECONDS
from tests.campaigns.interruptions.case import Case
from tests.campaigns.interruptions.fleet import BASE, DELAY, DOMAIN, FLEET, HOST, blueprint, edited
from tests.campaigns.virtual import TICK, Deployment

AFTERWARDS = NEGATIVE_SECONDS + 300 + DELAY + 300
"""Seconds after an apply until nothing of it can be noticed any more: cached names, drains, launches."""
SILENT_SECONDS = (20.0, 45.0)
"""The longest silences of viewers' sessions: of those who watch, and of those who only hold a WebSocket."""
PER_DOOR = 6


@dataclass(frozen=True)
class Notice:
    """What clients notice: the seconds without an answer, None for good, and how many sessions end."""

    seconds: float | None
    sessions: Sessions

    def equals(self, other: Notice) -> bool:
        """Whether both are the same, within a tick of the clock."""
        if self.seconds is None or other.seconds is None:
            return (self.seconds, self.sessions) == (other.seconds, other.sessions)
        return abs(self.seconds - other.seconds) <= TICK and self.sessions == other.sessions

    def bounds(self, other: Notice) -> bool:
        """Whether the other is as this one, and its silence no longer."""
        shorter = self.seconds is not None and other.seconds is not None and 0 < other.seconds <= self.seconds
        return shorter and self.sessions == other.sessions

    def __str__(self) -> str:
        seconds = "for good" if self.seconds is None else f"{self.seconds:.0f} s"
        return f"{seconds}, {self.sessions}"


@dataclass(frozen=True)
class Result:
    """A case with what was predicted and what was measured; ``wrong`` says what differs from what it should be."""

    case: Case
    predicted: Notice
    measured: Notice
    why: str
    """The reasons that the plan gives."""
    wrong: tuple[str, ...] = ()


class Fleet(Deployment):
    """A fleet whose instances serve while they reach their database, as the simulated Stream Managers do."""

    parallel = 1

    def __init__(self, folder: Path, account: str) -> None:
        super().__init__(folder, account)
        self._reach: dict[tuple[str, ...], tuple[float, bool]] = {}

    def passes(self, instance_id: str) -> bool:
        instance = moto_state.instance(self.box.account, instance_id)
        groups, now = instance.group_ids if instance else (), self.box.clock.now()
        held = self._reach.get(groups)
        if held is None or now >= held[0] + NOTICE_SECONDS:
            held = self._reach[groups] = (now, self.box.world.may_reach_database(groups))
        return held[1]

    def prepare(self) -> None:
        """What the cases need beside the sandbox's prerequisites: another certificate, an instance profile."""
        ask = self.box.aws.moto.call
        request = {"DomainName": HOST, "ValidationMethod": "DNS", "SubjectAlternativeNames": [HOST, DOMAIN]}
        moto_state.issue(self.box.account, ask("acm", "RequestCertificate", request)["CertificateArn"])
        ask("iam", "CreateInstanceProfile", {"InstanceProfileName": "stream-manager"})

    def must_apply(self, plan: Plan) -> str:
        """Apply it; why it failed, empty if it did not."""
        outcome = self.apply(plan)
        return "" if outcome.outcome == "complete" else f"the apply failed: {outcome.failed}"

    def settle(self) -> None:
        """Wait until every instance serves."""
        groups = self.box.aws.autoscaling.groups.values()
        for _ in range(100):
            if all(self.healthy(each) == each.desired == len(each.members) for each in groups):
                return
            self.pass_time(2 * TICK)
        raise AssertionError("the fleet did not become healthy")

    def viewers(self) -> list[Viewers]:
        """Viewers at every door of the name, who connect now."""
        doors = {
            (listener.port, listener.protocol)
            for balancer in moto_state.balancers(self.box.account)
            for listener in balancer.listeners
        }
        made = [
            self.box.viewers(HOST, port=port, protocol=protocol, number=PER_DOOR, silent_seconds=seconds)
            for port, protocol in sorted(doors)
            for seconds in SILENT_SECONDS
        ]
        assert all(each.connected == PER_DOOR for each in made), "viewers do not get through"
        return made


def measure(case: Case, folder: Path, account: str) -> Result:
    """Apply the fleet, have viewers connect, change it, and compare."""
    fleet = Fleet(folder, account)
    with fleet.running():
        fleet.prepare()
        base = edited(BASE, case.base)
        fleet.write(blueprint(base))
        if failed := fleet.must_apply(fleet.plan()):
            raise AssertionError(failed)
        fleet.settle()
        viewers = fleet.viewers()
        if case.size is None:
            fleet.write(blueprint(edited(base, case.change)))
        plan = fleet.plan() if case.size is None else fleet.plan_scale({FLEET: case.size})
        wrong = [fleet.must_apply(plan)]
        fleet.pass_time(AFTERWARDS)
        left = [f"{step.op} {step.address}" for step in fleet.plan().steps]
        wrong.append(f"the next plan is not empty: {', '.join(left)}" if left else "")
        return _judged(case, plan, noticed(viewers), wrong)


def _judged(case: Case, plan: Plan, measured: Notice, wrong: Sequence[str]) -> Result:
    predicted = Notice(plan.silent_seconds, plan.sessions_cut)
    reasons = "; ".join(f"{each.address}: {each.reason}" for each in plan.interruptions)
    found = [*wrong]
    if not (predicted.bounds(measured) if case.starts else predicted.equals(measured)):
        found.append(f"predicted {predicted}, measured {measured}")
    if measured.seconds != 0 and not case.unavoidable:
        found.append("nothing answered for a while, although AWS has a way")
    if predicted != Notice(0, Sessions.NONE) and not reasons:
        found.append("the plan gives no reason")
    return Result(case, predicted, measured, reasons, tuple(filter(None, found)))


def noticed(viewers: Sequence[Viewers]) -> Notice:
    """What the viewers of every door noticed: the worst of it."""
    silences = [each.silence() for each in viewers]
    lasts = any(each.lasts for each in silences)
    seconds = None if lasts else max(each.seconds for each in silences)
    return Notice(seconds, _worst([each.affected for each in viewers]))


def _worst(affected: Sequence[int]) -> Sessions:
    """All, if all viewers of one door lost their session."""
    doors = [sum(pair) for pair in zip(affected[::2], affected[1::2], strict=True)]
    if any(number == 2 * PER_DOOR for number in doors):
        return Sessions.ALL
    return Sessions.SOME if any(doors) else Sessions.NONE
