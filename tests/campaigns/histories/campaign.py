"""Many random histories in several processes: counts of what happened, and every violation."""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import groupby
from multiprocessing import get_context
from pathlib import Path

from tests.campaigns.histories.convergence import FullHistory, run_history
from tests.campaigns.histories.schedule import InvariantViolation, Runners

CHUNK = 100
SHOWN = 5
MEMORY = Path("/dev/shm")
"""A file system in memory, used if it exists: a history writes some hundred small files."""


@dataclass
class Report:
    """Counts and violations of some histories."""

    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    violations: list[tuple[int, str]] = field(default_factory=list)
    histories: int = 0

    def add(self, other: Report) -> None:
        """Add the counts and violations of another report."""
        self.counts += other.counts
        self.violations += other.violations
        self.histories += other.histories


def work_folder() -> tempfile.TemporaryDirectory[str]:
    """A temporary folder, in memory if possible."""
    place = MEMORY if MEMORY.is_dir() else None
    return tempfile.TemporaryDirectory(prefix="smplan-histories-", dir=place)


def run_histories(seeds: Iterable[int]) -> Report:
    """Run the histories of ``seeds``."""
    report, runners = Report(), Runners()
    with work_folder() as folder:
        for seed in seeds:
            history, violation = run_history(seed, Path(folder) / "state", runners)
            report.histories += 1
            report.counts += history.trace.counts
            if violation:
                report.violations.append((seed, str(violation)))
    runners.close()
    return report


def run_one(seed: int) -> tuple[FullHistory, InvariantViolation | None]:
    """Run the history of one seed."""
    runners = Runners()
    with work_folder() as folder:
        found = run_history(seed, Path(folder) / "state", runners)
    runners.close()
    return found


def collapsed(lines: list[str]) -> Iterator[str]:
    """The trace, with repeated lines shown once."""
    for line, same in groupby(lines):
        times = len(list(same))
        yield line if times == 1 else f"{line}  ({times} times)"


def run_parallel(first: int, count: int, jobs: int) -> Report:
    """``count`` histories from the seed ``first`` on, in ``jobs`` processes, with a line of progress now and then."""
    chunks = [range(at, min(at + CHUNK, first + count)) for at in range(first, first + count, CHUNK)]
    report, since = Report(), time.monotonic()
    with ExitStack() as stack:
        pool = stack.enter_context(ProcessPoolExecutor(jobs, mp_context=get_context("spawn"))) if jobs > 1 else None
        for found in pool.map(run_histories, chunks) if pool else map(run_histories, chunks):
            report.add(found)
            bad = len(report.violations)
            print(f"  {time.monotonic() - since:6.0f} s: {report.histories} run, {bad} with violations", flush=True)
            for seed, violation in found.violations:
                print(f"  seed {seed}: {violation}", flush=True)
    return report


def table(counts: Counter[tuple[str, str]]) -> Iterator[str]:
    """One line per type of occurrence, with its counts."""
    for what, group in groupby(sorted(counts), key=lambda key: key[0]):
        parts = [f"{which or '-'} {counts[what, which]}" for _, which in group]
        yield f"{what:>24}: {', '.join(parts)}"


def replay(seed: int, *, trace: bool) -> int:
    """Run one history again and print its outcome; 1 if it violated an invariant."""
    history, violation = run_one(seed)
    if trace or violation:
        print("\n".join(collapsed(history.trace.lines)))
    print(f"seed {seed}: {violation or 'every invariant held'}")
    return 1 if violation else 0


def campaign(first: int, count: int, jobs: int) -> int:
    """Run ``count`` histories and print what happened; 1 if any violated an invariant."""
    since = time.monotonic()
    report = run_parallel(first, count, jobs)
    seconds = time.monotonic() - since
    print("\n".join(table(report.counts)))
    pace = report.histories / seconds * 60
    print(
        f"\n{report.histories} histories (seeds {first} to {first + count - 1}), {seconds:.0f} s, {pace:.0f} a minute"
    )
    print(f"violations: {len(report.violations)}")
    for seed, violation in report.violations[:SHOWN]:
        print(f"  {violation}\n    python -m tests.campaigns.run_histories --seed {seed} --trace")
    return 1 if report.violations else 0
