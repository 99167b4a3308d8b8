"""Cases of the crash matrix: smplan killed or cut off at every fault point, with state in files and in S3.

Nothing may be lost or created twice. A violation is printed with the command that repeats its case.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tests.campaigns.fault_points import CUTS, KILLS, Fault
from tests.campaigns.fleets import DESTROYED
from tests.campaigns.matrix import Baseline, Case, Scenario
from tests.campaigns.sandbox_case import RunResult
from tests.campaigns.sharding import Campaign

SCENARIOS = tuple(
    Scenario(name, goals, s3)
    for s3 in (False, True)
    for name, goals in (
        ("life", ("protected", DESTROYED)),
        ("update", ("every kind", "every kind changed")),
        ("template", ("guide", "template renamed")),
        ("configuration", ("configuration", "configuration changed", "configuration")),
        ("roll-out", ("roll-out", "rolled out")),
        ("stop", ("guide", "stopped", "started")),
    )
)


def cases(baseline: Sequence[Baseline]) -> Iterator[Case]:
    """Every fault at every point of an undisturbed run."""
    for leg, each in enumerate(baseline):
        for point in each.points:
            for fault in (*KILLS, *CUTS) if point.wire else KILLS:
                yield Case(leg, Fault(fault, point.number, point.wire))


def expect(case: Case, result: RunResult) -> str:
    """A killed run ends by SIGKILL; one that was cut off completes or exits with 8."""
    if not result.struck:
        return "" if result.code == 0 else f"undisturbed, it ended with {result.code}: {result.text[-800:]}"
    if case.fault.kind in KILLS:
        return "" if result.code == -9 else f"it was killed, and ended with {result.code}"
    return "" if result.code in (0, 8) else f"it ended with {result.code}: {result.text[-800:]}"


CRASHES = Campaign("crash matrix", "tests.campaigns.run_crash_matrix", SCENARIOS, cases, expect)
