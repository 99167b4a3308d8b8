"""A seeded slice of ``make crash-matrix`` and of ``make faults``, in one sandbox."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from tests.campaigns.crash_matrix import CRASHES
from tests.campaigns.fault_matrix import FAULTS
from tests.campaigns.fault_points import CUTS, KILLS, LASTING, MIXED, PASSING
from tests.campaigns.matrix import Case, ScenarioRunner, differences
from tests.campaigns.sharding import Campaign

SEED = 20261124


@pytest.fixture(scope="module")
def runner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ScenarioRunner]:
    """A fleet's life, from nothing to nothing, with local state."""
    with ScenarioRunner(CRASHES.scenarios[0], tmp_path_factory.mktemp("stages")) as found:
        yield found


def chosen(runner: ScenarioRunner, campaign: Campaign, *faults: str) -> list[Case]:
    """For each leg one case in which one of these faults happens to a command that changes things.

    Not among its last points: how often a run polls, and so how many there are, differs from run to run.
    """
    dice = random.Random(SEED)
    every = [case for case in campaign.cases(runner.baselines) if case.fault.kind in faults and not case.planning]
    points = [sum(point.wire for point in each.points) for each in runner.baselines]
    every = [case for case in every if not case.fault.wire or case.fault.at < 0.8 * points[case.leg]]
    return [dice.choice([case for case in every if case.leg == leg]) for leg in range(len(runner.baselines))]


@pytest.mark.parametrize(
    ("campaign", "faults"),
    [(CRASHES, KILLS), (CRASHES, CUTS), (FAULTS, (*PASSING, *LASTING)), (FAULTS, (MIXED,))],
    ids=["killed", "cut off", "one fault", "a fifth of all"],
)
def test_the_next_run_completes_a_disturbed_one(
    runner: ScenarioRunner, campaign: Campaign, faults: tuple[str, ...]
) -> None:
    runner.expect = campaign.expect
    verdicts = list(runner.play(chosen(runner, campaign, *faults)))
    assert [verdict.violations for verdict in verdicts] == [(), ()]
    assert all(verdict.struck for verdict in verdicts)


def test_duplicate_and_missing_resources_are_reported() -> None:
    resources = ["image ami-0123456789abcdef0 sm", "image ami-0fedcba9876543210 sm", "listener alb 443"]
    assert differences(resources, ["image ami-00000000000000000 sm", "alarm high"]) == [
        "unexpected: image ami sm",
        "unexpected: listener alb 443",
        "missing: alarm high",
    ]
