"""What the campaigns over a matrix share: cases shards to processes, verdicts gathered, and the tables of both."""

from __future__ import annotations

import argparse
import multiprocessing
import random
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

from tests.campaigns.matrix import Baseline, Case, Expect, Scenario, ScenarioRunner, Verdict
from tests.campaigns.verdict_log import VerdictLog

CHUNK = 20
"""Cases that one process plays on its stages."""

Cases = Callable[[Sequence[Baseline]], Iterable[Case]]


@dataclass(frozen=True)
class Campaign:
    """A matrix: which scenarios, which cases of each, and how a disturbed run may end."""

    name: str
    module: str
    scenarios: Sequence[Scenario]
    cases: Cases
    expect: Expect


def undisturbed(scenario: Scenario) -> list[Baseline]:
    """What every goal of a scenario leaves when nothing goes wrong."""
    with tempfile.TemporaryDirectory() as folder, ScenarioRunner(scenario, Path(folder)) as runner:
        return runner.baselines


@dataclass(frozen=True)
class Shard:
    """Cases that one process plays."""

    campaign: Campaign
    scenario: Scenario
    baselines: Sequence[Baseline]
    cases: Sequence[Case]

    def play(self) -> list[Verdict]:
        """What became of them, on a sandbox of their own."""
        expect = self.campaign.expect
        with (
            tempfile.TemporaryDirectory() as folder,
            ScenarioRunner(self.scenario, Path(folder), expect, self.baselines) as runner,
        ):
            return list(runner.play(self.cases))


def run(campaign: Campaign, arguments: Sequence[str]) -> int:
    """The whole campaign, or the share of it that was asked for. The exit code: 1 if anything was wrong."""
    asked = _parser(campaign).parse_args(arguments)
    chosen = [scenario for scenario in campaign.scenarios if not asked.only or str(scenario) in asked.only]
    since = time.monotonic()
    with ProcessPoolExecutor(asked.workers, multiprocessing.get_context("spawn")) as pool:
        record = VerdictLog(asked.record)
        verdicts = [(scenario, verdict) for scenario, verdict in record.right() if scenario in chosen]
        done = {(str(scenario), str(verdict.case)) for scenario, verdict in verdicts}
        shards = list(_shards(campaign, chosen, asked, pool, done))
        random.Random(asked.seed).shuffle(shards)
        told = f", {len(done)} were played before" if done else ""
        print(
            f"{campaign.name}: {sum(len(shard.cases) for shard in shards)} cases, seed {asked.seed}{told}", flush=True
        )
        waiting = {pool.submit(shard.play): shard.scenario for shard in shards}

        def collect(future: Future[list[Verdict]]) -> None:
            scenario = waiting.pop(future)
            fresh = [(scenario, verdict) for verdict in future.result()]
            record.add(fresh)
            verdicts.extend(fresh)
            bad = sum(bool(verdict.violations) for _, verdict in verdicts)
            print(f"  {time.monotonic() - since:6.0f} s: {len(verdicts)} played, {bad} wrong", flush=True)
            _print_wrong(campaign, fresh)

        try:
            for future in as_completed(list(waiting), asked.minutes * 60 if asked.minutes else None):
                collect(future)
        except TimeoutError:
            print(f"  {asked.minutes:g} minutes are over: no new share is begun", flush=True)
            pool.shutdown(cancel_futures=True)
            for future in [each for each in waiting if not each.cancelled()]:
                collect(future)
    _print(verdicts)
    return 1 if any(verdict.violations for _, verdict in verdicts) else 0


def _parser(campaign: Campaign) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=f"python -m {campaign.module}")
    parser.add_argument("--share", type=float, default=1.0, help="which share of all cases is played, by seed")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--minutes", type=float, default=0, help="begin no new share of the cases after that time")
    parser.add_argument("--record", type=Path, help="a file that keeps the verdicts: what is right in it is not played")
    parser.add_argument("--only", action="append", help="a scenario, such as 'life (local)'")
    parser.add_argument("--case", action="append", help="a case of it, as a table of what was wrong names it")
    return parser


def _shards(
    campaign: Campaign,
    chosen: Sequence[Scenario],
    asked: argparse.Namespace,
    pool: ProcessPoolExecutor,
    done: Container[tuple[str, str]],
) -> Iterator[Shard]:
    for scenario, baseline in zip(chosen, pool.map(undisturbed, chosen), strict=True):
        dice = random.Random(f"{asked.seed} {scenario}")
        cases = [case for case in campaign.cases(baseline) if not asked.case or str(case) in asked.case]
        shuffled = dice.sample(cases, min(len(cases), max(1, round(len(cases) * asked.share))))
        turns = _in_turn([case for case in shuffled if (str(scenario), str(case)) not in done])
        for at in range(0, len(turns), CHUNK):
            yield Shard(campaign, scenario, baseline, turns[at : at + CHUNK])


def _in_turn(cases: Sequence[Case]) -> list[Case]:
    """One case of each leg after the other, as long as they last: a leg without a case is played all the same."""
    legs = sorted({case.leg for case in cases})
    rounds = zip_longest(*([case for case in cases if case.leg == leg] for leg in legs))
    return [case for each in rounds for case in each if case is not None]


def _print(verdicts: Sequence[tuple[Scenario, Verdict]]) -> None:
    for scenario in dict.fromkeys(scenario for scenario, _ in verdicts):
        mine = [verdict for each, verdict in verdicts if each is scenario or each == scenario]
        print(f"\n{scenario}: {' -> '.join(goal or 'nothing' for goal in scenario.goals)}")
        print(fault_table(mine))
        print(_ends(mine))


def _print_wrong(campaign: Campaign, verdicts: Sequence[tuple[Scenario, Verdict]]) -> None:
    for scenario, verdict in verdicts:
        if verdict.violations:
            print(f"\nWRONG {scenario}, struck at {', '.join(each.what for each in verdict.struck)}:")
            print("\n".join(f"  {told}" for told in verdict.violations))
            print(f"  replay: python -m {campaign.module} --only '{scenario}' --case '{verdict.case}'")


def fault_table(verdicts: Iterable[Verdict]) -> str:
    """How often each fault struck for each kind of resource; wrong ones are counted behind a slash."""
    counts: dict[str, Counter[str]] = {}
    wrong: Counter[tuple[str, str]] = Counter()
    for verdict in verdicts:
        fault = verdict.case.fault.kind
        for struck in verdict.struck or (None,):
            row = struck.row if struck else "(ended before it)"
            counts.setdefault(row, Counter())[fault] += 1
            wrong[row, fault] += bool(verdict.violations)
    faults = sorted({fault for row in counts.values() for fault in row})
    width = max(map(len, counts), default=0)
    lines = [" ".join(["kind".ljust(width), *faults, "wrong"])]
    for row, found in sorted(counts.items()):
        cells = [str(found[fault]).rjust(len(fault)) for fault in faults]
        lines.append(" ".join([row.ljust(width), *cells, str(sum(wrong[row, fault] for fault in faults)).rjust(5)]))
    total: Mapping[str, int] = sum(counts.values(), Counter())
    cells = [str(total.get(fault, 0)).rjust(len(fault)) for fault in faults]
    return "\n".join([*lines, " ".join(["all".ljust(width), *cells, str(sum(wrong.values())).rjust(5)])])


def _ends(verdicts: Sequence[Verdict]) -> str:
    """How the disturbed runs ended, how many more it took, and what all that cost."""
    codes = Counter(verdict.codes[0] for verdict in verdicts)
    again = Counter(len(verdict.codes) - 1 for verdict in verdicts)
    extra = sorted(verdict.extra for verdict in verdicts)
    told = ", ".join(f"{code}: {count}" for code, count in sorted(codes.items()))
    runs = ", ".join(f"{runs}: {count}" for runs, count in sorted(again.items()))
    middle = extra[len(extra) // 2] if extra else 0
    return (
        f"exit codes when disturbed: {told} (-9: killed) · further runs needed: {runs} · "
        f"requests beyond an undisturbed run's: median {middle}, most {extra[-1] if extra else 0}"
    )
