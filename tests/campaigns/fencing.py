"""Fencing: a lock holder is stopped with SIGSTOP, another process takes the lock and writes, and the holder resumes.

The resumed holder may only query its lock, which is lost. A request already sent when it was stopped may still arrive:
at the store, where it is refused or has no effect; or, if it was stopped between check and call, one at AWS. Its
earlier writes are kept.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

from smplan.core.state.journal import JournalEntry, RunBegan
from smplan.errors import Locked
from smplan.stores.interface import LockedState
from tests.campaigns import race_workers
from tests.campaigns.race_workers import BUCKET, StateLocation, client
from tests.campaigns.report import table
from tests.support.s3 import Hold, Request, S3Server

LEASE, RENEW = 2.0, 0.5
TIMEOUT = 60


@dataclass(frozen=True)
class Fence:
    """Where the holder is stopped, and what the next holder does. The server delays a ``held`` request meanwhile."""

    point: str
    next_saves: bool
    by_hand: bool = False
    held: str = ""


POINTS = (
    ("before a driver's call", ""),
    ("before a batch", ""),
    ("before a save", ""),
    ("between check and a driver's call", ""),
    ("between check and a batch's PUT", ""),
    ("between check and a save's PUT", ""),
    ("within a renewal", ""),
    ("a batch's PUT sent, not done", "before"),
    ("a batch's PUT done, not answered", "after"),
    ("a save's PUT sent, not done", "before"),
)
FENCES = (
    *(Fence(point, saves, held=held) for point, held in POINTS for saves in (False, True)),
    Fence("before a batch", False, by_hand=True),
    Fence("before a save", True, by_hand=True),
)
FEW = FENCES[:1]
HEAD = ("S3: stopped", "next holder", "its next write", "lock queries", "writes", "driver calls", "intact")


@contextmanager
def holding(who: str, location: StateLocation, point: str) -> Iterator[tuple[BaseProcess, Connection]]:
    """A process that holds the lock and runs to ``point``; killed afterwards."""
    context = multiprocessing.get_context("forkserver")
    mine, its = context.Pipe()
    process = context.Process(target=race_workers.hold, args=(who, location, point, its), daemon=True)
    process.start()
    its.close()
    try:
        yield process, mine
    finally:
        process.kill()
        process.join()


def receive(pipe: Connection) -> str:
    """The next message of the holder. Raises TimeoutError."""
    if not pipe.poll(TIMEOUT):
        raise TimeoutError("no message from the holder")
    return str(pipe.recv())


def send_signal(process: BaseProcess, number: signal.Signals) -> None:
    """Send a signal to the holder, by its id."""
    os.kill(process.pid or 0, number)


def take_over(location: StateLocation, who: str, saves: bool) -> list[JournalEntry]:
    """Wait for the lock, and write. Returns the journal as it was found."""
    with location.store(who).lock(race_workers.holder(who), wait_seconds=TIMEOUT) as held:
        return _write(held, who, saves)


def _write(held: LockedState, who: str, saves: bool) -> list[JournalEntry]:
    found = list(held.snapshot.entries)
    held.append(race_workers.turn(f"next-{who}", 2))
    if saves:
        held.save(held.folded().state)
    return found


def run_fence(server: S3Server, fence: Fence, number: int) -> tuple[list[str], list[str]]:
    """A row of the table, and the violations."""
    who = f"holder{number}"
    location = StateLocation(url=server.url, key=f"fleet{number}", lease=LEASE, renew=RENEW)
    race_workers.first(location.store("first"))
    hold = None
    if fence.held:
        part = f"{location.key}.journal/" if "batch" in fence.point else f"/{location.key}$"
        hold = Hold(who, "PUT", part, fence.held == "before")
    with holding(who, location, fence.point if not fence.held else "waiting " + fence.point) as (process, pipe):
        _stopped(server, process, pipe, hold)
        if fence.by_hand:
            client(server.url, "hand").delete_object(Bucket=BUCKET, Key=f"{location.key}.lock")
        found = take_over(location, f"taker{number}", fence.next_saves)
        before, count = location.store("judge").read(), len(server.requests)
        send_signal(process, signal.SIGCONT)
        if hold:
            hold.go.set()
        else:
            pipe.send("go")
        ended = receive(pipe)
        process.join(TIMEOUT)
    made = [each for each in server.requests[count:] if each.who == who]
    return _row(fence, location, ended, made, found, intact=location.store("judge").read() == before)


def _stopped(server: S3Server, process: BaseProcess, pipe: Connection, hold: Hold | None) -> None:
    """Wait until the holder is at its point, and stop it."""
    if hold:
        receive(pipe)
        server.holds.append(hold)
        pipe.send("go")
        hold.arrived.wait(TIMEOUT)
    else:
        receive(pipe)
    send_signal(process, signal.SIGSTOP)


def _row(
    fence: Fence, location: StateLocation, ended: str, made: list[Request], found: list[JournalEntry], *, intact: bool
) -> tuple[list[str], list[str]]:
    lock = f"/{BUCKET}/{location.key}.lock"
    through = [each for each in made if each.method not in ("GET", "HEAD") and each.status < 300]
    driver = [each for each in made if "/driver/" in each.path]
    asked = [each for each in made if each.path == lock]
    under_way = "PUT" in fence.point or "between" in fence.point
    violations = []
    if not ended.startswith("Locked: "):
        violations.append(f"its next write ended with: {ended}")
    if (
        len(driver) > ("between" in fence.point)
        or len(through) > under_way
        or any(each.path == lock for each in through)
    ):
        violations.append(f"it made calls: {driver + through}")
    if not under_way and len(asked) != len(made) and not fence.by_hand:
        violations.append(f"it queried more than its lock: {made}")
    if not intact:
        violations.append("the next holder's write was changed")
    if "done, not answered" in fence.point and not any(isinstance(each, RunBegan) for each in found[-1:]):
        violations.append("its earlier write is lost")
    after = "saves" if fence.next_saves else "appends"
    name = fence.point + (", lock deleted by hand" if fence.by_hand else "")
    figures = (len(asked), len(through), len(driver))
    return [name, after, ended.split(":")[0], *map(str, figures), "yes" if intact else "NO"], violations


def local() -> tuple[list[list[str]], list[str]]:
    """The same with files, where the lock belongs to the process: stopped, it keeps it; killed, it releases it."""
    rows, violations = [], []
    with tempfile.TemporaryDirectory(prefix="race-") as folder:
        location = StateLocation(folder=folder)
        race_workers.first(location.store("first"))
        with holding("holder", location, "before a batch") as (process, pipe):
            receive(pipe)
            send_signal(process, signal.SIGSTOP)
            refused = sum(_refused(location) for _ in range(20))
            rows.append(["stopped: 20 tries by others", f"{refused} refused"])
            send_signal(process, signal.SIGKILL)
            since = time.monotonic()
            found = take_over(location, "taker", True)
            rows.append(["killed: the next holder has the lock after", f"{(time.monotonic() - since) * 1000:.0f} ms"])
            if refused != 20 or not found:
                violations.append("another process got the lock of the stopped holder, or its write was lost")
    with tempfile.TemporaryDirectory(prefix="race-") as folder:
        location = StateLocation(folder=folder)
        race_workers.first(location.store("first"))
        with holding("holder", location, "before a batch") as (process, pipe):
            receive(pipe)
            send_signal(process, signal.SIGSTOP)
            os.unlink(os.path.join(folder, "fleet.lock"))
            take_over(location, "taker", True)
            before = location.store("judge").read()
            send_signal(process, signal.SIGCONT)
            pipe.send("go")
            ended = receive(pipe)
            rows.append(["stopped, lock file removed by hand, continued: its next write", ended.split(":")[0]])
            if not ended.startswith("Locked: ") or location.store("judge").read() != before:
                violations.append(f"with its lock file removed: {ended}")
    return rows, violations


def _refused(location: StateLocation) -> bool:
    try:
        location.store("other").lock(race_workers.holder("other")).release()
    except Locked as error:
        return "holder@" in str(error)
    return False


def fences(server: S3Server, *, few: bool) -> int:
    """Run every fencing case and print the tables. Returns the number of violations."""
    chosen = FEW if few else FENCES
    with ThreadPoolExecutor(4) as pool:
        results: list[Any] = list(pool.map(lambda each: run_fence(server, each[1], each[0]), enumerate(chosen)))
    rows, violations = local()
    sys.stdout.write(table(HEAD, [row for row, _ in results]) + "\n\n")
    sys.stdout.write(table(("local", "outcome"), rows) + "\n\n")
    for fence, (_, found) in zip(chosen, results, strict=True):
        violations += [f"{fence}: {each}" for each in found]
    sys.stdout.write("".join(f"  violation: {each}\n" for each in violations))
    return len(violations)
