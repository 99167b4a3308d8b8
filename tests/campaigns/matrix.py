"""A fleet brought from goal to goal by smplan's commands, with one fault per command, then resumed and compared.

After a case the sandbox must hold exactly what an undisturbed run leaves, without duplicates, and the next plan must be
empty.
"""

from __future__ import annotations

import contextlib
import re
import uuid
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from smplan.core.state.model import State
from smplan.sandbox.ids import ADMIN_TOKEN
from smplan.stores.interface import Store
from smplan.stores.local import LocalStore
from smplan.stores.s3 import S3Store
from tests.campaigns.fault_points import Fault, FaultPoint
from tests.campaigns.fleets import COMMANDS, DESTROYED, FLEETS
from tests.campaigns.sandbox_case import RunResult, SandboxCase, open_sandbox

TRIES = 4
"""How often a command is repeated before it counts as stuck."""
BUCKET, KEY = "fleet-state", "prod/fleet.json"
S3_STATE = f"state: {{backend: s3, bucket: {BUCKET}, key: {KEY}}}\n"
PLAN = ("plan", "fleet.yaml")


@dataclass(frozen=True)
class Scenario:
    """Goals that a fleet is brought to in rotation: names of ``FLEETS`` or ``COMMANDS``."""

    name: str
    goals: tuple[str, ...]
    s3: bool = False
    """Whether the state lives in S3."""

    def __str__(self) -> str:
        return f"{self.name} ({'S3' if self.s3 else 'local'})"


@dataclass(frozen=True)
class Case:
    """A fault on the way to one goal of a scenario."""

    leg: int
    fault: Fault
    planning: bool = False
    """Whether it strikes the plan command, not the apply."""

    def __str__(self) -> str:
        fault = self.fault
        at = f"{'wire' if fault.wire else 'disk'} {fault.at}" if fault.at else f"{fault.share:.0%}"
        leg = f"{self.leg}{' plan' if self.planning else ''}"
        return f"{leg}:{fault.kind}:{at}:{fault.seed}"


@dataclass(frozen=True)
class Verdict:
    """The outcome of a case: the points struck, the exit codes of the runs, and the violations."""

    case: Case
    struck: tuple[FaultPoint, ...]
    codes: tuple[int, ...]
    extra: int
    """Requests of all runs beyond those of an undisturbed run."""
    violations: tuple[str, ...] = ()


@dataclass(frozen=True)
class Baseline:
    """What an undisturbed run leaves in the sandbox and the state, and the fault points of the run and of its plan."""

    resources: list[str]
    state_entries: list[str]
    points: list[FaultPoint] = field(repr=False)
    planned: list[FaultPoint] = field(repr=False)


_RANDOM = re.compile(
    r"-[0-9a-f]{6}(?= |$)"  # the suffix of a second generation's name
    r"|(?<=:)\d{12}(?=:)"  # an account
    r"|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
    r"|[-/][0-9a-f]{8,}|[0-9a-f]{16,}|node-\S+"
)


def normalized(resources: Iterable[str]) -> list[str]:
    """Resources without the random parts of their ids and names, sorted; duplicates stay."""
    return sorted(_RANDOM.sub("", each) for each in resources)


Expect = Callable[[Case, RunResult], str]
"""The violation in how a disturbed run ended; empty if there is none."""


class ScenarioRunner:
    """Runs cases of one scenario. Entering it records the baselines, unless they are given."""

    def __init__(
        self,
        scenario: Scenario,
        folder: Path,
        expect: Expect = lambda case, result: "",
        baseline: Sequence[Baseline] = (),
    ) -> None:
        self.scenario = scenario
        self._folder = folder
        self.expect = expect
        self._stack = contextlib.ExitStack()
        self._sandbox: SandboxCase | None = None
        self._leg = 0
        self._planned: list[FaultPoint] = []
        self.baselines = list(baseline)

    def __enter__(self) -> ScenarioRunner:
        if not self.baselines:
            sandbox = self._sandbox = self._new_sandbox()
            for goal in self.scenario.goals:
                points = self._undisturbed(sandbox).points
                self.baselines.append(
                    Baseline(normalized(sandbox.inventory()), self._state_entries(sandbox), points, self._planned)
                )
                assert not self._differences(sandbox, goal, self.baselines[-1])
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _new_sandbox(self) -> SandboxCase:
        """A sandbox at the first leg."""
        self._stack.close()
        sandbox = self._stack.enter_context(open_sandbox(self._folder / uuid.uuid4().hex[:8]))
        self._leg = 0
        if self.scenario.s3:
            _client(sandbox).create_bucket(Bucket=BUCKET)
        if DESTROYED not in self.scenario.goals:  # names and versions of the first round differ from later ones
            for _ in self.scenario.goals:
                self._undisturbed(sandbox)
        return sandbox

    def _undisturbed(self, sandbox: SandboxCase) -> RunResult:
        """Run the next leg without a fault."""
        result = sandbox.run_ok(*self._prepare(sandbox))
        self._advance()
        return result

    def _advance(self) -> None:
        self._leg = (self._leg + 1) % len(self.scenario.goals)

    def _prepare(self, sandbox: SandboxCase) -> tuple[str, ...]:
        """The command of this leg; the blueprint is written and planned."""
        wait = ("--lock-wait", "30") if self.scenario.s3 else ()
        goal = self.scenario.goals[self._leg]
        if goal in COMMANDS:
            return (*COMMANDS[goal], "--yes", *wait)
        text = FLEETS[goal]()
        if self.scenario.s3:
            text = text.replace("variables:\n", f"{S3_STATE}\nvariables:\n", 1)
        (sandbox.folder / "fleet.yaml").write_text(text)
        self._planned = sandbox.run_ok(*PLAN).points
        return ("apply", "--yes", *wait)

    def play(self, cases: Iterable[Case]) -> Iterator[Verdict]:
        """Run all cases, in the order that needs the fewest extra legs."""
        waiting: Mapping[int, deque[Case]] = {leg: deque() for leg in range(len(self.scenario.goals))}
        for each in cases:
            waiting[each.leg].append(each)
        case: Case | None = None
        while any(waiting.values()):
            if self._sandbox is None:
                self._sandbox, case = self._new_sandbox(), None
            try:
                if not waiting[self._leg]:
                    self._undisturbed(self._sandbox)
                    continue
                case = waiting[self._leg].popleft()
                verdict = self._case(self._sandbox, case)
                self._advance()
            except AssertionError as error:
                if case is None:  # nothing was disturbed in this sandbox yet
                    raise
                verdict = Verdict(case, (), (), 0, (f"during or after the case: {error}",))
            if verdict.violations:
                self._sandbox = None  # the next case gets a sandbox of its own
            yield verdict

    def _case(self, sandbox: SandboxCase, case: Case) -> Verdict:
        """Run the command with the fault, repeat it until it succeeds, and compare."""
        turn = self._prepare(sandbox)
        first = PLAN if case.planning else turn
        runs = [sandbox.run(*first, fault=case.fault)]
        wrong = [each for each in (self.expect(case, runs[0]), _forbidden_output(runs[0])) if each]
        while not _converged(runs) and len(runs) <= TRIES:
            runs.append(sandbox.run(*first))
        baseline = self.baselines[case.leg]
        if case.planning and _converged(runs):
            runs.append(sandbox.run(*turn))
        if not _converged(runs):
            wrong.append(f"it does not succeed: {[each.code for each in runs]}: {runs[-1].text[-1500:]}")
        else:
            wrong += self._differences(sandbox, self.scenario.goals[case.leg], baseline)
        requests = sum(each.wire for run in runs for each in run.points)
        extra = requests - sum(each.wire for each in (*baseline.points, *(baseline.planned if case.planning else ())))
        return Verdict(case, tuple(runs[0].struck), tuple(each.code for each in runs), extra, tuple(wrong))

    def _differences(self, sandbox: SandboxCase, goal: str, baseline: Baseline) -> list[str]:
        """Differences from what an undisturbed run leaves."""
        wrong = differences(sandbox.inventory(), baseline.resources)
        held = self._state_entries(sandbox)
        if held != baseline.state_entries:
            wrong.append(f"the state holds {held} instead of {baseline.state_entries}")
        if goal != DESTROYED:
            again = sandbox.run(*PLAN, "--detailed-exitcode")
            if again.code != 0:
                wrong.append(f"the next plan is not empty ({again.code}): {again.text}")
        return wrong

    def _state_entries(self, sandbox: SandboxCase) -> list[str]:
        """Resources, deposed generations and pending creates in the state."""
        folded = self._store(sandbox).read().folded
        assert folded is not None
        state: State = folded.state
        held = [f"{entry.address} {entry.status}" for entry in state.resources.values()]
        held += [f"{entry.address} deposed" for entry in state.deposed] + [
            f"{each.resource.address} pending" for each in folded.pending_creates
        ]
        return sorted(held)

    def _store(self, sandbox: SandboxCase) -> Store:
        if self.scenario.s3:
            return S3Store(BUCKET, KEY, client=_client(sandbox))
        return LocalStore(sandbox.folder / "state" / "streammanager.state.json")


def _client(sandbox: SandboxCase) -> Any:
    import boto3.session

    env = sandbox.box.env()
    keys = env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"]
    session = boto3.session.Session(*keys, region_name=env["AWS_REGION"])
    return session.client("s3", endpoint_url=env["AWS_ENDPOINT_URL"])


def differences(resources: Iterable[str], expected: Iterable[str]) -> list[str]:
    """Unexpected and missing resources; a duplicate is unexpected."""
    there, wanted = Counter(normalized(resources)), Counter(normalized(expected))
    unexpected = [f"unexpected: {each}" for each in (there - wanted).elements()]
    return unexpected + [f"missing: {each}" for each in (wanted - there).elements()]


def _converged(runs: Sequence[RunResult]) -> bool:
    """Whether the last run succeeded, or found that the killed one before had completed."""
    last = runs[-1]
    return last.code == 0 or (last.code == 4 and runs[-2:][0].code < 0 and "applied already, to its end" in last.text)


def _forbidden_output(result: RunResult) -> str:
    """A violation if the output has a traceback, a bug report or a secret."""
    for word in ("Traceback", "this is a bug in smplan", ADMIN_TOKEN):
        if word in result.text:
            return f"`{word}` was printed: {result.text[-1500:]}"
    return ""
