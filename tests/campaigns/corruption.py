"""State, journal, plan and lock, in a folder and in S3, with every mutation: refused, or read as written.

    python -m tests.campaigns.run_damage [--seed S] [--only CASE]

Small files are mutated at every byte, large ones at a sample. Invariant: a read returns what was written, or raises an
SmplanError with a message and a hint. One loss is undetectable: a local journal without its last lines looks like one
whose last writes were never acknowledged (decision 1), so there it may be read as it was before them. A flipped bit in
an acknowledged line is always detected. A sample of the same runs through the command line.
"""

from __future__ import annotations

import random
import tempfile
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from smplan.cli.plan_file import read_plan
from smplan.core.blueprint import BackendConfig
from smplan.core.plan import model as plans
from smplan.errors import Bug, Locked, SmplanError
from smplan.stores.interface import LockHolder, Snapshot, Store
from smplan.stores.local import LocalStore
from smplan.stores.s3 import S3Store
from tests.campaigns import generators
from tests.campaigns.cli_corruption import corrupt_through_cli
from tests.campaigns.generators import HOLDER, MEMORY, NEXT, STATE, FixedClock
from tests.campaigns.mutations import MUTATIONS
from tests.campaigns.report import Report
from tests.support.disks import NoFsyncDisk
from tests.support.s3 import MemoryS3

LEASE = 10**6
"""Seconds: longer than any campaign."""
LOCKED_EVERY = 32
"""One in this many damaged files is also read by taking the lock."""
UNKNOWN = LockHolder("an unknown process", "unknown", "unknown", "an unknown time")
END_LOST = ("cut", "a line dropped, doubled, moved")
"""The mutations that can remove just the last lines of a local journal."""


@dataclass(frozen=True)
class StoredItem:
    """A stored item: its bytes, how to read other bytes in its place, and what a read may return."""

    name: str
    data: bytes
    read: Callable[[bytes], object]
    allowed: Sequence[object]
    with_end_lost: Sequence[object] = ()


@dataclass(frozen=True)
class Size:
    """Number and length of the resources, and the most places mutated in each file."""

    name: str
    things: int
    length: int
    most: int


SIZES = (Size("small", 2, 40, 6000), Size("of a fleet", 17, 800, 1500))


def written(store: Store, size: Size, seed: int, look: Callable[[], object]) -> list[object]:
    """Write a state and a journal of three batches. Returns what is read after each batch."""
    chance = random.Random(seed)
    batches = (
        generators.run_began(1),
        generators.thing_created(chance, size.things, size.length),
        generators.thing_created(chance, size.things + 1, size.length),
    )
    seen = []
    with store.lock(HOLDER) as held:
        fleet = generators.fleet(chance, things=size.things, length=size.length)
        held.save(replace(fleet, lineage=str(uuid.UUID(int=size.things))))
        for batch in batches:
            held.append(batch)
            seen.append(look())
    return seen


def read_unversioned(store: Store) -> Snapshot:
    """The snapshot without its version, which differs between files of the same content."""
    return replace(store.read(), version="")


def local(size: Size, seed: int, folder: Path, stack: ExitStack) -> Iterator[StoredItem]:
    """The files of a state in a folder."""
    store = LocalStore(folder / STATE, disk=NoFsyncDisk(), clock=FixedClock())
    seen = written(store, size, seed, partial(read_unversioned, store))
    whole = {path: path.read_bytes() for path in (store.path, store.journal)}
    turn = iter(range(1 << 62))

    def read(path: Path, data: bytes) -> object:
        path.write_bytes(data)
        try:
            found = read_unversioned(store)
            if next(turn) % LOCKED_EVERY == 0:
                with store.lock(NEXT) as held:
                    assert replace(held.snapshot, version="") == found
            return found
        finally:
            for each, kept in whole.items():
                each.write_bytes(kept)

    yield StoredItem(f"state, {size.name}", whole[store.path], partial(read, store.path), seen[-1:])
    journal = partial(read, store.journal)
    yield StoredItem(f"journal, {size.name}", whole[store.journal], journal, seen[-1:], seen)


def lock_file(folder: Path, stack: ExitStack) -> StoredItem:
    """The lock file of a state in a folder, while the lock is held."""
    store = LocalStore(folder / "locked.state.json", disk=NoFsyncDisk(), clock=FixedClock())
    stack.enter_context(store.lock(HOLDER))

    def read(data: bytes) -> object:
        store.lock_file.write_bytes(data)
        return store.holder()

    return StoredItem("lock", store.lock_file.read_bytes(), read, [HOLDER, UNKNOWN])


def in_s3(size: Size, seed: int, stack: ExitStack) -> Iterator[StoredItem]:
    """The objects of a state in S3."""
    memory: Any = MemoryS3()
    store = S3Store("bucket", "fleet", client=memory, clock=FixedClock())
    seen = written(store, size, seed, partial(read_unversioned, store))
    whole = dict(memory.objects)

    def read(key: str, data: bytes) -> object:
        memory.objects = {**whole, key: data}
        return read_unversioned(store)

    for name, key in {"state": "fleet", "batch": f"{store.objects.journal(1)}00000003.json"}.items():
        yield StoredItem(f"S3 {name}, {size.name}", whole[key], partial(read, key), seen[-1:])


def lock_object(stack: ExitStack) -> StoredItem:
    """The lock object of a state in S3, while the lock is held."""
    memory: Any = MemoryS3()
    store = S3Store("bucket", "fleet", client=memory, clock=FixedClock(), lease_seconds=LEASE, renew_seconds=LEASE)
    stack.enter_context(store.lock(HOLDER))
    whole = dict(memory.objects)
    stack.callback(lambda: setattr(memory, "objects", whole))

    def read(data: bytes) -> object:
        memory.objects = {**whole, store.objects.lock_key: data}
        try:
            store.lock(NEXT).release()
        except Locked:
            return store.holder()
        return "the lock"

    return StoredItem("S3 lock", whole[store.objects.lock_key], read, [HOLDER])


def plan_file(size: Size, seed: int, folder: Path) -> StoredItem:
    """A plan that creates a fleet."""
    chance = random.Random(seed)
    steps = tuple(
        plans.Step(
            each.address, plans.Op.CREATE, each, ("it is new",), expected_seconds=1.5,
            depends_on=tuple(plans.Dependency(other, "made before") for other in each.dependencies),
        )
        for each in generators.fleet(chance, things=size.things, length=size.length).resources.values()
    )  # fmt: skip
    base = plans.StateRef(generators.LINEAGE, 1, "ab" * 32, True)
    plan = plans.with_digest(
        plans.Plan(
            "p1", "fleet", "apply", "2026-11-23T03:00:00Z", "2026-11-24T03:00:00Z", "0", {"file": "fleet.yaml"},
            {"ratio": 0.25, "count": 13600}, base, BackendConfig("local"), "123456789012", "us-east-1", {}, None,
            steps,
        )
    )  # fmt: skip
    path = folder / "plan.json"

    def read(data: bytes) -> object:
        path.write_bytes(data)
        return read_plan(path)

    return StoredItem(f"plan, {size.name}", plans.to_text(plan).encode(), read, [plan])


def subjects(sizes: Sequence[Size], seed: int, folder: Path, stack: ExitStack) -> Iterator[tuple[StoredItem, int]]:
    """Every stored item, and the most places mutated in it."""
    for size in sizes:
        place = folder / size.name
        place.mkdir()
        found = [*local(size, seed, place, stack), *in_s3(size, seed, stack), plan_file(size, seed, place)]
        yield from ((subject, size.most) for subject in found)
    yield lock_file(folder, stack), sizes[0].most
    yield lock_object(stack), sizes[0].most


def check_read(read: Callable[[], object], allowed: Sequence[object]) -> str:
    """The violation of a read; "" if it is refused or returns an allowed value."""
    try:
        found = read()
    except Bug as error:
        return f"it is reported as a bug in smplan: {error}"
    except SmplanError as error:
        return "" if str(error) and error.hint else f"no message or no hint: {error}"
    return "" if found in allowed else "it is read as something that was never written"


def damage(sizes: Sequence[Size], seed: int, folder: Path, report: Report) -> None:
    """Read every item with every mutation, and with the content of every other item."""
    with ExitStack() as stack:
        found = list(subjects(sizes, seed, folder, stack))
        for subject, most in found:
            for name, mutation in MUTATIONS.items():
                allowed = (name in END_LOST and subject.with_end_lost) or subject.allowed
                for data in mutation(subject.data, random.Random(f"{seed} {subject.name} {name}"), most):
                    report.case((subject.name, name), partial(check_read, partial(subject.read, data), allowed))
            for other, _ in found:
                if not (subject.name.startswith("plan") and other.name.startswith("plan")):  # apply tells plans apart
                    act = partial(subject.read, other.data)
                    report.case((subject.name, "another's content"), partial(check_read, act, subject.allowed))


def campaign(seed: int, sizes: Sequence[Size] = SIZES, *, by_command: int = 300, only: str = "") -> Report:
    """Every mutation of every stored item at these sizes."""
    report = Report(f"python -m tests.campaigns.run_damage --seed {seed}", only)
    with tempfile.TemporaryDirectory(prefix="damaged-", dir=MEMORY) as folder:
        damage(sizes, seed, Path(folder), report)
        corrupt_through_cli(seed, by_command, Path(folder), report)
    return report
