"""What the campaigns over a matrix share: cases dealt to processes, verdicts gathered, and the tables of both."""

from __future__ import annotations

import argparse
import multiprocessing
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from tests.campaigns.matrix import Case, Expect, Left, Scenario, Theatre, Verdict

CHUNK = 20
"""Cases that one process plays on its stages; each begins with undisturbed runs, which cost as much as some cases."""

Cases = Callable[[Sequence[Left]], Iterable[Case]]


@dataclass(frozen=True)
class Campaign:
    """A matrix: which scenarios, which cases of each, and how a disturbed run may end."""

    name: str
    module: str
    scenarios: Sequence[Scenario]
    cases: Cases
    expect: Expect


def sized(campaign: Campaign, scenario: Scenario) -> list[Case]:
    """All cases of a scenario, as an undisturbed run tells them."""
    with tempfile.TemporaryDirectory() as folder, Theatre(scenario, Path(folder)) as theatre:
        return list(campaign.cases(theatre.left))


def played(campaign: Campaign, scenario: Scenario, cases: Sequence[Case]) -> list[Verdict]:
    """These cases, on a stage of their own."""
    with tempfile.TemporaryDirectory() as folder, Theatre(scenario, Path(folder), campaign.expect) as theatre:
        return list(theatre.play(cases))


def run(campaign: Campaign, arguments: Sequence[str]) -> int:
    """The whole campaign, or the share of it that was asked for. The exit code: 1 if anything was wrong."""
    asked = _parser(campaign).parse_args(arguments)
    chosen = [scenario for scenario in campaign.scenarios if not asked.only or str(scenario) in asked.only]
    since = time.monotonic()
    with ProcessPoolExecutor(asked.workers, multiprocessing.get_context("spawn")) as pool:
        dealt = list(_dealt(campaign, chosen, asked, pool))
        random.Random(asked.seed).shuffle(dealt)
        print(f"{campaign.name}: {sum(len(cases) for _, cases in dealt)} cases, seed {asked.seed}", flush=True)
        waiting = {pool.submit(played, campaign, scenario, cases): scenario for scenario, cases in dealt}
        verdicts: list[tuple[Scenario, Verdict]] = []

        def hear(future: Future[list[Verdict]]) -> None:
            scenario = waiting.pop(future)
            fresh = [(scenario, verdict) for verdict in future.result()]
            verdicts.extend(fresh)
            bad = sum(bool(verdict.wrong) for _, verdict in verdicts)
            print(f"  {time.monotonic() - since:6.0f} s: {len(verdicts)} played, {bad} wrong", flush=True)
            _print_wrong(campaign, fresh)

        try:
            for future in as_completed(list(waiting), asked.minutes * 60 if asked.minutes else None):
                hear(future)
        except TimeoutError:
            print(f"  {asked.minutes:g} minutes are over: no new share is begun", flush=True)
            pool.shutdown(cancel_futures=True)
            for future in [each for each in waiting if not each.cancelled()]:
                hear(future)
    _print(verdicts)
    return 1 if any(verdict.wrong for _, verdict in verdicts) else 0


def _parser(campaign: Campaign) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=f"python -m {campaign.module}")
    parser.add_argument("--share", type=float, default=1.0, help="which share of all cases is played, by seed")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--minutes", type=float, default=0, help="begin no new share of the cases after that time")
    parser.add_argument("--only", action="append", help="a scenario, such as 'life (local)'")
    parser.add_argument("--case", action="append", help="a case of it, as a table of what was wrong names it")
    return parser


def _dealt(
    campaign: Campaign, chosen: Sequence[Scenario], asked: argparse.Namespace, pool: ProcessPoolExecutor
) -> Iterator[tuple[Scenario, list[Case]]]:
    sizes = pool.map(sized, [campaign] * len(chosen), chosen)
    for scenario, cases in zip(chosen, sizes, strict=True):
        dice = random.Random(f"{asked.seed} {scenario}")
        wanted = [case for case in cases if str(case) in asked.case] if asked.case else cases
        shuffled = dice.sample(wanted, max(1, round(len(wanted) * asked.share)))
        yield from ((scenario, shuffled[at : at + CHUNK]) for at in range(0, len(shuffled), CHUNK))


def _print(verdicts: Sequence[tuple[Scenario, Verdict]]) -> None:
    for scenario in dict.fromkeys(scenario for scenario, _ in verdicts):
        mine = [verdict for each, verdict in verdicts if each is scenario or each == scenario]
        print(f"\n{scenario}: {' -> '.join(goal or 'nothing' for goal in scenario.goals)}")
        print(table(mine))
        print(_ends(mine))


def _print_wrong(campaign: Campaign, verdicts: Sequence[tuple[Scenario, Verdict]]) -> None:
    for scenario, verdict in verdicts:
        if verdict.wrong:
            print(f"\nWRONG {scenario}, struck at {', '.join(each.what for each in verdict.struck)}:")
            print("\n".join(f"  {told}" for told in verdict.wrong))
            print(f"  replay: python -m {campaign.module} --only '{scenario}' --case '{verdict.case}'")


def table(verdicts: Iterable[Verdict]) -> str:
    """How often each fault struck for each kind of resource; wrong ones are counted behind a slash."""
    counts: dict[str, Counter[str]] = {}
    wrong: Counter[tuple[str, str]] = Counter()
    for verdict in verdicts:
        fault = verdict.case.trouble.fault
        for struck in verdict.struck or (None,):
            row = struck.row if struck else "(ended before it)"
            counts.setdefault(row, Counter())[fault] += 1
            wrong[row, fault] += bool(verdict.wrong)
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


def main(campaign: Campaign) -> None:
    """The command line of a campaign."""
    sys.exit(run(campaign, sys.argv[1:]))
