"""Many seeded roll-outs in several processes: how they ended, and every promise that was broken."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.campaigns.rolls.roll import Verdict, run

FIRST_ACCOUNT = 600_000_000_000


def run_seed(seed: int) -> Verdict:
    """The verdict of one seed."""
    with TemporaryDirectory(prefix="smplan-rolls-") as folder:
        return run(seed, Path(folder), str(FIRST_ACCOUNT + seed))


def run_seeds(seeds: Iterable[int], jobs: int) -> Iterator[Verdict]:
    """The verdicts of ``seeds``, in ``jobs`` processes; 1 is this one."""
    if jobs == 1:
        yield from map(run_seed, seeds)
        return
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        yield from pool.map(run_seed, seeds)


def campaign(first: int, count: int, jobs: int) -> int:
    """Roll out ``count`` times and print what became of it; 1 if a promise was broken."""
    since, bad = time.monotonic(), 0
    endings: Counter[tuple[str, str]] = Counter()
    for verdict in run_seeds(range(first, first + count), jobs):
        situation = verdict.situation
        endings[situation.way, f"{situation.ill or 'nothing'}: {verdict.outcome}"] += 1
        if verdict.violations:
            bad += 1
            print(f"  seed {situation.seed} ({situation}): {verdict.outcome}", flush=True)
            print("".join(f"    {each}\n" for each in verdict.violations), end="", flush=True)
    for (way, ending), number in sorted(endings.items()):
        print(f"{number:5} {way:>28} · {ending}")
    seconds = time.monotonic() - since
    print(f"\n{count} roll-outs (seeds {first} to {first + count - 1}), {seconds:.0f} s; broken promises: {bad}")
    return 1 if bad else 0
