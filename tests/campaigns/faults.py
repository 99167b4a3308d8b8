"""AWS and Stream Manager answering badly at every single call, and at a fifth of all calls by chance.

What passes by itself (throttling, 5xx, pages of HTML, half an answer, silence) costs some more requests; what does not
(no permission, credentials that ran out) ends the run with its exit code and a message. Either way nothing is lost.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tests.campaigns.boundary import LASTING, MIXED, PASSING, Crossing, Trouble
from tests.campaigns.matrix import NOTHING, Case, Left, Scenario
from tests.campaigns.shares import Campaign, main
from tests.campaigns.stage import Ran

SCENARIOS = tuple(Scenario("life", ("guide", NOTHING), s3) for s3 in (False, True))
SHARE = 0.2
CHANCES = 20
"""How many runs of each command at a fifth of whose calls something goes wrong."""
CODES = {"denied": (1, 8), "expired": (9,)}


def cases(left: Sequence[Left]) -> Iterator[Case]:
    """Every fault at every request of plan, apply and destroy; and runs with many of those that pass.

    With state in S3 it is the requests for the state: all others are the same ones as with state in files.
    """
    for leg, each in enumerate(left):
        for planning, crossings in ((True, each.planned), (False, each.crossings)):
            wire = [crossing for crossing in crossings if crossing.wire]
            for crossing in [crossing for crossing in wire if crossing.to == "s3"] or wire:
                for fault in (*PASSING, *LASTING):
                    yield Case(leg, Trouble(fault, crossing.number), planning)
            if wire:
                yield from (Case(leg, Trouble(MIXED, share=SHARE, seed=seed), planning) for seed in range(CHANCES))


def expect(case: Case, ran: Ran) -> str:
    """What passes is got over or leaves something to go on with; what lasts is told by its own exit code."""
    told = f"it ended with {ran.code}: {ran.text[-800:]}"
    fault = case.trouble.fault
    if not ran.struck:
        return "" if ran.code == 0 else told
    if fault == MIXED and ran.code in (1, 6):  # a read that had no luck four times, before anything was begun
        return "" if "again" in ran.text and "Run " not in ran.text else told
    if fault not in LASTING:
        return "" if ran.code in (0, 8) else told
    struck = ran.struck[0]
    if struck.to == "red5" or _waits(struck):  # the token is Stream Manager's own; a gate goes on waiting
        return "" if ran.code in (0, 1, 8, 9) else told
    if struck.to == "s3" and ran.code == 0 and "Run complete" in ran.text:
        return ""  # only tidying up was refused: whether the state is right, its reader will see
    if ran.code not in CODES[fault]:
        return told
    return "" if "= " in ran.text else f"no hint is told: {ran.text[-800:]}"


def _waits(struck: Crossing) -> bool:
    return struck.kind.startswith("gate.")


FAULTS = Campaign("faults", "tests.campaigns.faults", SCENARIOS, cases, expect)

if __name__ == "__main__":
    main(FAULTS)
