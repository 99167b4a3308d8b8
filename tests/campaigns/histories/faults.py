"""Random faults of one process: most runs meet some, and some meet none."""

from __future__ import annotations

from random import Random

from tests.campaigns.histories.process import FaultPlan

KILLS = {
    "call": 25,
    "answer": 25,
    "create": 3,
    "created": 3,
    "configured": 2,
    "update": 2,
    "updated": 2,
    "delete": 2,
    "deleted": 2,
    "write": 12,
    "written": 12,
    "torn": 10,
    "rename": 3,
    "renamed": 3,
}
"""The types of boundary at which a process may be killed, each with its highest count."""

FAULTS = ("throttled", "unreachable", "denied", "expired", "lost before", "lost after", "lost before", "lost after")


def random_faults(random: Random) -> FaultPlan:
    """A random fault plan, possibly empty."""
    sort = random.random()
    if sort < 0.35:
        return FaultPlan()
    faults = FaultPlan()
    if sort < 0.7:
        faults.kill = random.choice(list(KILLS))
        faults.kill_at = random.randint(1, KILLS[faults.kill])
    if sort > 0.6:
        faults.call_faults = tuple(random.sample(FAULTS, random.randint(1, 2)))
        faults.chance = random.choice([0.03, 0.1, 0.3])
    if random.random() < 0.1:
        faults.drain_at = random.randint(1, 60)
    if random.random() < 0.06:
        faults.full_at = random.randint(1, 12)
    return faults
