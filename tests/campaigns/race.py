"""Many processes at one lock; and holders that are stopped, robbed of their lock, and go on.

    python -m tests.campaigns.race [--processes N] [--rounds R] [--few]

Real processes; one state in a folder and one in a fake S3 on 127.0.0.1. In each round all try to lock at once: one
succeeds, the others are refused with its name; the winner reads, appends and saves. Then all wait for the lock, and all
get it. At the end serial and counter show that no update was lost. ``fencing`` has the stopped holders.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any

from tests.campaigns import racers
from tests.campaigns.racers import Place
from tests.campaigns.tally import table

SECONDS = 900
"""However slow the machine: no race goes on longer."""


def run(body: Callable[..., None], place: Place, processes: int, rounds: int) -> list[tuple[int, str, str]]:
    """Let so many processes run ``body``; what they told. All of them are ended before this returns."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["__main__", "tests.campaigns.racers"])
    gate, told = context.Barrier(processes), context.Queue()
    started = [
        context.Process(target=body, args=(number, place, rounds, gate, told), daemon=True)
        for number in range(processes)
    ]
    deadline = time.monotonic() + SECONDS
    try:
        for process in started:
            process.start()
        heard = [told.get(timeout=deadline - time.monotonic()) for _ in range(processes * rounds)]
        for process in started:
            process.join(60)
        return heard
    finally:
        for process in started:
            process.kill()
            process.join()


def judged(name: str, place: Place, body: Callable[..., None], processes: int, rounds: int) -> tuple[list[str], int]:
    """A row of the table, and how many laws were broken."""
    store = place.store("judge")
    racers.first(store)
    since = time.monotonic()
    heard = run(body, place, processes, rounds)
    seconds = time.monotonic() - since
    turns = [each for each in heard if each[1] == "won"]
    refused = [each for each in heard if each[1] == "refused"]
    failed = [each for each in heard if each[1] == "failed"]
    winner = {number: who for number, _, who in turns}
    nameless = [each for each in refused if winner.get(each[0], "nobody") not in each[2]]
    found = store.read()
    state: Any = found.stored
    lost = (len(turns) - (state.serial - 1)) + (len(turns) - state.outputs["counter"])
    lost += len(turns) - len(state.resources) + len(found.entries)
    wins = Counter(number for number, _, _ in turns)
    fair = processes if body is racers.wait else 1
    wrong = sum(wins[each] != fair for each in range(rounds)) + abs(lost) + len(failed) + len(nameless)
    for each in (failed + nameless)[:3]:
        sys.stdout.write(f"  violation: {name}: {each}\n")
    figures = (processes, rounds, len(turns), len(refused), len(nameless), len(failed), lost)
    return [name, *map(str, figures), f"{seconds:.1f}"], wrong


HEAD = ("race", "processes", "rounds", "winners", "refused", "nameless", "failed", "lost updates", "seconds")


def races(url: str, processes: int, rounds: int) -> int:
    """All races; their table is printed. How many laws were broken."""
    rows, wrong = [], 0
    with tempfile.TemporaryDirectory(prefix="race-") as folder:
        for name, place in (("local", Place(folder=folder)), ("S3", Place(url=url))):
            for how, body, count in (("one try each", racers.race, rounds), ("all wait", racers.wait, 1)):
                if place.folder:
                    place = Place(folder=os.path.join(folder, how))
                else:
                    place = Place(url=url, key=how.replace(" ", "-"))
                row, broken = judged(f"{name}, {how}", place, body, processes, count)
                rows.append(row)
                wrong += broken
    sys.stdout.write(table(HEAD, rows) + "\n\n")
    return wrong


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it, print the tables, and end with 1 on any violation."""
    from tests.campaigns.fencing import fences
    from tests.support.s3 import MemoryS3, S3Server

    parser = argparse.ArgumentParser(prog="race", description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--processes", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--few", action="store_true", help="only a few of the stopped holders")
    asked = parser.parse_args(arguments)
    with S3Server(MemoryS3(now=partial(datetime.now, UTC))) as server:
        wrong = races(server.url, asked.processes, asked.rounds) + fences(server, few=asked.few)
    sys.stdout.write(f"violations: {wrong}\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
