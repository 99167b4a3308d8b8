"""Process bodies of the lock races and fencing cases. Few imports, because there are many processes."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from smplan.core.state.journal import JournalEntry, ResourceCreated, RunBegan, RunEnded, StepIntent, StepSucceeded
from smplan.core.state.model import ResourceState, State
from smplan.errors import Locked, SmplanError
from smplan.stores.interface import LockedState, LockHolder, Store
from smplan.stores.local import LocalStore
from smplan.stores.s3 import S3Store
from tests.campaigns.generators import LINEAGE
from tests.support.s3_client import (
    Wire,
)

BUCKET, KEY = "race", "fleet"
TIMEOUT = 600


@dataclass(frozen=True, slots=True)
class StateLocation:
    """Where the state is: in a folder, or in S3 at ``url`` under ``key``; lease times in seconds."""

    folder: str = ""
    url: str = ""
    key: str = KEY
    lease: float = 60
    renew: float = 20

    def store(self, who: str) -> Store:
        """The store as ``who`` opens it."""
        if self.folder:
            return LocalStore(Path(self.folder) / "fleet.state.json")
        wire: Any = Wire(client(self.url, who))
        return S3Store(BUCKET, self.key, client=wire, lease_seconds=self.lease, renew_seconds=self.renew)


def client(url: str, who: str) -> Any:
    """An S3 client whose access key is ``who``, so that the server can tell clients apart."""
    config = Config(retries={"mode": "standard", "total_max_attempts": 1}, connect_timeout=60, read_timeout=60)
    session = boto3.session.Session(aws_access_key_id=who, aws_secret_access_key="none", region_name="us-east-1")
    return session.client("s3", endpoint_url=url, config=config)


def holder(who: str) -> LockHolder:
    """The lock holder ``who``."""
    return LockHolder(f"{who}@race", "apply", f"run-{who}", "2026-11-23T03:00:00Z")


def first(store: Store) -> None:
    """Save the first state; its counter is 0."""
    with store.lock(holder("first")) as held:
        held.save(State("fleet", LINEAGE, 0, {}, outputs={"counter": 0}))


def turn(address: str, counter: int) -> list[JournalEntry]:
    """The journal entries of one turn: a new resource, and the next value of the counter."""
    step = f"s-{address}"
    entry = ResourceState(address, "core.value", "", {}, {})
    return [
        RunBegan(address, address, "d", 1, ""),
        StepIntent(step, "create", entry),
        ResourceCreated(step, address),
        StepSucceeded(step, address, {}, {}),
        RunEnded(address, "complete", {"counter": counter}, ""),
    ]


def increment(held: LockedState, address: str) -> None:
    """Read, append, save: increment the counter."""
    counter: Any = held.folded().state.outputs["counter"]
    held.append(turn(address, counter + 1))
    held.save(held.folded().state)


def race(number: int, location: StateLocation, rounds: int, barrier: Barrier, results: Any) -> None:
    """Try once each round, all at the same time. The winner keeps the lock until all have tried."""
    store = location.store(f"racer{number}")
    for each in range(rounds):
        barrier.wait(TIMEOUT)
        held = None
        try:
            held = store.lock(holder(f"racer{number}"))
            increment(held, f"t{each}-{number}")
            results.put((each, "won", f"racer{number}@"))
        except Locked as error:
            results.put((each, "refused", str(error)))
        except Exception as error:
            results.put((each, "failed", f"{type(error).__name__}: {error}"))
        barrier.wait(TIMEOUT)
        if held:
            held.release()


def wait(number: int, location: StateLocation, rounds: int, barrier: Barrier, results: Any) -> None:
    """Wait for the lock, all at the same time, and increment the counter."""
    store = location.store(f"racer{number}")
    barrier.wait(TIMEOUT)
    try:
        with store.lock(holder(f"racer{number}"), wait_seconds=TIMEOUT) as held:
            increment(held, f"t0-{number}")
        results.put((0, "won", f"racer{number}@"))
    except Exception as error:
        results.put((0, "failed", f"{type(error).__name__}: {error}"))


def hold(who: str, location: StateLocation, point: str, pipe: Connection) -> None:
    """Hold the lock, send ``here`` at ``point``, wait for a message to resume, then send how the next write ended."""
    store = location.store(who)
    held = store.lock(holder(who))
    held.append(turn(f"before-{who}", 1))
    resumed = threading.Event()

    def stop() -> None:
        if not resumed.is_set():
            pipe.send("here")
            pipe.recv()
            resumed.set()

    if point in _BEFORE_PUT:  # reached by the write below, or by the renewing thread
        _stop_before_put(store, point, stop)
    else:
        stop()
    if point == "within a renewal":
        resumed.wait(TIMEOUT)
    pipe.send(_ended(lambda: _write(held, store, who, point)))
    held.release()


_BEFORE_PUT = {
    "between check and a batch's PUT": ".journal/",
    "between check and a save's PUT": "",
    "between check and a driver's call": "driver/",
    "within a renewal": ".lock",
}
"""Points just before a PUT, with a part of its key; "" is the key of the state itself."""


def _stop_before_put(store: Store, point: str, stop: Callable[[], None]) -> None:
    """Call ``stop`` just before the PUT that ``point`` names."""
    if not isinstance(store, S3Store):
        return
    wire: Any = store.bucket._client
    part = _BEFORE_PUT[point]

    def before(name: str, arguments: dict[str, Any]) -> None:
        key = arguments.get("Key", "")
        if name == "put_object" and (part in key if part else key == store.objects.key):
            stop()

    wire.before = before


def _write(held: LockedState, store: Store, who: str, point: str) -> None:
    """The write that the holder was about to do."""
    if "driver" in point:
        held.check()
        if isinstance(store, S3Store):
            store.bucket._client.put_object(Bucket=BUCKET, Key=f"driver/{who}", Body=b"made")
        held.append([RunBegan(f"after-{who}", f"after-{who}", "d", 1, "")])
    elif "save" in point:
        held.save(held.folded().state)
    else:
        held.append([RunBegan(f"after-{who}", f"after-{who}", "d", 1, "")])


def _ended(act: Callable[[], None]) -> str:
    try:
        act()
    except Locked as error:
        return f"Locked: {error}"
    except SmplanError as error:
        return f"{type(error).__name__}: {error}"
    return "returned"
