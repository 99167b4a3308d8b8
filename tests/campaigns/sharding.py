"""A matrix campaign's cases distributed to processes: its command line, progress and result tables."""

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
"""Cases per shard."""

Cases = Callable[[Sequence[Baseline]], Iterable[Case]]


@dataclass(frozen=True)
class Campaign:
    """A matrix: its scenarios, the cases of each, and how a disturbed run may end."""

    name: str
    module: str
    scenarios: Sequence[Scenario]
    cases: Cases
    expect: Expect


def undisturbed(scenario: Scenario) -> list[Baseline]:
    """The baseline of every goal of a scenario."""
    with tempfile.TemporaryDirectory() as folder, ScenarioRunner(scenario, Path(folder)) as runner:
        return runner.baselines


@dataclass(frozen=True)
class Shard:
    """Cases that one process runs."""

    campaign: Campaign
    scenario: Scenario
    baselines: Sequence[Baseline]
    cases: Sequence[Case]

    def play(self) -> list[Verdict]:
        """Run them in a sandbox of their own."""
        expect = self.campaign.expect
        with (
            tempfile.TemporaryDirectory() as folder,
            ScenarioRunner(self.scenario, Path(folder), expect, self.baselines) as runner,
        ):
            return list(runner.play(self.cases))


def run(campaign: Campaign, arguments: Sequence[str]) -> int:
    """Run the campaign, or the requested share of it. The exit code: 1 on any violation."""
    asked = _parser(campaign).parse_args(arguments)
    chosen = [scenario for scenario in campaign.scenarios if not asked.only or str(scenario) in asked.only]
    since = time.monotonic()
    with ProcessPoolExecutor(asked.workers, multiprocessing.get_context("spawn")) as pool:
        record = VerdictLog(asked.record)
        verdicts = [(scenario, verdict) for scenario, verdict in record.passed() if scenario in chosen]
        done = {(str(scenario), str(verdict.case)) for scenario, verdict in verdicts}
        shards = list(_shards(campaign, chosen, asked, pool, done))
        random.Random(asked.seed).shuffle(shards)
        earlier = f", {len(done)} run before" if done else ""
        print(
            f"{campaign.name}: {sum(len(shard.cases) for shard in shards)} cases, seed {asked.seed}{earlier}",
            flush=True,
        )
        waiting = {pool.submit(shard.play): shard.scenario for shard in shards}

        def collect(future: Future[list[Verdict]]) -> None:
            scenario = waiting.pop(future)
            fresh = [(scenario, verdict) for verdict in future.result()]
            record.add(fresh)
            verdicts.extend(fresh)
            bad = sum(bool(verdict.violations) for _, verdict in verdicts)
            print(f"  {time.monotonic() - since:6.0f} s: {len(verdicts)} cases run, {bad} with violations", flush=True)
            _print_violations(campaign, fresh)

        try:
            for future in as_completed(list(waiting), asked.minutes * 60 if asked.minutes else None):
                collect(future)
        except TimeoutError:
            print(f"  {asked.minutes:g} minutes are over: no further shard is started", flush=True)
            pool.shutdown(cancel_futures=True)
            for future in [each for each in waiting if not each.cancelled()]:
                collect(future)
    _print(verdicts)
    return 1 if any(verdict.violations for _, verdict in verdicts) else 0


def _parser(campaign: Campaign) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=f"python -m {campaign.module}")
    parser.add_argument("--share", type=float, default=1.0, help="the share of all cases to run, chosen by seed")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--minutes", type=float, default=0, help="start no further shard after this time")
    parser.add_argument("--record", type=Path, help="a file of verdicts: cases without violations in it are skipped")
    parser.add_argument("--only", action="append", help="a scenario, such as 'life (local)'")
    parser.add_argument("--case", action="append", help="a case of it, named as in the printed violations")
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
    """Cases in rotation of their legs: a leg without a case costs an undisturbed run."""
    legs = sorted({case.leg for case in cases})
    rounds = zip_longest(*([case for case in cases if case.leg == leg] for leg in legs))
    return [case for each in rounds for case in each if case is not None]


def _print(verdicts: Sequence[tuple[Scenario, Verdict]]) -> None:
    for scenario in dict.fromkeys(scenario for scenario, _ in verdicts):
        mine = [verdict for each, verdict in verdicts if each is scenario or each == scenario]
        print(f"\n{scenario}: {' -> '.join(scenario.goals)}")
        print(fault_table(mine))
        print(_ends(mine))


def _print_violations(campaign: Campaign, verdicts: Sequence[tuple[Scenario, Verdict]]) -> None:
    for scenario, verdict in verdicts:
        if verdict.violations:
            print(f"\nVIOLATION {scenario}, struck at {', '.join(each.what for each in verdict.struck)}:")
            print("\n".join(f"  {each}" for each in verdict.violations))
            print(f"  replay: python -m {campaign.module} --only '{scenario}' --case '{verdict.case}'")


def fault_table(verdicts: Iterable[Verdict]) -> str:
    """How often each fault struck per kind of resource; the last column counts cases with violations."""
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
    """Exit codes of the disturbed runs, further runs needed, and the additional requests."""
    codes = Counter(verdict.codes[0] for verdict in verdicts)
    again = Counter(len(verdict.codes) - 1 for verdict in verdicts)
    extra = sorted(verdict.extra for verdict in verdicts)
    exit_codes = ", ".join(f"{code}: {count}" for code, count in sorted(codes.items()))
    runs = ", ".join(f"{runs}: {count}" for runs, count in sorted(again.items()))
    middle = extra[len(extra) // 2] if extra else 0
    return (
        f"exit codes when disturbed: {exit_codes} (-9: killed) · further runs needed: {runs} · "
        f"additional requests: median {middle}, at most {extra[-1] if extra else 0}"
    )
