"""Generated states and journal entries of a fleet's size (about 20 KiB), and the lock holders that write them."""

from __future__ import annotations

import os
import random
import string
from dataclasses import replace
from datetime import UTC, datetime

from smplan.core.state.journal import (
    JournalEntry,
    ResourceCreated,
    RunBegan,
    RunEnded,
    StepFailed,
    StepIntent,
    StepSucceeded,
)
from smplan.core.state.model import ResourceState, State
from smplan.core.values import Json
from smplan.stores.interface import Clock, LockHolder

HOLDER = LockHolder("ann@ci pid 7", "apply", "r1", "2026-11-23T03:00:00Z")
NEXT = LockHolder("bob@desk pid 8", "apply", "r2", "2026-11-23T03:01:00Z")
STATE = "fleet.state.json"
MEMORY = next((each for each in ("/dev/shm",) if os.access(each, os.W_OK)), None)
"""A folder in memory, if there is one: the campaigns write many files, and none depends on a real disk."""
LINEAGE = "0b0e9f4e-6a5c-4c6e-9d38-0f3a52a9c001"
KINDS = ("aws.ec2.security_group_rule", "aws.elbv2.target_group", "aws.autoscaling.group", "aws.route53.record")


class FixedClock(Clock):
    """A clock whose date does not change, so that a repeated save writes the same bytes."""

    def date(self) -> datetime:
        return datetime(2026, 11, 23, 3, tzinfo=UTC)


def entry(chance: random.Random, number: int, length: int) -> ResourceState:
    """A resource whose spec has about ``length`` characters."""
    spec: dict[str, Json] = {
        "name": f"fleet-{number}",
        "ports": [chance.randrange(1, 65536) for _ in range(3)],
        "ratio": chance.random(),
        "tags": {"owner": "Zoë @ ops", "stage": chance.choice(["test", "live"])},
        "user_data": words(chance, length),
    }
    outputs = {"arn": f"arn:aws:elasticloadbalancing:us-east-1:123456789012:thing/{chance.randbytes(8).hex()}"}
    needs = (f"thing{number - 1}",) if number else ()
    return ResourceState(f"thing{number}", KINDS[number % len(KINDS)], f"id-{number}", spec, outputs, needs)


def words(chance: random.Random, length: int) -> str:
    """Text with characters that JSON escapes, and many spaces: one flipped bit makes them invisible."""
    return "".join(chance.choices(string.ascii_letters + '  \n"\\é', k=length))


def fleet(chance: random.Random, *, things: int = 17, length: int = 800) -> State:
    """A state of ``things`` resources; 17 of 800 characters make 23 KiB."""
    resources = {f"thing{number}": entry(chance, number, length) for number in range(things)}
    outputs: dict[str, Json] = {"url": "https://sm.example.com"}
    return State("fleet", LINEAGE, 0, resources, (), ("p0",), outputs)


def run_began(run: int) -> list[JournalEntry]:
    """The entries of a run that begins."""
    return [RunBegan(f"r{run}", f"p{run}", "d1", 1, "2026-11-23T03:00:00Z")]


def thing_created(chance: random.Random, number: int, length: int = 800) -> list[JournalEntry]:
    """The entries of a resource that is created, and of another that fails."""
    thing = entry(chance, number, length)
    step = f"s{number}"
    return [
        StepIntent(step, "create", replace(thing, id="")),
        ResourceCreated(step, thing.id),
        StepSucceeded(step, thing.id, thing.spec, thing.outputs),
        StepFailed(f"x{number}", "deadbeef [ 0 ] no room", "2026-11-23T03:01:00Z"),
    ]


def thing_intended(chance: random.Random, number: int) -> list[JournalEntry]:
    """The intent of a create without its outcome."""
    return [StepIntent(f"s{number}", "create", replace(entry(chance, number, 40), id=""))]


def run_ended(run: int) -> list[JournalEntry]:
    """The entries of a run that ends."""
    return [RunEnded(f"r{run}", "complete", {"url": "https://sm.example.com", "at": run}, "2026-11-23T03:09:00Z")]
