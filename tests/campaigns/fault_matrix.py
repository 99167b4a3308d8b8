"""Cases of the fault matrix: a bad response of AWS or Stream Manager at every request, and at a random fifth of all.

Transient faults (throttling, 5xx, HTML pages, half a response, a timeout) only cost more requests; lasting ones (no
permission, expired credentials) end the run with their exit code and a message. Neither loses anything.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tests.campaigns.fault_points import LASTING, MIXED, PASSING, Fault, FaultPoint
from tests.campaigns.fleets import DESTROYED
from tests.campaigns.matrix import Baseline, Case, Scenario
from tests.campaigns.sandbox_case import RunResult
from tests.campaigns.sharding import Campaign

SCENARIOS = (
    *(Scenario("life", ("protected", DESTROYED), s3) for s3 in (False, True)),
    Scenario("roll-out", ("roll-out", "rolled out")),
    Scenario("stop", ("guide", "stopped", "started")),
)
SHARE = 0.2
CHANCES = 20
"""Runs of each command with faults at a fifth of its requests."""
CODES = {"denied": (1, 8), "expired": (9,)}


def cases(baseline: Sequence[Baseline]) -> Iterator[Case]:
    """Every fault at every request of plan, apply and destroy; and runs with many transient faults.

    With state in S3 only requests for the state: all others are the same as with state in files.
    """
    for leg, each in enumerate(baseline):
        for planning, points in ((True, each.planned), (False, each.points)):
            wire = [point for point in points if point.wire]
            for point in [point for point in wire if point.to == "s3"] or wire:
                for fault in (*PASSING, *LASTING):
                    yield Case(leg, Fault(fault, point.number), planning)
            if wire:
                yield from (Case(leg, Fault(MIXED, share=SHARE, seed=seed), planning) for seed in range(CHANCES))


def expect(case: Case, result: RunResult) -> str:
    """A transient fault leaves a complete or resumable run; a lasting one has its exit code and a hint."""
    ended = f"it ended with {result.code}: {result.text[-800:]}"
    fault = case.fault.kind
    if not result.struck:
        return "" if result.code == 0 else ended
    if fault == MIXED and result.code in (1, 6):  # a read failed four times, before the run began
        return "" if "again" in result.text and "Run " not in result.text else ended
    if fault not in LASTING:
        return "" if result.code in (0, 8) else ended
    struck = result.struck[0]
    if struck.to == "red5" or _waits(struck):  # Stream Manager has a token of its own; a gate keeps waiting
        return "" if result.code in (0, 1, 8, 9) else ended
    if struck.to == "s3" and result.code == 0 and "Run complete" in result.text:
        return ""  # only cleanup was refused; the state itself is compared later
    if case.planning and fault == "denied" and result.code == 0 and "not checked: " in result.text:
        return ""  # a check of what only AWS knows: the plan can be made without it
    if result.code not in CODES[fault]:
        return ended
    return "" if "= " in result.text else f"no hint is printed: {result.text[-800:]}"


def _waits(struck: FaultPoint) -> bool:
    return struck.kind.startswith("gate.")


FAULTS = Campaign("faults", "tests.campaigns.run_faults", SCENARIOS, cases, expect)
