"""A slice of the changes of what serves, and what the cases must cover; all of them: ``make interruptions``."""

from __future__ import annotations

import pytest

from tests.campaigns.interruptions.campaign import run_case
from tests.campaigns.interruptions.coverage import missing, outdated


@pytest.mark.parametrize("name", ["balancer.name front-alb-2", "inner: removed"])
def test_viewers_notice_what_the_plan_predicts(name: str) -> None:
    assert run_case(name).wrong == ()


def test_each_attribute_of_what_serves_has_a_case_or_a_reason_why_not() -> None:
    assert missing() == []


def test_no_reason_is_given_for_what_has_a_case_or_does_not_exist() -> None:
    assert outdated() == []
