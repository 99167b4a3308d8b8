"""AWS and Stream Manager answering badly at every single call, and at a fifth of all calls by chance.

What passes by itself (throttling, 5xx, pages of HTML, half an answer, silence) costs some more requests; what does not
(no permission, credentials that result out) ends the run with its exit code and a message. Either way nothing is lost.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tests.campaigns.fault_points import LASTING, MIXED, PASSING, Fault, FaultPoint
from tests.campaigns.matrix import NOTHING, Baseline, Case, Scenario
from tests.campaigns.sandbox_case import RunResult
from tests.campaigns.sharding import Campaign

SCENARIOS = tuple(Scenario("life", ("guide", NOTHING), s3) for s3 in (False, True))
SHARE = 0.2
CHANCES = 20
"""How many runs of each command at a fifth of whose calls something goes wrong."""
CODES = {"denied": (1, 8), "expired": (9,)}


def cases(baseline: Sequence[Baseline]) -> Iterator[Case]:
    """Every fault at every request of plan, apply and destroy; and runs with many of those that pass.

    With state in S3 it is the requests for the state: all others are the same ones as with state in files.
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
    """What passes is got over or leaves something to go on with; what lasts is told by its own exit code."""
    told = f"it ended with {result.code}: {result.text[-800:]}"
    fault = case.fault.kind
    if not result.struck:
        return "" if result.code == 0 else told
    if fault == MIXED and result.code in (1, 6):  # a read that had no luck four times, before anything was begun
        return "" if "again" in result.text and "Run " not in result.text else told
    if fault not in LASTING:
        return "" if result.code in (0, 8) else told
    struck = result.struck[0]
    if struck.to == "red5" or _waits(struck):  # the token is Stream Manager's own; a gate goes on waiting
        return "" if result.code in (0, 1, 8, 9) else told
    if struck.to == "s3" and result.code == 0 and "Run complete" in result.text:
        return ""  # only tidying up was refused: whether the state is right, its reader will see
    if result.code not in CODES[fault]:
        return told
    return "" if "= " in result.text else f"no hint is told: {result.text[-800:]}"


def _waits(struck: FaultPoint) -> bool:
    return struck.kind.startswith("gate.")


FAULTS = Campaign("faults", "tests.campaigns.run_faults", SCENARIOS, cases, expect)
