"""The command: lives many histories in several processes, prints what they went through, and any law that broke."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from itertools import groupby
from multiprocessing import get_context
from pathlib import Path

from tests.campaigns.histories.ending import Life, live
from tests.campaigns.histories.schedule import Broken, Runners

CHUNK = 50
SHOWN = 5
MEMORY = Path("/dev/shm")
"""A file system in memory, where there is one: a history writes some hundred small files."""


@dataclass
class Report:
    """What became of some histories."""

    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    broken: list[tuple[int, str]] = field(default_factory=list)
    histories: int = 0

    def add(self, other: Report) -> None:
        """Take in what became of others."""
        self.counts += other.counts
        self.broken += other.broken
        self.histories += other.histories


def work_folder() -> tempfile.TemporaryDirectory[str]:
    """A folder to live in, in memory if the machine has such."""
    place = MEMORY if MEMORY.is_dir() else None
    return tempfile.TemporaryDirectory(prefix="smplan-histories-", dir=place)


def lived(seeds: range) -> Report:
    """The histories of ``seeds``, one after the other."""
    report, runners = Report(), Runners()
    with work_folder() as folder:
        for seed in seeds:
            history, broken = live(seed, Path(folder) / "state", runners)
            report.histories += 1
            report.counts += history.witness.counts
            if broken:
                report.broken.append((seed, str(broken)))
    runners.close()
    return report


def one(seed: int) -> tuple[Life, Broken | None]:
    """The history of one seed."""
    runners = Runners()
    with work_folder() as folder:
        found = live(seed, Path(folder) / "state", runners)
    runners.close()
    return found


def shown(lines: list[str]) -> Iterator[str]:
    """The trace, with what was done again and again told once."""
    for line, same in groupby(lines):
        times = len(list(same))
        yield line if times == 1 else f"{line}  ({times} times)"


def all_of(first: int, count: int, jobs: int) -> Report:
    """``count`` histories from the seed ``first`` on, in ``jobs`` processes."""
    chunks = [range(at, min(at + CHUNK, first + count)) for at in range(first, first + count, CHUNK)]
    report = Report()
    if jobs == 1:
        for chunk in chunks:
            report.add(lived(chunk))
        return report
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        for found in pool.map(lived, chunks):
            report.add(found)
    return report


def table(counts: Counter[tuple[str, str]]) -> Iterator[str]:
    """What happened how often: one line for each sort of thing."""
    for what, group in groupby(sorted(counts), key=lambda key: key[0]):
        parts = [f"{which or '-'} {counts[what, which]}" for _, which in group]
        yield f"{what:>24}: {', '.join(parts)}"


def main() -> None:
    """Live and tell."""
    parser = argparse.ArgumentParser(prog="python -m tests.campaigns.histories", description=__doc__)
    parser.add_argument("-n", type=int, default=1000, help="how many histories")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--jobs", type=int, default=2, help="how many processes")
    parser.add_argument("--seed", type=int, help="live this one history only")
    parser.add_argument("--trace", action="store_true", help="with --seed: print all of it")
    given = parser.parse_args()
    sys.exit(replay(given.seed, trace=given.trace) if given.seed is not None else campaign(given))


def replay(seed: int, *, trace: bool) -> int:
    """Live one history again; 1 if a law broke."""
    history, broken = one(seed)
    if trace or broken:
        print("\n".join(shown(history.witness.lines)))
    print(f"seed {seed}: {broken or 'every law held'}")
    return 1 if broken else 0


def campaign(given: argparse.Namespace) -> int:
    """Live many; 1 if a law broke in any."""
    since = time.monotonic()
    report = all_of(given.first, given.n, given.jobs)
    seconds = time.monotonic() - since
    print("\n".join(table(report.counts)))
    last = given.first + given.n - 1
    pace = report.histories / seconds * 60
    print(f"\n{report.histories} histories (seeds {given.first} to {last}), {seconds:.0f} s, {pace:.0f} a minute")
    print(f"laws broken: {len(report.broken)}")
    for seed, told in report.broken[:SHOWN]:
        print(f"  {told}\n    python -m tests.campaigns.histories --seed {seed} --trace")
    return 1 if report.broken else 0
