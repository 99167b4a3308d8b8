"""A simulated process: its threads, clock and disk, and the faults injected into it."""

from __future__ import annotations

import errno
import json
import os
import threading
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from random import Random
from types import TracebackType
from typing import Any, TypeVar

from smplan.core.plan.model import Plan
from smplan.engine.runtime import ResultQueue, Runtime, WorkerPool
from smplan.engine.waiter import CancelToken
from smplan.errors import Denied, Expired, LostAnswer, SmplanError, Throttled, Unreachable
from smplan.stores.files import Disk
from smplan.stores.interface import Clock
from tests.campaigns.histories.schedule import Killed, Schedule, Turn

T = TypeVar("T")
MUTATING = ("create", "configure", "update", "delete", "claim")
REFUSALS: dict[str, type[SmplanError]] = {
    "throttled": Throttled,
    "unreachable": Unreachable,
    "denied": Denied,
    "expired": Expired,
}


@dataclass
class FaultPlan:
    """The faults of one process: the boundary that kills it, by type and number, and how often calls fail, and how."""

    kill: str = ""
    """A type of boundary: "call" or "answer" (any), "create", "created" (only these), "write", "written", "torn"."""
    kill_at: int = 0
    drain_at: int = 0
    full_at: int = 0
    """The number of the disk write that finds no space."""
    call_faults: tuple[str, ...] = ()
    chance: float = 0.0

    def __str__(self) -> str:
        parts = [f"kill at {self.kill} {self.kill_at}"] if self.kill else []
        parts += [f"drain at {self.drain_at}"] if self.drain_at else []
        parts += [f"disk full at {self.full_at}"] if self.full_at else []
        parts += [f"{'/'.join(self.call_faults)} at {self.chance:.0%}"] if self.call_faults else []
        return ", ".join(parts) or "none"


@dataclass
class Trace:
    """The trace of one history: its lines, and counts of what happened."""

    lines: list[str] = field(default_factory=list)
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    batches: set[bytes] = field(default_factory=set)
    """Journal lines written before: a process that writes one again only copies it."""

    def add(self, line: str) -> None:
        self.lines.append(line)

    def count(self, what: str, which: str) -> None:
        self.counts[what, which] += 1


class Process:
    """The engine's environment. Every boundary calls ``touch``; once ``dead``, nothing has any effect."""

    def __init__(self, name: str, schedule: Schedule, faults: FaultPlan, random: Random, trace: Trace) -> None:
        self.name = name
        self.dead = False
        self.schedule = schedule
        self.faults = faults
        self.trace = trace
        self.stop = CancelToken(SimRuntime(self))
        self.plan: Plan | None = None
        self.protected: frozenset[tuple[str, str]] = frozenset()
        self.kept: frozenset[tuple[str, str]] = frozenset()
        self.intents: set[str] = set()
        """Steps whose intent this process has made durable."""
        self.began = 0
        self.mutations = 0
        self.suffered = 0
        self.racing = False
        self.completed = False
        self.random = random
        self._passed: Counter[str] = Counter()

    @property
    def untouched(self) -> bool:
        """Whether it has met no fault, and no other process."""
        return not (self.suffered or self.racing or self.stop.cancelled)

    def touch(self, *sorts: str) -> None:
        """A boundary of these types; the process may be killed here."""
        self.schedule.touch()
        if self.dead:
            raise Killed
        self._passed[""] += 1
        if self._passed[""] == self.faults.drain_at:
            self.trace.count("drain", sorts[0])
            self.trace.add(f"    {self.name}: asked to stop")
            self.stop.cancel()
        if self.faults.kill in sorts and self.due(self.faults.kill, self.faults.kill_at):
            self.die(" ".join(sorts))

    def due(self, sort: str, at: int) -> bool:
        """Whether this is number ``at`` of its type."""
        self._passed[sort] += 1
        return self._passed[sort] == at

    def die(self, where: str) -> None:
        """Kill the process. Raises Killed."""
        self.dead = True
        self.suffered += 1
        self.trace.count("kill", where)
        self.trace.add(f"    {self.name}: killed at {where}")
        raise Killed

    def call(self, op: str, kind: str, key: str, act: Callable[[], T]) -> T:
        """One call over the wire: the result of ``act``, unless a fault strikes."""
        self.touch("call", op)
        fault = self._fault(op)
        shown = f"    {self.name}: {op} {kind} {key}"
        if fault:
            self.suffered += 1
            self.trace.count(fault, op)
            shown += f" ({fault})"
        if fault in REFUSALS:
            self.trace.add(shown)
            raise REFUSALS[fault](f"{op} {kind}: {fault}")
        if fault == "lost before":
            self.trace.add(shown)
            raise LostAnswer(f"{op} {kind}: no answer")
        try:
            answer = act()
        except SmplanError as error:
            self.trace.add(f"{shown}: {type(error).__name__}, {error}")
            raise
        self.trace.add(f"{shown} -> {answer}" if isinstance(answer, str) else shown)
        self.touch("answer", f"{op}d" if op.endswith("e") else f"{op}ed")
        if fault == "lost after":
            raise LostAnswer(f"{op} {kind}: no answer")
        return answer

    def _fault(self, op: str) -> str:
        if not self.faults.call_faults or self.random.random() >= self.faults.chance:
            return ""
        fault = self.random.choice(self.faults.call_faults)
        return "" if fault.startswith("lost") and op not in MUTATING else fault


class SimRuntime(Runtime):
    """Simulated time, and threads that wait for their turn."""

    def __init__(self, process: Process) -> None:
        self._process = process

    def now(self) -> float:
        return self._process.schedule.now

    def wait(self, event: threading.Event, seconds: float) -> bool:
        schedule = self._process.schedule
        schedule.wait(event.is_set, schedule.now + seconds)
        return event.is_set()

    def worker_pool(self, size: int, name: str) -> WorkerPool:
        return SimWorkerPool(self._process, size)

    def result_queue(self) -> ResultQueue[Any]:
        return SimResultQueue(self._process)


class SimResultQueue(ResultQueue[Any]):
    """A queue whose results may be taken at once, or together with later ones."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._left: list[Any] = []

    def put(self, result: Any) -> None:
        self._left.append(result)
        if not self._process.dead:
            self._process.schedule.touch()

    def take(self) -> list[Any]:
        self._process.schedule.wait(lambda: bool(self._left))
        taken, self._left = self._left, []
        return taken


class SimWorkerPool(WorkerPool):
    """Workers that run when they are scheduled, ``size`` at a time."""

    def __init__(self, process: Process, size: int) -> None:
        self._process = process
        self._size = size
        self._busy = 0
        self._turns: list[Turn] = []

    def start(self, work: Callable[[], None]) -> None:
        def free() -> bool:
            return self._busy < self._size

        def one() -> None:
            self._busy += 1
            try:
                work()
            finally:
                self._busy -= 1

        running = [turn for turn in self._turns if not turn.over]
        self._turns = [*running, self._process.schedule.start(self._process, one, free)]

    def map(self, work: Callable[[Any], Any], items: Iterable[Any]) -> list[Any]:
        things = list(items)
        if len(things) == 1:
            return [work(things[0])]
        outcomes: dict[int, Any] = {}
        faults: dict[int, Exception] = {}

        def one(at: int) -> None:
            try:
                outcomes[at] = work(things[at])
            except Exception as error:
                faults[at] = error

        turns = [self._process.schedule.start(self._process, partial(one, at)) for at in range(len(things))]
        self._process.schedule.join(turns)
        if self._process.dead:
            raise Killed
        if faults:
            raise faults[min(faults)]
        return [outcomes[at] for at in range(len(things))]

    def __enter__(self) -> SimWorkerPool:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._process.schedule.join([turn for turn in self._turns if not turn.over])
        if self._process.dead:
            raise Killed


class SimClock(Clock):
    """The store's clock, simulated."""

    def __init__(self, process: Process) -> None:
        self._process = process

    def now(self) -> float:
        return self._process.schedule.now

    def pause(self, seconds: float) -> None:
        schedule = self._process.schedule
        schedule.wait(lambda: False, schedule.now + seconds)


class SimDisk(Disk):
    """A disk without fsync that records journal entries, and can fill up or tear its last write."""

    def __init__(self, process: Process) -> None:
        self._process = process

    def open(self, path: Path, flags: int) -> int:
        if not flags & os.O_DIRECTORY:
            self._process.touch("open")
        return super().open(path, flags)

    def write(self, descriptor: int, data: bytes) -> int:
        process = self._process
        process.touch("write")
        faults = process.faults
        if faults.full_at and process.due("full", faults.full_at):
            process.suffered += 1
            process.trace.count("disk full", "write")
            process.trace.add(f"    {process.name}: no space on the disk")
            os.write(descriptor, data[: process.random.randrange(len(data))])
            raise OSError(errno.ENOSPC, "No space left on device")
        if faults.kill == "torn" and process.due("torn", faults.kill_at):
            os.write(descriptor, data[: process.random.randrange(len(data))])
            process.die("torn write")
        written = super().write(descriptor, data)
        self._record(data)
        process.touch("written")
        return written

    def sync(self, descriptor: int) -> None:
        if self._process.dead:
            raise Killed

    def rename(self, source: Path, target: Path) -> None:
        self._process.touch("write", "rename")
        super().rename(source, target)
        self._process.touch("written", "renamed")

    def truncate(self, descriptor: int, length: int) -> None:
        if not self._process.dead:
            super().truncate(descriptor, length)

    def unlink(self, path: Path) -> None:
        if self._process.dead:
            raise Killed
        super().unlink(path)

    def _record(self, data: bytes) -> None:
        for line in data.split(b"\n"):
            if line[9:10] != b"[" or line in self._process.trace.batches:
                continue
            self._process.trace.batches.add(line)
            for entry in json.loads(line[9:]):
                if entry["type"] == "StepIntent":
                    self._process.intents.add(entry["step"])
                elif entry["type"] == "RunBegan":
                    self._process.began += 1
                elif entry.get("outcome") == "complete":
                    self._process.completed = True
                self._process.trace.count("journal", entry["type"])
                self._process.trace.add(f"    {self._process.name}: journal {entry['type']} {entry.get('step', '')}")
