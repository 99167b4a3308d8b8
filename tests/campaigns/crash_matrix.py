"""smplan killed or cut off at every single call: nothing lost, nothing made twice, whatever the moment.

``python -m tests.campaigns.crash_matrix`` plays every scenario with every fault at every crossing, with state in files
and in S3; ``--share 0.1`` plays a seeded tenth. What was wrong is printed with the command that plays it again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tests.campaigns.boundary import CUTS, KILLS, Trouble
from tests.campaigns.matrix import NOTHING, Case, Left, Scenario
from tests.campaigns.shares import Campaign, main
from tests.campaigns.stage import Ran

SCENARIOS = tuple(
    Scenario(name, goals, s3)
    for s3 in (False, True)
    for name, goals in (
        ("life", ("guide", NOTHING)),
        ("update", ("every kind", "every kind changed")),
        ("template", ("guide", "template renamed")),
        ("configuration", ("configuration", "configuration changed")),
    )
)


def cases(left: Sequence[Left]) -> Iterator[Case]:
    """Every fault at every crossing of an undisturbed run."""
    for leg, each in enumerate(left):
        for crossing in each.crossings:
            for fault in (*KILLS, *CUTS) if crossing.wire else KILLS:
                yield Case(leg, Trouble(fault, crossing.number, crossing.wire))


def expect(case: Case, ran: Ran) -> str:
    """A killed run was killed; one that was cut off goes on, or says how to go on."""
    if not ran.struck:
        return "" if ran.code == 0 else f"undisturbed, it ended with {ran.code}: {ran.text[-800:]}"
    if case.trouble.fault in KILLS:
        return "" if ran.code == -9 else f"it was killed, and ended with {ran.code}"
    return "" if ran.code in (0, 8) else f"it ended with {ran.code}: {ran.text[-800:]}"


CRASHES = Campaign("crash matrix", "tests.campaigns.crash_matrix", SCENARIOS, cases, expect)

if __name__ == "__main__":
    main(CRASHES)
