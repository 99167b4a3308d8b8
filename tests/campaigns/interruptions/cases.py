"""Every case by name."""

from __future__ import annotations

from itertools import chain

from tests.campaigns.interruptions import (
    cases_of_doors,
    cases_of_groups,
    cases_of_launches,
    cases_of_ports,
    cases_of_scaling,
    combinations,
)
from tests.campaigns.interruptions.case import Case


def all_cases() -> dict[str, Case]:
    """Every case by name."""
    modules = (cases_of_doors, cases_of_groups, cases_of_launches, cases_of_ports, cases_of_scaling, combinations)
    found = list(chain.from_iterable(module.cases() for module in modules))
    names = [case.name for case in found]
    assert len({*names}) == len(names), sorted(name for name in names if names.count(name) > 1)
    return {case.name: case for case in found}
