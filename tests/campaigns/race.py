"""Lock races: many processes compete for one lock, in a folder and in a fake S3 on 127.0.0.1.

In each round all try to lock at once: one succeeds, and the others are refused with its name; the winner reads, appends
and saves. Then all wait for the lock, and each gets it once. Serial and counter of the final state show lost updates.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from tests.campaigns import race_workers
from tests.campaigns.race_workers import StateLocation
from tests.campaigns.report import table

SECONDS = 900
"""A race takes no longer, even on a slow machine."""


def run(body: Callable[..., None], location: StateLocation, processes: int, rounds: int) -> list[tuple[int, str, str]]:
    """Run ``body`` in ``processes`` processes and return their results. All have ended by then."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["__main__", "tests.campaigns.race_workers"])
    barrier, results = context.Barrier(processes), context.Queue()
    started = [
        context.Process(target=body, args=(number, location, rounds, barrier, results), daemon=True)
        for number in range(processes)
    ]
    deadline = time.monotonic() + SECONDS
    try:
        for process in started:
            process.start()
        outcomes = [results.get(timeout=deadline - time.monotonic()) for _ in range(processes * rounds)]
        for process in started:
            process.join(60)
        return outcomes
    finally:
        for process in started:
            process.kill()
            process.join()


def run_race(
    name: str, location: StateLocation, body: Callable[..., None], processes: int, rounds: int
) -> tuple[list[str], int]:
    """A row of the table, and the number of violations."""
    store = location.store("judge")
    race_workers.first(store)
    since = time.monotonic()
    outcomes = run(body, location, processes, rounds)
    seconds = time.monotonic() - since
    turns = [each for each in outcomes if each[1] == "won"]
    refused = [each for each in outcomes if each[1] == "refused"]
    failed = [each for each in outcomes if each[1] == "failed"]
    winner = {number: who for number, _, who in turns}
    nameless = [each for each in refused if winner.get(each[0], "no winner") not in each[2]]
    found = store.read()
    state: Any = found.stored
    lost = (len(turns) - (state.serial - 1)) + (len(turns) - state.outputs["counter"])
    lost += len(turns) - len(state.resources) + len(found.entries)
    wins = Counter(number for number, _, _ in turns)
    fair = processes if body is race_workers.wait else 1
    wrong = sum(wins[each] != fair for each in range(rounds)) + abs(lost) + len(failed) + len(nameless)
    for each in (failed + nameless)[:3]:
        sys.stdout.write(f"  violation: {name}: {each}\n")
    figures = (processes, rounds, len(turns), len(refused), len(nameless), len(failed), lost)
    return [name, *map(str, figures), f"{seconds:.1f}"], wrong


HEAD = ("race", "processes", "rounds", "winners", "refused", "nameless", "failed", "lost updates", "seconds")


def races(url: str, processes: int, rounds: int) -> int:
    """Run all races and print their table. Returns the number of violations."""
    rows, violations = [], 0
    with tempfile.TemporaryDirectory(prefix="race-") as folder:
        for name, location in (("local", StateLocation(folder=folder)), ("S3", StateLocation(url=url))):
            for how, body, count in (("one try each", race_workers.race, rounds), ("all wait", race_workers.wait, 1)):
                if location.folder:
                    location = StateLocation(folder=os.path.join(folder, how))
                else:
                    location = StateLocation(url=url, key=how.replace(" ", "-"))
                row, found = run_race(f"{name}, {how}", location, body, processes, count)
                rows.append(row)
                violations += found
    sys.stdout.write(table(HEAD, rows) + "\n\n")
    return violations
