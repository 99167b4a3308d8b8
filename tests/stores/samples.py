"""Small states and journals, and backends to keep them in, for the tests of the stores."""

from __future__ import annotations

import json
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from smplan.core.canonical_json import canonical
from smplan.core.state.journal import JournalEntry, ResourceCreated, RunBegan, StepIntent, StepSucceeded
from smplan.core.state.model import ResourceState, State
from smplan.stores.interface import Clock, LockHolder, Store
from smplan.stores.local import LocalStore
from smplan.stores.s3 import S3Store

LINEAGE = "0b0e9f4e-6a5c-4c6e-9d38-0f3a52a9c001"
HOLDER = LockHolder("ann@ci pid 7", "apply", "r1", "2026-11-23T03:00:00Z")
OTHER = LockHolder("bob@desk pid 8", "destroy", "r2", "2026-11-23T03:01:00Z")
BEGAN = RunBegan("r1", "p1", "d1", 1, "2026-11-23T03:00:00Z")


def entry(address: str, id: str = "") -> ResourceState:
    return ResourceState(address, "core.value", id, {"input": address}, {})


def state(*addresses: str, serial: int = 0) -> State:
    return State("fleet", LINEAGE, serial, {each: entry(each, each) for each in addresses})


def create(address: str) -> list[JournalEntry]:
    """All entries of a create."""
    return [
        intent(address),
        ResourceCreated(f"s-{address}", address),
        StepSucceeded(f"s-{address}", address, {"input": address}, {}),
    ]


def intent(address: str) -> StepIntent:
    return StepIntent(f"s-{address}", "create", entry(address))


def forged(sealed: bytes, change: Callable[[dict[str, Any]], object]) -> bytes:
    """``sealed`` after a ``change`` of its JSON, with a digest that is right again."""
    document = json.loads(sealed)
    del document["digest"]
    change(document)
    body = canonical(document)
    return b'{"digest":"' + sha256(body).hexdigest().encode() + b'",' + body[1:] + b"\n"


class Place(ABC):
    """A backend to keep a state in, whose stored bytes tests can read and change."""

    @abstractmethod
    def store(self, **options: Any) -> Store: ...

    @abstractmethod
    def files(self) -> dict[str, bytes]: ...

    @abstractmethod
    def put(self, name: str, data: bytes) -> None: ...

    @abstractmethod
    def remove(self, name: str) -> None: ...


class LocalPlace(Place):
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def store(self, **options: Any) -> LocalStore:
        return LocalStore(self.folder / "fleet.state.json", **options)

    def files(self) -> dict[str, bytes]:
        paths = sorted(path for path in self.folder.rglob("*") if path.is_file())
        return {path.relative_to(self.folder).as_posix(): path.read_bytes() for path in paths}

    def put(self, name: str, data: bytes) -> None:
        (self.folder / name).write_bytes(data)
        (self.folder / name).chmod(0o600)

    def remove(self, name: str) -> None:
        (self.folder / name).unlink()


class S3Place(Place):
    def __init__(self, client: Any, bucket: str) -> None:
        self.client = client
        self.bucket = bucket

    def store(self, **options: Any) -> S3Store:
        return S3Store(self.bucket, "fleet", **{"client": self.client, **options})

    def files(self) -> dict[str, bytes]:
        listed = self.client.list_objects_v2(Bucket=self.bucket).get("Contents", [])
        return {
            item["Key"]: self.client.get_object(Bucket=self.bucket, Key=item["Key"])["Body"].read() for item in listed
        }

    def put(self, name: str, data: bytes) -> None:
        self.client.put_object(Bucket=self.bucket, Key=name, Body=data)

    def remove(self, name: str) -> None:
        self.client.delete_object(Bucket=self.bucket, Key=name)


class HandClock(Clock):
    """A clock moved by hand, and by every pause."""

    def __init__(self) -> None:
        self.time = 1000.0

    def now(self) -> float:
        return self.time

    def pause(self, seconds: float) -> None:
        self.time += seconds


def until(true: Callable[[], bool], seconds: float = 10) -> None:
    """Return as soon as ``true``, and fail if it never is."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        threading.Event().wait(0.01)


def saved(place: Place, *addresses: str) -> State:
    """A state in ``place``, saved once, its lock free."""
    with place.store().lock(HOLDER) as held:
        return held.save(state(*addresses))


def later(kept: State, **changes: Any) -> State:
    return replace(kept, **changes)
