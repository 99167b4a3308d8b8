"""Every write of the local store interrupted at every byte, and every disk error at each of its calls.

    python -m tests.campaigns.run_torn [--seed S] [--only CASE]

Interruptions: the process ends after each operation and each byte of each write; power fails after each operation, and
data without an fsync is lost in every possible way (see ``crash_states``). Invariant: a reader sees the old or the new
content, whole and without an error, and the new one if the write had returned; then the lock is free, and writes work.
A disk error is reported as a StoreError with a hint; nothing acknowledged is lost; the same call again succeeds.
"""

from __future__ import annotations

import errno
import os
import random
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path

from smplan.core.state.journal import JournalEntry
from smplan.core.state.model import State
from smplan.errors import StoreError
from smplan.stores.interface import LockedState, Snapshot
from smplan.stores.local import LocalStore
from tests.campaigns import crash_states, generators
from tests.campaigns.generators import HOLDER, MEMORY, NEXT, STATE, FixedClock
from tests.campaigns.report import Report
from tests.support.disks import FaultyDisk, Killed, NoFsyncDisk

FAULTS = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.EACCES)
COMBINATIONS = 64

Act = Callable[[], object]


@dataclass(frozen=True)
class Size:
    """Resources in the state, and characters in the spec of each."""

    things: int = 17
    length: int = 800


@dataclass(frozen=True)
class Work:
    """What is written: determined by size and seed."""

    size: Size
    seed: int

    def state(self) -> State:
        """The state to save first."""
        return generators.fleet(random.Random(self.seed), things=self.size.things, length=self.size.length)

    def made(self, number: int) -> list[JournalEntry]:
        """The batch that creates a further resource."""
        return generators.thing_created(random.Random(self.seed + number), self.size.things + number, self.size.length)


@dataclass(frozen=True)
class Write:
    """A write: its preparation, and the call that does it under the lock. ``arms_disk``: it injects faults itself."""

    name: str
    prepare: Callable[[LocalStore, Work], None]
    ready: Callable[[LocalStore, Work, ExitStack], Act]
    arms_disk: bool = False


def nothing(store: LocalStore, work: Work) -> None:
    """An empty folder."""


def saved(store: LocalStore, work: Work) -> None:
    """A state."""
    with store.lock(HOLDER) as held:
        held.save(work.state())


def begun(store: LocalStore, work: Work) -> None:
    """A state, and a journal with an unfinished run."""
    saved(store, work)
    with store.lock(HOLDER) as held:
        held.append(generators.run_began(1))
        held.append(work.made(1))


def torn(keep: float) -> Callable[[LocalStore, Work], None]:
    """A journal of whose last line only the share ``keep`` was written."""

    def prepare(store: LocalStore, work: Work) -> None:
        begun(store, work)
        whole = store.journal.stat().st_size
        with store.lock(HOLDER) as held:
            held.append(work.made(2))
        more = store.journal.stat().st_size - whole
        os.truncate(store.journal, whole + min(int(more * keep), more - 1))

    return prepare


def locked(store: LocalStore, stack: ExitStack) -> LockedState:
    """The lock, released with ``stack``."""
    held = store.lock(NEXT)
    stack.callback(held.release)
    return held


def saving(store: LocalStore, work: Work, stack: ExitStack) -> Act:
    """Save the stored state again, or the first one."""
    held = locked(store, stack)
    kept = held.folded().state if held.snapshot.stored else work.state()
    return lambda: held.save(kept)


def appending(*entries: JournalEntry) -> Callable[[LocalStore, Work, ExitStack], Act]:
    """Append these, or by default the batch that creates a further resource."""

    def ready(store: LocalStore, work: Work, stack: ExitStack) -> Act:
        held = locked(store, stack)
        batch = list(entries) or work.made(3)
        return lambda: held.append(batch)

    return ready


def second(store: LocalStore, work: Work, stack: ExitStack) -> Act:
    """Append to an open journal."""
    held = locked(store, stack)
    held.append(work.made(2))
    batch = work.made(3)
    return lambda: held.append(batch)


def again(call: str) -> Callable[[LocalStore, Work, ExitStack], Act]:
    """Append a batch that fails at ``call``, and append it again."""

    def ready(store: LocalStore, work: Work, stack: ExitStack) -> Act:
        held = locked(store, stack)
        held.append(work.made(2))
        batch = work.made(3)

        def act() -> None:
            _with_fault(store, 1 + ["write", "sync"].index(call), OSError(errno.EIO, "no"), lambda: held.append(batch))
            held.append(batch)

        return act

    return ready


def after_killed(store: LocalStore, work: Work, stack: ExitStack) -> Act:
    """Append after a process that ended between its write and its fsync."""
    with store.lock(HOLDER) as held:
        held.append(work.made(2))
        _with_fault(store, 2, Killed(), lambda: held.append(work.made(4)))
    return appending()(store, work, stack)


def _with_fault(store: LocalStore, at: int, problem: BaseException, act: Act) -> None:
    disk = store.disk
    if isinstance(disk, FaultyDisk):
        disk.arm(at, problem)
        with suppress(Killed, StoreError):
            act()
        disk.arm()


def releasing(store: LocalStore, work: Work, stack: ExitStack) -> Act:
    """Release the lock."""
    return locked(store, stack).release


def locking(store: LocalStore, work: Work, stack: ExitStack) -> Act:
    """Take the lock."""
    return lambda: locked(store, stack)


BEGAN, ENDED = generators.run_began(2), generators.run_ended(1)
WRITES = (
    Write("the first save", nothing, saving),
    Write("a save over a state and its journal", begun, saving),
    Write("the first batch", saved, appending(*BEGAN)),
    Write("a further batch", begun, appending()),
    Write("a batch to an open journal", begun, second),
    Write("the end of a run", begun, appending(*ENDED)),
    Write("a batch after a line cut short", torn(0.05), appending()),
    Write("a batch after a line nearly whole", torn(0.97), appending()),
    Write("a batch after a line without its end", torn(1), appending()),
    Write("a batch after a process killed before its fsync", begun, after_killed, arms_disk=True),
    Write("a batch again, after a write failed", begun, again("write"), arms_disk=True),
    Write("a batch again, after an fsync failed", begun, again("sync"), arms_disk=True),
    Write("taking the lock", begun, locking),
    Write("taking the lock, half a line in the journal", torn(0.6), locking),
    Write("releasing the lock", begun, releasing),
)


def read_state(folder: Path) -> Snapshot:
    """What a reader gets."""
    return LocalStore(folder / STATE, disk=NoFsyncDisk()).read()


@dataclass(frozen=True)
class RecordedWrite:
    """A recorded write: the operations up to its end, and the snapshots before and after."""

    start: crash_states.Image
    ops: list[crash_states.Op]
    first: int
    before: Snapshot
    after: Snapshot


def record(write: Write, work: Work, folder: Path) -> RecordedWrite:
    """Do ``write`` in ``folder`` without a fault."""
    write.prepare(LocalStore(folder / STATE, disk=NoFsyncDisk()), work)
    disk = crash_states.RecordingDisk(folder)
    with ExitStack() as stack:
        act = write.ready(LocalStore(folder / STATE, disk=disk), work, stack)
        first, before = len(disk.ops), read_state(folder)
        act()
        return RecordedWrite(disk.start, list(disk.ops), first, before, read_state(folder))


def fill(folder: Path, files: dict[str, bytes]) -> None:
    """Make these the files of ``folder``."""
    for path in folder.iterdir():
        if path.name not in files:
            path.unlink()
    for name, data in files.items():
        (folder / name).write_bytes(data)
        (folder / name).chmod(0o600)


def check_crash(files: dict[str, bytes], allowed: Sequence[Snapshot], folder: Path, work: Work) -> str:
    """The violation after a crash; "" if there is none."""
    fill(folder, files)
    found = read_state(folder)
    if found not in allowed:
        return "what is read is neither what was there before nor what was written"
    return check_next_write(found, folder, work)


def check_next_write(found: Snapshot, folder: Path, work: Work) -> str:
    """The violation when the lock is taken and more is written; "" if there is none."""
    store = LocalStore(folder / STATE, disk=NoFsyncDisk())
    if store.holder() is not None:
        return f"the lock is held by {store.holder()}"
    batch = [*generators.run_began(9), *generators.thing_intended(random.Random(9), 90)]
    with store.lock(HOLDER) as held:
        if held.snapshot != found:
            return "what is read under the lock differs"
        if found.stored is None:
            held.save(work.state())
        held.append(batch)
    return "" if read_state(folder).entries == (*found.entries, *batch) else "what was written afterwards is not read"


def cuts(write: Write, work: Work, folder: Path, report: Report, every: int = 1) -> None:
    """Interrupt ``write`` everywhere; within its data, at ``every`` nth byte."""
    made, place = folder / "made", folder / "place"
    made.mkdir(parents=True)
    place.mkdir()
    done = record(write, work, made)
    for count in range(done.first, len(done.ops) + 1):
        ops = done.ops[:count]
        both = (done.before, done.after)
        allowed = both if count < len(done.ops) else both[1:]
        chance = random.Random(f"{work.seed} {write.name} {count}")
        if count > done.first and ops[-1].kind == "write":
            for files in islice(crash_states.after_partial_write(done.start, ops), 0, None, every):
                report.case((write.name, "within a write"), partial(check_crash, files, both, place, work))
        files = crash_states.after_exit(done.start, ops)
        report.case((write.name, "between operations"), partial(check_crash, files, allowed, place, work))
        for files in crash_states.after_power_loss(done.start, ops, chance, COMBINATIONS):
            report.case((write.name, "power lost"), partial(check_crash, files, allowed, place, work))


def faults(write: Write, work: Work, folder: Path, report: Report, codes: Sequence[int] = FAULTS) -> None:
    """Let each call of ``write`` fail with each of ``codes``, once and for good."""
    if write.arms_disk:
        return
    count = calls(write, work, folder / "counted")
    for code in codes:
        for lasting in (False, True):
            for at in range(1, count + 1):
                place = folder / f"{code} {lasting} {at}"
                row = (write.name, errno.errorcode[code])
                report.case(row, partial(check_fault, write, work, place, at, code, lasting))


def calls(write: Write, work: Work, folder: Path) -> int:
    """The number of disk calls of ``write`` when each write takes half of its data."""
    folder.mkdir(parents=True)
    disk = FaultyDisk(halves=True)
    write.prepare(LocalStore(folder / STATE, disk=NoFsyncDisk()), work)
    with ExitStack() as stack:
        act = write.ready(LocalStore(folder / STATE, disk=disk), work, stack)
        disk.arm()
        act()
        return disk.calls


def check_fault(write: Write, work: Work, folder: Path, at: int, code: int, lasting: bool) -> str:
    """The violation with a disk error at call ``at``; "" if it is reported well and a retry succeeds."""
    folder.mkdir()
    disk = FaultyDisk(halves=True)
    write.prepare(LocalStore(folder / STATE, disk=NoFsyncDisk()), work)
    with ExitStack() as stack:
        act = write.ready(LocalStore(folder / STATE, disk=disk, clock=FixedClock()), work, stack)
        before = read_state(folder)
        disk.arm(at, OSError(code, os.strerror(code)), lasting=lasting)
        problem = attempt(act)
        disk.arm()
        between = read_state(folder)
        if problem:
            act()
        found = read_state(folder)
    if problem and between not in (before, found):
        return "after the fault, what is read is neither what was there before nor what was written"
    if not problem and between != found:
        return "it returned, and what it wrote is not there"
    return _check_message(problem, code) or check_next_write(found, folder, work)


def attempt(act: Act) -> StoreError | None:
    """The error of ``act``, or None."""
    try:
        act()
    except StoreError as error:
        return error
    return None


def _check_message(problem: StoreError | None, code: int) -> str:
    if problem is None:
        return ""
    words = f"{problem} {problem.hint}"
    wanted = (os.strerror(code), "run the same command again", "what was saved is intact")
    missing = [each for each in wanted if each not in words]
    if missing or problem.hint.startswith("fix the cause"):
        return f"the message does not say what to do: {words}"
    return ""


def campaign(seed: int, size: Size, only: str = "", writes: Sequence[Write] = WRITES) -> Report:
    """Every interruption of every write, and every disk error, at one size."""
    report = Report(f"python -m tests.campaigns.run_torn --seed {seed}", only)
    work = Work(size, seed)
    for number, write in enumerate(writes):
        for run in (cuts, faults):
            with tempfile.TemporaryDirectory(prefix="torn-", dir=MEMORY) as folder:
                run(write, work, Path(folder) / str(number), report)
    return report
