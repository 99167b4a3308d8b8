"""A slice of the forged plans, those of the fake world; all of them, and those of real fleets: ``make forge``."""

from __future__ import annotations

from pathlib import Path

from tests.campaigns.forge import sources
from tests.campaigns.forge.campaign import Figures, try_source
from tests.campaigns.forge.judge import End

MANY = 150
SEED = 7


def test_no_forged_plan_is_accepted_and_none_makes_a_call(tmp_path: Path) -> None:
    figures, found = Figures(), list(sources.sources(tmp_path))
    for at, source in enumerate(found):
        try_source(source, found[at - 1], SEED, MANY, figures)
    assert figures.violations == []
    assert figures.calls == 0
    assert figures.tried > 600
    assert figures.refused > 0.8 * figures.tried
    assert sum(number for (_, end), number in figures.ends.items() if end is End.HARMLESS) > 0
    assert f"forgeries tried: {figures.tried}, refused: {figures.refused}, calls made: 0" in figures.text()
