"""A seeded slice of the crash matrix; the whole of it is ``make crash-matrix``."""

from __future__ import annotations

import random
from pathlib import Path

from tests.campaigns.boundary import CUTS, KILLS
from tests.campaigns.crash_matrix import SCENARIOS, cases, expect
from tests.campaigns.matrix import Theatre

SEED = 20261124


def test_what_is_killed_or_cut_off_is_finished_by_the_next_run(tmp_path: Path) -> None:
    life = SCENARIOS[0]
    with Theatre(life, tmp_path, expect) as theatre:
        dice = random.Random(SEED)
        every = list(cases(theatre.left))
        chosen = [
            dice.choice([case for case in every if case.trouble.fault == fault and case.leg == leg])
            for leg, fault in enumerate((dice.choice(KILLS), dice.choice(CUTS)))
        ]
        verdicts = list(theatre.play(chosen))
    assert [verdict.wrong for verdict in verdicts] == [(), ()]
